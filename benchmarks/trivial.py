"""One fact of every host: a whole command, against what else asks many machines something. Width, and round trips.

`saturn status` logs in, starts the executor, and learns revision, services, containers, lock, disk and versions. The
peers run `true`: what is compared is the time until a person knows. On many hosts they also start the very executor of
saturn with its very request, so that the nodes do the same work.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from ground import (
    FEW,
    HERE,
    ROUNDS,
    SATURN,
    Ground,
    Places,
    Row,
    Sample,
    announced,
    ansible_inventory,
    ground,
    kept,
    line,
    measured,
    peers,
    quietly,
    stopped,
    table,
    walls,
    warmed,
)

WIDTHS = (1, 10, 50)
ROUND_TRIPS_S = (0.0, 0.2, 0.6)
OWN = "saturn status"
SAME = "saturn's executor"


def rows(where: Ground, places: Places, name: str, *, few: int = ROUNDS, is_same: bool = False) -> list[Row]:
    """Every competitor, asking these places. few: rounds of the slow ones. is_same: peers do what saturn does, too."""
    where.known(places)
    lab = where.topology(places, name)
    (lab / "ansible.ini").write_text(ansible_inventory(places, where.options))
    (lab / "pyinfra.py").write_text(f"hosts = {where.pyinfra_hosts(places)!r}\n")
    folder, wide = peers(), str(len(places))
    home = {"HOME": str(where.folder / "home"), "XDG_STATE_HOME": str(where.folder / "state")}
    # Without ssh_args of ours Ansible would keep its connections for the next round; saturn makes each anew.
    quick = {**home, "ANSIBLE_PIPELINING": "1", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    warmed((SATURN, "prefetch", "--all"), lab, home)
    keys = (str(where.identity), str(where.known_hosts))
    addresses = tuple(f"{address}:{port}" for address, port in places)

    def asyncssh(command: str) -> tuple[str, ...]:
        return (sys.executable, str(HERE / "bare.py"), *keys, command, *addresses)

    def ssh(command: str) -> tuple[str, ...]:
        file = lab / f"every-{len(command)}"
        file.write_text("".join(f"{where.ssh(place)} {command}\n" for place in places))
        return ("sh", "-c", f"xargs -P {wide} -I CMD sh -c CMD < {file}")

    def pyinfra(command: str) -> tuple[str, ...]:
        return (str(folder / "pyinfra"), "-y", "pyinfra.py", "exec", "--", *command.split())

    def ansible(command: str) -> tuple[str, ...]:
        return (str(folder / "ansible"), "all", "-i", "ansible.ini", "-f", wide, "-m", "command", "-a", command)

    found = [
        Row(OWN, (SATURN, "status", "--all", "--json"), lab, home),
        Row("asyncssh, bare: true", asyncssh("true"), lab, home),
        Row("ssh, tuned: true", ssh("true"), lab, home),
        Row("pyinfra exec: true", pyinfra("true"), lab, home, few),
        Row("ansible -m command: true", ansible("true"), lab, quick, few),
    ]
    if is_same:
        ask = f"sh {asked(where, lab, places)}"
        found += [
            Row(f"asyncssh, bare: {SAME}", asyncssh(ask), lab, home),
            Row(f"ssh, tuned: {SAME}", ssh(ask), lab, home),
            Row(f"pyinfra exec: {SAME}", pyinfra(ask), lab, home, few),
            Row(f"ansible -m command: {SAME}", ansible(ask), lab, quick, few),
        ]
    return found


def asked(where: Ground, lab: Path, places: Places) -> str:
    """A script for the nodes: the executor that saturn left there, with the request of `saturn status` as its input.

    All nodes are one machine here; which one is meant tells the address that was called.
    """
    from saturn_orchestrator.events import Request, encode
    from saturn_orchestrator.plan.order import node_order
    from saturn_orchestrator.session.payload import bootstrap_command
    from saturn_orchestrator.topology.load import load

    hosts = load(lab / "inventory" / "topology.yaml").hosts.values()
    for host, (address, _) in zip(hosts, places, strict=True):
        request = encode(Request(verb="facts", run="20260101T000000Z-0000", node=node_order(host)))
        (lab / f"request-{address}").write_text(request + "\n")
        start = shlex.join(bootstrap_command(host.root, become=False))
        (lab / f"start-{address}").write_text(f"exec {start} < {lab}/request-{address}\n")
    script = lab / "ask"
    script.write_text(f"set -- $SSH_CONNECTION\nexec sh {lab}/start-$3\n")
    told = quietly(("sh", "-c", f"{where.ssh(places[0])} sh {script}"))
    if '"type":"facts"' not in told:
        raise stopped(f"the executor does not tell its facts to the peers:\n{told}")
    return str(script)


def width(where: Ground) -> None:
    """How the time grows with the number of hosts."""
    found: dict[int, dict[str, Sample]] = {}
    for hosts in WIDTHS:
        few = ROUNDS if hosts == 1 else FEW
        found[hosts] = measured(rows(where, where.places(hosts), f"width{hosts}", few=few, is_same=True))
    last = found[WIDTHS[-1]]
    cells = [
        [row, *(found[hosts][row].words for hosts in WIDTHS), last[OWN].times(last[row]), f"{last[row].work:.2f}"]
        for row in last
    ]
    titles = ["seconds", *(f"{hosts} {'host' if hosts == 1 else 'hosts'}" for hosts in WIDTHS)]
    titles += [f"saturn takes, at {WIDTHS[-1]}", f"seconds of processor on SATURN, at {WIDTHS[-1]}"]
    kept("width", table(titles, cells), walls(found))


def latency(where: Ground) -> None:
    """How the time of one host grows with the round trip; the growth is the number of round trips."""
    found: dict[float, dict[str, Sample]] = {}
    for seconds in ROUND_TRIPS_S:
        few = FEW if seconds == ROUND_TRIPS_S[-1] else ROUNDS
        with line(where.port, seconds) as port:
            places = [("127.0.10.1", port)]
            asking = rows(where, places, f"latency{int(seconds * 1000)}", few=few)
            found[seconds] = measured(asking, is_warm=seconds > 0)
    first, last = ROUND_TRIPS_S[0], ROUND_TRIPS_S[-1]
    cells = []
    for name in found[first]:
        trips = (found[last][name].median - found[first][name].median) / (last - first)
        cells.append([name, *(found[each][name].words for each in ROUND_TRIPS_S), f"{trips:.1f}"])
    titles = ["seconds", *(f"{int(each * 1000)} ms" for each in ROUND_TRIPS_S), "round trips"]
    kept("latency", table(titles, cells), walls(found, unit=0.001))


if __name__ == "__main__":
    announced("trivial", 10)
    with ground() as here:
        latency(here)
        width(here)
