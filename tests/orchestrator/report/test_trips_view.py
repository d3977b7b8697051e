"""The table of SATURN_TRACE."""

from __future__ import annotations

import io

from saturn_orchestrator.report.style import console, show
from saturn_orchestrator.report.trips_view import trips_table
from saturn_orchestrator.session.trip import Trip


def test_a_row_a_host_and_a_dash_for_what_was_not_reached() -> None:
    ticks = iter((0.0, 0.2, 0.6, 0.0))
    chelsty = Trip(lambda: next(ticks))
    chelsty.reach("dial")
    chelsty.reach("key exchange")
    solaria = Trip(lambda: next(ticks))
    stream = io.StringIO()

    show(console(stream), trips_table({"chelsty": chelsty, "solaria": solaria}))

    titles, first, second = stream.getvalue().splitlines()
    assert titles.split() == [
        "host",
        "dial",
        "key",
        "exchange",
        "login",
        "exec",
        "executor",
        "first",
        "event",
        "in",
        "all",
    ]
    assert first.split() == ["chelsty", "200", "ms", "400", "ms", "-", "-", "-", "-", "600", "ms"]
    assert second.split() == ["solaria", "-", "-", "-", "-", "-", "-", "0", "ms"]
