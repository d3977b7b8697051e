from __future__ import annotations

from datetime import UTC

from support.report_values import NEW, OLD, RUN, at, shown

from saturn_orchestrator import events
from saturn_orchestrator.report.logs_view import log_lines
from saturn_orchestrator.state.model import HostState, Status


def test_a_day_is_named_where_it_changes_and_a_wrong_time_breaks_nothing():
    told = [
        events.HostConfirmed("2026-11-22T23:59:59.000Z", "ada@saturn"),
        events.HostPlanned(at(0), OLD, NEW),
        events.LinkLost("never", "cut"),
    ]
    host = HostState("vps", Status.RUNNING)
    assert shown(*log_lines(host, RUN, told, UTC)) == (
        f"vps, run {RUN}: running\n"
        "--- 2026-11-22\n"
        "23:59:59 confirmed by ada@saturn\n"
        "--- 2026-11-23\n"
        "16:10:00 planned 3f2a91c0 -> 8be02d44\n"
        "--- ----------\n"
        "--:--:-- link lost, the node works on: cut\n"
    )
