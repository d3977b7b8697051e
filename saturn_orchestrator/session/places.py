"""How many connections a command holds at once, and which host gives way to which.

A connection is held while a host is being connected to, and while a question to it is open. Between two questions the
host only keeps it: while it waits for a person's yes, for its batch, for a slot, for the next look of a watch. So:

1. No more than `limit` connections are held; whoever comes then waits, in the order of coming.
2. A host that has been answered gives way to any that waits: its session is hung up, and opened again by its next
   question. The one that has waited longest goes first.
3. A host that has a question for a session that was hung up goes before those that only arrive, and even a host that
   is connected and was not asked yet gives way to it. Such a one gives way to an arrival only when no line is at work
   at all: else two hosts could hang each other up in turn.
4. A host that does not answer is set aside after a moment: its connection no longer counts among those held, so that
   hosts that are away do not keep the others waiting. There are at most `aside` of these.

So nobody waits for ever: a line at work ends its question by itself (the run belongs to the node), one that is being
opened has its deadline, and when all lines are idle the next host takes one. What a host waits for without asking,
be it a person, a batch or a slot, never keeps a connection from another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import Enum, auto

from saturn_orchestrator.events import Line, Request
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.tailnet.model import Peer

AT_ONCE = 100
"""Connections at once: more make no command faster, since a handshake costs SATURN's own processor a few ms."""

ASIDE, ASIDE_S = 25, 5.0
"""How many hosts that do not answer are set aside, and after how long: until then they count as the others do."""

IDLE_S = 0.5
"""How long a session must be idle before it is hung up: the next question often follows at once."""


class _State(Enum):
    OPENING = auto()
    SLOW = auto()
    READY = auto()
    ASKED = auto()
    ANSWERED = auto()
    LEAVING = auto()
    GONE = auto()


_AT_WORK = frozenset({_State.OPENING, _State.ASKED, _State.LEAVING})


class Place:
    """The right to hold one connection."""

    def __init__(self, places: Places) -> None:
        """Its connection is being opened."""
        self._places = places
        self._hang_up: Callable[[], Awaitable[None]] | None = None
        self.state = _State.OPENING
        self.idle_since = 0.0
        self.timer = asyncio.get_running_loop().call_later(ASIDE_S, self._step_aside)

    def opened(self, hang_up: Callable[[], Awaitable[None]], *, is_asked: bool = False) -> None:
        """Its connection stands. hang_up: ends it, when it must give way. is_asked: its question comes at once."""
        self._hang_up = hang_up
        self._turn(_State.ASKED if is_asked else _State.READY)

    def take(self) -> bool:
        """A question is asked now; whether the connection is still there."""
        if self.state in {_State.LEAVING, _State.GONE}:
            return False
        self._turn(_State.ASKED)
        return True

    def rest(self) -> None:
        """The question was answered."""
        if self.state is _State.ASKED:
            self._turn(_State.ANSWERED)

    def free(self) -> None:
        """There is no connection any more."""
        self._turn(_State.GONE)

    async def leave(self) -> None:
        """Give way, once it is marked so."""
        try:
            if self._hang_up:
                await self._hang_up()
        finally:
            self.free()

    def _step_aside(self) -> None:
        if self.state is _State.OPENING:
            self._turn(_State.SLOW)

    def _turn(self, state: _State) -> None:
        self.timer.cancel()
        if self.state is not _State.GONE:
            self.state = state
            self.idle_since = asyncio.get_running_loop().time()
            self._places.turned(self)


class Places:
    """All the places of one command."""

    def __init__(self, limit: int = AT_ONCE, aside: int = ASIDE) -> None:
        """limit: connections held at once. aside: those that do not answer, beside them."""
        self.limit = limit
        self._aside = aside
        self._held: dict[Place, None] = {}
        self._returning: deque[asyncio.Future[Place]] = deque()
        self._arriving: deque[asyncio.Future[Place]] = deque()
        self._leaving: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether whoever arrives now has to wait."""
        return bool(self._returning or self._arriving) or self._count >= self.limit

    async def arrival(self) -> Place:
        """A place for a first connection to a host."""
        return await self._queued(self._arriving)

    async def comeback(self) -> Place:
        """A place for a host that has a question, and whose session was hung up."""
        return await self._queued(self._returning)

    def turned(self, place: Place) -> None:
        """A place is in another state now."""
        if place.state is _State.GONE:
            self._held.pop(place, None)
        self._settle()

    @property
    def _count(self) -> int:
        slow = sum(place.state is _State.SLOW for place in self._held)
        return len(self._held) - min(slow, self._aside)

    async def _queued(self, queue: deque[asyncio.Future[Place]]) -> Place:
        granted: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        queue.append(granted)
        self._settle()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                granted.result().free()
            raise

    def _settle(self) -> None:
        """Hand out what is free, and let hosts give way to those that still wait."""
        while (self._returning or self._arriving) and self._count < self.limit:
            granted = (self._returning or self._arriving).popleft()
            if not granted.done():  # done: whoever waited was cancelled
                place = Place(self)
                self._held[place] = None
                granted.set_result(place)
        wanted = len(self._returning) + len(self._arriving) - len(self._leaving)
        for place in list(self._giving_way())[: max(wanted, 0)] if wanted > 0 else ():
            self._hang_up(place)

    def _hang_up(self, place: Place) -> None:
        place.state = _State.LEAVING  # from now on, not from the task's first turn
        task = asyncio.ensure_future(place.leave())
        self._leaving.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # a line that could not be closed in order is closed all the same
        self._settle()

    def _giving_way(self) -> Iterator[Place]:
        """Those that may be hung up for the ones that wait, the longest idle first; looks again when one is too new."""
        idle = [place for place in self._held if place.state is _State.ANSWERED]
        ready = [place for place in self._held if place.state is _State.READY]
        if self._returning:
            idle += ready[: len(self._returning)]
        elif not any(place.state in _AT_WORK for place in self._held):
            idle += ready[:1]
        now = asyncio.get_running_loop().time()
        for place in sorted(idle, key=lambda each: (each.state is _State.READY, each.idle_since)):
            left_s = place.idle_since + IDLE_S - now
            if left_s <= 0:
                yield place
            else:
                self._look_again(left_s)

    def _look_again(self, seconds: float) -> None:
        if self._timer is None:

            def look() -> None:
                self._timer = None
                self._settle()

            self._timer = asyncio.get_running_loop().call_later(seconds, look)

    def close(self) -> None:
        """Nobody comes any more."""
        if self._timer:
            self._timer.cancel()


class Placed:
    """A Session that gives its place away between two questions when another host wants it; see above."""

    def __init__(self, session: Session, place: Place, again: Callable[[], Awaitable[tuple[Session, Place]]]) -> None:
        """again: the same once more, when it was hung up. Raises SessionError."""
        self._session = session
        self._place = place
        self._again = again
        self._is_closed = False
        place.opened(session.close)

    @property
    def peer(self) -> Peer | None:
        """See Session.peer."""
        return self._session.peer

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        """See Session.ask.

        Raises:
            SessionError: it was hung up, and cannot be opened again.
        """
        if not (self._place.take() or self._is_closed):
            self._session, self._place = await self._again()
            self._place.opened(self._session.close, is_asked=True)
        place = self._place
        try:
            async for line in self._session.ask(request, bundle, secrets):
                yield line
        finally:
            place.rest()

    def tell(self, request: Request) -> None:
        """See Session.tell."""
        self._session.tell(request)

    async def close(self) -> None:
        """See Session.close."""
        self._is_closed = True
        try:
            await self._session.close()
        finally:
            self._place.free()
