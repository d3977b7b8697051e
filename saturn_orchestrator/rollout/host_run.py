"""The story of one host in a run: connect, facts, plan, consent, run. It only posts events; it owns no state."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SaturnError, Unreachable
from saturn_orchestrator.events import Facts, Request, now
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.following import Following, Link
from saturn_orchestrator.rollout.outbox import Outbox
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host


@dataclass(frozen=True)
class Ways:
    """What a host run needs of the world.

    plan: facts to the host's plan. consent: who confirmed the plan, "" when it was declined; it may take its time.
    settled: told the host's name once it will not ask for consent any more. slots: how many hosts may be worked on at
    once; not held while a person thinks. detach: leave the nodes as soon as they have taken the run.
    """

    link: Link
    plan: Callable[[Host, Facts], Awaitable[HostPlan]]
    consent: Callable[[HostPlan], Awaitable[str]]
    settled: Callable[[str], None]
    slots: asyncio.Semaphore
    detach: bool = False


class HostRun:
    """One host's part of a run."""

    def __init__(self, host: Host, request: Request, ways: Ways, outbox: Outbox) -> None:
        """`request` is the run request without its revision, which the plan gives."""
        self._host = host
        self._request = request
        self._ways = ways
        self._outbox = outbox
        self._post = outbox.post
        self._session: Session | None = None
        self._following: Following | None = None
        self._is_begun = False
        self._is_stopping = False

    async def walk(self) -> None:
        """Take the host to a final event, or leave it running on the node when this task is cancelled."""
        self._is_begun = True
        try:
            if self._is_stopping:
                self._post(events.HostCancelled(now()))
            else:
                await self._walk()
        except asyncio.CancelledError:
            if not self._following:
                self._post(events.HostCancelled(now()))
            raise
        except Unreachable as error:
            self._post(events.HostUnreachable(now(), error.code, error.message, error.hint))
        except SaturnError as error:
            self._post(events.HostFailed(now(), error.code, _said(error), error.hint))
        except Exception as error:  # noqa: BLE001 - a defect of ours on one host must not cost the others their run
            self._ways.link.trace(traceback.format_exc())
            self._fail(f"a defect in saturn: {type(error).__name__}: {error}")
        finally:
            self._ways.settled(self._host.name)
            if self._following:
                await self._following.close()
            elif self._session:
                await self._session.close()

    def stop(self, task: asyncio.Task[None]) -> None:
        """Ask the node to stop after the service in hand; a host that was not touched yet is just let go."""
        self._is_stopping = True
        if self._following:
            self._following.stop()
        elif self._is_begun:
            task.cancel()

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
            request = replace(self._request, revision=plan.revision_after, by=by)
            self._following = Following(self._host, request, self._ways.link, self._outbox, self._session)
            await self._following.to_the_end(detach=self._ways.detach)

    async def _survey(self) -> Facts:
        self._session = await connect(
            self._host,
            self._ways.link.open_session,
            lambda attempt: self._post(events.SessionOpening(now(), attempt)),
        )
        self._post(events.SessionOpened(now()))
        async with self._ways.slots:
            facts = await gather_facts(self._host, self._session)
        for problem in facts.problems:
            raise ExecutorRefused(problem.message, code=problem.code, hint=problem.hint)
        return facts

    def _fail(self, message: str) -> None:
        if self._following:
            self._following.leave("internal_error", message)
        else:
            hint = "again with --verbose, and report what it shows"
            self._post(events.HostFailed(now(), "internal_error", message, hint))


def _said(error: SaturnError) -> str:
    """The error's sentence with its notes: an event has one text."""
    return "; ".join((error.message, *error.notes))
