"""What the verbs of backups say: which there are, whether they are sound, what was brought home. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from saturn_orchestrator import events
from saturn_orchestrator.ages import age_text, seconds_between
from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import BackupVerified, SnapshotFact
from saturn_orchestrator.plan.backups import REPLACED
from saturn_orchestrator.report.problems import problem_block, spaced
from saturn_orchestrator.report.style import counted, short_revision, size_text, tally, unbroken, verbatim, word_text
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.report.text import Drawable, Group, Text
from saturn_orchestrator.state.backups import Copy, Holdings, Inspection

_REASONS = {"deploy": "before a deploy", "ordered": "ordered", REPLACED: "kept by a restore"}
_COLUMNS = ("backup", "host", "service", "age", "size", "files", "written", "revision")
_FOLDED = {"backup": 20}


def holdings_text(found: Sequence[Holdings], clock: Callable[[], str] = events.now) -> Group:
    """A row a backup, the hosts that could not be asked, a counted last line. clock: ages are counted from it."""
    now = clock()
    rows = [_held(each.host, snapshot, now) for each in found for snapshot in each.snapshots]
    shown: list[Drawable] = [
        FirstFitting(
            (
                table(_COLUMNS, rows),
                table(tuple(each for each in _COLUMNS if each not in {"files", "revision"}), rows),
                table(("backup", "host", "service", "age", "written"), rows, folded=_FOLDED),
                table(("backup", "host", "service", "age"), rows, folded=_FOLDED),
                table(("backup", "host", "service"), rows, folded=_FOLDED),
            )
        ),
        Text(),
    ]
    asked = [each.host for each in found if not each.error]
    if not rows and asked:
        shown = [unbroken(f"there are no backups on {', '.join(asked)}; help: saturn backup --hosts {','.join(asked)}")]
    elif not rows:
        shown = []
    size = sum(snapshot.size for each in found for snapshot in each.snapshots)
    total = f"{counted(len(rows), 'backup')}, {size_text(size)}." if rows else f"{counted(0, 'backup')}."
    return Group(*shown, *spaced(_away(each.host, each.error) for each in found if each.error), verbatim(total, "bold"))


def _held(host: str, snapshot: SnapshotFact, now: str) -> Row:
    return {
        "backup": snapshot.name,
        "host": host,
        "service": snapshot.service,
        "age": age_text(seconds_between(snapshot.at, now)),
        "size": size_text(snapshot.size),
        "files": str(snapshot.files),
        "written": _REASONS.get(snapshot.reason, snapshot.reason or "-"),
        "revision": short_revision(snapshot.revision),
    }


def inspections_text(found: Sequence[Inspection]) -> Group:
    """A row a backup, what is wrong with those that are damaged, the hosts that could not be asked, a counted line."""
    verdicts = [(each.host, verdict) for each in found for verdict in each.verdicts]
    rows = [_judged(host, verdict) for host, verdict in verdicts]
    shown: list[Drawable] = []
    if rows:
        drawn = FirstFitting(
            (
                table(("backup", "verdict", "host", "service"), rows),
                table(("backup", "verdict", "service"), rows, folded=_FOLDED),
            )
        )
        shown = [drawn, Text()]
    blocks = [_damage(host, each) for host, each in verdicts if not each.is_sound]
    blocks += [_away(each.host, each.error) for each in found if each.error]
    words = tally((_verdict(each) for _, each in verdicts), ("sound", "damaged"))
    total = f"{counted(len(verdicts), 'backup')}{f': {words}' if words else ''}."
    return Group(*shown, *spaced(blocks), verbatim(total, "bold"))


def _judged(host: str, verdict: BackupVerified) -> Row:
    word = word_text(_verdict(verdict))
    return {"backup": verdict.snapshot, "verdict": word, "host": host, "service": verdict.service}


def _verdict(verdict: BackupVerified) -> str:
    return "sound" if verdict.is_sound else "damaged"


def _damage(host: str, verdict: BackupVerified) -> list[Text]:
    message = f"backup {verdict.snapshot} is damaged: {verdict.message or 'the node does not say how'}"
    hint = f"saturn backup --hosts {host} --services {verdict.service}   # writes a sound one"
    return problem_block("backup_damaged", message, f"{host}, {verdict.service}", hint=hint)


def _away(host: str, error: SessionError) -> list[Text]:
    severity = "warning" if error.exit_code == 3 else "error"
    return problem_block(error.code, error.message, host, severity=severity, notes=error.notes, hint=error.hint)


def copies_text(copies: Sequence[Copy]) -> Group:
    """Where each copy lies, or why there is none."""
    return Group(*spaced(list(_copied(each)) for each in copies), verbatim(f"{_total(copies)}.", "bold"))


def _copied(copy: Copy) -> Iterator[Text]:
    if copy.error:
        error = copy.error
        place = ", ".join(part for part in (copy.host, copy.service, copy.name) if part)
        yield from problem_block(error.code, error.message, place, notes=error.notes, hint=error.hint)
        return
    was_here = ", was here already" if copy.was_here else ""
    yield verbatim(f"{copy.host} {copy.service}  {size_text(copy.size)}{was_here}")
    yield unbroken(f"  here: {copy.folder}")
    if copy.local:
        yield unbroken("  · .env and override stay on the node: they are never sent", "dim")


def _total(copies: Sequence[Copy]) -> str:
    here = sum(copy.error is None for copy in copies)
    failed = f", {len(copies) - here} not" if here < len(copies) else ""
    return f"{counted(here, 'backup')} here{failed}"


# --- documents --------------------------------------------------------------------------------------------------------


def holdings_document(found: Sequence[Holdings]) -> dict[str, Any]:
    """`backup list --json`, version 1."""
    return {
        "version": 1,
        "hosts": {
            each.host: {"backups": [_snapshot(one) for one in each.snapshots], "error": _error(each.error)}
            for each in found
        },
    }


def _snapshot(snapshot: SnapshotFact) -> dict[str, Any]:
    words = {name: getattr(snapshot, name) or None for name in ("at", "run", "revision", "reason")}
    return {
        "service": snapshot.service, "name": snapshot.name, **words, "size": snapshot.size, "files": snapshot.files,
    }  # fmt: skip


def inspections_document(found: Sequence[Inspection]) -> dict[str, Any]:
    """`backup verify --json`, version 1."""
    return {
        "version": 1,
        "hosts": {
            each.host: {"backups": [_inspected(one) for one in each.verdicts], "error": _error(each.error)}
            for each in found
        },
    }


def _inspected(verdict: BackupVerified) -> dict[str, Any]:
    return {
        "service": verdict.service,
        "name": verdict.snapshot,
        "is_sound": verdict.is_sound,
        "message": verdict.message or None,
    }


def copies_document(copies: Sequence[Copy]) -> dict[str, Any]:
    """`backup fetch --json`, version 1."""
    return {"version": 1, "copies": copies_list(copies)}


def copies_list(copies: Sequence[Copy]) -> list[dict[str, Any]]:
    """The copies, as they also stand in the document of `backup --fetch --json`."""
    return [
        {
            "host": each.host,
            "service": each.service,
            "name": each.name or None,
            "folder": str(each.folder) if each.folder else None,
            "size": each.size if each.folder else None,
            "left_on_node": each.local,
            "error": _error(each.error),
        }
        for each in copies
    ]


def _error(error: SessionError | None) -> dict[str, Any] | None:
    return {"code": error.code, "message": error.message, "hint": error.hint or None} if error else None
