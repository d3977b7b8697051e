"""What benchmarks stand on: a real sshd under many loopback addresses, a line with a delay, peers, honest timing.

A benchmark compares ratios of one run: rows are interleaved, each a whole process, and the median of several rounds.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
DOCKER = """\
#!/bin/sh
# A docker that costs next to nothing and has no containers: what is measured is the way there.
case "$*" in
  *compose*version*) echo 2.40.2 ;;
  *version*) echo 28.2.2 ;;
esac
"""


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

    def known(self, places: Sequence[tuple[str, int]]) -> None:
        """Write known_hosts for these addresses and ports."""
        key = (self.folder / "host_key.pub").read_text().strip()
        self.known_hosts.write_text("".join(f"[{address}]:{port} {key}\n" for address, port in places))

    def topology(self, places: Sequence[tuple[str, int]], name: str) -> Path:
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
            f"  ssh: {{user: {_me()}, identity_file: {self.identity}, known_hosts: {self.known_hosts}}}\n"
            f"  git: {{url: {lab}}}\n"
            f"hosts:\n{hosts}"
        )
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "bench")):
            _quietly(("git", "-C", str(lab), "-c", "user.name=bench", "-c", "user.email=bench@localhost", *words))
        return lab


@contextmanager
def ground() -> Iterator[Ground]:
    """A real sshd, while the block lasts."""
    folder = Path("/var/tmp") / f"saturn-bench-{os.getpid()}"
    made = Ground(folder, 20_000 + os.getpid() % 10_000)
    for each in ("bin", "home", "nodes"):
        (folder / each).mkdir(parents=True)
    for name in ("host_key", "identity"):
        _quietly(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)))
    (folder / "sshd_config").write_text(SSHD.format(port=made.port, folder=folder))
    (folder / "bin" / "docker").write_text(DOCKER)
    (folder / "bin" / "docker").chmod(0o755)
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
        _quietly((sys.executable, "-m", "venv", "--clear", str(PEERS)))
        _quietly((str(PEERS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES))
        mark.touch()
    return PEERS / "bin"


@dataclass(frozen=True)
class Row:
    """One thing that is measured: a command, where and with what it runs."""

    name: str
    argv: tuple[str, ...]
    folder: Path = ROOT
    environ: Mapping[str, str] = field(default_factory=dict)


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
        """`0.52 (0.51-0.60)`."""
        return f"{self.median:.2f} ({min(self.wall):.2f}-{max(self.wall):.2f})"


def measured(rows: Sequence[Row], rounds: int = ROUNDS) -> dict[str, Sample]:
    """Each row in each round, interleaved, after one round that only warms up. A row that fails ends the benchmark."""
    found = {row.name: Sample() for row in rows}
    for number in range(rounds + 1):
        for row in rows:
            before, began = os.times(), time.perf_counter()
            done = subprocess.run(
                row.argv, cwd=row.folder, env={**os.environ, **row.environ}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            wall, after = time.perf_counter() - began, os.times()
            if done.returncode:
                raise SystemExit(
                    f"{row.name} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
                )
            if number:
                found[row.name].wall.append(wall)
                used = after.children_user + after.children_system - before.children_user - before.children_system
                found[row.name].cpu.append(used)
    return found


def warmed(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    """Run once what leaves nodes as they are after a first deploy: the executor lies there."""
    environ = {**os.environ, **environ}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (titles, ["---"] * len(titles), *rows)
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def kept(name: str, text: str, figures: object) -> None:
    """Print what was found, and write it to `results/`: for a person, and the figures themselves."""
    RESULTS.mkdir(exist_ok=True)
    day = time.strftime("%Y-%m-%d")
    head = f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {day}"
    (RESULTS / f"{name}.md").write_text(f"{head}; median of {ROUNDS} (min-max)\n\n{text}\n")
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": head, "figures": figures}, indent=1) + "\n")
    print(f"\n{name}\n{text}")


def _quietly(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _me() -> str:
    import getpass

    return getpass.getuser()
