"""Machine output: plain values, versioned, pinned key by key in tests/contract. Absent things are null, never ""."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from saturn_orchestrator.errors import InventoryFinding
from saturn_orchestrator.events import Event, Facts, Finding, encode
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.report.advice import next_command
from saturn_orchestrator.report.times import host_duration_s, run_duration_s
from saturn_orchestrator.state.model import HostError, HostState, RunState
from saturn_orchestrator.state.outcome import Outcome
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.standing import Standing

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
            name: {"status": service.status, "health": service.health or None}
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


def _finding(finding: Finding) -> Document:
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


def status_document(standings: Sequence[Standing]) -> Document:
    """What `status --json` prints."""
    return {"version": VERSION, "hosts": {standing.host: _standing(standing) for standing in standings}}


def _standing(standing: Standing) -> Document:
    facts, error = standing.facts, standing.error
    return {
        "reachability": standing.reachability,
        "source": standing.source,
        "observed_at": standing.observed_at or None,
        "revision": (facts.revision or None) if facts else None,
        "behind": standing.behind,
        "stage": (facts.stage or None) if facts else None,
        "last_run": _last_run(facts),
        "services": {each.name: {"state": each.state, "health": each.health} for each in facts.services}
        if facts
        else {},
        "lock": asdict(facts.lock) if facts and facts.lock else None,
        "tailnet": None,
        "error": {"code": error.code, "message": error.message, "hint": error.hint or None} if error else None,
    }


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
    """What `validate --json` prints: how much was read, and everything that is wrong with it."""
    return {
        "version": VERSION,
        "file": file,
        "valid": not findings,
        "hosts": hosts,
        "services": services,
        "findings": [asdict(finding) for finding in findings],
    }


def plan_document(*plans: HostPlan) -> Document:
    """What `plan --json` prints: the plans of the hosts, in their order."""
    return {"version": VERSION, "hosts": {plan.host: _plan(plan) for plan in plans}}


def _plan(plan: HostPlan) -> Document:
    return {
        "revision_before": plan.revision_before or None,
        "revision_after": plan.revision_after,
        "branch": plan.branch,
        "subject": plan.subject,
        "commits": plan.commits,
        "resume_stage": plan.resume_stage or None,
        "changes": [
            {"service": change.service, "action": str(change.action), "reason": change.reason}
            for change in plan.changes
        ],
        "warnings": list(plan.warnings),
    }


def dump(document: Document) -> str:
    """The document as text: indented, in its own order, readable letters, a newline at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
