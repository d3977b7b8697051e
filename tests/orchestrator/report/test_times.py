from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from support.report_values import at, run_of

from saturn_orchestrator.report.times import host_duration_s, local_time, run_duration_s
from saturn_orchestrator.state.model import HostState, Status

TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2026-11-23T16:10:02.000Z", "01:10:02"),
        ("2026-11-23T16:10:02+02:00", "23:10:02"),
        ("2026-11-23T16:10:02", "01:10:02"),
        ("9999-12-31T23:59:59Z", "--:--:--"),
        ("", "--:--:--"),
        ("yesterday", "--:--:--"),
    ],
)
def test_local_time_is_the_same_width_whatever_a_node_sends(text, clock):
    assert local_time(text, TOKYO) == clock


def test_a_run_lasts_until_its_last_host_ends():
    first = HostState("a", Status.CHANGED, started_at=at(3), finished_at=at(9))
    last = HostState("b", Status.CHANGED, started_at=at(3), finished_at=at(14))
    moving = HostState("c", Status.RUNNING, started_at=at(3))
    assert [host_duration_s(host) for host in (first, last, moving)] == [6.0, 11.0, None]
    assert run_duration_s(run_of(first, last, moving)) == 12.0
    assert run_duration_s(run_of(moving)) is None
