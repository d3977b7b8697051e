"""A session in which a run has begun with its plan."""

from __future__ import annotations

import asyncio

from support import build
from support.build import RUN, facts, node_event, run_story
from support.fake_session import FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.begun import Begun

ASKED = Request("run", RUN, node_order(build.host()))


def test_the_first_answer_is_what_is_left_of_the_one_that_has_begun_and_the_next_is_asked_for():
    async def story() -> None:
        session = FakeSession([facts(), *run_story()], [node_event(events.Heartbeat, 0)])
        answer = session.ask(ASKED)
        assert await anext(answer) == facts()
        begun = Begun(session, answer)

        assert [line async for line in begun.ask(ASKED, b"bundle")] == list(run_story())
        assert session.carried == [b""]
        assert [line.type async for line in begun.ask(ASKED, b"bundle")] == ["heartbeat"]
        assert session.carried == [b"", b"bundle"]

    asyncio.run(story())


def test_everything_else_is_the_session_s_own():
    async def story() -> None:
        session = FakeSession([])
        begun = Begun(session, session.ask(ASKED))

        begun.tell(ASKED)
        await begun.close()

        assert (session.told, session.is_closed, begun.peer) == ([ASKED], True, session.peer)

    asyncio.run(story())
