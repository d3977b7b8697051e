"""The story of one host in a run: connect, plan, consent, its turn, run. It only posts events; it owns no state."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from saturn_orchestrator import events
from saturn_orchestrator.errors import (
    Denied,
    ExecutorRefused,
    HostKeyRejected,
    SaturnError,
    SessionError,
    TooManyFiles,
    Unreachable,
)
from saturn_orchestrator.events import Line, Request, now
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.rollout.begun import Begun
from saturn_orchestrator.rollout.following import Following, Link
from saturn_orchestrator.rollout.gate import Turns
from saturn_orchestrator.rollout.outbox import Outbox
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host

PLANS_MAX = 5
"""Plans that are shown of a host that moves under our hands."""


@dataclass(frozen=True)
class Proposal:
    """A plan, and what is asked of the node once it is confirmed.

    bundle: what the node lacks, if SATURN sends it. answer: what the node says of the run, when that has begun already.
    """

    plan: HostPlan
    request: Request
    bundle: bytes = b""
    answer: AsyncIterator[Line] | None = None


@dataclass(frozen=True)
class Deferral:
    """What shall be done with a host that is away, once it is back. See events.HostDeferred."""

    plan: HostPlan
    scope: tuple[str, ...]
    expires_at: str
    prune: bool = False
    rollback: bool = False

    def consented(self, by: str) -> events.HostDeferred:
        """The event of a person's yes."""
        plan = self.plan
        return events.HostDeferred(
            now(), by, plan.revision_after, plan.revision_before, plan.touched, self.scope, self.expires_at,
            self.prune, self.rollback,
        )  # fmt: skip


@dataclass(frozen=True)
class Ways:
    """What a host run needs of the world.

    propose: what would be done to a host; it may ask the node. order: the same, and the run at once, for hosts that
    somebody said yes to beforehand; `prior` says who, "" for nobody. consent: who confirmed the plan, "" when it was
    declined; it may take its time. settled: told the host's name once it will not ask for consent any more. turns: when
    a host may start, None for at once. defer: what is proposed for a host that is away, None for nothing. slots: how
    many hosts may be worked on at once; not held while a person thinks. detach: leave the nodes as soon as they have
    taken the run. secrets: what the host's `.env` files shall hold, b"" for nothing; asked for once its plan was
    accepted.
    """

    link: Link
    propose: Callable[[Host, Session], Awaitable[Proposal]]
    consent: Callable[[HostPlan], Awaitable[str]]
    settled: Callable[[str], None]
    slots: asyncio.Semaphore
    turns: Turns | None = None
    defer: Callable[[Host], Awaitable[Deferral | None]] | None = None
    detach: bool = False
    secrets: Callable[[Host, Request], Awaitable[bytes]] | None = None
    order: Callable[[Host, Session, str], Awaitable[Proposal]] | None = None
    prior: Callable[[Host], str] = lambda _: ""


class HostRun:
    """One host's part of a run."""

    def __init__(self, host: Host, ways: Ways, outbox: Outbox) -> None:
        """Nothing is done yet."""
        self._host = host
        self._ways = ways
        self._outbox = outbox
        self._post = outbox.post
        self._session: Session | None = None
        self._following: Following | None = None
        self._is_begun = False
        self._is_stopping = False
        self._ordered_by = ""

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
                self._let_go()
            raise
        except Unreachable as error:
            self._post(events.HostUnreachable(now(), error.code, error.message, error.hint))
        except SaturnError as error:
            if self._ordered_by:
                self._leave(error.code, _said(error))
            else:
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
        elif self._is_begun and not self._ordered_by:
            task.cancel()

    async def _walk(self) -> None:
        try:
            self._session = await connect(self._host, self._ways.link.open_session, self._post)
        except Unreachable:
            if not await self._is_deferred():
                raise
            return
        peer = self._session.peer
        self._post(events.SessionOpened(now(), peer.path.words if peer else ""))
        for _ in range(PLANS_MAX):
            if not await self._is_stale():
                return
        raise ExecutorRefused(
            f"{self._host.name} moved each time between its plan and the start",
            code="plan_stale",
            hint=f"saturn status --hosts {self._host.name}",
        )

    async def _is_stale(self) -> bool:
        """Plan, ask, and run; whether the node did not begin, because the plan was not true any more."""
        assert self._session
        async with self._ways.slots:
            proposal = await self._proposal(self._session)
            if proposal is None:
                return False
            if proposal.answer:
                by = await self._consent(proposal)
                return await self._is_found_stale(proposal, by, Begun(self._session, proposal.answer))
        by = await self._consent(proposal)
        if not by:
            self._post(events.HostDeclined(now()))
            return False
        if not await self._is_my_turn():
            return False
        async with self._ways.slots:
            secrets = await self._ways.secrets(self._host, proposal.request) if self._ways.secrets else b""
            return await self._is_found_stale(proposal, by, self._session, secrets)

    async def _proposal(self, session: Session) -> Proposal | None:
        """What shall be done; None when nothing is left to do.

        Then it was stopped, or done without a plan to see, because the line broke before that came.
        """
        prior = self._ways.prior(self._host)
        if not (prior and self._ways.order):
            return await self._ways.propose(self._host, session)
        self._ordered_by = prior
        try:
            proposal = await self._ways.order(self._host, session, prior)
        except (ExecutorRefused, Denied, HostKeyRejected, TooManyFiles):
            self._ordered_by = ""  # it said no, or never heard of it
            raise
        except SessionError as error:
            await self._follow_unseen(error)
            return None
        self._ordered_by = prior if proposal.answer else ""
        if self._is_stopping and not proposal.answer:
            self._post(events.HostCancelled(now()))
            return None
        return proposal

    async def _consent(self, proposal: Proposal) -> str:
        plan = proposal.plan
        self._post(
            events.HostPlanned(
                now(), plan.revision_before, plan.revision_after, plan.digest, plan.task,
                tuple(change.words for change in plan.changes),
            )
        )  # fmt: skip
        return await self._ways.consent(plan)

    async def _is_found_stale(self, proposal: Proposal, by: str, session: Session, secrets: bytes = b"") -> bool:
        """Run; whether the node did not begin, because the plan was not true any more."""
        plan, asked = proposal.plan, proposal.request
        self._post(events.HostConfirmed(now(), by, plan.digest, asked.deploys_nothing))
        following = Following(
            self._host, replace(asked, by=by), self._ways.link, self._outbox, session, proposal.bundle, secrets
        )
        await self._follow(following, plan.at_stake)
        if not following.stale:
            return False
        self._session, self._following = following.session, None
        self._post(events.PlanStale(now(), following.stale))
        if self._is_stopping:  # whoever stopped the run is not asked again
            self._post(events.HostCancelled(now()))
        return not self._is_stopping

    async def _follow(self, following: Following, at_stake: Collection[str] = ()) -> None:
        self._following, self._ordered_by = following, ""
        if self._is_stopping:
            following.stop()
        await following.to_the_end(detach=self._ways.detach, at_stake=at_stake)

    async def _follow_unseen(self, lost: SessionError) -> None:
        """The order left, and the line broke before an answer came: whether the run has begun, the node must tell."""
        self._post(events.HostAttached(now(), self._ordered_by))
        self._ways.link.trace(f"{self._host.name}: {lost.message}")
        if self._session:
            await self._session.close()
            self._session = None
        asked = Request("follow", self._outbox.run, node_order(self._host), by=self._ordered_by)
        await self._follow(Following(self._host, asked, self._ways.link, self._outbox, None))

    def _let_go(self) -> None:
        """Nobody watches the host any more."""
        if self._ordered_by:
            self._leave("interrupted", "this terminal left")
        else:
            self._post(events.HostCancelled(now()))

    def _leave(self, code: str, message: str) -> None:
        """The order was given, and its run goes on by itself."""
        self._post(events.HostAttached(now(), self._ordered_by))
        hint = f"saturn attach --hosts {self._host.name}"
        self._post(events.HostLeft(now(), code, message, hint))

    async def _is_my_turn(self) -> bool:
        """Wait for the host's batch; whether it may start."""
        if self._ways.turns is None:
            return True
        batch, batches = self._ways.turns.place(self._host.name)
        if batch > 1:
            self._post(events.HostQueued(now(), batch, batches))
        halted = await self._ways.turns.wait(self._host.name)
        if halted:
            self._post(events.HostSkipped(now(), halted))
        return not halted

    async def _is_deferred(self) -> bool:
        """Whether a person was asked what shall be done once the host is back; what was said is posted then."""
        deferral = await self._ways.defer(self._host) if self._ways.defer else None
        if deferral is None:
            return False
        by = await self._ways.consent(deferral.plan)
        self._post(deferral.consented(by) if by else events.HostDeclined(now()))
        return True

    def _fail(self, message: str) -> None:
        if self._following:
            self._following.leave("internal_error", message)
        elif self._ordered_by:
            self._leave("internal_error", message)
        else:
            hint = f"saturn doctor --hosts {self._host.name}   # then again with --verbose; report what it shows"
            self._post(events.HostFailed(now(), "internal_error", message, hint))


def _said(error: SaturnError) -> str:
    """The error's sentence with its notes: an event has one text."""
    return "; ".join((error.message, *error.notes))
