from __future__ import annotations

from saturn_orchestrator.report.prompts import filled


def test_placeholders_are_filled_in_once_and_the_rest_stays():
    values = {"host": "{run} {bundle}", "run": "r1"}

    assert filled("{host}, {run}, {json}, {}, {bundle}", values) == "{run} {bundle}, r1, {json}, {}, {bundle}"
