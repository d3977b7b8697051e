from __future__ import annotations

from itertools import combinations

import pytest

from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.outcome import Outcome, combined, host_exit_code, outcome

LOCKED = HostState("alpha", Status.FAILED, error=HostError("locked", "run r has it"))


def run_of(*hosts: HostState) -> RunState:
    return RunState("r", "rev", {f"h{number}": host for number, host in enumerate(hosts)})


def of(*statuses: Status) -> Outcome:
    return outcome(run_of(*(HostState("alpha", status) for status in statuses)))


@pytest.mark.parametrize(
    "statuses, word, exit_code",
    [
        ("changed", "success", 0),
        ("changed unchanged", "success", 0),
        ("failed", "failure", 1),
        ("blocked", "failure", 1),
        ("lost", "failure", 1),
        ("unreachable", "failure", 3),
        ("declined", "declined", 6),
        ("declined declined", "declined", 6),
        ("cancelled", "cancelled", 6),
        ("declined cancelled", "cancelled", 6),
        ("changed failed", "partial", 1),
        ("changed unreachable", "partial", 3),
        ("changed declined", "partial", 6),
        ("changed lost", "partial", 1),
        ("unreachable declined", "failure", 3),
        ("unreachable failed", "failure", 1),
        ("failed declined", "failure", 1),
        ("rolled_back", "failure", 4),
        ("rolled_back skipped", "failure", 4),
        ("rolled_back failed", "failure", 1),
        ("failed skipped", "failure", 1),
        ("changed skipped", "partial", 6),
        ("deferred", "partial", 3),
        ("deferred declined", "partial", 3),
        ("changed deferred", "partial", 3),
    ],
)
def test_the_statuses_of_the_hosts_give_the_outcome(statuses, word, exit_code):
    assert of(*map(Status, statuses.split())) == Outcome(word, exit_code)


@pytest.mark.parametrize(
    "status, exit_code",
    [
        (Status.CHANGED, 0), (Status.UNCHANGED, 0), (Status.FAILED, 1), (Status.BLOCKED, 1), (Status.LOST, 1),
        (Status.UNREACHABLE, 3), (Status.DECLINED, 6), (Status.CANCELLED, 6), (Status.SKIPPED, 6),
        (Status.ROLLED_BACK, 4), (Status.DEFERRED, 3),
    ],
)  # fmt: skip
def test_every_final_status_alone_gives_its_exit_code(status, exit_code):
    assert host_exit_code(HostState("alpha", status)) == exit_code


def test_a_locked_node_has_an_exit_code_of_its_own():
    assert outcome(run_of(LOCKED)) == Outcome("failure", 5)


def test_the_first_of_1_4_5_3_6_decides():
    hosts = {
        1: HostState("alpha", Status.FAILED), 4: HostState("alpha", Status.ROLLED_BACK), 5: LOCKED,
        3: HostState("alpha", Status.UNREACHABLE), 6: HostState("alpha", Status.DECLINED),
    }  # fmt: skip
    for first, second in combinations(hosts, 2):
        assert outcome(run_of(hosts[second], hosts[first])).exit_code == first


@pytest.mark.parametrize(
    "code, exit_code", [("detached", 0), ("interrupted", 130), ("link_lost", 3), ("flood", 1), ("internal_error", 1)]
)
def test_a_host_that_was_left_counts_by_the_reason(code, exit_code):
    left = HostState("alpha", Status.RUNNING, left=HostError(code, "it goes on"))

    assert outcome(run_of(left)) == Outcome("partial", exit_code)


def test_an_interruption_goes_before_everything():
    left = HostState("alpha", Status.RUNNING, left=HostError("interrupted", "it goes on"))

    assert outcome(run_of(HostState("beta", Status.FAILED), left)).exit_code == 130


def test_several_runs_have_one_exit_code():
    assert [combined(codes) for codes in ((0, 3, 1), (0, 6, 3), (0,), ())] == [1, 3, 0, 0]
