"""Hosts that are away: what a person confirms for them now, and what is done about it once they are back.

What waits is no state of its own: it is the newest event of its kind in the journal, so any newer deploy of the host
takes its place. What is done later must be what was confirmed: the same commit, from the same one, for the same
services.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from saturn_orchestrator.app.memory import Memory
from saturn_orchestrator.app.planning import Planner
from saturn_orchestrator.plan.build import build_plan
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.rollout.host_run import Deferral
from saturn_orchestrator.state.standing import Deferred, remembered
from saturn_orchestrator.topology.model import Host

EXPIRES_S = 7 * 86_400
"""How long what was confirmed for an absent host may be done, unless a person says otherwise."""


@dataclass(frozen=True)
class Defer:
    """How absent hosts are deferred: what is known of them, and how long it is good for."""

    memory: Memory
    expires_s: float = EXPIRES_S

    def proposing(self, planner: Planner) -> Callable[[Host], Awaitable[Deferral]]:
        """What is proposed for an absent host: the plan as far as the journal and git tell it."""

        async def propose(host: Host) -> Deferral:
            plan = replace(await self._plan(planner, host), is_for_later=True)
            expires_at = datetime.now(UTC) + timedelta(seconds=self.expires_s)
            return Deferral(
                plan,
                planner.scope.names(host),
                expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                planner.scope.prune,
                planner.scope.rollback,
            )

        return propose

    async def _plan(self, planner: Planner, host: Host) -> HostPlan:
        run, at = self.memory.newest(host.name)
        state = self.memory.replay(run) if run else None
        names = planner.scope.names(host)
        revision = planner.source.revision_of(host)
        if state is None:
            everything = tuple(Change(name, Action.CREATE, "whatever is there of it now") for name in names)
            unknown = f"{host.name} is away, and nothing is known of it here"
            return HostPlan(host.name, "", revision, host.git.branch, "", None, everything, (unknown,))
        facts = remembered(run, state.hosts[host.name], at)
        wanted = await planner.source.wanted(host, facts.revision)
        plan = build_plan(facts, names, wanted, carriers=host.carriers, ack_timeout_s=host.ack_timeout_s)
        said = f"{host.name} is away: this is what is known since {at}, and what is done once it is back"
        return replace(plan, warnings=(said, *plan.warnings), is_first=False)  # nobody here knows whether it is


def refusal(deferred: Deferred, plan: HostPlan) -> str:
    """Why what was confirmed may not be done any more; "" when it may. Pure.

    plan: what would be done now.
    """
    if plan.revision_after != deferred.revision:
        return f"{deferred.revision[:8]} was confirmed, and {plan.revision_after[:8]} would be deployed"
    if deferred.revision_before and plan.revision_before != deferred.revision_before:
        return (
            f"it was at {deferred.revision_before[:8]} when this was confirmed, and is at"
            f" {plan.revision_before[:8] or 'nothing'} now"
        )
    beyond = [name for name in plan.touched if name not in deferred.services]
    if beyond:
        return f"{', '.join(beyond)} would be touched, too, which nobody confirmed"
    return ""
