"""How `plan` is wired: the source is resolved, then every host is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saturn_orchestrator.app.plan import plan
from saturn_orchestrator.app.planning import Planner, Scope
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.cli.wiring import machine
from saturn_orchestrator.plan.model import Prospect
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.topology.model import Host, Topology


async def prospects(
    topology: Topology,
    hosts: Sequence[Host],
    open_session: OpenSession,
    services: frozenset[str] | None,
    revisions: Mapping[str, str],
    *,
    prune: bool,
    diff: bool,
) -> tuple[Prospect, ...]:
    """What a deploy with these options would do to each host."""
    source = await Source.of(topology, hosts, revisions)
    planner = Planner(source, new_run_id(), machine(), Scope(services, prune=prune))
    return await plan(planner, hosts, open_session, with_diff=diff)
