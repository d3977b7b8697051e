"""Who waits for a connection, who gives way, and that nobody waits for ever. The lines are doubles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from orchestrator.rollout.runs import Rollout, statuses
from support import build
from support.build import OLD, RUN, facts, run_story
from support.fake_session import FakeSession

from saturn_orchestrator.app.consent import Answer, Consent
from saturn_orchestrator.errors import SessionError, Unreachable
from saturn_orchestrator.events import Line, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session import places as rule
from saturn_orchestrator.session.base import Session, Tell, nobody
from saturn_orchestrator.session.places import Place, Placed, Places
from saturn_orchestrator.state.model import Status
from saturn_orchestrator.topology.model import Host

LIMIT = 10


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(rule, "IDLE_S", 0.0)


class StandingLine(FakeSession):
    """A session of a node that remembers what it was asked on other lines, and counts the lines that stand."""

    def __init__(self, host: str, board: Board) -> None:
        super().__init__()
        self._name, self._board = host, board
        board.open += 1
        board.most = max(board.most, board.open)
        board.opened.append(host)

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        await asyncio.sleep(0)
        if request.verb == "run":
            story = run_story(self._name)
        else:
            story = [replace(facts(self._name, revision=OLD), run=request.run)]
        for line in story:
            await asyncio.sleep(0)
            yield line

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            await asyncio.sleep(0)
            self._board.open -= 1


class Board:
    """An OpenSession as the Switchboard is one, with a bound; `away` hosts never answer."""

    def __init__(self, limit: int = LIMIT, aside: int = LIMIT, away: Sequence[str] = ()) -> None:
        self.places = Places(limit, aside)
        self.away = frozenset(away)
        self.open = self.most = 0
        self.opened: list[str] = []

    async def __call__(self, host: Host, tell: Tell = nobody) -> Session:
        return await self._placed(host, self.places.arrival)

    async def _placed(self, host: Host, queue: Callable[[], Awaitable[Place]]) -> Session:
        place = await queue()
        return Placed(await self._line(host, place), place, lambda: self._again(host))

    async def _again(self, host: Host) -> tuple[Session, Place]:
        place = await self.places.comeback()
        return await self._line(host, place), place

    async def _line(self, host: Host, place: Place) -> Session:
        try:
            if host.name in self.away:
                await asyncio.sleep(60)
            return StandingLine(host.name, self)
        except BaseException:
            place.free()
            raise


def rollout(board: Board, names: Sequence[str], **more: object) -> Rollout:
    made = Rollout(board, names, **more)
    made.hosts = [build.host(name, connect_timeout_s=30) for name in names]
    return made


def question(verb: str = "facts") -> Request:
    return Request(verb=verb, run=RUN, node=node_order(build.host("alpha")))


NAMES = [f"h{number}" for number in range(300)]


def finished(run) -> bool:
    return set(statuses(run).values()) == {Status.CHANGED}


async def in_time(story: Awaitable[object]) -> object:
    """A rule that is wrong makes hosts wait for one another for ever: say so instead."""
    async with asyncio.timeout(10):
        return await story


@pytest.mark.parametrize("slots", [1, 8, 50])
def test_many_hosts_with_few_connections_all_finish(slots):
    async def story() -> None:
        board = Board()

        run = await in_time(rollout(board, NAMES, slots=slots).run())

        assert finished(run)
        assert board.most <= LIMIT

    asyncio.run(story())


def test_hosts_that_wait_for_their_batch_hold_no_connection_from_the_batch_before():
    async def story() -> None:
        board = Board()
        made = rollout(board, NAMES)
        last_first = [" ".join(NAMES[start : start + 60]) for start in range(0, 300, 60)][::-1]
        made.in_batches(*last_first)

        run = await in_time(made.run())

        assert finished(run)
        assert board.most <= LIMIT

    asyncio.run(story())


def test_hosts_wait_for_a_person_who_answers_only_once_all_were_planned():
    async def story() -> None:
        board = Board()
        asked: list[str] = []

        async def ask(plan) -> Answer:
            await asyncio.sleep(0)
            asked.append(plan.host)
            return Answer.NO if plan.host == "h7" else Answer.YES

        consent = Consent(NAMES, "ada@saturn", lambda _: None, ask, None)
        made = rollout(board, NAMES, consent=consent.of)
        made.ways = replace(made.ways, settled=consent.settled)

        run = await in_time(made.run())

        assert sorted(asked) == sorted(NAMES)
        assert {**statuses(run), "h7": Status.CHANGED} == dict.fromkeys(NAMES, Status.CHANGED)
        assert board.most <= LIMIT

    asyncio.run(story())


def test_few_hosts_are_connected_to_at_once_and_once():
    async def story() -> None:
        board = Board(limit=300)

        assert finished(await in_time(rollout(board, NAMES).run()))
        assert sorted(board.opened) == sorted(NAMES)

    asyncio.run(story())


def test_hosts_that_are_away_step_aside(monkeypatch):
    monkeypatch.setattr(rule, "ASIDE_S", 0.0)

    async def story() -> None:
        board = Board(away=NAMES[:LIMIT])
        made = rollout(board, NAMES[:50])
        running = asyncio.create_task(made.run())
        there = [made.sink.when(name, "goodbye") for name in NAMES[LIMIT:50]]

        await in_time(asyncio.gather(*(each.wait() for each in there)))
        made.stop.press()
        run = await in_time(running)

        assert {run.hosts[name].status for name in NAMES[:LIMIT]} == {Status.CANCELLED}

    asyncio.run(story())


def test_no_more_than_so_many_are_set_aside(monkeypatch):
    monkeypatch.setattr(rule, "ASIDE_S", 0.0)

    async def story() -> None:
        places = Places(limit=2, aside=1)
        held = [await places.arrival() for _ in range(2)]
        third = asyncio.create_task(places.arrival())
        held.append(await third)
        fourth = asyncio.create_task(places.arrival())
        for _ in range(20):
            await asyncio.sleep(0)

        assert not fourth.done()
        held[0].free()
        await fourth

    asyncio.run(story())


def test_a_session_that_rests_is_hung_up_and_opened_again_by_its_next_question():
    async def story() -> None:
        board = Board(limit=1)
        alpha, beta = (build.host(name) for name in ("alpha", "beta"))
        request = question()

        first = await board(alpha)
        assert [line.type async for line in first.ask(request)] == ["facts"]
        second = await in_time(board(beta))
        assert [line.type async for line in second.ask(request)] == ["facts"]
        assert [line.type async for line in first.ask(request)] == ["facts"]
        await first.close()
        await second.close()

        assert (board.opened, board.most, board.open) == (["alpha", "beta", "alpha"], 1, 0)

    asyncio.run(story())


def test_a_question_that_is_open_gives_way_to_nobody():
    async def story() -> None:
        board = Board(limit=1)
        first = await board(build.host("alpha"))
        answer = first.ask(question("run"))
        await anext(answer)
        second = asyncio.create_task(board(build.host("beta")))
        for _ in range(20):
            await asyncio.sleep(0)

        assert not second.done()
        assert len([line async for line in answer]) == len(run_story("alpha")) - 1
        await in_time(second)

    asyncio.run(story())


def test_connections_that_nobody_asks_over_do_not_stand_in_the_way_of_others():
    async def story() -> None:
        board = Board(limit=3)

        sessions = await in_time(asyncio.gather(*(board(build.host(name)) for name in NAMES[:20])))
        for session in sessions:
            assert [line.type async for line in session.ask(question())] == ["facts"]

        assert board.most == 3

    asyncio.run(story())


def test_whoever_is_given_up_while_it_waits_leaves_its_place_to_the_next():
    async def story() -> None:
        places = Places(limit=1)
        held = await places.arrival()
        waiting = [asyncio.create_task(places.arrival()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        held.free()
        waiting[1].cancel()  # in the moment in which it was granted
        await in_time(waiting[2])

        assert (waiting[0].cancelled(), waiting[1].cancelled()) == (True, True)

    asyncio.run(story())


def test_a_session_that_cannot_be_opened_again_says_so_and_keeps_no_place():
    async def story() -> None:
        places = Places(limit=1)

        async def again() -> tuple[Session, Place]:
            place = await places.comeback()
            place.free()
            raise Unreachable("gone")

        session = Placed(FakeSession(), await places.arrival(), again)
        other = await in_time(places.arrival())
        other.free()
        with pytest.raises(SessionError, match="gone"):
            await anext(session.ask(question()))

        assert not places.is_full

    asyncio.run(story())
