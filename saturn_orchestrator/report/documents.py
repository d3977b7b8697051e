"""Machine output: plain values, versioned, pinned key by key in tests/contract. Absent things are null, never ""."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from saturn_orchestrator.errors import InventoryFinding, SessionError
from saturn_orchestrator.events import (
    DeploymentFact,
    Event,
    Facts,
    Finding,
    ImageChange,
    Judgement,
    ServiceFact,
    encode,
)
from saturn_orchestrator.plan.model import Change, HostPlan, Prospect
from saturn_orchestrator.report.advice import next_command
from saturn_orchestrator.report.times import host_duration_s, run_duration_s
from saturn_orchestrator.state.model import HostError, HostState, RunState
from saturn_orchestrator.state.notices import Sent
from saturn_orchestrator.state.outcome import Outcome
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.standing import Deferred, Standing, Surroundings
from saturn_orchestrator.state.watch import WatchState
from saturn_orchestrator.tailnet.model import Peer

VERSION = 1
"""Raised when a key goes away or changes its meaning. New keys do not raise it."""

Document = dict[str, Any]

_LEFT_ON_PURPOSE = frozenset({"detached", "interrupted"})
"""A host that was left for these has no error: its status says that it is running."""


def run_document(run: RunState, verdict: Outcome) -> Document:
    """What `deploy --json` and `show RUN --json` print."""
    return {
        "version": VERSION,
        "run": run.run,
        "outcome": verdict.word,
        "exit_code": verdict.exit_code,
        "revision": run.revision or None,
        "duration_s": _rounded(run_duration_s(run)),
        "hosts": {name: _host(host) for name, host in run.hosts.items()},
    }


def no_run_document(exit_code: int) -> Document:
    """The same when there was nobody to run anything on."""
    nothing: Document = {"revision": None, "duration_s": None, "hosts": {}}
    word = "partial" if exit_code else "success"
    return {"version": VERSION, "run": None, "outcome": word, "exit_code": exit_code, **nothing}


def away_document(away: Mapping[str, SessionError]) -> Document:
    """What `catch-up --json` says beside the run: hosts that something still waits for, and why they were not asked."""
    return {name: _reason(error.code, error.message, error.hint) for name, error in away.items()}


def runs_document(runs: Sequence[tuple[RunState, Outcome]]) -> Document:
    """What `attach --json` prints: the runs it followed, oldest first."""
    return {"version": VERSION, "runs": [run_document(run, verdict) for run, verdict in runs]}


def _host(host: HostState) -> Document:
    error = host.error or (host.left if host.left and host.left.code not in _LEFT_ON_PURPOSE else None)
    return {
        "status": str(host.status),
        "stage": host.stage or None,
        "revision_before": host.revision_before or None,
        "revision_after": host.revision_after or None,
        "stale": host.stale,
        "services": {
            name: {"status": service.status, "health": service.health or None, "backup": service.backup or None}
            for name, service in host.services.items()
        },
        "error": _error(error, next_command(host)) if error else None,
        "findings": [_finding(each) for each in host.findings],
        "log": host.log or None,
        "diagnostics": host.diagnostics or None,
        "duration_s": _rounded(host_duration_s(host)),
    }


def _error(error: HostError, hint: str) -> Document:
    return {
        "code": error.code,
        "message": error.message,
        "hint": hint or None,
        "stage": error.stage or None,
        "service": error.service or None,
    }


def _finding(finding: Finding | Judgement) -> Document:
    names = ("code", "severity", "message", "service", "file", "key", "hint")
    return {name: getattr(finding, name) or None for name in names}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def history_document(records: Sequence[RunRecord]) -> Document:
    """What `history --json` prints: the runs, newest first."""
    return {"version": VERSION, "runs": [_record(each) for each in records]}


def _record(record: RunRecord) -> Document:
    return {
        "run": record.run,
        "started_at": record.started_at or None,
        "finished_at": record.finished_at or None,
        "outcome": record.outcome or None,
        "exit_code": record.exit_code,
        "revision": record.revision or None,
        "by": record.by or None,
        "inventory": record.inventory or None,
        "hosts": {name: {"status": status, "at": at or None} for name, (status, at) in record.hosts.items()},
    }


def event_line(host: str, event: Event) -> str:
    """One journalled event as a line of JSON, with its host: what `show --events` and `logs --json` print."""
    return json.dumps({"host": host, **json.loads(encode(event))}, ensure_ascii=False, allow_nan=False) + "\n"


def status_document(standings: Sequence[Standing], around: Surroundings | None = None) -> Document:
    """What `status --json` prints."""
    around = around or Surroundings()
    trouble = around.trouble
    return {
        "version": VERSION,
        "hosts": {standing.host: _standing(standing) for standing in standings},
        "tailnet": {
            "trouble": _reason(trouble.code, trouble.message, trouble.hint) if trouble else None,
            "twins": [list(names) for names in around.twins],
            "strangers": list(around.strangers),
        },
    }


def watch_document(state: WatchState, at: str) -> Document:
    """A line of `status --watch --json`: what `status --json` prints, and since when."""
    document = status_document(state.standings, state.around)
    for name, presence in state.hosts.items():
        document["hosts"][name] |= {"since": presence.since, "again_at": presence.again_at or None}
    return {**document, "at": at}


def dump_line(document: Document) -> str:
    """One document in one line."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"


def _standing(standing: Standing) -> Document:
    facts, error = standing.facts, standing.error
    return {
        "reachability": standing.reachability,
        "source": standing.source,
        "observed_at": standing.observed_at or None,
        "revision": (facts.revision or None) if facts else None,
        "behind": standing.behind,
        "ahead": standing.ahead,
        "stale": facts.stale if facts else None,
        "stage": (facts.stage or None) if facts else None,
        "last_run": _last_run(facts),
        "services": {each.name: _service(each) for each in facts.services} if facts else {},
        "lock": asdict(facts.lock) if facts and facts.lock else None,
        "tailnet": _peer(standing.peer) if standing.peer else None,
        "orphans": list(facts.orphans) if facts else [],
        "deployments": [_deployment(each) for each in facts.deployments] if facts else [],
        "deferred": _deferred(standing.deferred) if standing.deferred else None,
        "error": _reason(error.code, error.message, error.hint) if error else None,
    }


def _peer(peer: Peer) -> Document:
    return {
        "name": peer.dns_name or peer.name,
        "addresses": list(peer.addresses),
        "online": peer.is_online,
        "last_seen": peer.last_seen or None,
        "path": {"kind": peer.path.kind, "via": peer.path.via or None} if peer.path.kind else None,
        "ssh": peer.has_tailscale_ssh,
        "key_expiry": peer.key_expiry or None,
    }


def _service(service: ServiceFact) -> Document:
    return {"state": service.state, "health": service.health, "drift": list(service.drift)}


def _deployment(deployment: DeploymentFact) -> Document:
    return {**asdict(deployment), "services": list(deployment.services)}


def _deferred(deferred: Deferred) -> Document:
    known = {name: None if value == "" else value for name, value in asdict(deferred).items()}
    return {**known, "services": list(deferred.services), "scope": list(deferred.scope)}


def _reason(code: str, message: str, hint: str) -> Document:
    return {"code": code, "message": message, "hint": hint or None}


def _last_run(facts: Facts | None) -> Document | None:
    if facts is None or facts.last_run is None:
        return None
    last = facts.last_run
    return {
        "run": last.run,
        "outcome": last.outcome or None,
        "revision": last.revision or None,
        "at": last.at or None,
    }


def validation_document(file: str, hosts: int, services: int, findings: Sequence[InventoryFinding]) -> Document:
    """What `validate --json` prints: how much was read, and everything that is to be said of it."""
    return {
        "version": VERSION,
        "file": file,
        "valid": all(finding.severity != "error" for finding in findings),
        "hosts": hosts,
        "services": services,
        "findings": [asdict(finding) for finding in findings],
    }


def plan_document(prospects: Sequence[Prospect]) -> Document:
    """What `plan --json` prints: the plans of the hosts, in their order, or why a host has none."""
    return {"version": VERSION, "hosts": {each.host: _prospect(each) for each in prospects}}


def order_document(run: RunState, plans: Mapping[str, HostPlan]) -> Document:
    """What the hook before a deploy is given: the run, and the plans that were confirmed."""
    hosts = {name: _prospect(Prospect(name, plan)) for name, plan in plans.items()}
    return {"version": VERSION, "run": run.run, "revision": run.revision or None, "hosts": hosts}


def notify_document(sent: Sequence[Sent]) -> Document:
    """What `notify --json` prints: each target, and why it was not reached."""
    return {
        "version": VERSION,
        "targets": [
            {"target": each.target, "sent": not each.problem, "problem": each.problem or None} for each in sent
        ],
    }


def _prospect(prospect: Prospect) -> Document:
    plan, error = prospect.plan, prospect.error
    return {
        **_plan(plan or HostPlan(prospect.host, "", "", "", "", None, ())),
        "has_changes": plan.changes_anything if plan else None,
        "diff": prospect.diff or None,
        "error": _reason(error.code, error.message, error.hint) if error else None,
    }


def _plan(plan: HostPlan) -> Document:
    return {
        "revision_before": plan.revision_before or None,
        "revision_after": plan.revision_after or None,
        "branch": plan.branch or None,
        "subject": plan.subject or None,
        "commits": plan.commits,
        "steps": [asdict(step) for step in plan.steps],
        "digest": plan.digest or None,
        "is_foreseen": plan.is_foreseen,
        "resume_stage": plan.resume_stage or None,
        "changes": [_change(change) for change in plan.changes],
        "orphans": list(plan.orphans),
        "sent_bytes": plan.sent,
        "path": plan.path or None,
        "warnings": list(plan.warnings),
        "findings": [_finding(each) for each in plan.findings],
    }


def _change(change: Change) -> Document:
    return {
        "service": change.service,
        "action": str(change.action),
        "reason": change.reason or None,
        "images": [_image(image) for image in change.images],
        "ports": list(change.ports),
        "downtime": change.downtime,
        "carries": change.carries,
        "local": list(change.local),
        "local_changed": change.is_local_new,
    }


def _image(image: ImageChange) -> Document:
    known = {name: value or None for name, value in asdict(image).items() if name != "size"}
    return {**known, "size": None if image.size < 0 else image.size}


def dump(document: Document) -> str:
    """The document as text: indented, in its own order, readable letters, a newline at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
