"""Facts and wishes to a plan. Pure: the same input gives the same plan."""

from __future__ import annotations

from saturn_orchestrator.events import STAGES, Facts, Failing, Plan, ServiceChange, ServiceFact
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Wanted
from saturn_orchestrator.records import replace

# Files that tell saturn or a person something, but never a container.
_NOT_CONFIGURATION = frozenset({"service.yaml", "healthcheck.sh"})
_DOCUMENTS = (".md", ".txt", ".example", ".sample")


def build_plan(
    facts: Facts,
    services: tuple[str, ...],
    wanted: Wanted,
    *,
    resume: bool = False,
    foreseen: Plan | None = None,
    sent: int = 0,
    restores: str = "",
    carriers: frozenset[str] = frozenset(),
    ack_timeout_s: float = 120.0,
) -> HostPlan:
    """The plan of one host.

    Args:
        facts: what the node said is true on it.
        services: the names the topology assigns to the host, in deploy order.
        wanted: the revision to reach and what differs between it and the node's.
        resume: the run continues where the last one stopped.
        foreseen: what the node found when it compared its containers with the wanted files; without it the changes are
            what git alone tells.
        sent: bytes of the bundle that SATURN sends.
        restores: the run whose images come back, "" for none.
        carriers: the services that carry the connection to the host.
        ack_timeout_s: how long one of them waits for an acknowledgement.
    """
    standing = {service.name: service for service in facts.services}
    completed = _completed(facts, services, wanted) if resume else frozenset()
    if foreseen and foreseen.is_foreseen:
        changes = tuple(_foreseen(each, wanted, each.service in completed) for each in foreseen.changes)
    else:
        changes = tuple(_change(name, standing.get(name), wanted, name in completed) for name in services)
    removed = {change.service for change in changes if change.action is Action.REMOVE}
    return HostPlan(
        host=facts.host,
        revision_before=facts.revision,
        revision_after=wanted.revision,
        branch=wanted.branch,
        subject=wanted.subject,
        commits=wanted.commits,
        changes=tuple(_with_local(each, standing.get(each.service), carriers) for each in changes),
        warnings=_warnings(facts, wanted, foreseen),
        resume_stage=_resume_stage(facts, wanted) if resume else "",
        steps=wanted.steps,
        digest=foreseen.digest if foreseen else "",
        is_foreseen=bool(foreseen and foreseen.is_foreseen),
        orphans=tuple(name for name in facts.orphans if name not in removed),
        sent=sent,
        restores=restores,
        ack_timeout_s=ack_timeout_s,
        is_first=not facts.deployments,
        findings=foreseen.findings if foreseen else (),
    )


def _with_local(change: Change, fact: ServiceFact | None, carriers: frozenset[str]) -> Change:
    """The change with what git cannot tell of its service: what lies on the node alone, and what is tied to it."""
    known = ((".env", fact.env), ("docker-compose.override.yml", fact.override)) if fact else ()
    local = tuple(name for name, is_there in known if is_there)
    return replace(
        change, carries=change.service in carriers, local=local, is_local_new=bool(fact and fact.local_changed)
    )


def _foreseen(change: ServiceChange, wanted: Wanted, is_completed: bool) -> Change:
    """The node's own word; of git only which files stand behind it."""
    action = Action(change.action) if change.action in set(Action) else Action.UNKNOWN
    if is_completed and action is Action.UNCHANGED:
        return Change(change.service, Action.COMPLETED, "completed before the failure")
    reason = "; ".join(change.reasons)
    told = {_name(word) for word in reason.split()}
    files = [_name(path) for path in wanted.moved_files(change.service) or () if is_configuration(path)]
    unnamed = [name for name in files if name not in told]
    if action is Action.RECREATE and unnamed:
        reason += f" ({', '.join(unnamed[:3])}{f' and {len(unnamed) - 3} more' if len(unnamed) > 3 else ''})"
    return Change(change.service, action, reason, change.images, change.ports, change.downtime)


def _change(name: str, fact: ServiceFact | None, wanted: Wanted, is_completed: bool) -> Change:
    if is_completed:
        return Change(name, Action.COMPLETED, "completed before the failure")
    if fact is None or fact.state == "absent":
        return Change(name, Action.CREATE, "no containers yet")
    moved = wanted.moved_files(name)
    if moved is None:
        return Change(name, Action.RECREATE, "its present revision is unknown to git here, so it may be")
    configuration = [path for path in moved if is_configuration(path)]
    if configuration:
        return Change(name, Action.RECREATE, _named(configuration))
    if fact.local_changed:
        return Change(name, Action.RECREATE, "its .env or override on the node changed")
    if fact.state in {"stopped", "partial"}:
        return Change(name, Action.START, f"it is {fact.state}")
    return Change(name, Action.UNCHANGED)


def is_configuration(path: str) -> bool:
    """Whether a change of this file of a service can reach its containers."""
    name = _name(path)
    return name not in _NOT_CONFIGURATION and not name.endswith(_DOCUMENTS)


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _named(paths: list[str]) -> str:
    first = _name(paths[0])
    return f"{first} changed" if len(paths) == 1 else f"{first} and {len(paths) - 1} more changed"


def _completed(facts: Facts, services: tuple[str, ...], wanted: Wanted) -> frozenset[str]:
    """The services a resume passes over: up to the last completed one, unless git moved their folder since."""
    if facts.last_service not in services:
        return frozenset()
    done = services[: services.index(facts.last_service) + 1]
    return frozenset(name for name in done if wanted.moved_files(name) == ())


def _resume_stage(facts: Facts, wanted: Wanted) -> str:
    """Where a resume continues: the first stage without a marker; at the beginning when git moved on."""
    if facts.revision != wanted.revision:
        return STAGES[0]
    return next((stage for stage in STAGES if stage not in facts.completed), STAGES[-1])


def _known_failing(facts: Facts) -> tuple[Failing, ...]:
    """What the facts alone tell: nobody has run a check for this plan."""
    said = ((each.name, "restarting" if each.state == "restarting" else each.health) for each in facts.services)
    return tuple(Failing(name, f"it is {word}") for name, word in said if word in {"restarting", "unhealthy"})


def _warnings(facts: Facts, wanted: Wanted, foreseen: Plan | None) -> tuple[str, ...]:
    found = [f"{name} has uncommitted changes on SATURN: they are not deployed" for name in wanted.uncommitted]
    if wanted.unpushed:
        commits, them = ("1 commit is", "it") if wanted.unpushed == 1 else (f"{wanted.unpushed} commits are", "them")
        found.append(f"{commits} not pushed: origin does not have {them}")
    if wanted.left and facts.revision:
        lost, is_not = ("1 commit", "is not") if wanted.left == 1 else (f"{wanted.left} commits", "are not")
        found.append(
            f"{lost} of the node's revision {is_not} in the wanted one: this goes back, or history was rewritten"
        )
    if facts.dirty:
        found.append(f"the checkout was changed by hand ({', '.join(facts.dirty[:3])}): prepare will refuse it")
    if not (foreseen and foreseen.is_foreseen):  # else a finding says so
        found += [
            f"{each.name}: no value for {', '.join(each.missing_env)} in its .env: validate will block"
            for each in facts.services
            if each.missing_env
        ]
    failing = foreseen.failing if foreseen else _known_failing(facts)
    found += [f"{each.service} is failing already, before this deploy: {each.message}" for each in failing]
    if facts.lock:
        found.append(f"run {facts.lock.run} of {facts.lock.by or 'somebody'} is deploying it now")
    return tuple(found)
