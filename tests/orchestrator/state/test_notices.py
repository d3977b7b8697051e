from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.notices import REMEMBERED, Ledger, Told, ledger_of, occasions, ruling
from saturn_orchestrator.state.outcome import outcome

ABOUT = "deploy /lab/topology.yaml"
AT, SOON, LATE = "2026-11-26T16:00:00Z", "2026-11-26T16:59:59Z", "2026-11-26T17:00:00Z"


def run_of(**statuses: Status | tuple[Status, str]) -> RunState:
    hosts = {}
    for name, each in statuses.items():
        status, code = each if isinstance(each, tuple) else (each, "")
        hosts[name] = HostState(name, status, error=HostError(code, "said") if code else None)
    return RunState("r", "8be02d44", hosts)


BROKEN = run_of(a=(Status.FAILED, "up_failed"), b=Status.CHANGED)
WELL = run_of(a=Status.CHANGED, b=Status.UNCHANGED)


@pytest.mark.parametrize(
    "run, words",
    [
        (WELL, {"success"}),
        (run_of(a=Status.FAILED), {"failure"}),
        (BROKEN, {"failure", "partial"}),
        (run_of(a=Status.ROLLED_BACK), {"failure"}),
        (run_of(a=(Status.FAILED, "locked")), {"failure"}),
        (run_of(a=Status.SKIPPED), {"failure"}),
        (run_of(a=Status.UNREACHABLE), {"unreachable"}),
        (run_of(a=Status.UNREACHABLE, b=Status.CHANGED), {"unreachable", "partial"}),
        (run_of(a=Status.DEFERRED), {"deferred", "partial"}),
        (run_of(a=Status.DECLINED), set()),
        (run_of(a=Status.CANCELLED, b=Status.DECLINED), set()),
        (run_of(a=Status.DECLINED, b=Status.CHANGED), set()),
    ],
)
def test_what_a_run_is_an_occasion_for(run: RunState, words: set[str]):
    assert occasions(run, outcome(run)) == words


def test_the_same_failure_is_held_back_for_an_hour_and_counted():
    first = ruling({}, BROKEN, ABOUT, AT)
    second = ruling(first.ledger, BROKEN, ABOUT, SOON)
    third = ruling(second.ledger, BROKEN, ABOUT, SOON)
    later = ruling(third.ledger, BROKEN, ABOUT, LATE)
    assert [each.is_held for each in (first, second, third, later)] == [False, True, True, False]
    assert (later.held, [told.held for told in later.ledger.values()]) == (2, [0])


@pytest.mark.parametrize(
    "other",
    [run_of(a=(Status.FAILED, "pull_failed")), run_of(b=(Status.FAILED, "up_failed")), run_of(a=Status.UNREACHABLE)],
)
def test_another_failure_is_told_at_once(other: RunState):
    assert not ruling(ruling({}, BROKEN, ABOUT, AT).ledger, other, ABOUT, SOON).is_held


def test_the_same_in_another_inventory_is_another():
    assert not ruling(ruling({}, BROKEN, ABOUT, AT).ledger, BROKEN, "deploy /other.yaml", SOON).is_held


def test_a_clock_that_went_back_holds_nothing_back():
    assert not ruling(ruling({}, BROKEN, ABOUT, LATE).ledger, BROKEN, ABOUT, AT).is_held


def test_success_after_a_failure_is_a_recovery_once():
    told = ruling({}, BROKEN, ABOUT, AT)
    mended = ruling(told.ledger, WELL, ABOUT, SOON)
    assert (mended.recovered, mended.ledger) == (("a",), {})
    assert ruling(mended.ledger, WELL, ABOUT, SOON).recovered == ()


@pytest.mark.parametrize("run, about", [(run_of(b=Status.CHANGED), ABOUT), (WELL, "backup /lab/topology.yaml")])
def test_what_has_to_do_with_other_hosts_or_backups_recovers_nothing(run: RunState, about: str):
    told = ruling({}, BROKEN, ABOUT, AT)
    assert ruling(told.ledger, run, about, SOON).recovered == ()


def test_the_oldest_are_forgotten():
    ledger: Ledger = {str(number): Told(AT, 0, ("a",), ABOUT) for number in range(REMEMBERED)}
    kept = ruling(ledger, BROKEN, ABOUT, AT).ledger
    assert (len(kept), "0" in kept, "1" in kept) == (REMEMBERED, False, True)


def test_a_ledger_survives_its_file_and_nonsense_is_left_out():
    ledger = ruling({}, BROKEN, ABOUT, AT).ledger
    written = json.loads(json.dumps({mark: asdict(told) for mark, told in ledger.items()}))
    assert ledger_of({**written, "x": 1, "y": {"at": 3}}) == ledger
    assert ledger_of([1]) == {}
