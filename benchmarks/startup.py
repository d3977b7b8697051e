"""Start-up: what a short command takes before it does anything, as multiples of `python -I -c pass`, and where it goes.

Processor time of a command and its children, interleaved, medians: on a shared machine the wall says less. `saturn
status` has an inventory of 200 hosts and no network: every dial fails at once, and what is left is saturn's own work.
Targets are printed, never asserted.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ground import SATURN, environment, kept, table

ROUNDS = 15
HOSTS = 200
SERVICES = {"db": "", "web": "depends_on: [db]\n"}
UNREACHABLE = 3
BASE = "python -I -c pass"
TARGETS = {"saturn --help": 6.0, "saturn status": 12.0}
PACKAGES = ("pydantic", "pydantic_core", "asyncssh", "cryptography", "rich", "click", "yaml", "saturn_orchestrator",
            "saturn_node")  # fmt: skip


def inventory(lab: Path) -> None:
    """A repository with one commit: hosts with plain addresses, each known by a key, that share two services."""
    lab.mkdir()
    key = lab / "identity"
    _quietly(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)))
    public = key.with_suffix(".pub").read_text().strip()
    # Without a namespace of its own nobody may listen: port 1 of a loopback address refuses at once.
    net, port = ("10.9", 22) if os.geteuid() == 0 else ("127.9", 1)
    places = [f"{net}.{number // 250}.{number % 250 + 1}" for number in range(HOSTS)]
    names = [each if port == 22 else f"[{each}]:{port}" for each in places]
    (lab / "known_hosts").write_text("".join(f"{name} {public}\n" for name in names))
    hosts = "".join(
        f"  h{number}: {{address: {place}, transport: ssh, services: [{', '.join(SERVICES)}]}}\n"
        for number, place in enumerate(places)
    )
    (lab / "inventory").mkdir()
    (lab / "inventory" / "topology.yaml").write_text(
        "version: 1\ndefaults:\n"
        f"  ssh: {{user: ada, port: {port}, identity_file: {key}, known_hosts: {lab}/known_hosts}}\n"
        f"  git: {{url: {lab}}}\nhosts:\n{hosts}"
    )
    for name, needs in SERVICES.items():
        folder = lab / "services" / name
        folder.mkdir(parents=True)
        (folder / "docker-compose.yml").write_text(f"services:\n  {name}:\n    image: nginx:1.27\n")
        (folder / "service.yaml").write_text(f"exposure: local-only\n{needs}")
    (lab / ".gitignore").write_text("identity*\nknown_hosts\n.xdg/\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "bench")):
        _quietly(("git", "-C", str(lab), "-c", "user.name=bench", "-c", "user.email=bench@localhost", *words))


def cpu_s(argv: Sequence[str], folder: Path, environ: Mapping[str, str], wanted: int) -> float:
    """What the command and its children took of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != wanted:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def budget(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[Counter[str], Counter[str]]:
    """What imports take, in microseconds: by package, and by module."""
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    packages: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and parts[0].strip().isdigit():
            name = parts[2].strip()
            top = name.partition(".")[0]
            modules[name] += int(parts[0])
            packages[top if top in PACKAGES else "others, most of the standard library"] += int(parts[0])
    return packages, modules


def main() -> None:
    """Measure, and print."""
    alone = ("unshare", "-n") if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(prefix="saturn-bench-") as made:
        lab = Path(made) / "lab"
        inventory(lab)
        own = {"XDG_CACHE_HOME": str(lab / ".xdg"), "XDG_STATE_HOME": str(lab / ".xdg")}
        environ = {**environment(), **own}
        commands: dict[str, tuple[tuple[str, ...], int]] = {
            BASE: ((sys.executable, "-I", "-c", "pass"), 0),
            'python -c "import click"': ((sys.executable, "-c", "import click"), 0),
            "saturn --help": ((SATURN, "--help"), 0),
            "saturn status": ((*alone, SATURN, "status"), UNREACHABLE),
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, (argv, wanted) in commands.items():
                spent = cpu_s(argv, lab, environ, wanted)
                if number:  # the first round warms the caches
                    taken[name].append(spent)
        timed = {}
        for words in ("--help", "status"):
            argv = (*alone, sys.executable, "-X", "importtime", SATURN, words)
            timed[f"saturn {words}"] = budget(argv, lab, environ)
    median = {name: statistics.median(each) for name, each in taken.items()}
    rows = [
        (
            name, f"{median[name] * 1000:.0f} ({min(each) * 1000:.0f}-{max(each) * 1000:.0f})",
            f"{median[name] / median[BASE]:.1f}", f"{TARGETS[name]:g}" if name in TARGETS else "-",
        )
        for name, each in taken.items()
    ]  # fmt: skip
    parts = [table(("command", "processor, ms", "times python", "target"), rows)]
    for name, (packages, modules) in timed.items():
        total = sum(packages.values()) / 1000
        parts.append(f"Imports of `{name}`: {total:.0f} ms, {len(modules)} modules\n")
        parts.append(table(("package", "ms"), [(each, f"{us / 1000:.1f}") for each, us in packages.most_common()]))
        parts.append(table(("module", "ms"), [(each, f"{us / 1000:.1f}") for each, us in modules.most_common(10)]))
    figures = {"cpu_s": taken, "imports_us": {name: dict(packages) for name, (packages, _) in timed.items()}}
    kept("startup", "\n\n".join(parts), figures, ROUNDS)


def _quietly(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
