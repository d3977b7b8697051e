"""`saturn status --watch`: one session a host, asked again and again; whoever is away is tried again, ever more rarely.

Host tasks only send sightings; the one consumer reduces them and shows the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from saturn_orchestrator.app.status import Memory, answered, away, known_peer, recalled, surroundings
from saturn_orchestrator.errors import RepositoryError, SessionError, SessionLost, Unreachable
from saturn_orchestrator.events import Facts, OwnEvent, SessionWaiting, now
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.repository import Distance, Repository
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.state.standing import Deferred, Standing
from saturn_orchestrator.state.watch import Awaited, Seen, Sighting, WatchState, reduce_watch
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host, Topology

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""How soon a host that went away is tried again at first, and at last."""

REFUSED_PAUSE_S = 300.0
"""A host that denies the login is tried this rarely: several denied logins in ten minutes get an address banned."""

BREATH_S = 0.25
"""What a screen is left alone for at least."""


@dataclass(frozen=True)
class Watch:
    """What is watched. period_s: from an answer to the next question."""

    topology: Topology
    hosts: Sequence[Host]
    period_s: float


@dataclass(frozen=True)
class Ports:
    """What a watch needs of the world."""

    open_session: OpenSession
    memory: Memory
    book: AddressBook


Show = Callable[[WatchState], None]
"""Takes the state whenever it may have changed, and once a period."""


class Watcher:
    """One watch, which goes on until it is stopped."""

    def __init__(self, order: Watch, ports: Ports) -> None:
        """Nobody is asked yet."""
        self._order = order
        self._ports = ports
        self._mail: asyncio.Queue[Sighting | None] = asyncio.Queue()

    def stop(self) -> None:
        """Hang up, and let the watch end with the state as it is."""
        self._mail.put_nowait(None)

    async def watch(self, show: Show) -> WatchState:
        """The state in the end."""
        branches = Branches(Repository(self._order.topology.folder), self._order.period_s)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._look_around())]
            for host in self._order.hosts:
                walk = HostWatch(host, self._order.period_s, self._ports, branches, self._mail.put_nowait)
                tasks.append(group.create_task(walk.watch(), name=host.name))
            state = await self._consumed(WatchState.of((host.name for host in self._order.hosts), now()), show)
            for task in tasks:
                task.cancel()
        return state

    async def _look_around(self) -> None:
        self._mail.put_nowait(await surroundings(self._order.topology, self._ports.book))

    async def _consumed(self, state: WatchState, show: Show) -> WatchState:
        """Reduce what is told until the word to stop. What comes at once is shown at once, and ages are kept fresh."""
        while True:
            show(state)
            for sighting in await self._told():
                if sighting is None:
                    return state
                state = reduce_watch(state, sighting, now())

    async def _told(self) -> list[Sighting | None]:
        """What is told until a breath after the first word; nothing when a period goes by without one."""
        try:
            async with asyncio.timeout(self._order.period_s):
                first = await self._mail.get()
        except TimeoutError:
            return []
        if first is not None:
            await asyncio.sleep(BREATH_S)
        return [first, *(self._mail.get_nowait() for _ in range(self._mail.qsize()))]


class HostWatch:
    """One host: its session, the questions, and the pauses while it is away."""

    def __init__(
        self, host: Host, period_s: float, ports: Ports, branches: Branches, tell: Callable[[Sighting], None]
    ) -> None:
        """Nobody is asked yet."""
        self._host = host
        self._period_s = period_s
        self._ports = ports
        self._branches = branches
        self._tell = tell
        self._last_run: object = None
        self._deferred: Deferred | None = None
        self._is_known = False
        self._opened_at = float("inf")

    async def watch(self) -> None:
        """Never ends by itself."""
        failures = 0
        while True:
            try:
                await self._follow()
            except SessionError as error:
                # A session that soon breaks again and again must not be a login every two seconds.
                has_stood = asyncio.get_running_loop().time() - self._opened_at >= LONGEST_PAUSE_S
                failures = 1 if has_stood else failures + 1
                pause = pause_s(error, failures)
                self._ports.book.forget()
                self._tell(Seen(await self._absence(error), _later(pause)))
                await asyncio.sleep(pause)

    async def _follow(self) -> None:
        """Ask on one session, until it breaks.

        Raises:
            SessionError: it broke, or there is none.
        """
        self._opened_at = float("inf")
        session = await connect(self._host, self._ports.open_session, self._note)
        self._opened_at = asyncio.get_running_loop().time()
        try:
            while True:
                self._tell(Seen(await self._presence(session)))
                self._is_known = True
                await asyncio.sleep(self._period_s)
        finally:
            await session.close()

    async def _presence(self, session: Session) -> Standing:
        facts = await gather_facts(self._host, session)
        if not self._is_known or facts.last_run != self._last_run:  # a run may be what was waited for
            self._last_run, self._deferred = facts.last_run, self._ports.memory.deferred(self._host.name)
        standing = answered(self._host, facts, await self._distance(facts), session.peer)
        return replace(standing, deferred=self._deferred)

    async def _distance(self, facts: Facts) -> Distance | None:
        return await self._branches.distance(self._host.git.branch, facts.revision)

    async def _absence(self, error: SessionError) -> Standing:
        """Where a host stands that cannot be asked; at the first time with what the journal knows."""
        standing = away(self._host, error)
        if is_line_broken(error):
            standing = replace(standing, reachability="unreachable")
        if not self._is_known:
            standing, self._is_known = recalled(self._ports.memory, standing), True
        peer = await known_peer(self._host, self._ports.book)
        return replace(standing, deferred=self._ports.memory.deferred(self._host.name), peer=peer)

    def _note(self, event: OwnEvent) -> None:
        if isinstance(event, SessionWaiting):
            self._tell(Awaited(self._host.name, event.message))


def is_line_broken(error: SessionError) -> bool:
    """Whether a host that was spoken with is simply gone."""
    return isinstance(error, SessionLost) and error.code == SessionLost.code


def pause_s(error: SessionError, failures: int) -> float:
    """How long a host is left alone after so many failures, the last of which was this one."""
    if not isinstance(error, Unreachable | SessionLost):
        return REFUSED_PAUSE_S
    return float(min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), LONGEST_PAUSE_S))


def _later(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


class Branches:
    """How far revisions are from what branches hold on SATURN. git is asked for a branch at most once a period."""

    def __init__(self, repository: Repository, period_s: float) -> None:
        """Nothing is asked yet."""
        self._repository = repository
        self._period_s = period_s
        self._tips: dict[str, tuple[float, str]] = {}
        self._distances: dict[tuple[str, str], Distance | None] = {}
        self._turn = asyncio.Lock()

    async def distance(self, branch: str, revision: str) -> Distance | None:
        """From the revision to the tip of the branch; None when git here cannot tell."""
        async with self._turn:
            tip = await self._tip(branch)
            if (revision, tip) not in self._distances:
                self._distances[revision, tip] = await self._repository.distance(revision, tip) if tip else None
            return self._distances[revision, tip]

    async def _tip(self, branch: str) -> str:
        asked_at, tip = self._tips.get(branch, (float("-inf"), ""))
        present = asyncio.get_running_loop().time()
        if present - asked_at >= self._period_s:
            try:
                tip = (await self._repository.resolve(branch)).revision
            except RepositoryError:
                tip = ""
            self._tips[branch] = (present, tip)
        return tip
