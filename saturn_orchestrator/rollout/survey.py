"""Reaching a host and asking what is true on it: the beginning of deploy, status and diagnose alike."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost, Unreachable
from saturn_orchestrator.events import Facts, Line, Plan, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.session.base import OpenSession, Patience, Session, Tell, nobody
from saturn_orchestrator.topology.model import Host

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 3
"""Tries to connect, within the host's `connect_timeout_s`; nothing else is ever retried."""

GRACE = 1.05
"""A session that is being opened has the same limit of its own, and says more when that ends: it comes first."""

FACTS_PATIENCE_S = 90
"""A node whose docker hangs still answers below this: the executor limits every command it runs."""


def new_run_id() -> str:
    """A run id of this moment."""
    return run_id(datetime.now(UTC), os.urandom(1)[0])


def run_id(at: datetime, chance: int) -> str:
    """A run id: the moment `at`, UTC, to the 256th of its second, and `chance`, below 256, against a namesake.

    Runs are listed by their names, newest first, and two commands may well begin in one second.
    """
    return f"{at:%Y%m%dT%H%M%SZ}-{at.microsecond * 256 // 1_000_000:02x}{chance:02x}"


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
    clock = _Clock(patience, tell)
    try:
        async with Patience(patience, clock.told, grace=GRACE) as told:
            told(events.SessionOpening(events.now(), 1))
            try:
                return await open_session(host, told)
            except SessionError as error:
                if not _is_worth_another_try(error):
                    raise
                first = error
            return await _tried_again(host, open_session, told, first, lambda state: clock.is_over(state, attempts))
    except TimeoutError as error:
        raise Unreachable(
            f"{host.address} port {host.ssh.port} did not answer within {patience:g} s",
            hint=f"is it powered and online? try: ping {host.address}",
        ) from error


async def _tried_again(
    host: Host, open_session: OpenSession, told: Tell, first: SessionError, is_over: Callable[[RetryCallState], bool]
) -> Session:
    """A session with a host that did not answer at first."""
    from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential  # most hosts answer at once

    tries = AsyncRetrying(
        stop=is_over,
        wait=wait_random_exponential(multiplier=0.5, max=10),
        retry=retry_if_exception(_is_worth_another_try),
        reraise=True,
    )
    async for attempt in tries:
        with attempt:
            if attempt.retry_state.attempt_number == 1:
                raise first
            told(events.SessionOpening(events.now(), attempt.retry_state.attempt_number))
            return await open_session(host, told)
    raise AssertionError("tenacity either returns or raises")


class _Clock:
    """How long a host was tried: but for the time in which other hosts had all the connections."""

    def __init__(self, patience_s: float, tell: Tell) -> None:
        self._patience_s = patience_s
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._waits_since: float | None = None

    def told(self, event: events.OwnEvent) -> None:
        """A Tell."""
        if isinstance(event, events.SessionWaiting) and event.code == "place":
            now = self._loop.time()
            if self._waits_since is None:
                self._waits_since = now
            else:
                self._began += now - self._waits_since
                self._waits_since = None
        self._tell(event)

    def is_over(self, state: RetryCallState, attempts: int | None) -> bool:
        """Whether another try would come too late, or be one too many."""
        is_late = self._loop.time() - self._began + state.upcoming_sleep >= self._patience_s
        return is_late or state.attempt_number == attempts


def _is_worth_another_try(error: BaseException) -> bool:
    """Not where SATURN itself has no network: its own system says so at once, and of every host."""
    is_offline = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENETUNREACH
    return isinstance(error, SessionError) and error.retryable and not is_offline


async def gather_facts(host: Host, session: Session) -> Facts:
    """What is true on the node now. Changes nothing there.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    told = await _asked(host, session, Request(verb="facts", run=new_run_id(), node=node_order(host)))
    return _present(host, told.facts)


@dataclass(frozen=True)
class Foreseen:
    """What a node said of itself and of a run.

    plan: None when the facts tell of a problem that keeps the node from being deployed to. bundle: what it got, and
    needs. answer: what it goes on to say, when the run has begun with its plan.
    """

    facts: Facts
    plan: Plan | None
    bundle: bytes = b""
    answer: AsyncIterator[Line] | None = None


async def gather_plan(
    host: Host, session: Session, request: Request, make_bundle: Callable[[Facts], Awaitable[bytes]], guess: bytes = b""
) -> Foreseen:
    """What is true on the node and what a run would do to it. Changes nothing there, unless the request begins.

    request: the run that is planned. make_bundle: what the node lacks of the wanted revision, b"" when SATURN sends
    nothing. guess: what it probably lacks; without it, or when it was wrong, the node is asked twice.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    asked = replace(
        request, verb="plan", run=request.run if request.begins else new_run_id(), bundle=bundle_digest(guess)
    )
    told = await _asked(host, session, asked, guess)
    facts = _present(host, told.facts)
    if told.plan is None or told.plan.is_foreseen:
        return Foreseen(facts, told.plan, b"" if facts.has_revision else guess, told.answer)
    bundle = await make_bundle(facts)
    if not bundle:
        return Foreseen(facts, told.plan)
    again = replace(asked, run=new_run_id(), bundle=bundle_digest(bundle), facts_known=True, begins=False)
    foreseen = (await _asked(host, session, again, bundle)).plan
    return Foreseen(facts, replace(foreseen, failing=told.plan.failing) if foreseen else told.plan, bundle)


def bundle_digest(bundle: bytes) -> str:
    """How a bundle is called in a request."""
    return hashlib.sha256(bundle).hexdigest() if bundle else ""


def _present(host: Host, facts: Facts | None) -> Facts:
    if facts is None:
        raise SessionLost(f"{host.name} answered without facts", code="facts_missing")
    return facts


class _Told(NamedTuple):
    """What stood in an answer. answer: the rest of it, when it goes on with a run."""

    facts: Facts | None = None
    plan: Plan | None = None
    answer: AsyncIterator[Line] | None = None


async def _asked(host: Host, session: Session, request: Request, bundle: bytes = b"") -> _Told:
    """What is told in an answer. Its patience begins again with every sign of life."""
    facts: Facts | None = None
    plan: Plan | None = None
    loop = asyncio.get_running_loop()
    answer = session.ask(request, bundle)
    try:
        async with asyncio.timeout(FACTS_PATIENCE_S) as patience:
            async for line in answer:
                if isinstance(line, events.Facts):
                    facts = line
                elif isinstance(line, events.Plan):
                    plan = line
                    if plan.begins and request.begins:
                        return _Told(facts, plan, answer)
                elif isinstance(line, events.Heartbeat) and bundle:
                    patience.reschedule(loop.time() + FACTS_PATIENCE_S)
                elif isinstance(line, events.Refused):
                    raise ExecutorRefused(line.message, code=line.code, hint=line.hint)
    except TimeoutError as error:
        raise SessionLost(
            f"{host.name} gave no facts within {FACTS_PATIENCE_S} s", code="facts_timeout",
            hint="is its docker hanging? log in and try: docker ps",
        ) from error  # fmt: skip
    return _Told(facts, plan)
