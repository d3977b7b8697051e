"""`saturn cancel`: tell every chosen host at once to stop what it is doing; what was done stays, and is resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost
from saturn_orchestrator.events import Cancelling, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.state.cancellation import Cancellation
from saturn_orchestrator.topology.model import Host

PATIENCE_S = 30
"""Telling takes a moment; a node that does not answer by then is as good as away."""

IDLE = "not_running"
"""The node's word for: there is nothing to stop."""


async def cancel(hosts: Sequence[Host], open_session: OpenSession, *, at_once: bool) -> tuple[Cancellation, ...]:
    """Tell all hosts; the answers in the order given. at_once: end the command in hand, too."""
    return tuple(await asyncio.gather(*(_cancellation(host, open_session, at_once=at_once) for host in hosts)))


async def _cancellation(host: Host, open_session: OpenSession, *, at_once: bool) -> Cancellation:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return Cancellation(host.name, error=error)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return Cancellation(host.name, told=await _told(host, session, at_once=at_once))
    except TimeoutError:
        return Cancellation(host.name, error=SessionLost(f"{host.name} did not answer within {PATIENCE_S} s"))
    except SessionError as error:
        return Cancellation(host.name, error=error)
    finally:
        await session.close()


async def _told(host: Host, session: Session, *, at_once: bool) -> Cancelling | None:
    told: Cancelling | None = None
    async for line in session.ask(Request(verb="cancel", run="", node=node_order(host), now=at_once)):
        if isinstance(line, Cancelling):
            told = line
        elif isinstance(line, events.Refused) and line.code != IDLE:
            raise ExecutorRefused(line.message, code=line.code, hint=line.hint)
    return told
