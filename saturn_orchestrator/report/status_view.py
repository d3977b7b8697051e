"""`saturn status`: one table of where every host stands, and below it what is wrong and how to mend it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from saturn_orchestrator import events
from saturn_orchestrator.ages import age_text, seconds_between, span_text
from saturn_orchestrator.events import Facts, LockFact, ServiceFact
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.folding import folded, folded_lines
from saturn_orchestrator.report.problems import problem_block, spaced
from saturn_orchestrator.report.style import (
    counted,
    short_revision,
    tally,
    verbatim,
    word_text,
)
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.report.text import Drawable, Group, Text
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Deferred, Standing, Surroundings
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.tailnet.trouble import expiry_warning

_STRANGERS = 8
_FOLDED = {"revision": 10, "last run": 12, "services": 15}
_COLUMNS = ("host", "reachability", "revision", "stage", "last run", "services", "lock")
_SEVERITIES = {"offline": "note", "unreachable": "warning"}
"""A host that is away is no error; one that answers and cannot be worked with is."""

_REACHABILITY_ORDER = ("online", "offline", "unreachable", "denied")


@dataclass(frozen=True)
class Remark:
    """What stands behind a host's reachability, instead of its age, and what is noted below when it is away."""

    words: Text
    notes: tuple[str, ...] = ()


def status_table(
    standings: Sequence[Standing],
    around: Surroundings | None = None,
    clock: Callable[[], str] = events.now,
    remarks: Mapping[str, Remark] | None = None,
    waiting: Sequence[list[Text]] = (),
) -> Group:
    """The table, the problems below it, and a counted last line.

    Args:
        standings: the hosts, in the order they were chosen.
        around: what the tailnet tells beside them.
        clock: tells the present moment, RFC 3339; ages are counted from it.
        remarks: by host, of a watch.
        waiting: blocks that come before those of the tailnet.
    """
    now = clock()
    known = remarks or {}
    said = {each.host: _blocks(each, now, known.get(each.host)) for each in standings}
    whole, alike = folded(standings, lambda each: None if said[each.host] else _likeness(each))
    blocks = [block for standing in whole for block in said[standing.host]]
    blocks += waiting
    groups = [([each.host for each in group], _alike(group[0])) for group in alike]
    blocks += [folded_lines(groups, "saturn status --json   # or some: saturn status --hosts NAME,NAME")]
    blocks += list(_surroundings_blocks(around)) if around else []
    counts = tally((standing.reachability for standing in standings), _REACHABILITY_ORDER)
    last = verbatim(f"{counted(len(standings), 'host')}{': ' if counts else ''}{counts}.", "bold")
    rows: list[Drawable] = [_fitting_table(whole, now, known), Text()] if whole or not alike else []
    return Group(*rows, *spaced(blocks), last)


def _likeness(standing: Standing) -> str | None:
    """What a host is that many may be, when nothing is to be said of it; None for one that is not as it should be."""
    if not standing.facts or standing.source != "live":
        return None
    is_well = all(each.health in {"", "healthy"} and each.state != "stopped" for each in standing.facts.services)
    return _alike(standing) if is_well else None


def _alike(standing: Standing) -> str:
    run = standing.facts.last_run if standing.facts else None
    return (
        f"{standing.reachability} at {_revision(standing)}{f', last run {run.outcome}' if run and run.outcome else ''}"
    )


def _fitting_table(standings: Sequence[Standing], now: str, remarks: Mapping[str, Remark]) -> FirstFitting:
    rows = [_cells(standing, now, remarks.get(standing.host)) for standing in standings]
    return FirstFitting(
        (
            *([table((*_COLUMNS[:2], "path", *_COLUMNS[2:]), rows)] if any(each.peer for each in standings) else []),
            table(_COLUMNS, rows),
            table(("host", "reachability", "revision", "last run", "services", "lock"), rows),
            table(("host", "reachability", "revision", "last run", "services"), rows),
            table(("host", "reachability", "revision", "last run", "services"), rows, folded=_FOLDED),
            table(("host", "reachability", "revision"), rows, folded=_FOLDED),
            table(("host", "reachability"), rows),
        )
    )


def _cells(standing: Standing, now: str, remark: Remark | None) -> Row:
    facts = standing.facts
    return {
        "host": standing.host,
        "reachability": _reachability(standing, now, remark),
        "path": _path(standing.peer) if standing.peer else "-",
        "revision": _revision(standing),
        "stage": facts.stage if facts and facts.stage else "-",
        "last run": _last_run(facts, now),
        "services": _services(facts.services) if facts else "-",
        "lock": (facts.lock.by or "held") if facts and facts.lock else "-",
    }


def _reachability(standing: Standing, now: str, remark: Remark | None) -> Text:
    """The word; of a remembered row its age, too."""
    word = word_text(standing.reachability)
    if remark:
        return word.append_text(remark.words)
    if standing.source == "live" or not standing.observed_at:
        return word
    return word.append_text(verbatim(f", seen {age_text(seconds_between(standing.observed_at, now))}", "dim"))


def _path(peer: Peer) -> str:
    """How it is reached over the tailnet."""
    if peer.is_self:
        return "this machine"
    return (peer.path.words or "not known") if peer.is_online else "-"


def _revision(standing: Standing) -> str:
    if standing.facts is None:
        return "-"
    away = [f"{count} {word}" for count, word in ((standing.behind, "behind"), (standing.ahead, "ahead")) if count]
    if standing.source == "live" and standing.facts.revision and standing.behind is None:
        away.append("unknown here")
    away += ["stale"] if standing.facts.stale else []
    return ", ".join((short_revision(standing.facts.revision), *away))


def _last_run(facts: Facts | None, now: str) -> str:
    if facts is None or facts.last_run is None:
        return "-"
    return f"{facts.last_run.outcome or 'running'}, {age_text(seconds_between(facts.last_run.at, now))}"


def _services(services: Sequence[ServiceFact]) -> str:
    if not services:
        return "-"
    states = Counter(service.state for service in services)
    health = Counter(service.health for service in services)
    if states["unknown"]:
        return f"{len(services)} unknown"
    parts = [f"{states['running']}/{len(services)} running"]
    parts += [f"{health[word]} {word}" for word in ("healthy", "starting", "unhealthy") if health[word]]
    drifted = sum(bool(service.drift) for service in services)
    return ", ".join((*parts, *([f"{drifted} drifted"] if drifted else ())))


def _blocks(standing: Standing, now: str, remark: Remark | None) -> list[list[Text]]:
    blocks = [_error_block(standing, standing.error, now, remark)] if standing.error else []
    expiry = expiry_warning(standing.peer, now) if standing.peer else ""
    blocks += [_expiry_block(standing.host, expiry)] if expiry and not standing.error else []
    blocks += [_deferred_block(standing.host, standing.deferred, now)] if standing.deferred else []
    facts = standing.facts
    if facts is None:
        return blocks
    blocks += [
        problem_block(problem.code, problem.message, standing.host, hint=problem.hint) for problem in facts.problems
    ]
    blocks += [_drift_block(standing.host, service) for service in facts.services if service.drift]
    blocks += [_stale_block(standing.host)] if facts.stale else []
    blocks += [_orphans_block(standing.host, facts.orphans)] if facts.orphans else []
    return [*blocks, _lock_block(standing.host, facts.lock, now)] if facts.lock else blocks


def _expiry_block(host: str, words: str) -> list[Text]:
    hint = "renew it, or switch its expiry off, under Machines in the admin console"
    return problem_block("tailnet_key_expiring", f"{host}: {words}", host, severity="warning", hint=hint)


def _surroundings_blocks(around: Surroundings) -> Iterator[list[Text]]:
    trouble = around.trouble
    if trouble:
        yield problem_block(trouble.code, trouble.message, severity="warning", hint=trouble.hint)
    for names in around.twins:
        message = f"{' and '.join(names)} are one and the same machine on the tailnet"
        yield problem_block("tailnet_twins", message, severity="warning", hint="keep one of them in the topology")
    if around.strangers:
        more = " …" if len(around.strangers) > _STRANGERS else ""
        machines = ", ".join(around.strangers[:_STRANGERS])
        message = f"on the tailnet with Tailscale SSH, and in no topology: {machines}{more}"
        yield problem_block("tailnet_strangers", message, severity="note")


def _deferred_block(host: str, deferred: Deferred, now: str) -> list[Text]:
    said = age_text(seconds_between(deferred.at, now))
    left = seconds_between(now, deferred.expires_at)
    until = f"good for {span_text(left)} more" if left is not None else "expired"
    message = f"{short_revision(deferred.revision)} waits for {host}, confirmed by {deferred.by} {said}, {until}"
    return problem_block("deferred", message, host, severity="note", hint=f"saturn catch-up --hosts {host}")


def _drift_block(host: str, service: ServiceFact) -> list[Text]:
    message = f"{service.name} is not as its last deploy left it: {'; '.join(service.drift)}"
    place = f"{host}, {service.name}"
    return problem_block("drift", message, place, severity="warning", hint=f"saturn plan --hosts {host}")


def _stale_block(host: str) -> list[Text]:
    message = f"{host} could not ask origin when it was last deployed to"
    return problem_block("stale", message, host, severity="warning", hint=f"saturn deploy --hosts {host}")


def _orphans_block(host: str, orphans: Sequence[str]) -> list[Text]:
    message = f"still there, and assigned to {host} no more: {', '.join(orphans)}"
    hint = f"saturn plan --hosts {host} --prune   # then deploy so, or assign them again"
    return problem_block("orphans", message, host, severity="note", hint=hint)


def _error_block(standing: Standing, error: HostError, now: str, remark: Remark | None) -> list[Text]:
    return problem_block(
        error.code, error.message, standing.host, severity=_SEVERITIES.get(standing.reachability, "error"),
        evidence=error.tail, notes=(*_remembered(standing, now), *(remark.notes if remark else ())), hint=error.hint,
    )  # fmt: skip


def _remembered(standing: Standing, now: str) -> list[str]:
    if standing.source == "live" or not standing.observed_at:
        return []
    return [f"the row above is remembered: {age_text(seconds_between(standing.observed_at, now))}"]


def _lock_block(host: str, lock: LockFact, now: str) -> list[Text]:
    doing = " ".join(part for part in (lock.stage, lock.service) if part)
    facts = (f"by {lock.by}" if lock.by else "", f"from {lock.controller}" if lock.controller else "")
    since = f"since {age_text(seconds_between(lock.since, now))}" if lock.since else ""
    who = " ".join(part for part in (*facts, since) if part)
    message = f"run {lock.run} holds the lock{f' ({who})' if who else ''}{f', in {doing}' if doing else ''}"
    return problem_block("locked", message, host, severity="note", hint=f"saturn attach --hosts {host}")
