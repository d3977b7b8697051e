"""The two seams: a Channel carries bytes to a program on a node, a Session carries requests and events over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol

from saturn_orchestrator.events import Line, OwnEvent, Request, SessionWaiting
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host


class Channel(Protocol):
    """Standard input and output of the bootstrap on a node."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the program's standard input; silently dropped once the channel is gone."""

    async def read(self) -> bytes:
        """Some bytes of its standard output; b"" when there are no more."""

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error, bounded."""

    async def close(self) -> None:
        """End the program's input and the connection; the node's worker goes on."""


class Sighting(Protocol):
    """A peer that is looked at while a session stands."""

    @property
    def peer(self) -> Peer:
        """As it was last seen."""


THIN_MAX = 12 * 1024
"""Bytes of a bundle that goes along with the first request: what leaves together has a limit (see ssh/flight.py)."""


class Session(Protocol):
    """A conversation with the executor of one host."""

    @property
    def peer(self) -> Peer | None:
        """The host on the tailnet, with the path that is in use; None when it was not reached over it."""

    def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        """Send a request and yield what the executor answers, until the answer's end.

        bundle: a git bundle for the node, known by its sha256 in `request.bundle`; a conversation carries it once. A
        small one costs no round trip of its own when it goes with the first request.
        secrets: what the `.env` files there shall hold; no part of the request, so that nothing keeps them with it.

        Raises:
            ExecutorRefused: the executor could not be started (no_python, payload_damaged, ...).
            SessionLost: the line broke before the answer's end.
            SessionError: the answer is longer than any may be (`flood`).
        """

    def tell(self, request: Request) -> None:
        """Send a request that has no answer of its own (`cancel`, while a run is followed)."""

    async def close(self) -> None:
        """Hang up."""


Tell = Callable[[OwnEvent], None]
"""Takes word of how a session comes about."""

OpenSession = Callable[[Host, Tell], Awaitable[Session]]
"""Connects once. Raises SessionError."""


@dataclass(frozen=True)
class Offer:
    """What a host shows of itself before anybody logs in.

    where: it answered. names: under which a known_hosts file may have it, the one to write first. keys: that it offers,
    the one to prefer first. told: those that the tailnet tells of it; a host that has any is known by these alone.
    """

    where: str
    names: tuple[str, ...]
    keys: tuple[Key, ...]
    told: tuple[Key, ...] = ()


OpenShell = Callable[[Host, tuple[str, ...], Tell], Awaitable[Channel]]
"""Connects once, and runs a command of the host's own shell. Raises SessionError."""

Scan = Callable[[Host, Tell], Awaitable[Offer | None]]
"""Looks at the keys that a host offers; None for this machine itself. Raises SessionError."""


def nobody(_: OwnEvent) -> None:
    """A Tell for whoever does not want to know."""


class Patience:
    """A time limit, and a Tell that stretches it as far as the word that it passes on asks for.

    It is what `async with` gives. Raises TimeoutError when the time is over.
    """

    def __init__(self, seconds: float, tell: Tell, *, grace: float = 1.0) -> None:
        """grace: a factor on every limit, for whoever waits for somebody who has the same one and can say more then."""
        self._limit = asyncio.timeout(seconds * grace)
        self._tell = tell
        self._grace = grace

    async def __aenter__(self) -> Tell:
        """The time begins."""
        await self._limit.__aenter__()
        return self._told

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The time is over, or no matter any more."""
        await self._limit.__aexit__(kind, error, trace)

    def _told(self, event: OwnEvent) -> None:
        if isinstance(event, SessionWaiting):
            wanted = asyncio.get_running_loop().time() + event.patience_s * self._grace
            with suppress(RuntimeError):  # the time was over just before
                self._limit.reschedule(max(self._limit.when() or 0.0, wanted))
        self._tell(event)
