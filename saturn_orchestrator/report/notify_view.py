"""`saturn notify`: the table of who was reached. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from saturn_orchestrator.report.style import word_text
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.state.notices import Sent

_TITLES = ("target", "result", "reason")


def targets_table(sent: Sequence[Sent]) -> FirstFitting:
    """One row a target."""
    rows = [_row(each) for each in sent]
    return FirstFitting((table(_TITLES, rows), table(_TITLES, rows, folded={"target": 30, "reason": 40})))


def _row(sent: Sent) -> Row:
    result = word_text("failed" if sent.problem else "sent")
    return {"target": sent.target, "result": result, "reason": sent.problem or "-"}
