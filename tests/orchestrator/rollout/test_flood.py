"""A node that sends without end: its own line is held back or left, memory stays, and the other hosts go on."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest
from support import build
from support.build import NEW, OLD, RUN, facts, node_event, run_story
from support.fake_session import FakeSession, FakeSink
from support.proposals import proposing

from saturn_orchestrator import events
from saturn_orchestrator.events import Line, Request
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.following import Link
from saturn_orchestrator.rollout.host_run import Ways
from saturn_orchestrator.rollout.runner import Stop, roll_out
from saturn_orchestrator.session.base import Session, Tell
from saturn_orchestrator.session.payload import MARK, Payload
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.topology.model import Host

CHUNK = 256 * 1024
MEMORY = 24 * 1024 * 1024


class Flood:
    """A Channel whose far side never stops: the same chunk of lines, for ever."""

    last_words = ""

    def __init__(self, lines: bytes) -> None:
        self._chunk = lines * (CHUNK // len(lines))
        self._first = MARK + b"have\n"
        self.sent = 0

    def write(self, data: bytes) -> None:
        """Nobody listens."""

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        chunk, self._first = self._first + self._chunk, b""
        self.sent += len(chunk)
        return chunk

    async def close(self) -> None:
        """It would go on."""


class Flooding:
    """A Session that tells its facts, then floods."""

    peer = None

    def __init__(self, lines: bytes) -> None:
        self.channel = Flood(lines)
        self._flooding = Conversation("flood", self.channel, Payload(b"", ""), Trip())

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        if request.verb == "facts":
            yield facts("flood", revision=OLD)
            return
        async for line in self._flooding.ask(request, bundle):
            yield line

    def tell(self, request: Request) -> None:
        """Nobody listens."""

    async def close(self) -> None:
        """It would go on."""


async def confirmed(_: HostPlan) -> str:
    return "ada"


async def deployed(flooding: Flooding, sink: FakeSink) -> RunState:
    async def door(host: Host, _: Tell) -> Session:
        return flooding if host.name == "flood" else FakeSession([facts("good", revision=OLD)], run_story("good"))

    hosts = [build.host(name) for name in ("flood", "good")]
    ways = Ways(Link(door, lambda _: None, 60), proposing(), confirmed, lambda _: None, asyncio.Semaphore(8))
    return await roll_out(RunState.of(RUN, NEW, ["flood", "good"], build.AT), hosts, ways, [sink], Stop())


class Forgetful(FakeSink):
    """Keeps the order of what matters, and no states."""

    def noted(self, host: str, told: Sequence[object], run: object) -> None:
        self.noted_events += [(host, event.type) for event in told if event.type in {"goodbye", "host_left"}]


EVENT = b"[STRUCT] " + events.encode(node_event(events.Log, 1, "flood", text="x" * 40)).encode() + b"\n"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"not an event at all, but a line of some length\n", id="garbage"),
        pytest.param(b"[STRUCT] {broken\n", id="broken events"),
        pytest.param(EVENT, id="one event again and again"),
        pytest.param(b"\x00\xff\x1b[2J" * 10, id="no line at all"),
    ],
)
def test_a_flood_is_left_and_harms_nobody(lines):
    flooding, sink = Flooding(lines), Forgetful()
    tracemalloc.start()
    try:
        run = asyncio.run(deployed(flooding, sink))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert run.hosts["good"].status is Status.CHANGED
    assert (run.hosts["flood"].status, run.hosts["flood"].left.code) == (Status.RUNNING, "flood")
    assert sink.noted_events == [("good", "goodbye"), ("flood", "host_left")]
    assert most < MEMORY
