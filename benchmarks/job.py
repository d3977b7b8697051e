"""A deploy, against what else does the same job: git fetch and reset, five services brought up, five health checks.

Docker is a stand-in of fixed cost, git and SSH are real. Each run of each row is checked: whoever leaves a host at
another commit, or a service as it was, ends the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ground import FEW, ROUNDS, Ground, Sample, announced, ground, kept, line, measured, table
from ground.homelab import Homelab

FIVE = ("s1", "s2", "s3", "s4", "s5")
ONE = ("s1",)
ROUND_TRIPS_S = (0.0, 0.2, 0.6)
WIDTHS = (1, 5, 20)

SATURN = "saturn deploy"
QUICK = {"saturn": SATURN, "asyncssh": "asyncssh and a Python executor", "sh": "ssh, tuned: sh -s"}
SLOW = {"pyinfra": "pyinfra, 11 operations", "ansible": "ansible, 11 tasks", "mitogen": "ansible, 3 tasks, mitogen"}
WIDE = {"master": "ssh, tuned, ControlMaster", "fabric": "fabric, in threads", "parallel-ssh": "parallel-ssh"}

Found = dict[str, Sample]


def line_rounds(who: str, seconds: float) -> int:
    """How often a row is measured over a line: what takes half a minute a time is, but seldom."""
    if seconds == 0 or who in ("saturn", "asyncssh"):
        return ROUNDS
    return FEW if seconds < ROUND_TRIPS_S[-1] and who in SLOW else ROUNDS if seconds < ROUND_TRIPS_S[-1] else 1


def over_lines(where: Ground, name: str, services: tuple[str, ...], trips_s: Sequence[float]) -> dict[float, Found]:
    """One host, behind lines with so long round trips."""
    names = {**QUICK, **SLOW}
    lab = Homelab(where, name, 1, services)
    lab.founded(tuple(names))
    found: dict[float, Found] = {}
    for seconds in trips_s:
        with line(where.port, seconds) as port:
            lab.aimed([("127.0.10.1", port)])
            rows = [lab.row(who, words, line_rounds(who, seconds)) for who, words in names.items()]
            found[seconds] = measured(rows, lab.released, is_warm=seconds > 0)
    CALLS[name] = {names[who]: calls for who, calls in lab.docker_calls.items()}
    return found


CALLS: dict[str, Mapping[str, int]] = {}


def trips(found: Mapping[float, Found], row: str) -> float:
    """The round trips of a row: what its time grows by, divided by what the line grew by."""
    first, last = min(found), max(found)
    return (found[last][row].median - found[first][row].median) / (last - first)


def latency(where: Ground) -> None:
    """How the time of one host grows with the line, for five services and for one."""
    five = over_lines(where, "five", FIVE, ROUND_TRIPS_S)
    one = over_lines(where, "one", ONE, (ROUND_TRIPS_S[0], ROUND_TRIPS_S[-1]))
    titles = ["seconds", *(f"{each * 1000:.0f} ms" for each in ROUND_TRIPS_S)]
    titles += ["round trips", "with one service", "docker calls"]
    cells = [
        [
            row,
            *(five[each][row].words for each in ROUND_TRIPS_S),
            f"{trips(five, row):.1f}",
            f"{trips(one, row):.1f}",
            str(CALLS["five"][row]),
        ]
        for row in five[ROUND_TRIPS_S[0]]
    ]
    kept("job-latency", table(titles, cells), {f"{each * 1000:.0f}": found for each, found in five.items()})


def width(where: Ground) -> None:
    """How the time grows with the number of hosts."""
    names = {**QUICK, **WIDE, **SLOW}
    found: dict[int, Found] = {}
    for hosts in WIDTHS:
        lab = Homelab(where, f"width{hosts}", hosts, FIVE)
        lab.founded(tuple(names))
        lab.aimed(where.places(hosts))
        rows = [lab.row(who, words, FEW if who in SLOW and hosts > 1 else ROUNDS) for who, words in names.items()]
        found[hosts] = measured(rows, lab.released)
    last = found[WIDTHS[-1]]
    titles = ["seconds", *(f"{hosts} {'host' if hosts == 1 else 'hosts'}" for hosts in WIDTHS)]
    titles += [f"saturn takes, at {WIDTHS[-1]}", f"seconds of processor on SATURN, at {WIDTHS[-1]}"]
    cells = [
        [row, *(found[hosts][row].words for hosts in WIDTHS), last[SATURN].times(last[row]), f"{last[row].work:.2f}"]
        for row in last
    ]
    kept("job-width", table(titles, cells), {str(hosts): each for hosts, each in found.items()})


if __name__ == "__main__":
    announced("job", 12)
    with ground() as here:
        latency(here)
        width(here)
