from __future__ import annotations

from support.report_values import NEW, RUN, at, shown

from saturn_orchestrator.report.history_view import history_table
from saturn_orchestrator.state.record import RunRecord


def record(**fields) -> RunRecord:
    known = {
        "by": "ada@saturn", "hosts": {"chelsty": ("changed", at(9)), "vps": ("failed", at(9))}, "run": RUN,
        "revision": NEW, "started_at": at(0), "finished_at": at(9), "outcome": "partial", "exit_code": 1,
        "inventory": "inventory/topology.yaml",
    }  # fmt: skip
    return RunRecord(**{**known, **fields})


def later() -> str:
    return at(0, minute=40)


def test_a_run_is_one_row():
    assert shown(history_table([record()], later), width=120) == (
        "run                    outcome    age         duration  by          revision  hosts\n"
        f"{RUN}  ! partial  30 min ago  9.0 s     ada@saturn  8be02d44  chelsty changed, vps failed\n"
        "\n"
        "1 run.\n"
    )


def test_a_narrow_screen_keeps_the_outcome():
    assert "partial" in shown(history_table([record()], later), width=40)


def test_runs_without_an_end_say_what_to_type():
    told = shown(history_table([record(outcome="", finished_at="")], later))
    assert told.endswith("1 run without an end here; help: saturn attach\n1 run.\n")
