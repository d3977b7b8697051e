"""One event, one line: what the live view prints above its region and the plain view prints all along. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saturn_orchestrator import events
from saturn_orchestrator.events import Event
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.report.style import (
    counted,
    duration_text,
    linked,
    look,
    revision_move,
    short_revision,
    size_text,
    unbroken,
    verbatim,
)
from saturn_orchestrator.report.text import Text
from saturn_orchestrator.state.model import HostState


@dataclass(frozen=True)
class Said:
    """An event in words. look: the word whose colour it wears. is_milestone: a person watching live sees it, too.

    url: what a person shall open, where the words name it.
    """

    text: str
    look: str = ""
    is_milestone: bool = False
    stage: str = ""
    service: str = ""
    url: str = ""


_Words = Callable[[Any, HostState], Said]


def said(event: Event, host: HostState) -> Said | None:
    """What the event says; host is the state after it. None for heartbeats and whatever else no line is made of."""
    if isinstance(event, events.UnknownEvent):
        return Said(event.type)
    words = WORDS.get(type(event))
    if words is None:
        return None
    line = words(event, host)
    return replace(line, stage=getattr(event, "stage", ""), service=getattr(event, "service", ""))


def _checked_out(event: events.CheckedOut, _: HostState) -> Said:
    move = revision_move(event.revision_before, event.revision_after)
    if not event.stale:
        return Said(f"checked out {move} from {event.source}", "changed", is_milestone=True)
    reason = f": {event.message}" if event.message else ""
    reached = short_revision(event.revision_after)
    return Said(
        f"STALE, origin could not be asked, at {reached} from {event.source}{reason}", "warning", is_milestone=True
    )


def _finding(event: events.Finding, _: HostState) -> Said:
    where = " ".join(part for part in (event.file, event.key) if part)
    severity = "error" if event.severity == "error" else "warning"
    return Said(f"{severity}: {event.message}{f' ({where})' if where else ''}", severity, is_milestone=True)


def _opening(event: events.SessionOpening, _: HostState) -> Said:
    return Said("connecting" if event.attempt <= 1 else f"connecting, attempt {event.attempt}")


def _waiting(event: events.SessionWaiting, _: HostState) -> Said:
    if event.code == "place":  # with many hosts most of them wait so, and nobody can do anything about it
        return Said(event.message)
    return Said(event.message, "warning", is_milestone=True, url=event.url)


def _opened(event: events.SessionOpened, _: HostState) -> Said:
    return Said(f"connected, {event.path}" if event.path else "connected")


def waiting_line(host: str, event: events.SessionWaiting) -> Text:
    """`chelsty: needs approval: https://…`, never broken, and the address a link where a terminal knows links."""
    return linked(unbroken(f"{host}: {event.message}", look("warning").style), event.url)


def hook_line(hook: str, line: str) -> Text:
    """`pre-deploy | window opened`: a line that a hook printed."""
    return verbatim(f"{hook} | {line}", "dim")


def _hello(event: events.Hello, _: HostState) -> Said:
    resumed = ", resumed" if event.resumed else ""
    return Said(f"executor {short_revision(event.executor)}, python {event.python or '-'}{resumed}")


def _goodbye(event: events.Goodbye, host: HostState) -> Said:
    # The state knows more than the node's word: `success` is changed or unchanged here.
    word = host.status if host.status.is_final else event.outcome
    return Said(f"{word} {duration_text(event.duration_s)}", word, is_milestone=True)


def _left(event: events.HostLeft, _: HostState) -> Said:
    look = "warning" if event.code in {"link_lost", "flood", "internal_error"} else "running"
    return Said(f"left ({event.code}): {event.message}", look, is_milestone=True)


def _final(word: str) -> _Words:
    return lambda event, _: Said(f"{word}: {event.message}", word, is_milestone=True)


def _skipped(is_milestone: bool) -> _Words:
    return lambda event, _: Said(
        f"skipped: {event.reason}" if event.reason else "skipped", "skipped", is_milestone=is_milestone
    )


def _text(event: events.Progress | events.Log, _: HostState) -> Said:
    return Said(event.text)


WORDS: dict[type, _Words] = {
    events.SessionOpening: _opening,
    events.SessionWaiting: _waiting,
    events.SessionOpened: _opened,
    events.HostPlanned: lambda event, _: Said(f"planned {revision_move(event.revision_before, event.revision_after)}"),
    events.HostConfirmed: lambda event, _: Said(f"confirmed by {event.by}"),
    events.PlanStale: lambda event, _: Said(f"asked again: {event.message}", "warning", is_milestone=True),
    events.HostQueued: lambda event, _: Said(f"waits for its batch, {event.batch} of {event.batches}"),
    events.HostSkipped: _final("skipped"),
    events.HostDeferred: lambda event, _: Said(
        f"deferred: {short_revision(event.revision)} waits for it until {event.expires_at}",
        "deferred",
        is_milestone=True,
    ),
    events.HostDeclined: lambda _, __: Said("declined", "declined", is_milestone=True),
    events.HostCancelled: lambda _, __: Said("cancelled", "cancelled", is_milestone=True),
    events.HostUnreachable: _final("unreachable"),
    events.HostFailed: _final("failed"),
    events.HostAttached: lambda event, _: Said(f"attached by {event.by}"),
    events.HostLeft: _left,
    events.LinkLost: lambda event, _: Said(
        f"link lost, the node works on: {event.message}", "warning", is_milestone=True
    ),
    events.LinkRestored: lambda _, __: Said("link restored", "running", is_milestone=True),
    events.LinesLeftOut: lambda event, _: Said(
        f"{counted(event.count, 'line')} of no event left out", "warning", is_milestone=True
    ),
    events.RunLost: _final("lost"),
    events.Hello: _hello,
    events.StageStarted: lambda _, __: Said("started"),
    events.StageFinished: lambda event, _: Said(f"finished {duration_text(event.duration_s)}"),
    events.StageSkipped: _skipped(is_milestone=False),
    events.StageFailed: _final("failed"),
    events.CheckedOut: _checked_out,
    events.ServiceStarted: lambda _, __: Said("started"),
    events.ServiceFinished: lambda event, _: Said(
        f"{event.status} {duration_text(event.duration_s)}", event.status, is_milestone=True
    ),
    events.ServiceSkipped: _skipped(is_milestone=True),
    events.ServiceVerified: lambda event, _: Said(event.health, "changed", is_milestone=True),
    events.ServiceFailed: _final("failed"),
    events.AckNeeded: lambda event, _: Said(
        f"carries the connection: acknowledge within {event.timeout_s:g} s", "warning", is_milestone=True
    ),
    events.Acknowledged: lambda event, _: Said(
        f"acknowledged by {event.by}" if event.by else "acknowledged", "changed", is_milestone=True
    ),
    events.BackupWritten: lambda event, _: Said(
        f"backup {event.snapshot} written, {size_text(event.size)} {duration_text(event.duration_s)}",
        "unchanged",
        is_milestone=True,
    ),
    events.BackupRestored: lambda event, _: Said(
        f"backup {event.snapshot} restored; what stood before is kept as {event.kept}", "changed", is_milestone=True
    ),
    events.Finding: _finding,
    events.Progress: _text,
    events.Log: _text,
    events.DiagnosticsCollected: lambda event, _: Said(f"diagnostics {event.path}"),
    events.Refused: _final("refused"),
    events.Goodbye: _goodbye,
}
"""For each type of event, its words. Heartbeats, facts and pieces of diagnostics have none."""
