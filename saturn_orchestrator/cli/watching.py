"""How `saturn status --watch` is wired: which view shows it, and what Ctrl-C means."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from saturn_orchestrator.app.status import Memory
from saturn_orchestrator.app.watch import Ports, Watch, Watcher
from saturn_orchestrator.cli.dialling import dialled
from saturn_orchestrator.report.style import can_redraw, console
from saturn_orchestrator.report.watch_view import WatchLines, WatchTable, WatchView
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.state.standing import exit_code
from saturn_orchestrator.state.watch import WatchState

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_watch(order: Watch, memory: Memory, *, as_json: bool) -> int:
    """Watch until Ctrl-C, and return the exit code that `saturn status` would have had then.

    Ctrl-C interrupts nothing: it is how a watch ends. So it is not 130 that is returned, but what was seen.
    """

    async def work(dial: Switchboard) -> WatchState:
        watcher = Watcher(order, Ports(dial, memory, dial.book))
        view = _view(order, watcher.stop, as_json=as_json)
        loop = asyncio.get_running_loop()
        for number in _ENDS:
            loop.add_signal_handler(number, watcher.stop)
        try:
            return await watcher.watch(view.show)
        finally:
            view.close()

    return exit_code(dialled(order.topology, work, announce=None).standings)


def _view(order: Watch, stop: Callable[[], None], *, as_json: bool) -> WatchView:
    screen = console(sys.stdout)
    if as_json or not can_redraw(screen):
        return WatchLines(sys.stdout, stop)
    return WatchTable(screen, order.period_s, stop)
