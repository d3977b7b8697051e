"""The transition table: (HostState, event) -> HostState.

The law: an event moves a host only from the states that MOVES names for its type. Any other event, a repeated seq, and
every event after a final state change nothing but the count `surplus`. So a replay, a repeat or a lying node can
never turn a result into another one, and reducing the same events twice gives the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from saturn_orchestrator import events
from saturn_orchestrator.events import Event
from saturn_orchestrator.plan.backups import is_plain
from saturn_orchestrator.records import replace
from saturn_orchestrator.state.model import HostError, HostState, RunState, ServiceState, Status

_BEFORE_RUN = frozenset({Status.PENDING, Status.CONNECTING, Status.CONNECTED, Status.PLANNED})
_ORDERED = frozenset({Status.CONFIRMED, Status.RUNNING})
_UNFINISHED = frozenset(status for status in Status if not status.is_final)

_MAX_ITEMS = 1000
"""Findings and services kept of one host: a node that lies must not grow what SATURN remembers."""


def reduce_run(run: RunState, host: str, event: Event) -> RunState:
    """The run after an event of one of its hosts."""
    return run.with_host(reduce(run.hosts[host], event))


def strides(host: HostState, told: Sequence[Event]) -> Iterator[tuple[Sequence[Event], HostState]]:
    """The events one after another, each with the host after it; output that follows upon output is taken in one go.

    Of such lines each one fits, and the state is that after the last: no other event reads what they leave.
    """
    output: list[events.Log | events.Progress] = []
    for event in told:
        last = output[-1].seq if output else host.last_seq
        if events.is_output(event) and event.seq > last and host.status is Status.RUNNING:
            output.append(event)
            continue
        if output:
            host = reduce(host, output[-1])
            yield output, host
            output = []
        host = reduce(host, event)
        yield (event,), host
    if output:
        yield output, reduce(host, output[-1])


def reduce(host: HostState, event: Event) -> HostState:
    """The host after the event. Never raises, whatever a node sends."""
    seq = getattr(event, "seq", None)
    if events.is_aside(event):
        return host
    if isinstance(event, events.UnknownEvent):
        return _seen(host, event.seq) if _fits(host, _ORDERED, event.seq) else host.but(surplus=host.surplus + 1)
    states, move = MOVES[type(event)]
    if not _fits(host, states, seq):
        return host.but(surplus=host.surplus + 1)
    moved = move(host, event)
    return moved if seq is None else _seen(moved, seq)


def _fits(host: HostState, states: frozenset[Status], seq: int | None) -> bool:
    return host.status in states and (seq is None or seq > host.last_seq)


def _seen(host: HostState, seq: int) -> HostState:
    """A word of the node: whoever left it or lost it hears it again, here or in another terminal."""
    return host.but(last_seq=seq, left=None, link_lost_at="")


# --- the controller's own events --------------------------------------------------------------------------------------


def _opening(host: HostState, event: events.SessionOpening) -> HostState:
    started = host.started_at or event.at
    return host.but(status=Status.CONNECTING, attempt=event.attempt, started_at=started, awaits="")


def _waiting(host: HostState, event: events.SessionWaiting) -> HostState:
    # What a node at work said last stays; that the line to it is lost is told beside it.
    awaits = "approval" if event.code == "approval" else ""
    return host.but(text=event.message, awaits=awaits) if host.status in _BEFORE_RUN else host


def _opened(host: HostState, event: events.SessionOpened) -> HostState:
    return host.but(status=Status.CONNECTED, text=event.path, awaits="")


def _planned(host: HostState, event: events.HostPlanned) -> HostState:
    return host.but(
        status=Status.PLANNED, revision_before=event.revision_before, revision_after=event.revision_before,
        task=event.task,
    )  # fmt: skip


def _confirmed(host: HostState, event: events.HostConfirmed) -> HostState:
    # The time a person took to answer is not the host's.
    return host.but(status=Status.CONFIRMED, by=event.by, digest=event.digest, started_at=event.at, text="")


def _plan_stale(host: HostState, _: events.PlanStale) -> HostState:
    return host.but(status=Status.CONNECTED)


def _queued(host: HostState, event: events.HostQueued) -> HostState:
    return host.but(text=f"waits for its batch, {event.batch} of {event.batches}")


def _skipped(host: HostState, event: events.HostSkipped) -> HostState:
    error = HostError("halted", event.message, f"saturn deploy --hosts {host.host}")
    return host.but(status=Status.SKIPPED, error=error, text="", finished_at=event.at)


def _deferred(host: HostState, event: events.HostDeferred) -> HostState:
    before = event.revision_before
    return host.but(
        status=Status.DEFERRED, by=event.by, revision_before=before, revision_after=before, finished_at=event.at
    )


def _declined(host: HostState, event: events.HostDeclined) -> HostState:
    return host.but(status=Status.DECLINED, finished_at=event.at)


def _cancelled(host: HostState, event: events.HostCancelled) -> HostState:
    return host.but(status=Status.CANCELLED, finished_at=event.at)


def _unreachable(host: HostState, event: events.HostUnreachable) -> HostState:
    error = HostError(event.code, event.message, event.hint)
    return host.but(status=Status.UNREACHABLE, error=error, finished_at=event.at)


def _failed(host: HostState, event: events.HostFailed) -> HostState:
    error = HostError(event.code, event.message, event.hint)
    return host.but(status=Status.FAILED, error=error, finished_at=event.at)


def _attached(host: HostState, _: events.HostAttached) -> HostState:
    """Whatever was known before, the order was given; a host that has not said hello may still turn out never begun."""
    status = Status.RUNNING if host.last_seq else Status.CONFIRMED
    return host.but(status=status, left=None, link_lost_at="")


def _left(host: HostState, event: events.HostLeft) -> HostState:
    left = HostError(event.code, event.message, event.hint, host.stage, host.service)
    return host.but(status=Status.RUNNING, left=left, link_lost_at="")


def _link_lost(host: HostState, event: events.LinkLost) -> HostState:
    return host.but(link_lost_at=host.link_lost_at or event.at)


def _link_restored(host: HostState, _: events.LinkRestored) -> HostState:
    return host.but(link_lost_at="")


def _left_out(host: HostState, event: events.LinesLeftOut) -> HostState:
    return host.but(noise=host.noise + event.count)


def _lost(host: HostState, event: events.RunLost) -> HostState:
    error = HostError(event.code, event.message, event.hint, host.stage, host.service)
    return host.but(status=Status.LOST, error=error, left=None, link_lost_at="", finished_at=event.at)


# --- the node's events ------------------------------------------------------------------------------------------------


def _hello(host: HostState, event: events.Hello) -> HostState:
    return host.but(status=Status.RUNNING, log=event.log)


def _stage_started(host: HostState, event: events.StageStarted) -> HostState:
    return host.but(stage=event.stage, service="", text="")


def _stage_over(host: HostState, event: events.StageFinished | events.StageSkipped) -> HostState:
    return host.but(stage=event.stage, service="")


def _stage_failed(host: HostState, event: events.StageFailed) -> HostState:
    tail = event.tail or (host.error.tail if host.error else ())
    service = event.service or (host.error.service if host.error else "")
    return host.but(
        stage=event.stage, awaits="", error=HostError(event.code, event.message, event.hint, event.stage, service, tail)
    )


def _checked_out(host: HostState, event: events.CheckedOut) -> HostState:
    if event.stage == "rollback":  # the way back: what the host had before this run stays what it was
        return host.but(revision_after=event.revision_after)
    return host.but(
        revision_before=event.revision_before, revision_after=event.revision_after, stale=event.stale,
        text=event.message or host.text,
    )  # fmt: skip


def _service_started(host: HostState, event: events.ServiceStarted) -> HostState:
    known = host.services.get(event.service, ServiceState())
    status = "working" if known.status == "pending" else known.status
    return replace(_with_service(host, event.service, replace(known, status=status)), service=event.service, text="")


def _service_finished(host: HostState, event: events.ServiceFinished) -> HostState:
    known = host.services.get(event.service, ServiceState())
    return _with_service(host, event.service, replace(known, status=event.status))


def _service_skipped(host: HostState, event: events.ServiceSkipped) -> HostState:
    known = host.services.get(event.service, ServiceState())
    return _with_service(host, event.service, replace(known, status="skipped"))


def _service_verified(host: HostState, event: events.ServiceVerified) -> HostState:
    known = host.services.get(event.service, ServiceState())
    return _with_service(host, event.service, replace(known, health=event.health))


def _service_failed(host: HostState, event: events.ServiceFailed) -> HostState:
    known = host.services.get(event.service, ServiceState())
    failed = _with_service(host, event.service, replace(known, status="failed", health=event.health or "failed"))
    # The first failing service is the evidence; the stage's own failure that follows names them all.
    error = host.error or HostError(event.code, event.message, event.hint, event.stage, event.service, event.tail)
    return failed.but(error=error, service=event.service)


def _backup_written(host: HostState, event: events.BackupWritten) -> HostState:
    return _with_backup(host, event.service, event.snapshot)


def _backup_restored(host: HostState, event: events.BackupRestored) -> HostState:
    return _with_backup(host, event.service, event.kept)


def _with_backup(host: HostState, service: str, name: str) -> HostState:
    """The name becomes part of a command that a person copies, and of a path: one that is none is not remembered."""
    known = host.services.get(service, ServiceState())
    return _with_service(host, service, replace(known, backup=name)) if is_plain(name) else host


def _with_service(host: HostState, name: str, service: ServiceState) -> HostState:
    if name not in host.services and len(host.services) >= _MAX_ITEMS:
        return host
    return host.but(services={**host.services, name: service})


def _ack_needed(host: HostState, event: events.AckNeeded) -> HostState:
    return host.but(service=event.service, text="waits for an acknowledgement", awaits="acknowledgement")


def _acknowledged(host: HostState, _: events.Acknowledged) -> HostState:
    return host.but(text="", awaits="")


def _finding(host: HostState, event: events.Finding) -> HostState:
    return host.but(findings=(*host.findings, event)) if len(host.findings) < _MAX_ITEMS else host


def _text(host: HostState, event: events.Progress | events.Log) -> HostState:
    return host.but(text=event.text)


def _diagnostics(host: HostState, event: events.DiagnosticsCollected) -> HostState:
    return host.but(diagnostics=event.path)


def _refused(host: HostState, event: events.Refused) -> HostState:
    return host.but(error=HostError(event.code, event.message, event.hint))


def _kept(host: HostState, _: Event) -> HostState:
    return host


def _goodbye(host: HostState, event: events.Goodbye) -> HostState:
    status = _final_status(host, event.outcome)
    error = host.error
    if status is Status.FAILED and error is None:  # a failure always has a reason, if only this one
        error = HostError("failed", f"the node said {event.outcome} and no reason; see its log", stage=host.stage)
    return host.but(status=status, error=error, text="", finished_at=event.at, duration_s=event.duration_s)


def _final_status(host: HostState, outcome: str) -> Status:
    if outcome == "success":
        touched = any(service.status in {"changed", "removed"} for service in host.services.values())
        return Status.CHANGED if touched or host.revision_before != host.revision_after else Status.UNCHANGED
    return {
        "blocked": Status.BLOCKED,
        "cancelled": Status.CANCELLED,
        "rolled_back": Status.ROLLED_BACK,
    }.get(outcome, Status.FAILED)


_Move = tuple[frozenset[Status], Callable[[HostState, Any], HostState]]

MOVES: dict[type, _Move] = {
    events.SessionOpening: (frozenset({Status.PENDING, Status.CONNECTING}), _opening),
    events.SessionWaiting: (_BEFORE_RUN | _ORDERED, _waiting),
    events.SessionOpened: (frozenset({Status.PENDING, Status.CONNECTING}), _opened),
    events.HostPlanned: (_BEFORE_RUN, _planned),
    events.HostConfirmed: (frozenset({Status.PLANNED}), _confirmed),
    events.PlanStale: (frozenset({Status.CONFIRMED}), _plan_stale),
    events.HostQueued: (frozenset({Status.PLANNED}), _queued),
    events.HostSkipped: (_BEFORE_RUN, _skipped),
    events.HostDeferred: (_BEFORE_RUN, _deferred),
    events.HostDeclined: (_BEFORE_RUN, _declined),
    events.HostCancelled: (_BEFORE_RUN, _cancelled),
    events.HostUnreachable: (_BEFORE_RUN | {Status.CONFIRMED}, _unreachable),
    events.HostFailed: (_BEFORE_RUN | {Status.CONFIRMED}, _failed),
    events.HostAttached: (_UNFINISHED, _attached),
    events.HostLeft: (_ORDERED, _left),
    events.LinkLost: (_ORDERED, _link_lost),
    events.LinkRestored: (_ORDERED, _link_restored),
    events.LinesLeftOut: (_ORDERED, _left_out),
    events.RunLost: (_ORDERED, _lost),
    events.Hello: (_ORDERED, _hello),
    events.StageStarted: (frozenset({Status.RUNNING}), _stage_started),
    events.StageFinished: (frozenset({Status.RUNNING}), _stage_over),
    events.StageSkipped: (frozenset({Status.RUNNING}), _stage_over),
    events.StageFailed: (frozenset({Status.RUNNING}), _stage_failed),
    events.CheckedOut: (frozenset({Status.RUNNING}), _checked_out),
    events.ServiceStarted: (frozenset({Status.RUNNING}), _service_started),
    events.ServiceFinished: (frozenset({Status.RUNNING}), _service_finished),
    events.ServiceSkipped: (frozenset({Status.RUNNING}), _service_skipped),
    events.ServiceVerified: (frozenset({Status.RUNNING}), _service_verified),
    events.ServiceFailed: (frozenset({Status.RUNNING}), _service_failed),
    events.AckNeeded: (frozenset({Status.RUNNING}), _ack_needed),
    events.Acknowledged: (frozenset({Status.RUNNING}), _acknowledged),
    events.Finding: (frozenset({Status.RUNNING}), _finding),
    events.Progress: (frozenset({Status.RUNNING}), _text),
    events.Log: (frozenset({Status.RUNNING}), _text),
    events.BackupWritten: (frozenset({Status.RUNNING}), _backup_written),
    events.BackupRestored: (frozenset({Status.RUNNING}), _backup_restored),
    events.Backups: (frozenset({Status.RUNNING}), _kept),
    events.BackupVerified: (frozenset({Status.RUNNING}), _kept),
    events.BackupPart: (frozenset({Status.RUNNING}), _kept),
    events.Examined: (frozenset({Status.RUNNING}), _kept),
    events.Facts: (frozenset({Status.RUNNING}), _kept),
    events.Plan: (frozenset({Status.RUNNING}), _kept),
    events.Cancelling: (frozenset({Status.RUNNING}), _kept),
    events.DiagnosticsCollected: (frozenset({Status.RUNNING}), _diagnostics),
    events.DiagnosticsPart: (frozenset({Status.RUNNING}), _kept),
    events.Refused: (_ORDERED, _refused),
    events.Goodbye: (_ORDERED, _goodbye),
}
"""For each type of event: the states it may move, and what it does. A test finds a type that is missing here."""
