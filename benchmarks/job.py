"""A deploy, against what else does the same job: git fetch and reset, five services brought up, five health checks.

Docker is a stand-in of fixed cost, git and SSH are real. Each run of each row is checked: whoever leaves a host at
another commit, or a service as it was, ends the benchmark. Docker takes little, so that it hides nobody's own share; in
the last table it takes what the real one took on such a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from ground import FEW, ROUNDS, Ground, Sample, announced, ground, kept, line, measured, table, walls
from ground.homelab import Homelab

FIVE = ("s1", "s2", "s3", "s4", "s5")
ONE = ("s1",)
ROUND_TRIPS_S = (0.0, 0.2, 0.6)
WIDTHS = {5: 1, 20: FEW}
"""Numbers of hosts, and how many rounds slow rows have with them."""

STUB = "0.05 0 0"
REAL = "0.6 0.1 0.03"
"""Seconds of an `up` that replaces a container, of another word of compose, and of a question to the engine."""

QUICK = {"saturn": "saturn deploy", "asyncssh": "asyncssh and a Python executor", "sh": "ssh, tuned: sh -s"}
SLOW = {"pyinfra": "pyinfra, 11 operations", "ansible": "ansible, 11 tasks", "mitogen": "ansible, 3 tasks, mitogen"}
WIDE = {"master": "ssh, tuned, ControlMaster", "fabric": "fabric, in threads", "parallel-ssh": "parallel-ssh"}
NAMES = {**QUICK, **WIDE, **SLOW}
"""Every competitor; the wide ones are not measured behind a line."""

Found = dict[str, Sample]


def often(who: str, seconds: float, services: tuple[str, ...]) -> int:
    """How many rounds a row has behind a line: all where it is quick, few or one where each takes long."""
    if seconds < ROUND_TRIPS_S[1]:
        return ROUNDS if services == FIVE or who == "saturn" else FEW
    if seconds < ROUND_TRIPS_S[2]:
        return FEW if who in SLOW else ROUNDS
    return {"saturn": ROUNDS, "asyncssh": FEW}.get(who, 1)


def over_lines(where: Ground, lab: Homelab, trips_s: Sequence[float]) -> dict[float, Found]:
    """One host, behind lines with so long round trips. The wide ones are measured where there is no line."""
    lab.founded(tuple(NAMES))
    found: dict[float, Found] = {}
    for seconds in trips_s:
        chosen = [who for who in NAMES if seconds == 0 or who not in WIDE]
        with line(where.port, seconds) if seconds else nullcontext(where.port) as port:
            lab.aimed([("127.0.10.1", port)])
            rows = [lab.row(who, NAMES[who], often(who, seconds, lab.services)) for who in chosen]
            found[seconds] = measured(rows, lab.released, is_warm=seconds > 0)
    return found


def trips(found: Mapping[float, Found], row: str) -> str:
    """The round trips of a row: what its time grows by, divided by what the line grew by."""
    first, last = min(found), max(found)
    return f"{(found[last][row].median - found[first][row].median) / (last - first):.1f}"


def latency(where: Ground) -> Found:
    """How the time of one host grows with the line, for five services and for one. Returns the times without a line."""
    lab = Homelab(where, "five", 1, FIVE, STUB)
    five = over_lines(where, lab, ROUND_TRIPS_S)
    one = over_lines(where, Homelab(where, "one", 1, ONE, STUB), (ROUND_TRIPS_S[0], ROUND_TRIPS_S[-1]))
    titles = ["seconds", *(f"{each * 1000:.0f} ms" for each in ROUND_TRIPS_S)]
    titles += ["round trips", "with one service", "docker calls"]
    calls = {NAMES[who]: str(count) for who, count in lab.docker_calls.items()}
    cells = [
        [row, *(five[each][row].words for each in ROUND_TRIPS_S), trips(five, row), trips(one, row), calls[row]]
        for row in five[ROUND_TRIPS_S[-1]]
    ]
    shown = {each: {row: found[row] for row in five[ROUND_TRIPS_S[-1]]} for each, found in five.items()}
    kept("job-latency", table(titles, cells), walls(shown, unit=0.001))
    return five[ROUND_TRIPS_S[0]]


def at_once(where: Ground, lab: Homelab, names: Mapping[str, str], few: int) -> Found:
    """Many hosts, without a line. few: the rounds of slow rows."""
    lab.founded(tuple(names))
    lab.aimed(where.places(lab.hosts))
    return measured([lab.row(who, words, few if who in SLOW else ROUNDS) for who, words in names.items()], lab.released)


def with_real_costs(where: Ground) -> None:
    """The same beside a docker that takes what the real one does, and asks as much of everybody."""
    names = {**QUICK, "pyinfra": SLOW["pyinfra"]}
    found = {
        hosts: at_once(where, Homelab(where, f"real{hosts}", hosts, FIVE, REAL), names, FEW)
        for hosts in (1, max(WIDTHS))
    }
    most = max(WIDTHS)
    own = found[most][NAMES["saturn"]]
    titles = ["seconds", "1 host", f"{most} hosts", f"saturn takes, at {most}"]
    cells = [[row, *(found[hosts][row].words for hosts in found), own.times(found[most][row])] for row in found[most]]
    kept("job-real", table(titles, cells), walls(found))


def width(where: Ground, one: Found) -> None:
    """How the time grows with the number of hosts. one: the times of one host."""
    found = {1: one}
    for hosts, few in WIDTHS.items():
        found[hosts] = at_once(where, Homelab(where, f"width{hosts}", hosts, FIVE, STUB), NAMES, few)
    most = max(WIDTHS)
    last, own = found[most], found[most][NAMES["saturn"]]
    titles = ["seconds", *(f"{hosts} {'host' if hosts == 1 else 'hosts'}" for hosts in found)]
    titles += [f"saturn takes, at {most}", f"seconds of processor on SATURN, at {most}"]
    cells = [
        [row, *(found[hosts][row].words for hosts in found), own.times(last[row]), f"{last[row].work:.2f}"]
        for row in last
    ]
    kept("job-width", table(titles, cells), walls(found))


if __name__ == "__main__":
    announced("job", 15)
    with ground() as here:
        width(here, latency(here))
        with_real_costs(here)
