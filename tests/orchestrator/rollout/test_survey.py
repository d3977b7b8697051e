from __future__ import annotations

import asyncio
import errno
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build
from support.build import facts
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator.errors import Denied, OffTailnet, SessionLost, Unreachable
from saturn_orchestrator.events import OwnEvent, SessionOpening, SessionWaiting, now
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import ATTEMPTS, connect, gather_facts, new_run_id, run_id
from saturn_orchestrator.session.base import Patience, Session, Tell
from saturn_orchestrator.topology.model import Host


def test_a_run_id_is_a_moment_and_four_characters():
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", new_run_id())


CHANCE = st.integers(min_value=0, max_value=255)


@given(st.integers(min_value=0, max_value=10**13), CHANCE, CHANCE)
def test_run_ids_sort_as_their_runs_began(milliseconds: int, first: int, second: int):
    earlier, later = (datetime.fromtimestamp(each / 1000, UTC) for each in (milliseconds, milliseconds + 4))

    assert run_id(earlier, first) < run_id(later, second)


def test_connect_gives_up_after_some_attempts():
    async def story() -> list[OwnEvent]:
        told: list[OwnEvent] = []
        door = FakeDoor(alpha=[Unreachable(f"attempt {number}") for number in (1, 2, 3, 4)])
        with pytest.raises(Unreachable, match="attempt 3"):
            await connect(build.host("alpha", connect_timeout_s=30), door, told.append)
        return told

    told = asyncio.run(story())
    assert [(type(event), event.attempt) for event in told] == [
        (SessionOpening, number) for number in range(1, ATTEMPTS + 1)
    ]


def test_a_host_is_tried_once_where_saturn_itself_has_no_network():
    async def story() -> list[OwnEvent]:
        told: list[OwnEvent] = []
        error = Unreachable("no network")
        error.__cause__ = OSError(errno.ENETUNREACH, "Network is unreachable")
        with pytest.raises(Unreachable, match="no network"):
            await connect(build.host("alpha"), FakeDoor(alpha=[error, FakeSession()]), told.append)
        return told

    assert len(asyncio.run(story())) == 1


def test_connect_gives_up_at_the_end_of_the_hosts_patience():
    async def story() -> None:
        await connect(build.host("alpha", connect_timeout_s=0.05), FakeDoor(alpha=[asyncio.Event()]))

    with pytest.raises(Unreachable, match=r"^alpha port 22 did not answer within 0\.05 s$"):
        asyncio.run(story())


def test_a_session_that_gives_up_by_itself_has_the_last_word():
    async def gives_up(host: Host, tell: Tell) -> Session:
        await asyncio.sleep(host.ssh.connect_timeout_s)
        raise Unreachable("it stalled in the key exchange")

    with pytest.raises(Unreachable, match="it stalled in the key exchange"):
        asyncio.run(connect(build.host("alpha", connect_timeout_s=0.5), gives_up))


@pytest.mark.parametrize(
    "error", [Denied("no"), Denied("no", code="denied_by_policy"), OffTailnet("away"), OffTailnet("?", code="x")]
)
def test_connect_tries_what_no_time_heals_once(error):
    async def story() -> list[str]:
        door = FakeDoor(alpha=[error, FakeSession()])
        with pytest.raises(type(error)):
            await connect(build.host("alpha"), door)
        return door.opened

    assert asyncio.run(story()) == ["alpha"]


def test_what_asks_for_patience_is_given_it_and_is_told():
    waiting = SessionWaiting(now(), "approval", "needs approval: https://x", "https://x", patience_s=3600.0)

    async def approved_late(host: Host, tell: Tell) -> Session:
        tell(waiting)
        await asyncio.sleep(3 * host.ssh.connect_timeout_s)
        return FakeSession()

    async def story() -> list[OwnEvent]:
        told: list[OwnEvent] = []
        assert await connect(build.host("alpha", connect_timeout_s=0.1), approved_late, told.append)
        return told

    assert asyncio.run(story())[1:] == [waiting]


def test_what_asks_for_less_patience_than_there_is_takes_none_away():
    async def says_so(host: Host, tell: Tell) -> Session:
        tell(SessionWaiting(now(), "offline", "offline; trying once"))
        await asyncio.sleep(0)
        return FakeSession()

    assert asyncio.run(connect(build.host("alpha"), says_so))


def test_a_word_that_comes_too_late_stretches_nothing_and_is_told_all_the_same():
    async def story() -> list[OwnEvent]:
        told: list[OwnEvent] = []
        async with Patience(5.0, told.append) as tell:
            pass
        tell(SessionWaiting(now(), "first_contact", "a path is being found", patience_s=40.0))
        return told

    assert [event.code for event in asyncio.run(story())] == ["first_contact"]


def test_facts_are_asked_for_with_all_that_the_topology_says():
    async def story() -> None:
        session = FakeSession([facts()])

        assert await gather_facts(build.host(), session) == facts()
        assert [(request.verb, request.node) for request in session.asked] == [("facts", node_order(build.host()))]

    asyncio.run(story())


@pytest.mark.parametrize(
    "script, code", [([], "facts_missing"), ([SessionLost("the connection broke")], "session_lost")]
)
def test_facts_that_do_not_come_are_a_lost_session(script, code):
    with pytest.raises(SessionLost) as caught:
        asyncio.run(gather_facts(build.host(), FakeSession(script)))

    assert caught.value.code == code
