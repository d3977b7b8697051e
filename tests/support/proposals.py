"""What a run proposes to a host: the plan that the facts alone give, or a planner over a real repository."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from saturn_orchestrator.app.planning import Planner, Scope
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.build import build_plan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import gather_facts
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host
from support.build import RUN, topology, wanted


def proposing(
    run: str = RUN, *, resume: bool = False, digest: str = "", **fields: object
) -> Callable[[Host, Session], Awaitable[Proposal]]:
    """Ways.propose for one run. fields: of what git wants."""

    async def propose(host: Host, session: Session) -> Proposal:
        facts = await gather_facts(host, session)
        names = tuple(service.name for service in host.services)
        plan = build_plan(facts, names, wanted(**fields), resume=resume)
        request = Request(
            "run", run, node_order(host), revision=plan.revision_after, resume=resume, controller="saturn", plan=digest
        )
        return Proposal(plan, request)

    return propose


async def planner_of(folder: Path, *hosts: Host, **scope: object) -> Planner:
    """A planner for the hosts, whose repository lies in the folder."""
    return Planner(await Source.of(topology(folder, *hosts), hosts), RUN, "saturn", Scope(**scope))
