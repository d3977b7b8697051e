"""A thousand hosts, a hundred connections at once: `saturn status` and `saturn deploy` against bare asyncssh.

All hosts are one real sshd under a thousand loopback addresses, and so share two cores with SATURN: what the nodes do
is most of the time. So asyncssh runs both `true`, which is the floor, and the same executor with the same question. A
first deploy, in which each host clones a repository, is run once; it has nobody to be compared with.
"""

from __future__ import annotations

import shlex
import shutil
import statistics
import sys
from pathlib import Path

from ground import HERE, ROUNDS, SATURN, Ground, ground, kept, table, warmed
from ground.watched import Watched, watched

from saturn_orchestrator.events import Request, encode
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.payload import bootstrap_command
from saturn_orchestrator.session.places import AT_ONCE
from saturn_orchestrator.topology.load import load

HOSTS = 1000
REPEATS = min(ROUNDS, 2)
"""Rounds of some minutes; the ratios of one are steady, since each is a thousand handshakes."""


def places(where: Ground, hosts: int) -> list[tuple[str, int]]:
    """Addresses on the loopback."""
    return [(f"127.0.{10 + number // 250}.{1 + number % 250}", where.port) for number in range(hosts)]


def prepared(where: Ground, hosts: int, name: str, home: dict[str, str]) -> Path:
    """An inventory of so many hosts, each with the executor on it."""
    where.known(places(where, hosts))
    lab = where.topology(places(where, hosts), name)
    warmed((SATURN, "prefetch", "--hosts", "h0"), lab, home)
    nodes = where.folder / "nodes"
    for number in range(1, hosts):
        shutil.copytree(nodes / f"{name}-h0" / "bin", nodes / f"{name}-h{number}" / "bin")
    return lab


def competitors(where: Ground, lab: Path) -> dict[str, tuple[str, ...]]:
    """Command lines by what they are called."""
    hosts = load(lab / "inventory" / "topology.yaml").hosts.values()
    asked = lab / "requests"
    # All nodes answer for the first one's root: what is asked there costs the same.
    requests = [Request(verb="facts", run=new_run_id(), node=node_order(host)) for host in hosts]
    asked.write_text("".join(f"{encode(request)}\n" for request in requests))
    (lab / "places").write_text("".join(f"{host.address}:{host.ssh.port}\n" for host in hosts))
    bare = (sys.executable, str(HERE / "bounded.py"), str(where.identity), str(where.known_hosts), str(AT_ONCE))
    executor = shlex.join(bootstrap_command(next(iter(hosts)).root, become=False))
    return {
        "saturn status": (SATURN, "status", "--all", "--json"),
        "asyncssh, the same executor": (*bare, executor, str(asked), str(lab / "places")),
        "asyncssh, true": (*bare, "true", "-", str(lab / "places")),
    }


def row(name: str, hosts: int, runs: list[Watched], wall: float, rss: float) -> list[str]:
    """A line of the table; wall and rss: of what it is compared with, 0 for nothing."""
    took, memory = (statistics.median(getattr(run, key) for run in runs) for key in ("wall", "rss_mb"))
    ratios = [f"{mine / other:.2f}" if other else "-" for mine, other in ((took, wall), (memory, rss))]
    most = max(run.descriptors for run in runs)
    failures = sum(bool(run.status) for run in runs)
    return [name, str(hosts), f"{took:.1f}", f"{memory:.0f}", *ratios, str(most), str(failures)]


def main() -> None:
    """Measure, and keep."""
    with ground() as where:
        home = {"HOME": str(where.folder / "home"), "XDG_STATE_HOME": str(where.folder / "state")}
        lab = prepared(where, HOSTS, "thousand", home)
        commands = competitors(where, lab)
        found: dict[str, list[Watched]] = {name: [] for name in commands}
        for _ in range(REPEATS):
            for name, argv in commands.items():
                found[name].append(watched(argv, lab, home))
                if found[name][-1].status:
                    print(name, found[name][-1].out[-2000:], file=sys.stderr)
        deployed = prepared(where, HOSTS, "deployed", home)
        deploy = watched((SATURN, "deploy", "--all", "--yes"), deployed, home)
        print(deploy.out[-600:], file=sys.stderr)
    same = found["asyncssh, the same executor"]
    wall, rss = (statistics.median(getattr(run, key) for run in same) for key in ("wall", "rss_mb"))
    rows = [row(name, HOSTS, runs, wall, rss) for name, runs in found.items()]
    rows.append(row("saturn deploy, once", HOSTS, [deploy], 0, 0))
    titles = ["", "hosts", "wall, s", "RSS, MB", "wall, ratio", "RSS, ratio", "descriptors", "failed"]
    figures = {name: [vars(run) | {"out": ""} for run in runs] for name, runs in {**found, "deploy": [deploy]}.items()}
    kept("thousand", table(titles, rows), figures, REPEATS)


if __name__ == "__main__":
    main()
