"""A Session from a script: what each `ask` answers is a list of steps, written down beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from saturn_orchestrator.errors import SessionError, SessionLost, Unreachable
from saturn_orchestrator.events import Line, Request
from saturn_orchestrator.session.base import Session, Tell, nobody
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host

Step = Line | SessionError | asyncio.Event
"""A line to yield, an error to raise, or an event to wait for."""


class FakeSession:
    """Answers the first `ask` with the first script, and so on; an `ask` too many is a broken line."""

    def __init__(self, *scripts: Iterable[Step]) -> None:
        self._scripts = [list(script) for script in scripts]
        self.asked: list[Request] = []
        self.carried: list[bytes] = []
        self.told: list[Request] = []
        self.is_closed = False
        self.peer: Peer | None = None

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        self.asked.append(request)
        self.carried.append(bundle)
        if not self._scripts:
            raise SessionLost("the connection broke")
        for step in self._scripts.pop(0):
            if isinstance(step, SessionError):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step

    def tell(self, request: Request) -> None:
        self.told.append(request)

    async def close(self) -> None:
        self.is_closed = True


class FakeDoor:
    """An OpenSession over scripted hosts: each name has the sessions (or errors) of its attempts, in order."""

    def __init__(self, **attempts: Sequence[Session | SessionError | asyncio.Event]) -> None:
        self._attempts = {name: list(each) for name, each in attempts.items()}
        self.opened: list[str] = []

    async def __call__(self, host: Host, tell: Tell = nobody) -> Session:
        self.opened.append(host.name)
        attempts = self._attempts[host.name]
        while isinstance(attempts[0] if attempts else None, asyncio.Event):
            await attempts.pop(0).wait()
        if not attempts:
            raise Unreachable("nobody answers")
        attempt = attempts.pop(0)
        if isinstance(attempt, SessionError):
            raise attempt
        return attempt


class FakeSink:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.noted_events: list[tuple[str, str]] = []
        self.states: list[object] = []
        self.is_closed = False
        self.flushes = 0
        self.reached: dict[tuple[str, str], asyncio.Event] = {}

    def when(self, host: str, event_type: str) -> asyncio.Event:
        """Set once the event of that type was noted of that host."""
        return self.reached.setdefault((host, event_type), asyncio.Event())

    def opened(self, run: object) -> None:
        self.states.append(run)

    def noted(self, host: str, told: Sequence[object], run: object) -> None:
        for event in told:
            self.noted_events.append((host, event.type))
            self.states.append(run)
            self.when(host, event.type).set()

    def flush(self) -> None:
        self.flushes += 1

    def closed(self, run: object) -> None:
        self.is_closed = True
