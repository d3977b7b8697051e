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


async def roll_out(
    run: RunState, hosts: Sequence[Host], request: Callable[[Host], Request], ways: Ways, sinks: Sequence[Sink], stop: Stop
) -> RunState:
    """Take every host to a final state, all at once, and return the run's state.

    After a second press of `stop` hosts may be left running on their nodes; their state then says so.
    """
    queue: asyncio.Queue[tuple[str, Event | None]] = asyncio.Queue()

    def begin(host: Host) -> tuple[HostRun, asyncio.Task[None]]:
        host_run = HostRun(host, request(host), ways, lambda event: queue.put_nowait((host.name, event)))
        task = asyncio.create_task(host_run.walk(), name=host.name)
        task.add_done_callback(lambda _: queue.put_nowait((host.name, None)))
        return host_run, task

    for sink in sinks:
        sink.opened(run)
    begun = [begin(host) for host in hosts]

    def stop_softly() -> None:
        for host_run, task in begun:
            host_run.stop(task)

    def detach() -> None:
        for _, task in begun:
            task.cancel()

    stop.listen(soft=stop_softly, hard=detach)
    left = len(begun)
    while left:
        host_name, event = await queue.get()
        if event is None:
            left -= 1
            continue
        run = reduce_run(run, host_name, event)
        for sink in sinks:
            sink.noted(host_name, event, run)
    for sink in sinks:
        sink.closed(run)
    return run


def run_request(run: str, resume: bool, controller: str) -> Callable[[Host], Request]:  # noqa: FBT001
    """What every host of a run is asked, but for its revision and who confirmed it."""
    return lambda host: Request(verb="run", run=run, node=node_order(host), resume=resume, controller=controller)
