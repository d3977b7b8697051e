from __future__ import annotations

import pytest
from saturn_node.ages import seconds_since, span_text

NOW = 1_795_709_400.0  # 2026-11-26T16:10:00Z


@pytest.mark.parametrize(
    "at, seconds",
    [
        ("2026-11-26T16:09:00Z", 60),
        ("2026-11-26T16:09:00.123Z", 60),
        ("2026-11-26T16:11:00Z", -60),
        ("", 0),
        ("soon", 0),
        ("9999-99-99T99:99:99Z", 0),
    ],
)
def test_seconds_since(at, seconds):
    assert seconds_since(at, NOW) == seconds


@pytest.mark.parametrize(
    "seconds, text", [(3, "3 s"), (90, "1 min"), (7200, "2 h"), (86_400, "24 h"), (172_800, "2 days")]
)
def test_a_span_in_its_largest_unit(seconds, text):
    assert span_text(seconds) == text
