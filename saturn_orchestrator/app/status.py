"""`saturn status`: ask every host at once what is true on it; a host that is away costs the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from saturn_orchestrator.app.deferral import Memory as Recollection
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.errors import RepositoryError, SessionError, Unreachable
from saturn_orchestrator.events import now
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Deferred, Standing, remembered
from saturn_orchestrator.topology.model import Host, Topology


class Memory(Recollection, Protocol):
    """What the journal tells of former runs, and of what was deferred."""

    def deferred(self, host: str) -> Deferred | None:
        """What waits for the host to be back."""


async def status(
    topology: Topology, hosts: Sequence[Host], open_session: OpenSession, memory: Memory
) -> tuple[Standing, ...]:
    """Where the hosts stand, in the order given; of a host that is away, what the journal remembers.

    Without a usable repository `behind` is unknown, no more.
    """
    try:
        source = await Source.of(topology, hosts)
    except RepositoryError:
        source = None
    found = await asyncio.gather(*(_standing(host, source, open_session) for host in hosts))
    known = (each if each.facts else _from(memory, each) for each in found)
    return tuple(replace(each, deferred=memory.deferred(each.host)) for each in known)


def _from(memory: Memory, away: Standing) -> Standing:
    run, at = memory.newest(away.host)
    state = memory.replay(run) if run else None
    if state is None:
        return away
    return replace(away, source="journal", observed_at=at, facts=remembered(run, state.hosts[away.host], at))


async def _standing(host: Host, source: Source | None, open_session: OpenSession) -> Standing:
    try:
        session = await connect(host, open_session, lambda _: None)
    except SessionError as error:
        return _away(host, error)
    try:
        facts = await gather_facts(host, session)
    except SessionError as error:
        return _away(host, error)
    finally:
        await session.close()
    distance = await source.distance(host, facts.revision) if source else None
    behind, ahead = (distance.behind, distance.ahead) if distance else (None, None)
    return Standing(host.name, "online", observed_at=now(), facts=facts, behind=behind, ahead=ahead)


def _away(host: Host, error: SessionError) -> Standing:
    reachability = "unreachable" if isinstance(error, Unreachable) else "denied"
    reason = HostError(error.code, "; ".join((error.message, *error.notes)), error.hint)
    return Standing(host.name, reachability, observed_at=now(), error=reason)
