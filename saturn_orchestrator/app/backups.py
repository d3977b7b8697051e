"""`saturn backup list` and `saturn backup verify`: what lies on the nodes, and whether it is sound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import BackupVerified, SnapshotFact, now
from saturn_orchestrator.rollout.backups import gather_backups, gather_verdicts
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.backups import Holdings, Inspection
from saturn_orchestrator.topology.model import Host


async def holdings(
    hosts: Sequence[Host], open_session: OpenSession, services: frozenset[str] | None = None
) -> tuple[Holdings, ...]:
    """The backups on all hosts, in the order given; a host that is away costs the others nothing."""
    return tuple(await asyncio.gather(*(_held(host, open_session, services) for host in hosts)))


async def _held(host: Host, open_session: OpenSession, services: frozenset[str] | None) -> Holdings:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return Holdings(host.name, error=error)
    try:
        return Holdings(host.name, await gather_backups(host, session, services))
    except SessionError as error:
        return Holdings(host.name, error=error)
    finally:
        await session.close()


async def inspections(
    hosts: Sequence[Host], open_session: OpenSession, services: frozenset[str] | None = None
) -> tuple[Inspection, ...]:
    """What all hosts find when they read their backups to the end, in the order given."""
    return tuple(await asyncio.gather(*(_inspected(host, open_session, services) for host in hosts)))


async def _inspected(host: Host, open_session: OpenSession, services: frozenset[str] | None) -> Inspection:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return Inspection(host.name, error=error)
    try:
        listed = await gather_backups(host, session, services)
        return Inspection(host.name, judged(host, listed, await gather_verdicts(host, session, services)))
    except SessionError as error:
        return Inspection(host.name, error=error)
    finally:
        await session.close()


def judged(
    host: Host, listed: Sequence[SnapshotFact], verdicts: Sequence[BackupVerified]
) -> tuple[BackupVerified, ...]:
    """The verdicts, and one more on each backup of which the node said nothing: silence is no soundness."""
    known = {(each.service, each.snapshot) for each in verdicts}
    silence = "the node did not say whether it is sound"
    unsaid = (each for each in listed if (each.service, each.name) not in known)
    return (
        *verdicts,
        *(BackupVerified(0, now(), "", host.name, each.service, each.name, False, silence) for each in unsaid),
    )
