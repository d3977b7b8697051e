"""Runs across hosts: one task a host, one queue, and the only consumer, which alone reduces and tells the sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from saturn_orchestrator.rollout.host_run import HostRun, Ways
from saturn_orchestrator.rollout.outbox import Ended, Mail, Opening, Outbox, Parcel, Posted
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.state.model import HostState, RunState
from saturn_orchestrator.state.reduce import strides
from saturn_orchestrator.topology.model import Host

BATCH = 512
"""Events noted before the other tasks have their turn, at most."""

FLUSH_S = 0.2
"""How far apart the sinks are flushed while events keep coming: each time costs as much as several events."""


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


class Walk(Protocol):
    """What is done with one host: it posts events, and raises nothing but CancelledError."""

    async def walk(self) -> None:
        """Do it all. Cancelled, it lets go of the host at once."""

    def stop(self, task: asyncio.Task[None]) -> None:
        """End softly; `task` is the one that walks."""


class Rollout:
    """Runs under way: the hosts' tasks, their queue, and the states, which nobody else replaces."""

    def __init__(self, sinks: Sequence[Sink], stop: Stop) -> None:
        """Nothing has begun. `stop` reaches whatever will be begun here."""
        self._sinks = sinks
        self._runs: dict[str, RunState] = {}
        self._mail: Mail = asyncio.Queue()
        self._begun: list[tuple[Walk, asyncio.Task[None]]] = []
        self._flushed_at = float("-inf")
        self._flushing: asyncio.TimerHandle | None = None
        stop.listen(soft=self._stop, hard=self._detach)

    def open(self, run: RunState) -> None:
        """Watch a run from now on, or more hosts of one that is watched."""
        self._mail.put_nowait(Opening(run))

    def outbox(self, run: str, host: str) -> Outbox:
        """The way for the events of one host in one run, which must be open before they are posted."""
        return Outbox(self._mail, run, host)

    def begin(self, host: str, walk: Walk) -> None:
        """Start the task of one host."""
        task = asyncio.create_task(walk.walk(), name=host)
        task.add_done_callback(lambda _: self._mail.put_nowait(Ended(host)))
        self._begun.append((walk, task))

    async def finish(self) -> Mapping[str, RunState]:
        """Reduce what the tasks post, and tell the sinks, until every task has ended. The runs by their id."""
        left = len(self._begun)
        while left:
            mail: Parcel | None = await self._mail.get()
            room = BATCH
            while mail:
                left -= self._noted(mail)
                room -= len(mail.events) if isinstance(mail, Posted) else 1
                mail = self._mail.get_nowait() if room > 0 and not self._mail.empty() else None
            self._flush_soon()
        self._flush()
        for run in self._runs.values():
            for sink in self._sinks:
                sink.closed(run)
        return self._runs

    def _flush_soon(self) -> None:
        """At once after a silence; while events keep coming, after a moment in which more of them come."""
        wait_s = self._flushed_at + FLUSH_S - asyncio.get_running_loop().time()
        if wait_s <= 0:
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(wait_s, self._flush)

    def _flush(self) -> None:
        if self._flushing:
            self._flushing.cancel()
            self._flushing = None
        self._flushed_at = asyncio.get_running_loop().time()
        for sink in self._sinks:
            sink.flush()

    def _noted(self, mail: Parcel) -> bool:
        """Whether a task ended."""
        if isinstance(mail, Opening):
            self._open(mail.run)
        elif isinstance(mail, Posted):
            for told, host in strides(self._runs[mail.run].hosts[mail.host], mail.events):
                run = self._runs[mail.run] = self._runs[mail.run].with_host(host)
                for sink in self._sinks:
                    sink.noted(mail.host, told, run)
        elif isinstance(mail, asyncio.Future) and not mail.done():  # done: whoever waited was cancelled
            mail.set_result(None)
        return isinstance(mail, Ended)

    def _open(self, wanted: RunState) -> None:
        run = self._runs.get(wanted.run, wanted)
        hosts: dict[str, HostState] = {**wanted.hosts, **run.hosts}
        run = self._runs[run.run] = RunState(run.run, run.revision, hosts, run.started_at)
        for sink in self._sinks:
            sink.opened(run)

    def _stop(self) -> None:
        """Ask every host to stop after the service in hand."""
        for walk, task in self._begun:
            walk.stop(task)

    def _detach(self) -> None:
        """Leave every host alone: what runs on a node goes on."""
        for _, task in self._begun:
            task.cancel()


async def roll_out(run: RunState, hosts: Sequence[Host], ways: Ways, sinks: Sequence[Sink], stop: Stop) -> RunState:
    """Take every host to a final state, and return the run's state.

    After a second press of `stop` hosts may be left running on their nodes; their state then says so.
    """
    rollout = Rollout(sinks, stop)
    rollout.open(run)
    for host in hosts:
        rollout.begin(host.name, HostRun(host, ways, rollout.outbox(run.run, host.name)))
    return (await rollout.finish())[run.run]
