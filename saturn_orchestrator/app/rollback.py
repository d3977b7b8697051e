"""`saturn rollback`: which former deployment each node returns to. What then happens is a deploy like any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from saturn_orchestrator.app.planning import Planner
from saturn_orchestrator.errors import ExecutorRefused, RepositoryError
from saturn_orchestrator.events import DeploymentFact, Facts, RunFact
from saturn_orchestrator.records import replace
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.survey import gather_facts
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host

MIN_PREFIX = 4
"""Letters of a revision that are enough to name one."""


def returning(planner: Planner, to: str) -> Callable[[Host, Session], Awaitable[Proposal]]:
    """How a node's return is proposed. to: a run or a revision, "" for the deployment before the present state."""

    async def propose(host: Host, session: Session) -> Proposal:
        facts = await gather_facts(host, session)
        request = planner.scope.request(host, planner.run, planner.controller)
        target = former(facts, to)
        if target:
            asked = replace(request, revision=target.revision, restore=target.run)
            return await planner.proposal(host, session, asked)
        if not to:
            raise ExecutorRefused(
                f"{host.name} remembers no former deployment",
                code="nothing_to_return_to",
                hint=f"name a revision: saturn rollback --hosts {host.name} --to REV",
            )
        proposal = await planner.proposal(host, session, replace(request, revision=await _resolved(planner, host, to)))
        said = f"{host.name} remembers no deployment of {to}: images are what their names mean now"
        return replace(proposal, plan=replace(proposal.plan, warnings=(*proposal.plan.warnings, said)))

    return propose


async def _resolved(planner: Planner, host: Host, to: str) -> str:
    try:
        return (await planner.source.repository.resolve(to)).revision
    except RepositoryError as error:
        raise ExecutorRefused(
            f"{host.name} remembers no deployment {to}, and git on SATURN knows no such revision",
            code="nothing_to_return_to",
            hint=f"saturn status --hosts {host.name}; git log --oneline",
        ) from error


def former(facts: Facts, to: str) -> DeploymentFact | None:
    """The deployment that is meant: the run or revision that begins with `to`; else the one before the present state.

    The present state is that of the newest deployment, unless a run has left something else behind since; then the
    newest deployment is what to return to.
    """
    known = facts.deployments
    if to:
        return next((each for each in known if _is_meant(each, to)), None)
    if not known:
        return None
    present = known[0]
    if facts.revision != present.revision or (facts.last_run and _left_a_mess(facts.last_run)):
        return present
    earlier = [each for each in known[1:] if each.revision != present.revision]
    return next(iter(earlier), None)


def _left_a_mess(run: RunFact) -> bool:
    """Whether the run may have left services half way; one that was refused or went back has not."""
    return run.outcome in {"failed", "lost", "cancelled"} and not run.is_prefetch


def _is_meant(deployment: DeploymentFact, to: str) -> bool:
    return deployment.run == to or (len(to) >= MIN_PREFIX and deployment.revision.startswith(to))
