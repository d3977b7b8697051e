from __future__ import annotations

from saturn_orchestrator.state.model import HostState, RunState, Status

MOVING = {Status.PENDING, Status.CONNECTING, Status.CONNECTED, Status.PLANNED, Status.CONFIRMED, Status.RUNNING}


def test_a_status_is_final_when_nothing_can_move_it():
    assert {status for status in Status if not status.is_final} == MOVING


def test_a_status_is_a_success_when_the_host_is_as_the_plan_wanted_it():
    assert {status for status in Status if status.is_success} == {Status.CHANGED, Status.UNCHANGED}


def test_a_new_run_has_its_hosts_pending_and_in_order():
    run = RunState.of("r", "rev", ["b", "a"], "now")

    assert run == RunState("r", "rev", {"b": HostState("b"), "a": HostState("a")}, "now")
    assert list(run.hosts) == ["b", "a"]


def test_a_run_with_a_host_replaced_keeps_the_others_and_the_order():
    run = RunState.of("r", "rev", ["b", "a"]).with_host(HostState("b", Status.RUNNING))

    assert list(run.hosts.items()) == [("b", HostState("b", Status.RUNNING)), ("a", HostState("a"))]


def test_a_run_is_finished_once_every_host_is_final():
    run = RunState.of("r", "rev", ["a", "b"]).with_host(HostState("a", Status.CHANGED))

    assert [run.is_finished, run.with_host(HostState("b", Status.LOST)).is_finished] == [False, True]
