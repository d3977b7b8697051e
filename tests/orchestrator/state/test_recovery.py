from __future__ import annotations

import pytest
from support import build
from support.build import AT, NEW, OLD, RUN, node_event, own_event

from saturn_orchestrator import events
from saturn_orchestrator.events import DeploymentFact, LockFact
from saturn_orchestrator.state.model import HostState, ServiceState, Status
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.recovery import (
    CHATTER_KEPT,
    Diagnostics,
    Recovery,
    condensed,
    next_commands,
    telling_run,
)
from saturn_orchestrator.state.standing import Standing

FORMER = (DeploymentFact("r0", OLD, AT, ("web",)),)


def record(run: str, status: str) -> RunRecord:
    return RunRecord("ada@saturn", {"alpha": (status, AT)}, run, NEW, AT, AT, "failure", 1, "topology.yaml")


def known(state: HostState | None, *, reachability: str = "online", told=(), history=(), deferred=None, **facts):
    live = reachability == "online"
    standing = Standing(
        "alpha", reachability, "live" if live else "journal", AT,
        build.facts(**{"deployments": FORMER, **facts}) if live else None, deferred=deferred,
    )  # fmt: skip
    run = RUN if state else ""
    return Recovery(build.host(), standing, Diagnostics(), run, NEW, state, told, history)


def commands(found: Recovery, *verbs: str) -> list[str]:
    return [each.command.removeprefix("saturn ") for each in next_commands(found, verbs)]


def asking(found: Recovery) -> list[str]:
    return [each.command.removeprefix("saturn ") for each in next_commands(found, ()) if not each.is_safe]


FAILED = HostState("alpha", Status.FAILED, "verify")
SAVED = {name: ServiceState("failed", backup="20261125T0310") for name in ("web", "made-up; reboot")}
LOOKING = [f"logs alpha --run {RUN}", "status --hosts alpha", "diagnose --hosts alpha", "plan --hosts alpha"]


def test_what_looks_comes_before_what_changes():
    assert commands(known(FAILED)) == [*LOOKING, "deploy --hosts alpha --resume", "rollback --hosts alpha"]


def test_a_verb_that_is_there_is_offered():
    assert commands(known(FAILED), "doctor")[3] == "doctor --hosts alpha"


@pytest.mark.parametrize(
    "state, wanted",
    [
        (HostState("alpha", Status.LOST, "deploy"), ["deploy --hosts alpha --resume", "rollback --hosts alpha"]),
        (HostState("alpha", Status.FAILED), ["deploy --hosts alpha"]),
        (HostState("alpha", Status.BLOCKED, "validate"), ["deploy --hosts alpha"]),
        (HostState("alpha", Status.ROLLED_BACK, "rollback"), ["deploy --hosts alpha"]),
        (HostState("alpha", Status.UNREACHABLE), ["deploy --hosts alpha"]),
        (HostState("alpha", Status.FAILED, "backup", task="backup"), ["backup --hosts alpha"]),
        (HostState("alpha", Status.FAILED, "restore", task="restore"), []),
        (HostState("alpha", Status.CHANGED, "complete"), []),
        (HostState("alpha", Status.RUNNING, "deploy"), []),
        (None, []),
    ],
)
def test_what_changes_something_fits_how_the_run_ended(state, wanted):
    assert asking(known(state)) == wanted


def test_a_blocked_host_is_mended_in_its_files():
    assert "validate" in commands(known(HostState("alpha", Status.BLOCKED, "validate")))


def test_while_a_run_is_at_work_nothing_but_attach_is_offered():
    found = known(FAILED, lock=LockFact("r2"))

    assert "attach --hosts alpha" in commands(found)
    assert asking(found) == []


def test_a_backup_that_the_run_wrote_may_be_restored_last():
    state = HostState("alpha", Status.FAILED, "deploy", services=SAVED)

    assert asking(known(state))[-1] == "restore alpha web --from 20261125T0310"


def test_nobody_returns_to_a_deployment_that_is_not_there():
    assert asking(known(FAILED, deployments=())) == ["deploy --hosts alpha --resume"]


def test_of_a_host_that_is_away_the_journal_tells_whether_it_can_go_back():
    away = {"reachability": "unreachable"}

    assert asking(known(FAILED, **away)) == ["deploy --hosts alpha --resume"]
    once = known(FAILED, history=(record("r2", "failed"), record("r1", "changed")), **away)
    assert asking(once)[-1] == "rollback --hosts alpha"


def test_a_host_that_lets_nobody_in_is_looked_at_alone():
    assert asking(known(FAILED, reachability="denied")) == []


def test_what_waits_for_the_host_is_offered():
    assert asking(known(FAILED, deferred=build.deferred()))[0] == "catch-up --hosts alpha"


@pytest.mark.parametrize(
    "statuses, spoke, wanted",
    [
        ((), "", ""),
        (("failed",), "r0", "r0"),
        (("unreachable", "failed", "changed"), "r1", "r1"),
        (("changed", "failed"), "r0", "r0"),
        (("unchanged", "lost", "changed"), "r2", "r1"),  # the newest only fetched
        (("declined", "changed"), "r1", "r1"),
        (("failed", "changed"), "r1", "r0"),  # the newest could not log in
        (("unreachable",), "", "r0"),
    ],
)
def test_the_run_that_tells_is_the_newest_that_broke_unless_it_did_well_since(statuses, spoke, wanted):
    records = [record(f"r{number}", status) for number, status in enumerate(statuses)]

    assert telling_run(records, "alpha", spoke) == wanted


def test_of_long_output_the_end_is_kept_and_the_rest_counted():
    log = [node_event(events.Log, number, stage="deploy", text=str(number)) for number in range(2, 102)]
    told = [node_event(events.StageStarted, 1, stage="deploy"), *log, node_event(events.Goodbye, 102, outcome="failed")]

    short = list(condensed(told))

    assert len(short) == CHATTER_KEPT + 3
    assert short[1].text == "[… 80 lines were left out here …]"
    assert [short[2].text, short[-2].text] == ["82", "101"]
    assert [event.seq for event in short] == sorted(event.seq for event in short)
    assert list(condensed(told[:10])) == told[:10]


def test_markers_are_the_nodes_or_else_what_the_run_told():
    told = (
        own_event(events.HostPlanned, digest="old"), own_event(events.HostPlanned, digest="d"),
        node_event(events.StageSkipped, 1, stage="prepare"), node_event(events.StageFinished, 2, stage="validate"),
        node_event(events.ServiceFinished, 3, stage="deploy", service="web"),
        node_event(events.ServiceFinished, 4, stage="rollback", service="db"),
    )  # fmt: skip
    away = known(FAILED, reachability="offline", told=told)
    live = known(FAILED, told=told, completed=("prepare",), last_service="db")

    assert (away.completed, away.last_service, away.plan.digest) == (("prepare", "validate"), "web", "d")
    assert (live.completed, live.last_service) == (("prepare",), "db")
    assert known(None).plan is None
