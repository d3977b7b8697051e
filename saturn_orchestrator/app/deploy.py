"""`saturn deploy`: load, select, resolve; then, host by host: plan, show, confirm; roll out, and return the state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from saturn_orchestrator.app.consent import Ask, Consent, Show, ShowDiff
from saturn_orchestrator.app.deferral import Defer
from saturn_orchestrator.app.planning import Planner, Scope
from saturn_orchestrator.app.threshold import Threshold
from saturn_orchestrator.app.vault import Vault
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.errors import Interrupted
from saturn_orchestrator.events import now
from saturn_orchestrator.plan.batches import allowance, batches, saturn_last
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.records import dataclass, field
from saturn_orchestrator.rollout.following import LINK_PATIENCE_S, Link
from saturn_orchestrator.rollout.gate import Gate
from saturn_orchestrator.rollout.host_run import Deferral, Proposal, Ways
from saturn_orchestrator.rollout.runner import Stop, roll_out
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Host, Topology


@dataclass(frozen=True)
class Deploy:
    """What a person ordered.

    by and controller: who, and on which machine. scope: how much each host's run does. revisions: what hosts shall
    reach, by name; the tip of its branch for the others. batches, max_failures: see plan.batches. defer: what is done
    about hosts that are away, None for nothing. confirmed: who said yes beforehand, for hosts that nobody is asked
    about now. is_return: each node tells by itself which revision it goes back to. link_patience_s: how long a line may
    stay away, 0 for ever. detach: leave the nodes as soon as they have taken the run. verb: as the person typed it.
    known: the revision that a host had when it was last heard of, "" for no idea.
    """

    topology: Topology
    hosts: tuple[Host, ...]
    by: str
    controller: str
    scope: Scope = field(default_factory=Scope)
    revisions: Mapping[str, str] = field(default_factory=dict)
    batches: tuple[str, ...] = ("100%",)
    max_failures: int | str = 0
    defer: Defer | None = None
    confirmed: Mapping[str, str] = field(default_factory=dict)
    is_return: bool = False
    link_patience_s: float = LINK_PATIENCE_S
    detach: bool = False
    verb: str = "deploy"
    known: Callable[[str], str] = lambda _: ""


Before = Callable[[RunState, Mapping[str, HostPlan]], Awaitable[None]]


@dataclass(frozen=True)
class Ports:
    """The world outside: sessions, the person, whoever watches.

    ask None means that `--yes` answered for all. show: a plan. show_text: what a person asked to see. say: a sentence.
    before: called once with the plans that were confirmed, before any of their hosts starts; what it raises as
    HookFailed keeps all of them from it. None lets every host start by itself.
    """

    open_session: OpenSession
    show: Show
    show_text: Callable[[str], None]
    ask: Ask | None
    say: Callable[[str], None]
    sinks: Sequence[Sink]
    stop: Stop
    trace: Callable[[str], None]
    before: Before | None = None


Propose = Callable[[Planner], Callable[[Host, Session], Awaitable[Proposal]]]


def proposed(planner: Planner) -> Callable[[Host, Session], Awaitable[Proposal]]:
    """The way of a plain deploy: every host goes to the revision that the planner's source wants."""
    return planner.propose


async def deploy(order: Deploy, ports: Ports, propose: Propose = proposed) -> RunState:
    """Deploy the chosen hosts and return the state of the run, whatever became of each.

    propose: how a planner finds what shall be done to a host; a rollback has a way of its own.

    Raises:
        HookFailed: what must succeed before the first host did not; nothing was touched.
        RepositoryError: git on SATURN cannot say which revision is wanted; nothing was touched.
        Interrupted: a person stopped it before any host was asked.
    """
    source = await Source.of(order.topology, order.hosts, order.revisions)
    revision = "" if order.is_return else source.revision
    run = RunState.of(new_run_id(), revision, (host.name for host in order.hosts), now())
    planner = Planner(source, run.run, order.controller, order.scope, order.known)
    if not order.is_return:
        planner.prepare(order.hosts)
    folders = {host.name: [service.folder for service in host.services] for host in order.hosts}

    async def show_diff(plan: HostPlan) -> None:
        ports.show_text(await source.diff(plan, folders[plan.host]))

    defer = order.defer.proposing(planner) if order.defer else None
    is_plain = propose is proposed and not (order.scope.deploys_nothing or order.detach)
    plans = Plans(propose(planner), show_diff, defer, planner.order if is_plain else None)
    return await carry_out(order, ports, run, plans)


@dataclass(frozen=True)
class Plans:
    """Where the plans of a run come from: see Ways.propose, defer and order. show_diff: what `[d]iff` shows."""

    propose: Callable[[Host, Session], Awaitable[Proposal]]
    show_diff: ShowDiff
    defer: Callable[[Host], Awaitable[Deferral | None]] | None = None
    order: Callable[[Host, Session, str], Awaitable[Proposal]] | None = None


async def carry_out(order: Deploy, ports: Ports, run: RunState, plans: Plans) -> RunState:
    """Plan, show, confirm and run, host by host; the state of the run, whatever became of each.

    Raises:
        HookFailed: what must succeed before the first host did not; nothing was touched.
        Interrupted: a person stopped it before any host was asked.
    """
    if ports.stop.presses:
        raise Interrupted("interrupted before any host was asked; nothing was touched")
    by = f"{order.by}@{order.controller}"
    together = ports.before is not None
    consent = Consent(run.hosts, by, ports.show, ports.ask, plans.show_diff, together=together)

    async def consented(plan: HostPlan) -> str:
        by = await consent.of(plan)
        return order.confirmed.get(plan.host, by) if by else ""

    def prior(host: Host) -> str:
        """Nobody looks at the plan, nothing comes before the run, and SATURN brings it no secrets."""
        is_awaited = ports.ask or together or threshold.place(host.name)[0] > 1
        return "" if is_awaited or any(each.secrets for each in host.services) else by

    hosts = saturn_last(order.hosts)
    cut = batches([host.name for host in hosts], order.batches)
    gate = Gate(cut, allowance(order.max_failures, len(run.hosts)), ports.say)
    threshold = Threshold(gate, partial(ports.before, run, consent.accepted) if ports.before else None)
    ways = Ways(
        link=Link(ports.open_session, ports.trace, order.link_patience_s),
        propose=plans.propose,
        consent=consented,
        settled=consent.settled,
        slots=asyncio.Semaphore(order.topology.rollout.parallel),
        turns=threshold,
        defer=plans.defer,
        detach=order.detach,
        secrets=Vault(order.topology.folder).secrets,
        order=plans.order,
        prior=prior,
    )
    ended = await roll_out(run, hosts, ways, (*ports.sinks, gate), ports.stop)
    threshold.check()
    return ended
