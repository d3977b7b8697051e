"""The run across hosts: one task a host, one queue, and the only consumer, which alone reduces and tells the sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from saturn_orchestrator.events import Event, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.host_run import HostRun, Ways
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.reduce import reduce_run
from saturn_orchestrator.topology.model import Host


class Stop:
    """A person's wish to stop: the first press is soft, the second detaches. It does nothing until a run listens."""

    def __init__(self) -> None:
        """Nobody has pressed yet."""
        self.presses = 0
        self._soft: Callable[[], None] = lambda: None
        self._hard: Callable[[], None] = lambda: None

    def listen(self, soft: Callable[[], None], hard: Callable[[], None]) -> None:
        """Say what the first and any later press shall do."""
        self._soft, self._hard = soft, hard

    def press(self) -> None:
        """Ctrl-C."""
        self.presses += 1
        if self.presses == 1:
            self._soft()
        else:
            self._hard()

    def leave(self) -> None:
        """The terminal or the machine goes away: detach at once."""
        self._hard()


class Rollout:
    """A run under way: its host tasks, their queue, and the one state, which nobody else replaces."""

    def __init__(self, run: RunState, sinks: Sequence[Sink]) -> None:
        """Nothing has begun."""
        self._run = run
        self._sinks = sinks
        self._queue: asyncio.Queue[tuple[str, Event | None]] = asyncio.Queue()
        self._begun: list[tuple[HostRun, asyncio.Task[None]]] = []

    def begin(self, host: Host, request: Request, ways: Ways) -> None:
        """Start the task of one host."""
        host_run = HostRun(host, request, ways, lambda event: self._queue.put_nowait((host.name, event)))
        task = asyncio.create_task(host_run.walk(), name=host.name)
        task.add_done_callback(lambda _: self._queue.put_nowait((host.name, None)))
        self._begun.append((host_run, task))

    async def finish(self) -> RunState:
        """Reduce what the tasks post, and tell the sinks, until every task has ended."""
        for sink in self._sinks:
            sink.opened(self._run)
        left = len(self._begun)
        while left:
            host, event = await self._queue.get()
            if event is None:
                left -= 1
            else:
                self._note(host, event)
        for sink in self._sinks:
            sink.closed(self._run)
        return self._run

    def stop(self) -> None:
        """Ask every host to stop after the service in hand."""
        for host_run, task in self._begun:
            host_run.stop(task)

    def detach(self) -> None:
        """Leave every host alone: what runs on a node goes on."""
        for _, task in self._begun:
            task.cancel()

    def _note(self, host: str, event: Event) -> None:
        self._run = reduce_run(self._run, host, event)
        for sink in self._sinks:
            sink.noted(host, event, self._run)


async def roll_out(
    run: RunState, orders: Sequence[tuple[Host, Request]], ways: Ways, sinks: Sequence[Sink], stop: Stop
) -> RunState:
    """Take every host to a final state, all at once, and return the run's state.

    After a second press of `stop` hosts may be left running on their nodes; their state then says so.
    """
    rollout = Rollout(run, sinks)
    for host, request in orders:
        rollout.begin(host, request, ways)
    stop.listen(soft=rollout.stop, hard=rollout.detach)
    return await rollout.finish()


def run_request(host: Host, run: str, controller: str, *, resume: bool) -> Request:
    """What a host of a run is asked, but for its revision and who confirmed it."""
    return Request(verb="run", run=run, node=node_order(host), resume=resume, controller=controller)
