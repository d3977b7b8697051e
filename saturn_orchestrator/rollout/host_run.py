"""The story of one host in a run: connect, facts, plan, consent, run. It only posts events; it owns no state."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SaturnError, SessionError, Unreachable
from saturn_orchestrator.events import Event, Facts, Request, now
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.topology.model import Host

LINK_PATIENCE_S = 600
"""How long a silent line is tried again: the run belongs to the node, and LTE may be away for minutes.

Asking again is safe, since a node starts a run only once.
"""

PAUSE_S = 1.0
"""Between two tries of a line that opens and breaks at once."""


@dataclass(frozen=True)
class Ways:
    """What a host run needs of the world.

    plan: facts to the host's plan. consent: who confirmed the plan, "" when it was declined; it may take its time.
    settled: told the host's name once it will not ask for consent any more. trace: told what only `--verbose` shows.
    slots: how many hosts may be worked on at once; not held while a person thinks. link_patience_s: how long a run
    whose line broke is waited for.
    """

    open_session: OpenSession
    plan: Callable[[Host, Facts], Awaitable[HostPlan]]
    consent: Callable[[HostPlan], Awaitable[str]]
    settled: Callable[[str], None]
    trace: Callable[[str], None]
    slots: asyncio.Semaphore
    link_patience_s: float = LINK_PATIENCE_S


class HostRun:
    """One host's part of a run."""

    def __init__(self, host: Host, request: Request, ways: Ways, post: Callable[[Event], None]) -> None:
        """`request` is the run request without its revision, which the plan gives."""
        self._host = host
        self._request = request
        self._ways = ways
        self._post = post
        self._session: Session | None = None
        self._told: Session | None = None
        self._is_begun = False
        self._is_ordered = False
        self._is_stopping = False
        self._last_seq = 0
        self._heard_at = 0.0

    async def walk(self) -> None:
        """Take the host to a final event, or leave it running on the node when this task is cancelled."""
        self._is_begun = True
        try:
            if self._is_stopping:
                self._post(events.HostCancelled(now()))
            else:
                await self._walk()
        except asyncio.CancelledError:
            if not self._is_ordered:
                self._post(events.HostCancelled(now()))
            raise
        except Unreachable as error:
            self._post(events.HostUnreachable(now(), error.code, error.message, error.hint))
        except SaturnError as error:
            self._post(events.HostFailed(now(), error.code, _said(error), error.hint))
        except Exception as error:  # noqa: BLE001 - a defect of ours on one host must not cost the others their run
            self._ways.trace(traceback.format_exc())
            self._fail(f"a defect in saturn: {type(error).__name__}: {error}")
        finally:
            self._ways.settled(self._host.name)
            if self._session:
                await self._session.close()

    def stop(self, task: asyncio.Task[None]) -> None:
        """Ask the node to stop after the service in hand; a host that was not touched yet is just let go."""
        self._is_stopping = True
        if self._is_ordered:
            self._tell_to_stop()
        elif self._is_begun:
            task.cancel()

    def _tell_to_stop(self) -> None:
        if self._session and self._session is not self._told:  # a line taken up again is told again, never twice
            self._session.tell(replace(self._request, verb="cancel"))
            self._told = self._session

    async def _walk(self) -> None:
        facts = await self._survey()
        plan = await self._ways.plan(self._host, facts)
        self._post(events.HostPlanned(now(), plan.revision_before, plan.revision_after))
        by = await self._ways.consent(plan)
        if not by:
            self._post(events.HostDeclined(now()))
            return
        async with self._ways.slots:
            self._post(events.HostConfirmed(now(), by))
            self._is_ordered = True
            await self._run(replace(self._request, revision=plan.revision_after, by=by))

    async def _survey(self) -> Facts:
        self._session = await connect(
            self._host,
            self._ways.open_session,
            lambda attempt: self._post(events.SessionOpening(now(), attempt)),
        )
        self._post(events.SessionOpened(now()))
        async with self._ways.slots:
            facts = await gather_facts(self._host, self._session)
        for problem in facts.problems:
            raise ExecutorRefused(problem.message, code=problem.code, hint=problem.hint)
        return facts

    async def _run(self, request: Request) -> None:
        """Start the run and follow it to its goodbye, taking up the line again when it breaks."""
        self._heard_at = time.monotonic()
        while (patience_s := self._ways.link_patience_s - (time.monotonic() - self._heard_at)) > 0:
            try:
                await self._reconnect(patience_s)
                said_goodbye = await self._follow(replace(request, after=self._last_seq))
            except SessionError as lost:  # also a line that broke before the executor spoke again
                await self._hang_up(lost)
            else:
                if not said_goodbye:
                    self._lose("worker_lost", "the executor on the node ended without a goodbye", working=False)
                return
        self._lose("session_lost", "the line is gone; the node goes on by itself", working=True)

    async def _follow(self, request: Request) -> bool:
        """Post what the node says; whether it said goodbye."""
        assert self._session
        async for line in self._session.ask(request):
            self._heard_at = time.monotonic()
            if self._is_stopping:
                self._tell_to_stop()
            if isinstance(line, events.LogLine | events.Malformed):
                self._ways.trace(f"{self._host.name}: {line}")
                continue
            self._post(line)
            if not isinstance(line, events.Heartbeat):
                self._last_seq = max(self._last_seq, line.seq)
            if isinstance(line, events.Goodbye):
                return True
        return False

    async def _reconnect(self, patience_s: float) -> None:
        if self._session is None:
            self._session = await connect(
                self._host, self._ways.open_session, lambda _: None, patience_s=patience_s, attempts=None
            )

    async def _hang_up(self, lost: SessionError) -> None:
        if self._session:
            await self._session.close()
        self._session = None
        self._ways.trace(f"{self._host.name}: {lost.message}")
        self._post(events.LinkLost(now(), lost.message))
        await asyncio.sleep(min(PAUSE_S, self._ways.link_patience_s / 10))

    def _fail(self, message: str) -> None:
        if self._is_ordered:
            self._lose("internal_error", message, working=True)
        else:
            hint = "again with --verbose, and report what it shows"
            self._post(events.HostFailed(now(), "internal_error", message, hint))

    def _lose(self, code: str, message: str, *, working: bool) -> None:
        verb = "status" if working else "deploy"
        hint = f"saturn {verb} --hosts {self._host.name}" + ("" if working else " --resume")
        self._post(events.RunLost(now(), code, message, hint, working=working))


def _said(error: SaturnError) -> str:
    """The error's sentence with its notes: an event has one text."""
    return "; ".join((error.message, *error.notes))
