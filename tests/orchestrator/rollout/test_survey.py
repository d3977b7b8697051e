from __future__ import annotations

import asyncio
import re

import pytest
from support import build
from support.build import facts
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator.errors import Denied, SessionLost, Unreachable
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import ATTEMPTS, connect, gather_facts, new_run_id


def test_a_run_id_is_a_moment_and_four_characters():
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", new_run_id())


def test_connect_gives_up_after_some_attempts():
    async def story() -> list[int]:
        attempts: list[int] = []
        door = FakeDoor(alpha=[Unreachable(f"attempt {number}") for number in (1, 2, 3, 4)])
        with pytest.raises(Unreachable, match="attempt 3"):
            await connect(build.host("alpha", connect_timeout_s=30), door, attempts.append)
        return attempts

    assert asyncio.run(story()) == list(range(1, ATTEMPTS + 1))


def test_connect_gives_up_at_the_end_of_the_hosts_patience():
    async def story() -> None:
        await connect(build.host("alpha", connect_timeout_s=0.05), FakeDoor(alpha=[asyncio.Event()]), lambda _: None)

    with pytest.raises(Unreachable, match=r"^alpha port 22 did not answer within 0\.05 s$"):
        asyncio.run(story())


def test_connect_tries_a_denial_once():
    async def story() -> list[str]:
        door = FakeDoor(alpha=[Denied("no"), FakeSession()])
        with pytest.raises(Denied):
            await connect(build.host("alpha"), door, lambda _: None)
        return door.opened

    assert asyncio.run(story()) == ["alpha"]


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
