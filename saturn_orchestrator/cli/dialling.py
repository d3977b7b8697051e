"""The verbs that ask the nodes something, wired: one switchboard for the command, and a word of what makes one wait."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from saturn_orchestrator.events import SessionWaiting
from saturn_orchestrator.session.dial import Announce, Switchboard
from saturn_orchestrator.topology.model import Topology

T = TypeVar("T")

TRACE = "SATURN_TRACE"
"""The environment variable that has the steps of each connection shown when the command ends."""


def _announce(host: str, event: SessionWaiting) -> None:
    """What keeps a person waiting, as a line on standard error."""
    from saturn_orchestrator.report.lines import waiting_line
    from saturn_orchestrator.report.style import console, show

    show(console(sys.stderr), waiting_line(host, event))


def dialled(
    topology: Topology | None, work: Callable[[Switchboard], Awaitable[T]], announce: Announce | None = _announce
) -> T:
    """What comes of the work, which opens its sessions by the switchboard. announce: None where events say it.

    topology: None where nobody is dialled.
    """

    async def done() -> T:
        async with Switchboard(topology.hosts if topology else {}, announce) as switchboard:
            try:
                return await work(switchboard)
            finally:
                if os.environ.get(TRACE, "0") != "0":
                    _show_trips(switchboard)

    return asyncio.run(done())


def _show_trips(switchboard: Switchboard) -> None:
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.report.trips_view import trips_table

    show(console(sys.stderr), trips_table(switchboard.trips))
