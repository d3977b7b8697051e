"""`saturn history`: a table of runs, newest first, and below it what to type about those without an end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from saturn_orchestrator import events
from saturn_orchestrator.ages import age_text, seconds_between
from saturn_orchestrator.report.style import counted, duration_text, short_revision, verbatim, word_text
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.state.record import RunRecord

_FOLDED = {"hosts": 30}


def history_table(records: Sequence[RunRecord], clock: Callable[[], str] = events.now) -> Group:
    """The table and a counted last line. clock: tells the present moment, from which ages are counted."""
    now = clock()
    rows = [_cells(record, now) for record in records]
    endless = [record.run for record in records if not record.outcome]
    hint = [verbatim(f"{counted(len(endless), 'run')} without an end here; help: saturn attach", "yellow")]
    return Group(
        FirstFitting(
            (
                table(("run", "outcome", "age", "duration", "by", "revision", "hosts"), rows),
                table(("run", "outcome", "age", "by", "hosts"), rows),
                table(("run", "outcome", "age", "hosts"), rows, folded=_FOLDED),
                table(("run", "outcome", "age"), rows),
                table(("run", "outcome"), rows),
            )
        ),
        Text(),
        *(hint if endless else ()),
        verbatim(f"{counted(len(records), 'run')}.", "bold"),
    )


def _cells(record: RunRecord, now: str) -> Row:
    return {
        "run": record.run,
        "outcome": word_text(record.outcome or "running"),
        "age": age_text(seconds_between(record.started_at, now)),
        "duration": duration_text(seconds_between(record.started_at, record.finished_at)),
        "by": record.by or "-",
        "revision": short_revision(record.revision),
        "hosts": ", ".join(f"{name} {status}" for name, (status, _) in record.hosts.items()) or "-",
    }
