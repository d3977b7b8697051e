"""What a run would do to a host: the node compares itself with the wanted files, SATURN adds what git knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from saturn_orchestrator.app.vault import promise
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.errors import ExecutorRefused, RepositoryError
from saturn_orchestrator.events import Facts, Request, now
from saturn_orchestrator.plan.build import build_plan
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.plan.way import way_warnings
from saturn_orchestrator.records import dataclass, field, replace
from saturn_orchestrator.repository import thin_bundle
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import bundle_digest, gather_plan
from saturn_orchestrator.session.base import THIN_MAX, Session
from saturn_orchestrator.tailnet.model import Path, Peer
from saturn_orchestrator.tailnet.trouble import expiry_warning
from saturn_orchestrator.topology.model import Host


@dataclass(frozen=True)
class Scope:
    """How much a run does. services: only these, None for all. See wire.Request for the others.

    With backup or snapshot it deploys nothing, and so has nothing to take back when it fails.
    """

    services: frozenset[str] | None = None
    resume: bool = False
    prune: bool = False
    rollback: bool = False
    prefetch: bool = False
    backup: bool = False
    snapshot: str = ""

    @property
    def deploys_nothing(self) -> bool:
        """Whether the nodes keep their revision and containers: see wire.Request."""
        return self.prefetch or self.backup or bool(self.snapshot)

    def request(self, host: Host, run: str, controller: str) -> Request:
        """What a host is asked, but for the revision, the plan's digest and who confirmed it."""
        return Request(
            verb="run",
            run=run,
            node=node_order(host, self.services),
            resume=self.resume,
            prune=self.prune,
            rollback=(self.rollback or host.rollback_on_failure) and not (self.backup or self.snapshot),
            prefetch=self.prefetch,
            backup=self.backup,
            snapshot=self.snapshot,
            controller=controller,
        )

    def names(self, host: Host) -> tuple[str, ...]:
        """The services of the host that the run concerns, in deploy order."""
        return tuple(each.name for each in host.services if self.services is None or each.name in self.services)


@dataclass(frozen=True)
class Planner:
    """Proposes what a run would do. Bundles are made once for all nodes that lack the same.

    known: the revision that a host had when it was last heard of, "" for no idea: what it lacks then goes along with
    the question.
    """

    source: Source
    run: str
    controller: str
    scope: Scope
    known: Callable[[str], str] = lambda _: ""
    _bundles: dict[tuple[str, tuple[str, ...]], asyncio.Task[bytes]] = field(default_factory=dict)
    _guesses: list[asyncio.Task[bytes]] = field(default_factory=list)

    def prepare(self, hosts: Sequence[Host]) -> None:
        """Begin to make what the hosts probably lack, while they are being connected to."""
        self._guesses.extend(asyncio.create_task(self._guess(host, self.source.revision_of(host))) for host in hosts)

    async def propose(self, host: Host, session: Session) -> Proposal:
        """The plan of a host and what is asked of it once the plan is confirmed.

        Raises:
            SessionError: the node cannot be deployed to, or did not answer.
        """
        return await self.proposal(host, session, self._request(host))

    async def order(self, host: Host, session: Session, by: str) -> Proposal:
        """The same for a plan that `by` said yes to beforehand: unless something stands against it, the run begins.

        Raises:
            SessionError: as above; when the line broke or the node fell silent, the run may have begun.
        """
        return await self.proposal(host, session, replace(self._request(host), by=by, begins=True))

    def _request(self, host: Host) -> Request:
        return replace(self.scope.request(host, self.run, self.controller), revision=self.source.revision_of(host))

    async def proposal(self, host: Host, session: Session, request: Request) -> Proposal:
        """The same for a request that names its revision."""
        notes: list[str] = []

        async def lacking(facts: Facts) -> bytes:
            return await self._lacking(host, request.revision, facts, notes)

        told = await gather_plan(host, session, request, lacking, await self._guess(host, request.revision))
        facts, foreseen, bundle = told.facts, told.plan, told.bundle
        for problem in facts.problems:
            raise ExecutorRefused(problem.message, code=problem.code, hint=problem.hint)
        wanted = await self.source.wanted(host, facts.revision, request.revision)
        plan = build_plan(
            facts,
            self.scope.names(host),
            wanted,
            resume=request.resume,
            foreseen=foreseen,
            sent=len(bundle),
            restores=request.restore,
            carriers=host.carriers,
            ack_timeout_s=host.ack_timeout_s,
        )
        # What a resume finds failing is the doing of the run that it resumes.
        failing = tuple(each.service for each in foreseen.failing) if foreseen and not request.resume else ()
        asked = replace(request, plan=plan.digest, bundle=bundle_digest(bundle), failing=failing, begins=False)
        promised = _with_promises(plan, host, request)
        return Proposal(_by_the_way(promised, host, session.peer, notes), asked, bundle, told.answer)

    async def _lacking(self, host: Host, revision: str, facts: Facts, notes: list[str]) -> bytes:
        """What the node lacks of the revision. Why SATURN cannot tell is noted: origin may still have it."""
        if facts.problems or host.git.source == "origin" or not await self.source.repository.knows(revision):
            return b""
        try:
            return await self._bundle(revision, await self.source.repository.known(facts.tips))
        except RepositoryError as error:
            notes.append(f"SATURN cannot send what the node lacks: {error.message}; {error.hint}".rstrip("; "))
            return b""

    async def _guess(self, host: Host, revision: str) -> bytes:
        """What the node probably lacks; nothing when that is too much to be sent in vain."""
        known = self.known(host.name)
        if known in {"", revision} or host.git.source == "origin" or not await self.source.repository.knows(revision):
            return b""
        try:
            bundle = await self._bundle(revision, (known,))
        except RepositoryError:  # one of them is unknown here; what else it may be is told once the node has answered
            return b""
        return bundle if len(bundle) <= THIN_MAX else b""

    async def _bundle(self, revision: str, tips: Sequence[str]) -> bytes:
        key = (revision, tuple(tips))
        if key not in self._bundles:
            self._bundles[key] = asyncio.create_task(thin_bundle(self.source.repository, revision, tips))
        return await asyncio.shield(self._bundles[key])


def _by_the_way(plan: HostPlan, host: Host, peer: Peer | None, notes: Sequence[str]) -> HostPlan:
    """The plan with what the way to the host means for it, and what else was noted."""
    path = peer.path if peer else Path()
    expiry = expiry_warning(peer, now()) if peer else ""
    words = (*plan.warnings, *notes, *way_warnings(plan, host.link, path), *([expiry] if expiry else ()))
    return replace(plan, path=path.words, warnings=words)


def _with_promises(plan: HostPlan, host: Host, request: Request) -> HostPlan:
    """The plan with what SATURN would write to `.env` files there: a yes covers that, too."""
    asked = {each.name for each in request.node.services} if not request.prefetch else set()
    told = tuple(promise(each, host.name) for each in host.services if each.secrets and each.name in asked)
    return replace(plan, notes=(*plan.notes, *told))
