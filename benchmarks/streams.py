"""Fifty hosts that talk without end: what SATURN pays for a line, whether one is lost, and whether memory grows.

The senders are real programs behind a real sshd. Sender, sshd and SATURN share two cores, so the seconds that a stream
takes are not what counts: the processor time of SATURN's own process, for a line and for a second of what was sent, is.
It is counted from the moment in which every host is connected to; what a connection costs stands in other tables.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ground import HERE, ROUNDS, SSHD, Ground, ground, kept, table

HOSTS = 50
SECONDS = 30
"""How long each rate is sent: three million lines at the higher one, so that memory has time to grow."""

REPEATS = {200: min(ROUNDS, 3), 2000: 1}
"""The higher rate is more than sender, sshd and SATURN do on two cores in that time; so many lines need no repeat."""

CASES = ((200, "line"), (200, "batch"), (2000, "batch"))


@contextmanager
def senders(where: Ground, rate: int, mode: str) -> Iterator[int]:
    """The port of an sshd behind which nothing but the sender runs."""
    port = where.port + 1
    file = where.folder / "senders_config"
    command = f"{sys.executable} -S {HERE / 'sender.py'} {rate} {SECONDS} {mode}"
    own = SSHD.format(port=port, folder=where.folder).replace("sshd.pid", "senders.pid")
    file.write_text(f"{own}ForceCommand {command}\n")
    with subprocess.Popen(("/usr/sbin/sshd", "-D", "-f", str(file))) as daemon:
        time.sleep(0.5)
        try:
            yield port
        finally:
            daemon.terminate()


def streamed(where: Ground, rate: int, mode: str) -> dict[str, float]:
    """One stream of every host, heard to its end."""
    with senders(where, rate, mode) as port:
        places = [(f"127.0.10.{number + 1}", port) for number in range(HOSTS)]
        where.known(places)
        lab = where.topology(places, "streams")
        topology, journal = lab / "inventory" / "topology.yaml", lab / "journal.db"
        argv = (sys.executable, str(HERE / "listener.py"), str(topology), str(journal))
        done = subprocess.run(argv, cwd=Path(lab), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the listener ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    sent = HOSTS * (rate * SECONDS + 3)
    return {**found, "sent": sent, "lost": sent - min(found["heard"], found["written"]), "said": done.stderr[-300:]}


def row(rate: int, mode: str, runs: list[dict[str, float]], line_by_line: float) -> list[str]:
    """A line of the table. line_by_line: microseconds a line, where every line was flushed."""
    cost = cost_us(runs)
    share = cost * HOSTS * rate / 1e6
    first, middle, last = ([f"{run['rss'][part]:.0f}" for run in runs][-1] for part in range(3))
    way = "each flushed" if mode == "line" else "batched"
    return [
        f"{rate}, {way}" if len(runs) > 1 else f"{rate}, {way}, once", f"{runs[0]['sent']}",
        f"{max(run['lost'] for run in runs)}", f"{cost:.1f}", f"{cost / line_by_line:.2f}", f"{share:.2f}",
        f"{statistics.median(run['wall'] for run in runs):.1f}", f"{first}, {middle}, {last}",
    ]  # fmt: skip


def cost_us(runs: list[dict[str, float]]) -> float:
    """Of SATURN's processor, for a line."""
    return statistics.median(run["cpu"] / run["sent"] * 1e6 for run in runs)


def main() -> None:
    """Measure, and keep."""
    found: dict[tuple[int, str], list[dict[str, float]]] = {case: [] for case in CASES}
    with ground() as where:
        for number in range(max(REPEATS.values())):
            for case in CASES:
                if number < REPEATS[case[0]]:
                    found[case].append(streamed(where, *case))
    floor = cost_us(found[200, "line"])
    rows = [row(rate, mode, runs, floor) for (rate, mode), runs in found.items()]
    titles = [
        f"lines a second of each of {HOSTS}, for {SECONDS} s", "lines", "lost", "CPU a line, µs", "against flushed",
        "cores at that rate", "wall, s", "RSS early, in the middle, at the end, MB",
    ]  # fmt: skip
    kept(
        "streams",
        table(titles, rows),
        {f"{rate} {mode}": runs for (rate, mode), runs in found.items()},
        max(REPEATS.values()),
    )


if __name__ == "__main__":
    main()
