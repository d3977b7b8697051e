"""`saturn catch-up`: what was confirmed for hosts that were away is done once they are back, if it is still true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from saturn_orchestrator.app.deferral import refusal
from saturn_orchestrator.app.planning import Planner, Scope
from saturn_orchestrator.errors import ExecutorRefused, SessionError
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import OpenSession, Session, Tell
from saturn_orchestrator.state.standing import Deferred
from saturn_orchestrator.topology.model import Host


@dataclass(frozen=True)
class Back:
    """Hosts of which something waits. back: those that answered, with the session to use. away: why others did not."""

    waiting: Mapping[str, Deferred]
    back: Mapping[str, Session]
    away: Mapping[str, SessionError]

    def opening(self, open_session: OpenSession) -> OpenSession:
        """Hands out each session that is open already, once; then opens new ones."""
        ready = dict(self.back)

        async def opened(host: Host, tell: Tell) -> Session:
            return ready.pop(host.name, None) or await open_session(host, tell)

        return opened


async def look(waiting: Mapping[str, Deferred], hosts: Sequence[Host], open_session: OpenSession) -> Back:
    """Which of the hosts that something waits for are back."""
    asked = [host for host in hosts if host.name in waiting]
    found = await asyncio.gather(*(_reached(host, open_session) for host in asked))
    pairs = list(zip((host.name for host in asked), found, strict=True))
    back = {name: each for name, each in pairs if not isinstance(each, SessionError)}
    away = {name: each for name, each in pairs if isinstance(each, SessionError)}
    return Back(waiting, back, away)


async def _reached(host: Host, open_session: OpenSession) -> Session | SessionError:
    try:
        return await connect(host, open_session)
    except SessionError as error:
        return error


def checking(planner: Planner, waiting: Mapping[str, Deferred]) -> Callable[[Host, Session], Awaitable[Proposal]]:
    """How a deferred deploy is proposed: as any other, unless it moved beyond what was confirmed."""

    async def propose(host: Host, session: Session) -> Proposal:
        deferred = waiting[host.name]
        scope = Scope(frozenset(deferred.scope), prune=deferred.prune, rollback=deferred.rollback)
        proposal = await replace(planner, scope=scope).propose(host, session)
        why = refusal(deferred, proposal.plan)
        if why:
            raise ExecutorRefused(
                f"what was confirmed for {host.name} is not what would be done now: {why}",
                code="plan_moved",
                hint=f"saturn deploy --hosts {host.name}",
            )
        return proposal

    return propose
