"""`saturn plan`: what a deploy would do to each host, gathered from all at once; nothing is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from saturn_orchestrator.app.planning import Planner
from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.plan.model import Prospect
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.topology.model import Host


async def plan(
    planner: Planner, hosts: Sequence[Host], open_session: OpenSession, *, with_diff: bool = False
) -> tuple[Prospect, ...]:
    """What a run would do to the hosts, in the order given; a host that is away costs the others nothing."""
    return tuple(await asyncio.gather(*(_prospect(planner, host, open_session, with_diff) for host in hosts)))


async def _prospect(planner: Planner, host: Host, open_session: OpenSession, with_diff: bool) -> Prospect:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return Prospect(host.name, error=error)
    try:
        proposal = await planner.propose(host, session)
    except SessionError as error:
        return Prospect(host.name, error=error)
    finally:
        await session.close()
    folders = [service.folder for service in host.services]
    diff = await planner.source.diff(proposal.plan, folders) if with_diff else ""
    return Prospect(host.name, proposal.plan, diff=diff)
