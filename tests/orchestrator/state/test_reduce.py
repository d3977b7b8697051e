from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.build import (
    AT,
    NEW,
    NODE_TYPES,
    OLD,
    OWN_TYPES,
    any_event,
    node_event,
    own_event,
    run_state,
    run_story,
    unknown_events,
)

from saturn_orchestrator import events
from saturn_orchestrator.state.model import HostError, HostState, ServiceState, Status
from saturn_orchestrator.state.reduce import MOVES, reduce, reduce_run, strides

KEPT_OUT = {events.Heartbeat, events.WorkerVanished}
"""What a follower says for itself is no part of a run: it never reaches the table."""

any_state = st.builds(
    HostState,
    host=st.just("alpha"),
    status=st.sampled_from(Status),
    last_seq=st.integers(0, 6),
    services=st.dictionaries(
        st.sampled_from(("web", "db")), st.builds(ServiceState, st.sampled_from(("pending", "changed")))
    ),
)


def made(kind: type) -> object:
    return own_event(kind) if kind in OWN_TYPES else node_event(kind)


def standing(status: Status = Status.RUNNING, **fields: object) -> HostState:
    return HostState("alpha", status=status, **fields)


def after(state: HostState, *told: object) -> HostState:
    for event in told:
        state = reduce(state, event)
    return state


def test_every_type_of_event_is_in_the_table():
    assert {*NODE_TYPES, *OWN_TYPES} - KEPT_OUT == set(MOVES)


@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.__name__)
def test_an_event_is_taken_in_the_states_of_the_table_and_in_no_other(kind):
    legal = {status for status in Status if reduce(standing(status), made(kind)).surplus == 0}

    assert legal == set(MOVES[kind][0])


@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.__name__)
def test_an_event_that_does_not_fit_changes_nothing_but_the_count(kind):
    for status in set(Status) - MOVES[kind][0]:
        assert reduce(standing(status), made(kind)) == standing(status, surplus=1)


@pytest.mark.parametrize("kind", [kind for kind in NODE_TYPES if kind not in KEPT_OUT], ids=lambda kind: kind.__name__)
def test_a_repeated_seq_changes_nothing_but_the_count(kind):
    state = standing(last_seq=4)

    assert [reduce(state, node_event(kind, seq)) for seq in (3, 4)] == [replace(state, surplus=1)] * 2


def test_no_final_state_is_named_in_the_table():
    assert not [status for states, _ in MOVES.values() for status in states if status.is_final]


OPENED = standing(Status.CONNECTED, attempt=2, started_at=AT)
FAILED_WEB = node_event(
    events.ServiceFailed,
    2,
    stage="deploy",
    service="web",
    code="up_failed",
    message="no",
    hint="look",
    tail=("last line",),
)
FAILED_STAGE = node_event(
    events.StageFailed, 3, stage="deploy", code="services_failed", message="web failed", hint="saturn diagnose"
)


@pytest.mark.parametrize(
    "state, event, moved",
    [
        (
            standing(Status.PENDING), own_event(events.SessionOpening, attempt=2),
            standing(Status.CONNECTING, attempt=2, started_at=AT),
        ),
        (
            standing(Status.CONNECTING),
            own_event(events.SessionWaiting, code="approval", message="needs approval: https://x", url="https://x"),
            standing(Status.CONNECTING, text="needs approval: https://x", awaits="approval"),
        ),
        (
            standing(text="pulling", link_lost_at=AT), own_event(events.SessionWaiting, message="offline"),
            standing(text="pulling", link_lost_at=AT),
        ),
        (
            standing(Status.CONNECTING, text="needs approval: https://x"), own_event(events.SessionOpened),
            standing(Status.CONNECTED),
        ),
        (
            standing(Status.CONNECTING), own_event(events.SessionOpened, path="DERP fra"),
            standing(Status.CONNECTED, text="DERP fra"),
        ),
        (
            standing(Status.CONNECTED), own_event(events.HostPlanned, revision_before=OLD, revision_after=NEW),
            standing(Status.PLANNED, revision_before=OLD, revision_after=OLD),
        ),
        (
            standing(Status.PLANNED, started_at="earlier"), own_event(events.HostConfirmed, by="ada"),
            standing(Status.CONFIRMED, by="ada", started_at=AT),
        ),
        (
            standing(Status.PLANNED, text="waits for its batch, 2 of 3"),
            own_event(events.HostConfirmed, by="ada", digest="d1"),
            standing(Status.CONFIRMED, by="ada", digest="d1", started_at=AT),
        ),
        (
            standing(Status.CONFIRMED, by="ada"), own_event(events.PlanStale, message="a container moved"),
            standing(Status.CONNECTED, by="ada"),
        ),
        (
            standing(Status.PLANNED), own_event(events.HostQueued, batch=2, batches=3),
            standing(Status.PLANNED, text="waits for its batch, 2 of 3"),
        ),
        (
            standing(Status.PLANNED, text="waits for its batch, 2 of 3"),
            own_event(events.HostSkipped, message="canary beta unhealthy"),
            standing(
                Status.SKIPPED, finished_at=AT,
                error=HostError("halted", "canary beta unhealthy", "saturn deploy --hosts alpha"),
            ),
        ),
        (
            standing(Status.CONNECTING),
            own_event(events.HostDeferred, by="ada", revision=NEW, revision_before=OLD, services=("web",)),
            standing(Status.DEFERRED, by="ada", revision_before=OLD, revision_after=OLD, finished_at=AT),
        ),
        (standing(Status.PLANNED), own_event(events.HostDeclined), standing(Status.DECLINED, finished_at=AT)),
        (standing(Status.PLANNED), own_event(events.HostCancelled), standing(Status.CANCELLED, finished_at=AT)),
        (
            standing(Status.CONNECTING), own_event(events.HostUnreachable, code="unreachable", message="m", hint="h"),
            standing(Status.UNREACHABLE, error=HostError("unreachable", "m", "h"), finished_at=AT),
        ),
        (
            standing(Status.CONNECTED), own_event(events.HostFailed, code="no_python", message="m", hint="h"),
            standing(Status.FAILED, error=HostError("no_python", "m", "h"), finished_at=AT),
        ),
        (
            standing(stage="deploy", service="web"),
            own_event(events.RunLost, code="session_lost", message="m", hint="h"),
            standing(
                Status.LOST, stage="deploy", service="web", finished_at=AT,
                error=HostError("session_lost", "m", "h", "deploy", "web"),
            ),
        ),
        (standing(Status.CONFIRMED), node_event(events.Hello, log="/l"), standing(log="/l", last_seq=1)),
        (
            standing(service="web", text="old"), node_event(events.StageStarted, stage="verify"),
            standing(stage="verify", last_seq=1),
        ),
        (
            standing(service="web"), node_event(events.StageFinished, stage="verify"),
            standing(stage="verify", last_seq=1),
        ),
        (standing(), node_event(events.StageSkipped, stage="prepare"), standing(stage="prepare", last_seq=1)),
        (
            standing(),
            node_event(
                events.CheckedOut, stage="prepare", revision_before=OLD, revision_after=NEW, stale=True,
                message="from cache",
            ),
            standing(revision_before=OLD, revision_after=NEW, stale=True, text="from cache", last_seq=1),
        ),
        (
            standing(revision_before=OLD, revision_after=NEW, stale=True),
            node_event(events.CheckedOut, stage="rollback", revision_before=NEW, revision_after=OLD),
            standing(revision_before=OLD, revision_after=OLD, stale=True, last_seq=1),
        ),
        (standing(), node_event(events.Plan), standing(last_seq=1)),
        (
            standing(), node_event(events.ServiceStarted, stage="deploy", service="web"),
            standing(service="web", services={"web": ServiceState("working")}, last_seq=1),
        ),
        (
            standing(services={"web": ServiceState("changed")}),
            node_event(events.ServiceStarted, stage="verify", service="web"),
            standing(service="web", services={"web": ServiceState("changed")}, last_seq=1),
        ),
        (
            standing(), node_event(events.ServiceFinished, stage="deploy", service="web", status="unchanged"),
            standing(services={"web": ServiceState("unchanged")}, last_seq=1),
        ),
        (
            standing(), node_event(events.ServiceSkipped, stage="deploy", service="web"),
            standing(services={"web": ServiceState("skipped")}, last_seq=1),
        ),
        (
            standing(services={"web": ServiceState("changed")}),
            node_event(events.ServiceVerified, stage="verify", service="web", health="healthy"),
            standing(services={"web": ServiceState("changed", "healthy")}, last_seq=1),
        ),
        (
            standing(), FAILED_WEB,
            standing(
                service="web", services={"web": ServiceState("failed", "failed")}, last_seq=2,
                error=HostError("up_failed", "no", "look", "deploy", "web", ("last line",)),
            ),
        ),
        (
            standing(error=HostError("up_failed", "no", "look", "deploy", "web", ("last line",))), FAILED_STAGE,
            standing(
                stage="deploy", last_seq=3,
                error=HostError("services_failed", "web failed", "saturn diagnose", "deploy", "web", ("last line",)),
            ),
        ),
        (
            standing(text="old"), node_event(events.AckNeeded, stage="deploy", service="vpn"),
            standing(service="vpn", text="waits for an acknowledgement", awaits="acknowledgement", last_seq=1),
        ),
        (
            standing(service="vpn", text="waits for an acknowledgement"),
            node_event(events.Acknowledged, stage="deploy", service="vpn"),
            standing(service="vpn", last_seq=1),
        ),
        (standing(), node_event(events.Progress, stage="deploy", text="pulling"), standing(text="pulling", last_seq=1)),
        (standing(), node_event(events.Log, stage="deploy", text="pulled"), standing(text="pulled", last_seq=1)),
        (standing(), node_event(events.Facts), standing(last_seq=1)),
        (standing(), node_event(events.DiagnosticsPart, text="x"), standing(last_seq=1)),
        (standing(), node_event(events.DiagnosticsCollected, path="/d"), standing(diagnostics="/d", last_seq=1)),
        (
            standing(Status.CONFIRMED), node_event(events.Refused, code="locked", message="m", hint="h"),
            standing(Status.CONFIRMED, error=HostError("locked", "m", "h"), last_seq=1),
        ),
        (
            standing(text="old"), node_event(events.Goodbye, outcome="failed"),
            standing(
                Status.FAILED, finished_at=AT, duration_s=0.0, last_seq=1,
                error=HostError("failed", "the node said failed and no reason; see its log"),
            ),
        ),
        (standing(Status.PENDING), own_event(events.HostAttached, by="ada"), standing(Status.CONFIRMED)),
        (
            standing(last_seq=3, left=HostError("detached", "m")), own_event(events.HostAttached, by="bob"),
            standing(last_seq=3),
        ),
        (
            standing(Status.CONFIRMED, link_lost_at=AT),
            own_event(events.HostLeft, code="link_lost", message="m", hint="h"),
            standing(left=HostError("link_lost", "m", "h")),
        ),
        (standing(), own_event(events.LinkLost, message="m"), standing(link_lost_at=AT)),
        (standing(link_lost_at=AT), own_event(events.LinkRestored), standing()),
        (
            standing(link_lost_at=AT, left=HostError("interrupted", "m")), node_event(events.Log, text="it goes on"),
            standing(text="it goes on", last_seq=1),
        ),
        (standing(noise=2), own_event(events.LinesLeftOut, count=40), standing(noise=42)),
        (
            standing(services={"web": ServiceState("working", "healthy")}),
            node_event(events.BackupWritten, stage="deploy", service="web", snapshot="n1"),
            standing(services={"web": ServiceState("working", "healthy", "n1")}, last_seq=1),
        ),
        (
            standing(), node_event(events.BackupRestored, stage="restore", service="web", snapshot="n1", kept="n2"),
            standing(services={"web": ServiceState(backup="n2")}, last_seq=1),
        ),
        (
            standing(), node_event(events.BackupWritten, stage="deploy", service="web", snapshot="n1; rm -rf ~"),
            standing(last_seq=1),
        ),
    ],
    ids=lambda value: value.type if hasattr(value, "type") else "",
)  # fmt: skip
def test_an_event_moves_the_host(state, event, moved):
    assert reduce(state, event) == moved


def test_a_finding_is_added_to_those_before():
    first, second = node_event(events.Finding, 1, code="a"), node_event(events.Finding, 2, code="b")

    assert after(standing(), first, second).findings == (first, second)


def test_the_first_failing_service_stays_the_evidence():
    second = node_event(events.ServiceFailed, 3, stage="deploy", service="db", code="other", message="other")

    assert after(standing(), FAILED_WEB, second).error == HostError(
        "up_failed", "no", "look", "deploy", "web", ("last line",)
    )


@pytest.mark.parametrize(
    "outcome, revisions, service, status",
    [
        ("success", (OLD, OLD), "unchanged", Status.UNCHANGED),
        ("success", (OLD, NEW), "unchanged", Status.CHANGED),
        ("success", (OLD, OLD), "changed", Status.CHANGED),
        ("success", (OLD, OLD), "removed", Status.CHANGED),
        ("rolled_back", (OLD, OLD), "restored", Status.ROLLED_BACK),
        ("blocked", (OLD, NEW), "unchanged", Status.BLOCKED),
        ("cancelled", (OLD, NEW), "changed", Status.CANCELLED),
        ("failed", (OLD, NEW), "changed", Status.FAILED),
        ("refused", (OLD, OLD), "unchanged", Status.FAILED),
        ("splendid", (OLD, OLD), "unchanged", Status.FAILED),
    ],
)
def test_a_goodbye_gives_the_final_status(outcome, revisions, service, status):
    state = standing(revision_before=revisions[0], revision_after=revisions[1], services={"web": ServiceState(service)})

    assert reduce(state, node_event(events.Goodbye, outcome=outcome)).status is status


@pytest.mark.parametrize("kind", [events.Heartbeat, events.WorkerVanished])
def test_what_a_follower_says_for_itself_is_no_part_of_a_run(kind):
    assert reduce(standing(last_seq=4), node_event(kind, 9)) == standing(last_seq=4)


def test_a_node_that_lies_without_end_is_not_remembered_without_end():
    state = standing()
    for seq in range(1, 4000, 2):
        state = reduce(state, node_event(events.Finding, seq, code="a"))
        state = reduce(state, node_event(events.ServiceStarted, seq + 1, service=f"s{seq}"))

    assert (len(state.findings), len(state.services)) == (1000, 1000)


def test_a_host_that_went_back_keeps_the_reason_why():
    told = (
        FAILED_WEB, FAILED_STAGE,
        node_event(events.CheckedOut, 4, stage="rollback", revision_before=NEW, revision_after=OLD),
        node_event(events.ServiceFinished, 5, stage="rollback", service="web", status="restored"),
        node_event(events.Goodbye, 6, outcome="rolled_back"),
    )  # fmt: skip

    state = after(standing(revision_before=OLD, revision_after=NEW), *told)

    assert (state.status, state.revision_before, state.revision_after) == (Status.ROLLED_BACK, OLD, OLD)
    assert state.error == HostError(
        "services_failed", "web failed", "saturn diagnose", "deploy", "web", ("last line",)
    )  # fmt: skip
    assert state.services == {"web": ServiceState("restored", "failed")}


def test_an_unknown_event_counts_by_its_seq_alone():
    event = events.UnknownEvent(5, AT, "run", "alpha", "weather")

    assert [reduce(standing(last_seq=seq), event) for seq in (4, 5)] == [
        standing(last_seq=5),
        standing(last_seq=5, surplus=1),
    ]


def test_a_run_from_pending_to_changed():
    opening = (
        own_event(events.SessionOpening), own_event(events.SessionOpened),
        own_event(events.HostPlanned, revision_before=OLD, revision_after=NEW),
        own_event(events.HostConfirmed, by="ada"),
    )  # fmt: skip

    assert after(HostState("alpha"), *opening, *run_story()) == HostState(
        "alpha", Status.CHANGED, stage="deploy", attempt=1, services={"web": ServiceState("changed")}, by="ada",
        revision_before=OLD, revision_after=NEW, log="/opt/homelab/logs/deploy/deploy_1.log",
        started_at=AT, finished_at=AT, duration_s=0.0, last_seq=6,
    )  # fmt: skip


def test_reduce_run_touches_one_host_alone():
    run = run_state("alpha", "beta")
    moved = reduce_run(run, "beta", own_event(events.SessionOpened))

    assert moved.hosts == {"alpha": HostState("alpha"), "beta": HostState("beta", Status.CONNECTED)}


@given(st.lists(any_event, max_size=25))
def test_reduce_never_leaves_a_final_state(told):
    state = HostState("alpha")
    for event in told:
        moved = reduce(state, event)
        if state.status.is_final:
            assert moved == replace(state, surplus=moved.surplus)
        assert moved.surplus - state.surplus in {0, 1}
        assert moved.last_seq >= state.last_seq
        state = moved


@given(any_state, any_event)
def test_reduce_never_raises_in_any_state(state, event):
    assert reduce(state, event).host == "alpha"


@given(any_state, st.one_of(any_event, unknown_events).filter(lambda event: not events.is_own(event)))
def test_reducing_an_event_of_a_node_twice_is_the_same_as_once(state, event):
    once = reduce(state, event)

    assert replace(reduce(once, event), surplus=0) == replace(once, surplus=0)


chatty = st.builds(
    lambda kind, seq: node_event(kind, seq, text=f"line {seq}"),
    st.sampled_from((events.Log, events.Progress)), st.integers(1, 9),
)  # fmt: skip


@given(any_state, st.lists(chatty | chatty | any_event, max_size=12))
def test_strides_come_by_the_states_that_single_steps_come_by(state, told):
    passed: list[object] = []
    moved = state
    for stride, host in strides(state, told):
        passed += stride
        assert host == after(state, *passed)
        if len(stride) > 1:
            assert all(map(events.is_output, stride))
            assert (host.surplus, host.last_seq) == (moved.surplus, stride[-1].seq)
        moved = host
    assert passed == told


def test_output_that_follows_upon_output_is_one_stride():
    lines = [node_event(events.Log, seq, text=f"line {seq}") for seq in (1, 2, 3)]
    finding = node_event(events.Finding, 4, stage="validate", code="x", severity="warning", message="m")
    later = [node_event(events.Log, seq, text="y") for seq in (5, 5, 6)]

    told = [[event.seq for event in stride] for stride, _ in strides(standing(), [*lines, finding, *later])]

    assert told == [[1, 2, 3], [4], [5], [5], [6]]
