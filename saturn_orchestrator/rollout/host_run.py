"""The story of one host in a run: connect, facts, plan, consent, run. It only posts events; it owns no state."""

from __future__ import annotations

import asyncio
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

RECONNECTS = 5
"""How often a broken line is taken up again in one run. Asking again is safe: the node starts a run only once."""


@dataclass(frozen=True)
class Ways:
    """What a host run needs of the world.

    plan: facts to the host's plan. consent: who confirmed the plan, "" when it was declined; it may take its time.
    settled: told the host's name once it will not ask for consent any more. trace: told what only `--verbose` shows.
    slots: how many hosts may be worked on at once; not held while a person thinks.
    """

    open_session: OpenSession
    plan: Callable[[Host, Facts], Awaitable[HostPlan]]
    consent: Callable[[HostPlan], Awaitable[str]]
    settled: Callable[[str], None]
    trace: Callable[[str], None]
    slots: asyncio.Semaphore


class HostRun:
    """One host's part of a run."""

    def __init__(self, host: Host, request: Request, ways: Ways, post: Callable[[Event], None]) -> None:
        """`request` is the run request without its revision, which the plan gives."""
        self._host = host
        self._request = request
        self._ways = ways
        self._post = post
        self._session: Session | None = None
        self._is_ordered = False
        self._last_seq = 0

    async def walk(self) -> None:
        """Take the host to a final event, or leave it running on the node when this task is cancelled."""
        try:
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
        if self._is_ordered and self._session:
            self._session.tell(replace(self._request, verb="cancel"))
        else:
            task.cancel()

    async def _walk(self) -> None:
        async with self._ways.slots:
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
        facts = await gather_facts(self._host, self._session)
        for problem in facts.problems:
            raise ExecutorRefused(problem.message, code=problem.code, hint=problem.hint)
        return facts

    async def _run(self, request: Request) -> None:
        """Start the run and follow it to its goodbye, taking up the line again when it breaks."""
        for _ in range(RECONNECTS):
            try:
                if await self._follow(replace(request, after=self._last_seq)):
                    return
            except SessionError as lost:  # also a line that broke before the executor spoke again
                self._ways.trace(f"{self._host.name}: {lost.message}")
                if not await self._reconnect():
                    break
            else:
                self._lose("worker_lost", "the executor on the node ended without a goodbye", working=False)
                return
        self._lose("session_lost", "the line is gone; the node goes on by itself", working=True)

    async def _follow(self, request: Request) -> bool:
        """Post what the node says; whether it said goodbye."""
        assert self._session
        async for line in self._session.ask(request):
            if isinstance(line, events.LogLine | events.Malformed):
                self._ways.trace(f"{self._host.name}: {line}")
                continue
            self._post(line)
            if not isinstance(line, events.Heartbeat):
                self._last_seq = max(self._last_seq, line.seq)
            if isinstance(line, events.Goodbye):
                return True
        return False

    async def _reconnect(self) -> bool:
        """Whether there is a line again."""
        if self._session:
            await self._session.close()
        try:
            self._session = await connect(self._host, self._ways.open_session, lambda _: None)
        except SessionError as error:
            self._ways.trace(f"{self._host.name}: {error.message}")
            self._session = None
        return self._session is not None

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
