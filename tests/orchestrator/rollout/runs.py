"""One run across scripted hosts, with all that surrounds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from support import build
from support.build import OLD, facts, run_story
from support.fake_session import FakeDoor, FakeSession, FakeSink, Step
from support.proposals import proposing

from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.following import Link
from saturn_orchestrator.rollout.gate import Gate
from saturn_orchestrator.rollout.host_run import Proposal, Ways
from saturn_orchestrator.rollout.runner import Stop, roll_out
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.topology.model import Host

Propose = Callable[[Host, Session], Awaitable[Proposal]]
PROPOSE = proposing()


async def confirmed(_: HostPlan) -> str:
    return "ada@saturn"


class Rollout:
    """One roll_out with its surroundings: a test replaces what it is about."""

    def __init__(
        self,
        door: FakeDoor,
        names: Sequence[str] = ("alpha",),
        propose: Propose = PROPOSE,
        consent: Callable[[HostPlan], Awaitable[str]] = confirmed,
        slots: int = 8,
    ) -> None:
        self.hosts = [build.host(name, connect_timeout_s=0.2) for name in names]
        self.sink = FakeSink()
        self.stop = Stop()
        self.settled: list[str] = []
        self.traced: list[str] = []
        link = Link(door, self.traced.append, patience_s=0.2)
        self.ways = Ways(link, propose, consent, self.settled.append, asyncio.Semaphore(slots))
        self.gate: tuple[Gate, ...] = ()

    def in_batches(self, *batches: str, allowed: int = 0) -> list[str]:
        """Let the hosts start batch by batch, their names between blanks; what the gate will have said."""
        said: list[str] = []
        gate = Gate([batch.split() for batch in batches], allowed, said.append)
        self.ways, self.gate = replace(self.ways, turns=gate), (gate,)
        return said

    @property
    def patience_s(self) -> float:
        return self.ways.link.patience_s

    @patience_s.setter
    def patience_s(self, seconds: float) -> None:
        self.ways = replace(self.ways, link=replace(self.ways.link, patience_s=seconds))

    async def run(self) -> RunState:
        run = build.run_state(*(host.name for host in self.hosts))
        return await roll_out(run, self.hosts, self.ways, [self.sink, *self.gate], self.stop)


async def first(running: asyncio.Task[RunState], *moments: asyncio.Event) -> None:
    """All these moments have come; a run that ends before them fails the test instead of leaving it to wait."""
    waiting = asyncio.gather(*(moment.wait() for moment in moments))
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        raise AssertionError(f"the run ended before: {running.result()}")


def session(host: str, *scripts: Sequence[Step]) -> FakeSession:
    """A session that answers `facts`, then the scripts in turn."""
    return FakeSession([facts(host, revision=OLD)], *scripts)


def sound(host: str) -> FakeSession:
    return session(host, run_story(host))


def statuses(run: RunState) -> dict[str, Status]:
    return {name: host.status for name, host in run.hosts.items()}
