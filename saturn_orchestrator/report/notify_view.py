"""`saturn notify`: who was reached by the test message, and why others were not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from saturn_orchestrator.report.style import word_text
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.state.notices import Sent

_TITLES = ("target", "result", "reason")
_FOLDED = {"target": 30, "reason": 40}


def targets_table(sent: Sequence[Sent]) -> FirstFitting:
    """One row a target."""
    rows = [_cells(each) for each in sent]
    return FirstFitting((table(_TITLES, rows), table(_TITLES, rows, folded=_FOLDED)))


def _cells(sent: Sent) -> Row:
    return {
        "target": sent.target,
        "result": word_text("failed" if sent.problem else "sent"),
        "reason": sent.problem or "-",
    }
