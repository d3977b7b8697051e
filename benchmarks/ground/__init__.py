"""What benchmarks stand on: a real sshd under many loopback addresses, a line with a delay, peers, honest timing.

A benchmark compares ratios of one run: rows are interleaved, each a whole process, and the median of several rounds.
"""

from __future__ import annotations

import getpass
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PEERS = ROOT / ".cache" / "peers"
PACKAGES = ("ansible-core==2.19.*", "mitogen==0.3.*", "pyinfra==3.*", "fabric==3.*", "parallel-ssh==2.*")
SATURN = str(Path(sys.executable).with_name("saturn"))
ROUNDS = int(os.environ.get("SATURN_BENCH_ROUNDS", "7"))
FEW = min(ROUNDS, 3)
TUNED = "-o KexAlgorithms=curve25519-sha256 -c aes128-gcm@openssh.com"
"""What makes OpenSSH quick: its own first choice of a key exchange takes 60 ms of processor."""

SSHD = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/identity.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 2000
MaxSessions 100
PrintMotd no
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin HOME={folder}/home
"""

Places = Sequence[tuple[str, int]]
"""Addresses with ports."""


@dataclass(frozen=True)
class Ground:
    """Where sshd listens, and the keys. host i is the address 127.0.10.i."""

    folder: Path
    port: int

    @property
    def identity(self) -> Path:
        """The private key that may log in."""
        return self.folder / "identity"

    @property
    def known_hosts(self) -> Path:
        """A file that knows every address, at every port."""
        return self.folder / "known_hosts"

    @property
    def user(self) -> str:
        """Who logs in."""
        return getpass.getuser()

    @property
    def options(self) -> str:
        """What ssh needs to know, and nothing of the person's own."""
        return f"-F none -i {self.identity} -o UserKnownHostsFile={self.known_hosts} -o StrictHostKeyChecking=yes"

    def ssh(self, place: tuple[str, int]) -> str:
        """A command line that needs only the command behind it."""
        return f"ssh {self.options} {TUNED} -p {place[1]} {self.user}@{place[0]}"

    def places(self, hosts: int) -> Places:
        """So many hosts, without a line before them."""
        return [(f"127.0.10.{number + 1}", self.port) for number in range(hosts)]

    def known(self, places: Places) -> None:
        """Write known_hosts for these addresses and ports."""
        key = (self.folder / "host_key.pub").read_text().strip()
        self.known_hosts.write_text("".join(f"[{address}]:{port} {key}\n" for address, port in places))

    def topology(self, places: Places, name: str) -> Path:
        """An inventory of these addresses, committed; the folder to run saturn in."""
        lab = self.folder / name
        shutil.rmtree(lab, ignore_errors=True)
        (lab / "inventory").mkdir(parents=True)
        hosts = "".join(
            f"  h{number}: {{address: {address}, root: {self.folder}/nodes/{name}-h{number}, ssh: {{port: {port}}}}}\n"
            for number, (address, port) in enumerate(places)
        )
        (lab / "inventory" / "topology.yaml").write_text(
            "version: 1\ndefaults:\n"
            f"  ssh: {{user: {self.user}, identity_file: {self.identity}, known_hosts: {self.known_hosts}}}\n"
            f"  git: {{url: {lab}}}\n"
            f"hosts:\n{hosts}"
        )
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "bench")):
            quietly(("git", "-C", str(lab), "-c", "user.name=bench", "-c", "user.email=bench@localhost", *words))
        return lab

    def pyinfra_hosts(self, places: Places) -> list[tuple[str, dict[str, object]]]:
        """An inventory for pyinfra."""
        keys = {"ssh_key": str(self.identity), "ssh_known_hosts_file": str(self.known_hosts)}
        return [
            (f"h{number}", {"ssh_hostname": address, "ssh_port": port, "ssh_user": self.user, **keys})
            for number, (address, port) in enumerate(places)
        ]


def ansible_inventory(places: Places, options: str) -> str:
    """An inventory for Ansible."""
    hosts = [f"h{number} ansible_host={address} ansible_port={port}" for number, (address, port) in enumerate(places)]
    common = f"ansible_ssh_common_args='{options}'"
    return "\n".join(("[all]", *hosts, "[all:vars]", common, "ansible_python_interpreter=/usr/bin/python3", ""))


@contextmanager
def ground() -> Iterator[Ground]:
    """A real sshd, while the block lasts."""
    folder = Path("/var/tmp") / f"saturn-bench-{os.getpid()}"
    made = Ground(folder, 20_000 + os.getpid() % 10_000)
    for each in ("bin", "home", "nodes"):
        (folder / each).mkdir(parents=True)
    for name in ("host_key", "identity"):
        quietly(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)))
    (folder / "sshd_config").write_text(SSHD.format(port=made.port, folder=folder))
    (folder / "bin" / "docker").symlink_to(HERE / "docker.sh")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen(("/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config")))
    time.sleep(0.5)
    try:
        yield made
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def line(port: int, round_trip_s: float) -> Iterator[int]:
    """The port of a line to that port with so long a round trip, in a process of its own."""
    argv = (sys.executable, str(HERE / "line.py"), str(port), str(round_trip_s / 2))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout
        try:
            yield int(relay.stdout.readline())
        finally:
            relay.terminate()


def peers() -> Path:
    """The folder with the programs of the peers, in a virtual environment of their own."""
    mark = PEERS / ".installed"
    if not mark.exists():
        quietly((sys.executable, "-m", "venv", "--clear", str(PEERS)))
        quietly((str(PEERS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES))
        mark.touch()
    return PEERS / "bin"


def nothing() -> None:
    """What most rows need before and after."""


@dataclass(frozen=True)
class Row:
    """One thing that is measured: a command, where and with what it runs.

    rounds: how often; fewer than the others where it is slow. before: clears away what a former run left. after: raises
    when the run did not do what it should. Neither is measured.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path = ROOT
    environ: Mapping[str, str] = field(default_factory=dict)
    rounds: int = ROUNDS
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing


@dataclass
class Sample:
    """What a row took in each round: seconds on the wall, and of the processor, children included."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Of the wall."""
        return statistics.median(self.wall)

    @property
    def words(self) -> str:
        """`0.52 (0.51-0.60)`; where there were fewer rounds than usual, it says so."""
        rounds = len(self.wall)
        if rounds == 1:
            return f"{self.median:.2f} (1 round)"
        told = "" if rounds == ROUNDS else f", {rounds} rounds"
        return f"{self.median:.2f} ({min(self.wall):.2f}-{max(self.wall):.2f}{told})"

    @property
    def work(self) -> float:
        """Seconds of processor, on average."""
        return statistics.mean(self.cpu)

    def times(self, other: Sample) -> str:
        """`2.5 times as long` as another row; nothing beside itself."""
        return "" if other is self else f"{self.median / other.median:.2f} times as long"


def measured(
    rows: Sequence[Row], each_round: Callable[[], None] = nothing, *, is_warm: bool = False
) -> dict[str, Sample]:
    """Each row in each round, interleaved. A row that fails ends the benchmark.

    each_round: what begins a round, and is not measured. Rows that have all rounds have one more before the others,
    which only warms up, unless they are warm.
    """
    found = {row.name: Sample() for row in rows}
    for number in range(int(is_warm), max(row.rounds for row in rows) + 1):
        each_round()
        for row in rows:
            if number <= row.rounds and (number or row.rounds == ROUNDS):
                wall, cpu = _taken(row)
                if number:
                    found[row.name].wall.append(wall)
                    found[row.name].cpu.append(cpu)
    return found


def _taken(row: Row) -> tuple[float, float]:
    row.before()
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        row.argv, cwd=row.folder, env={**environment(), **row.environ}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise stopped(f"{row.name} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    row.after()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def environment() -> dict[str, str]:
    """That of whoever measures, but that Python keeps what it compiled, as it does where a program is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def stopped(words: str) -> SystemExit:
    """The end of a benchmark that would have measured something else than it says."""
    return SystemExit(words)


def warmed(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    """Run once what leaves nodes as they are after a first deploy: the executor lies there."""
    environ = {**environment(), **environ}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise stopped(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (titles, ["---"] * len(titles), *rows)
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def announced(name: str, minutes: float) -> None:
    """Say beforehand how long it takes. minutes: with seven rounds."""
    print(
        f"{name}: about {max(1, round(minutes * (ROUNDS + 1) / 8))} minutes at SATURN_BENCH_ROUNDS={ROUNDS}", flush=True
    )


def kept(name: str, text: str, figures: object, rounds: int = ROUNDS) -> None:
    """Print what was found, and write it to `results/`: a table for the page, and the figures, in JSON.

    figures: those that a plot is made of are seconds of each round, by what stands on the horizontal axis and by row:
    see walls.
    """
    RESULTS.mkdir(exist_ok=True)
    spread = f"Median of {rounds} rounds, with the least and the most." if rounds > 1 else "One round."
    caption = f"{spread} {time.strftime('%Y-%m-%d')}: {machine()}. {versions()}."
    (RESULTS / f"{name}.md").write_text(f"{text}\n\n{caption}\n")
    (RESULTS / f"{name}.json").write_text(json.dumps({"caption": caption, "figures": figures}, indent=1) + "\n")
    print(f"\n{name}\n{text}\n{caption}", flush=True)


def walls(found: Mapping[float, Mapping[str, Sample]], unit: float = 1) -> dict[str, dict[str, list[float]]]:
    """What was measured, as figures. unit: what one of the horizontal axis is in the keys of what was found."""
    return {f"{key / unit:g}": {row: each.wall for row, each in rows.items()} for key, rows in found.items()}


def machine() -> str:
    """The processor and the system."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next(
        (each.partition(":")[2].strip() for each in lines if each.startswith("model name")), platform.machine()
    )
    return f"{os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}"


def versions() -> str:
    """Of everything that takes part."""
    ask = "import importlib.metadata as m; print(*(f'{each} {m.version(each)}' for each in %r), sep=', ')"
    names = tuple(each.partition("==")[0] for each in PACKAGES)
    theirs = quietly((str(peers() / "python"), "-c", ask % (names,)))
    ssh = subprocess.run(("ssh", "-V"), capture_output=True, text=True, check=False).stderr.split(",")[0].split()[0]
    own = ((each, importlib.metadata.version(each)) for each in ("saturn-orchestrator", "asyncssh"))
    node = quietly(("/usr/bin/python3", "--version"))
    git = quietly(("git", "--version")).replace("version ", "")
    known = ", ".join(f"{name.partition('-')[0]} {version}" for name, version in own)
    return f"{known}, Python {platform.python_version()}, on the nodes {node}, {ssh.replace('_', ' ')}, {git}, {theirs}"


def quietly(argv: Sequence[str]) -> str:
    """Run what must succeed; what it said."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
