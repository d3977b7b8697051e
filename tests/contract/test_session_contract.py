"""What every Session promises, asked of the double and of the real conversation, here and over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from support import build
from support.build import RUN, facts, node_event
from support.fake_session import FakeSession
from support.ssh_server import opened_ssh, ssh_server

from saturn_orchestrator import events
from saturn_orchestrator.errors import SessionLost
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host

Opened = Callable[[Path], AbstractAsyncContextManager[tuple[Session, Host]]]


@asynccontextmanager
async def faked(folder: Path) -> AsyncIterator[tuple[Session, Host]]:
    answer = [node_event(events.Hello), facts(seq=2), node_event(events.Goodbye, 3, outcome="success")]
    yield FakeSession(answer, answer), build.host(root=str(folder))


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[tuple[Session, Host]]:
    host = build.host(transport="local", root=str(folder / "root"))
    yield await opened_ssh(host), host


@asynccontextmanager
async def over_ssh(folder: Path) -> AsyncIterator[tuple[Session, Host]]:
    async with ssh_server(folder) as server:
        host = server.host()
        yield await opened_ssh(host), host


every_session = pytest.mark.parametrize("opened", [faked, local, over_ssh], ids=lambda opened: opened.__name__)


def asked(host: Host) -> Request:
    return Request("facts", RUN, node_order(host))


@every_session
def test_an_answer_is_of_this_host_and_run_in_order_and_comes_to_its_end(opened: Opened, tmp_path):
    async def story() -> None:
        async with opened(tmp_path) as (session, host):
            lines = [line async for line in session.ask(asked(host))]
            await session.close()

            assert [type(line) for line in lines] == [events.Hello, events.Facts, events.Goodbye]
            assert [(line.seq, line.run, line.host) for line in lines] == [(seq, RUN, "alpha") for seq in (1, 2, 3)]

    asyncio.run(story())


@every_session
def test_a_session_answers_one_request_after_another(opened: Opened, tmp_path):
    async def story() -> None:
        async with opened(tmp_path) as (session, host):
            answers = [[type(line) async for line in session.ask(asked(host))] for _ in range(2)]
            await session.close()

            assert answers[0] == answers[1] == [events.Hello, events.Facts, events.Goodbye]

    asyncio.run(story())


@every_session
def test_a_closed_session_is_a_lost_one(opened: Opened, tmp_path):
    async def story() -> None:
        async with opened(tmp_path) as (session, host):
            for _ in range(2):
                assert [line async for line in session.ask(asked(host))]
            await session.close()

            with pytest.raises(SessionLost):
                assert not [line async for line in session.ask(asked(host))]

    asyncio.run(story())


@every_session
def test_telling_and_closing_never_raise(opened: Opened, tmp_path):
    async def story() -> None:
        async with opened(tmp_path) as (session, host):
            assert [line async for line in session.ask(asked(host))]

            await session.close()
            session.tell(asked(host))
            await session.close()

    asyncio.run(story())


@pytest.mark.parametrize("opened", [local, over_ssh], ids=lambda opened: opened.__name__)
def test_facts_leave_nothing_on_the_node(opened: Opened, tmp_path):
    async def story() -> None:
        async with opened(tmp_path) as (session, host):
            assert [line async for line in session.ask(asked(host))]
            await session.close()

    asyncio.run(story())

    assert not (tmp_path / "root").exists()
