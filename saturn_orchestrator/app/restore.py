"""`saturn restore`: a run that brings one backup of one service back, and deploys nothing."""

from __future__ import annotations

from saturn_orchestrator.app.backup import Propose, able, no_difference, reached
from saturn_orchestrator.app.deploy import Deploy, Plans, Ports, carry_out
from saturn_orchestrator.errors import ExecutorRefused
from saturn_orchestrator.events import SnapshotFact, now
from saturn_orchestrator.plan.backups import Choice, chosen, restore_plan
from saturn_orchestrator.records import replace
from saturn_orchestrator.rollout.backups import gather_backups
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import gather_facts, new_run_id
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Host, Service

_LISTED = 10
"""Names of backups that an error tells."""


async def restore(order: Deploy, ports: Ports, service: Service, wanted: str = "") -> RunState:
    """Bring a backup of the service back on the order's hosts and return the state of the run.

    wanted: the beginning of the backup's name, "" for the newest that is not what a restore kept.

    Raises:
        Interrupted: a person stopped it before any host was asked.
    """
    run = RunState.of(new_run_id(), "", (host.name for host in order.hosts), now())
    return await carry_out(order, ports, run, Plans(restoring(order, run.run, service, wanted), no_difference(ports)))


def restoring(order: Deploy, run: str, service: Service, wanted: str = "") -> Propose:
    """How the return of a backup is proposed."""
    services = frozenset({service.name})

    async def propose(host: Host, session: Session) -> Proposal:
        facts = able(await gather_facts(host, session))
        snapshot = meant(host, service, chosen(await gather_backups(host, session, services), service.name, wanted))
        scope = replace(order.scope, services=services, snapshot=snapshot.name)
        plan = restore_plan(host, facts, snapshot, now())
        return Proposal(reached(plan, session), scope.request(host, run, order.controller))

    return propose


def meant(host: Host, service: Service, choice: Choice) -> SnapshotFact:
    """The backup that is meant.

    Raises:
        ExecutorRefused: there is none (`no_backups`), or none of that name (`unknown_backup`).
    """
    if choice.snapshot:
        return choice.snapshot
    if choice.known:
        more = f" and {len(choice.known) - _LISTED} more" if len(choice.known) > _LISTED else ""
        there = f"there are: {', '.join(choice.known[:_LISTED])}{more}"
        hint = f"saturn backup list --hosts {host.name} --services {service.name}"
        raise ExecutorRefused(f"{choice.problem} on {host.name}", code="unknown_backup", notes=(there,), hint=hint)
    hint = f"saturn backup --hosts {host.name} --services {service.name}"
    without = "add backup: {} to its service.yaml, then: "
    raise ExecutorRefused(
        f"{choice.problem} on {host.name}", code="no_backups", hint=hint if service.backup else without + hint
    )
