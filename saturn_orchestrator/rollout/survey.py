"""Reaching a host and asking what is true on it: the beginning of deploy, status and diagnose alike."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from random import uniform
from secrets import token_hex

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost, Unreachable
from saturn_orchestrator.events import Facts, Plan, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session.base import OpenSession, Session, Tell, nobody, patient
from saturn_orchestrator.topology.model import Host

ATTEMPTS = 3
"""Tries to connect, within the host's `connect_timeout_s`; nothing else is ever retried."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Up to how long it waits before another try, at first and at last: a random part of it, that nobody comes in step."""

GRACE = 1.05
"""A session that is being opened has the same limit of its own, and says more when that ends: it comes first."""

FACTS_PATIENCE_S = 90
"""A node whose docker hangs still answers below this: the executor limits every command it runs."""


def new_run_id() -> str:
    """A run id: the moment it was made, UTC, and four random characters."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(2)}"


async def connect(
    host: Host,
    open_session: OpenSession,
    tell: Tell = nobody,
    *,
    patience_s: float = 0,
    attempts: int | None = ATTEMPTS,
) -> Session:
    """A session with the host, tried again on what may pass by itself.

    tell: takes word of every attempt, and of what keeps one waiting. patience_s: how long altogether; the host's
    `connect_timeout_s` unless told. attempts: None for no limit but that.

    Raises:
        SessionError: why there is none; Unreachable when nobody answered.
    """
    patience = patience_s or host.ssh.connect_timeout_s
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    try:
        async with patient(patience, tell, grace=GRACE) as told:
            for attempt in count(1):
                told(events.SessionOpening(events.now(), attempt))
                try:
                    return await open_session(host, told)
                except SessionError as error:
                    pause_s = uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))  # noqa: S311 - no secret
                    if not error.retryable or attempt == attempts or loop.time() + pause_s >= end:
                        raise
                await asyncio.sleep(pause_s)
    except TimeoutError as error:
        raise Unreachable(
            f"{host.address} port {host.ssh.port} did not answer within {patience:g} s",
            hint=f"is it powered and online? try: ping {host.address}",
        ) from error
    raise AssertionError("a session is opened, or it is told why not")


async def gather_facts(host: Host, session: Session) -> Facts:
    """What is true on the node now. Changes nothing there.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    facts, _ = await _asked(host, session, Request(verb="facts", run=new_run_id(), node=node_order(host)))
    return _present(host, facts)


async def gather_plan(
    host: Host, session: Session, request: Request, make_bundle: Callable[[Facts], Awaitable[bytes]]
) -> tuple[Facts, Plan | None, bytes]:
    """What is true on the node, what a run would do to it, and the bundle that it got for that. Changes nothing there.

    request: the run that is planned. make_bundle: what the node lacks of the wanted revision, b"" when SATURN sends
    nothing. The plan is None when the facts tell of a problem that keeps the node from being deployed to.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    asked = replace(request, verb="plan", run=new_run_id())
    found, plan = await _asked(host, session, asked)
    facts = _present(host, found)
    if plan is None or plan.is_foreseen:
        return facts, plan, b""
    bundle = await make_bundle(facts)
    if bundle:
        digest = hashlib.sha256(bundle).hexdigest()
        _, foreseen = await _asked(host, session, replace(asked, run=new_run_id(), bundle=digest), bundle)
        plan = replace(foreseen, failing=plan.failing) if foreseen else plan
    return facts, plan, bundle


def _present(host: Host, facts: Facts | None) -> Facts:
    if facts is None:
        raise SessionLost(f"{host.name} answered without facts", code="facts_missing")
    return facts


async def _asked(
    host: Host, session: Session, request: Request, bundle: bytes = b""
) -> tuple[Facts | None, Plan | None]:
    """The facts and the plan in an answer. Its patience begins again with every sign of life."""
    facts: Facts | None = None
    plan: Plan | None = None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(FACTS_PATIENCE_S) as patience:
            async for line in session.ask(request, bundle):
                if isinstance(line, events.Facts):
                    facts = line
                elif isinstance(line, events.Plan):
                    plan = line
                elif isinstance(line, events.Heartbeat) and bundle:
                    patience.reschedule(loop.time() + FACTS_PATIENCE_S)
                elif isinstance(line, events.Refused):
                    raise ExecutorRefused(line.message, code=line.code, hint=line.hint)
    except TimeoutError as error:
        raise SessionLost(
            f"{host.name} gave no facts within {FACTS_PATIENCE_S} s", code="facts_timeout",
            hint="is its docker hanging? log in and try: docker ps",
        ) from error  # fmt: skip
    return facts, plan
