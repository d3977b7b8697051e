"""SATURN's side of a stream, as a process: `listener.py TOPOLOGY JOURNAL` follows a run on every host, and tells.

Session, following, reducing, journal and live view are saturn's own; only the plan and the yes are left out. No host is
given its order before all of them are connected to: what is counted is the stream, from the first line on.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import resource
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from saturn_orchestrator import events
from saturn_orchestrator.events import Request, now
from saturn_orchestrator.journal import Journal
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.report.live import LiveView
from saturn_orchestrator.report.style import console
from saturn_orchestrator.rollout.following import Following, Link
from saturn_orchestrator.rollout.outbox import Outbox
from saturn_orchestrator.rollout.runner import Rollout, Stop
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.base import nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.load import load
from saturn_orchestrator.topology.model import Host


class Walk:
    """One host, from the session to the goodbye. together: where all of them wait until each is connected to."""

    def __init__(self, host: Host, run: str, board: Switchboard, outbox: Outbox, together: asyncio.Barrier) -> None:
        self._host, self._run, self._board, self._outbox, self._together = host, run, board, outbox, together

    async def walk(self) -> None:
        session = await self._board(self._host, nobody)
        for event in (
            events.SessionOpened(now()), events.HostPlanned(now(), "", ""), events.HostConfirmed(now(), "bench")
        ):  # fmt: skip
            self._outbox.post(event)
        await self._together.wait()
        request = Request(verb="run", run=self._run, node=node_order(self._host))
        following = Following(self._host, request, Link(self._board, _trace), self._outbox, session)
        try:
            await following.to_the_end()
        finally:
            await following.close()

    def stop(self, task: asyncio.Task[None]) -> None:
        task.cancel()


def _trace(text: str) -> None:
    print(text, file=sys.stderr)


def rss_mb() -> float:
    """Now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def remembered(every_s: float, seen: list[float]) -> None:
    """The memory, again and again."""
    while True:
        await asyncio.sleep(every_s)
        seen.append(rss_mb())


def drained(terminal: int) -> None:
    """Read what is drawn, until nobody draws any more."""
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass


async def main(topology: Path, journal: Path) -> None:
    known = load(topology)
    terminal, screen = pty.openpty()
    threading.Thread(target=drained, args=(terminal,), daemon=True).start()
    with open(screen, "w") as stream:  # noqa: ASYNC230, PTH123 - a terminal
        view = LiveView(console(stream, environ={"TERM": "xterm"}, width=100, height=40))
        sinks = (Journal(journal, str(topology), _trace), view)
        rollout, run = Rollout(sinks, Stop()), new_run_id()
        rollout.open(RunState.of(run, "", known.hosts, now()))
        seen: list[float] = []
        async with Switchboard(known.hosts) as board:
            together = asyncio.Barrier(len(known.hosts) + 1)
            for name, host in known.hosts.items():
                rollout.begin(name, Walk(host, run, board, rollout.outbox(run, name), together))
            finishing = asyncio.create_task(rollout.finish())
            await together.wait()
            before, began = time.process_time(), time.monotonic()
            watching = asyncio.create_task(remembered(0.25, seen))
            state = (await finishing)[run]
            cpu, wall = time.process_time() - before, time.monotonic() - began
            watching.cancel()
    heard = sum(host.last_seq for host in state.hosts.values())
    with closing(sqlite3.connect(journal)) as database:
        (written,) = database.execute("SELECT count(*) FROM events WHERE run = ? AND seq > 0", (run,)).fetchone()
    succeeded = sum(host.status.is_success for host in state.hosts.values())
    early, middle, late = seen[len(seen) // 5], seen[len(seen) // 2], seen[-1]
    print(json.dumps({
        "cpu": cpu, "wall": wall, "heard": heard, "written": written, "succeeded": succeeded,
        "rss": [early, middle, late],
    }))  # fmt: skip


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
