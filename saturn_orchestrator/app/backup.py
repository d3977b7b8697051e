"""`saturn backup`: a run that writes a backup of services, and deploys nothing. No commit is resolved for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from saturn_orchestrator.app.deploy import Deploy, Plans, Ports, carry_out
from saturn_orchestrator.errors import ExecutorRefused, UsageError
from saturn_orchestrator.events import Facts, now
from saturn_orchestrator.plan.backups import backup_plan, saved_services
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.records import replace
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import gather_facts, new_run_id
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Host

_OF_GIT = frozenset({"no_git", "git_failed", "checkout_broken"})
"""Problems of a node that keep nobody from its folders."""

Propose = Callable[[Host, Session], Awaitable[Proposal]]


def with_backups(hosts: Sequence[Host], services: frozenset[str] | None) -> tuple[tuple[Host, ...], tuple[str, ...]]:
    """The hosts that have a chosen service with a backup, and the names of the others.

    Raises:
        UsageError: no chosen service on any of the hosts has one, or a service that was named has none anywhere.
    """
    saved = {each.name for host in hosts for each in saved_services(host, services)}
    bare = sorted((services or frozenset()) - saved)
    if bare or not saved:
        names = ", ".join(bare) if bare else "no service of these hosts"
        lack = "have no backup in their" if len(bare) > 1 else "has no backup in its" if bare else "has a backup in its"
        raise UsageError(
            f"{names} {lack} service.yaml",
            code="no_backup_order",
            hint="add to service.yaml: backup: {paths: [config, data], quiesce: stop, keep: 5}",
        )
    chosen = tuple(host for host in hosts if saved_services(host, services))
    return chosen, tuple(host.name for host in hosts if host not in chosen)


async def back_up(order: Deploy, ports: Ports) -> RunState:
    """Write a backup of the chosen services of each host and return the state of the run.

    Raises:
        Interrupted: a person stopped it before any host was asked.
    """
    run = RunState.of(new_run_id(), "", (host.name for host in order.hosts), now())
    return await carry_out(order, ports, run, Plans(saving(order, run.run), no_difference(ports)))


def saving(order: Deploy, run: str) -> Propose:
    """How a backup of the chosen services of a host is proposed."""
    services = order.scope.services

    async def propose(host: Host, session: Session) -> Proposal:
        facts = able(await gather_facts(host, session))
        names = frozenset(each.name for each in saved_services(host, services))
        request = replace(order.scope, services=names, backup=True).request(host, run, order.controller)
        return Proposal(reached(backup_plan(host, facts, services), session), request)

    return propose


def able(facts: Facts) -> Facts:
    """The facts themselves, of a node whose folders and containers can be worked with.

    Raises:
        ExecutorRefused: they cannot.
    """
    for problem in facts.problems:
        if problem.code not in _OF_GIT:
            raise ExecutorRefused(problem.message, code=problem.code, hint=problem.hint)
    return facts


def reached(plan: HostPlan, session: Session) -> HostPlan:
    """The plan with the path by which the host is reached."""
    return replace(plan, path=session.peer.path.words) if session.peer else plan


def no_difference(ports: Ports) -> Callable[[HostPlan], Awaitable[None]]:
    """The answer to whoever asks for the differences of the files."""

    async def show(_: HostPlan) -> None:
        ports.show_text("no file of the repository is touched by this\n")

    return show
