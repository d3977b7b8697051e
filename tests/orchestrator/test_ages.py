from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.ages import age_text, moment, seconds_between, span_text

EARLY, LATE = "2026-11-23T16:10:02.000Z", "2026-11-23T16:10:12.000Z"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (EARLY, datetime(2026, 11, 23, 16, 10, 2, tzinfo=UTC)),
        ("2026-11-23T16:10:02+02:00", datetime(2026, 11, 23, 16, 10, 2, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-11-23T16:10:02", datetime(2026, 11, 23, 16, 10, 2, tzinfo=UTC)),
        ("2026-11-25T20:42:06.893980702Z", datetime(2026, 11, 25, 20, 42, 6, 893980, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("\ud800", None),
    ],
)
def test_a_moment_is_what_the_text_names(text, known):
    assert moment(text) == known


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (EARLY, LATE, 10.0),
        (EARLY, EARLY, 0.0),
        (LATE, EARLY, None),
        ("", EARLY, None),
        (EARLY, "soon", None),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 315537998399.0),
    ],
)
def test_seconds_between_contradicting_clocks_are_unknown(start, end, seconds):
    assert seconds_between(start, end) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_that_a_machine_can_send_raises(start, end):
    assert (seconds_between(start, end) or 0) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-90, "just now"),
        (4, "just now"),
        (59, "59 s ago"),
        (300, "5 min ago"),
        (3 * 3600, "3 h ago"),
        (47 * 3600, "47 h ago"),
        (72 * 3600, "3 days ago"),
    ],
)
def test_age_text_names_the_unit(seconds, text):
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (48 * 3600 - 1, "47 h"),
        (48 * 3600, "2 days"),
        (7 * 86_400, "7 days"),
    ],
)
def test_span_text_has_one_unit(seconds, text):
    assert span_text(seconds) == text
