"""How long each step of the way to each host took: what `SATURN_TRACE=1` shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from saturn_orchestrator.report.style import verbatim
from saturn_orchestrator.report.tables import Grid, Row, table
from saturn_orchestrator.report.text import Text
from saturn_orchestrator.session.trip import STEPS, Trip


def trips_table(trips: Mapping[str, Trip]) -> Grid:
    """One row a host, one column a step; `-` for a step that was not reached, or is not needed."""
    return table(("host", *STEPS, "in all"), [_row(host, trip.seconds) for host, trip in trips.items()])


def _row(host: str, taken: Mapping[str, float]) -> Row:
    steps = {step: _cell(taken.get(step)) for step in STEPS}
    return {"host": verbatim(host), **steps, "in all": _cell(sum(taken.values()))}


def _cell(seconds: float | None) -> Text:
    return verbatim("-" if seconds is None else f"{seconds * 1000:.0f} ms")
