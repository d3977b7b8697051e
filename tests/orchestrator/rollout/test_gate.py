from __future__ import annotations

import asyncio

import pytest
from orchestrator.rollout.runs import Rollout, first, session, sound, statuses
from support.build import node_event, run_state, run_story
from support.fake_session import FakeDoor, FakeSession, Step

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, Unreachable
from saturn_orchestrator.plan.batches import allowance
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.gate import verdict
from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.outcome import outcome

# --- the verdict ------------------------------------------------------------------------------------------------------

UNHEALTHY = HostError("unhealthy", "zigbee2mqtt is not healthy", stage="verify")


def after(**hosts: Status | HostState) -> RunState:
    run = run_state(*hosts)
    for name, each in hosts.items():
        run = run.with_host(each if isinstance(each, HostState) else HostState(name, each))
    return run


def unhealthy(name: str) -> HostState:
    return HostState(name, Status.FAILED, error=UNHEALTHY)


def test_a_canary_that_failed_is_named_with_what_became_of_it():
    assert verdict(after(chelsty=unhealthy("chelsty")), ["chelsty"], 1, 5, 0) == (
        False, "canary chelsty unhealthy in verify, so the other 5 hosts were not started",
    )  # fmt: skip


def test_one_host_that_waits_is_one():
    _, sentence = verdict(after(chelsty=unhealthy("chelsty")), ["chelsty"], 1, 1, 0)

    assert sentence == "canary chelsty unhealthy in verify, so the other host was not started"


@pytest.mark.parametrize(
    "host, words",
    [
        (HostState("a", Status.FAILED, error=HostError("no_python", "m")), "no python"),
        (HostState("a", Status.BLOCKED, error=HostError("policy", "m", stage="validate")), "policy in validate"),
        (HostState("a", Status.LOST, error=HostError("worker_lost", "m", stage="deploy")), "worker lost in deploy"),
        (HostState("a", Status.ROLLED_BACK), "rolled back"),
    ],
)
def test_whatever_failed_is_said_in_words(host, words):
    assert verdict(after(a=host), ["a", "b"], 1, 2, 0) == (False, f"a {words}, so the other 2 hosts were not started")


def test_three_failures_are_named_and_the_others_counted():
    run = after(**{name: unhealthy(name) for name in "abcde"})

    assert verdict(run, "abcde", 2, 3, 1) == (
        False,
        (
            "a unhealthy in verify, b unhealthy in verify, c unhealthy in verify and 2 more (1 may fail),"
            " so the other 3 hosts were not started"
        ),
    )


def test_failures_of_earlier_batches_count_too():
    run = after(a=unhealthy("a"), b=unhealthy("b"), c=Status.CHANGED)

    assert verdict(run, ["c"], 3, 2, 1)[0] is False


def test_as_many_may_fail_as_are_allowed():
    assert verdict(after(a=unhealthy("a"), b=Status.CHANGED), ["a", "b"], 1, 2, 1) == (
        True, "batch 1: 1 of 2 hosts well; the next batch starts",
    )  # fmt: skip


@pytest.mark.parametrize(
    "status", [Status.UNREACHABLE, Status.DECLINED, Status.DEFERRED, Status.CANCELLED, Status.SKIPPED]
)
def test_a_host_on_which_nothing_broke_is_no_failure(status):
    assert verdict(after(a=status), ["a"], 1, 2, 0) == (True, "batch 1: 0 of 1 host well; the next batch starts")


# --- the gate in a run ------------------------------------------------------------------------------------------------


def failing(name: str, *before: Step) -> FakeSession:
    end = [
        *before,
        node_event(events.Hello, 1, name),
        node_event(events.StageStarted, 2, name, stage="verify"),
        node_event(events.StageFailed, 3, name, stage="verify", code="unhealthy", message="m"),
        node_event(events.Goodbye, 4, name, outcome="failed"),
    ]
    return session(name, end)


def rollout_of(**sessions: FakeSession) -> Rollout:
    return Rollout(FakeDoor(**{name: [each] for name, each in sessions.items()}), tuple(sessions))


def has_run(node: FakeSession) -> bool:
    return "run" in [request.verb for request in node.asked]


def test_a_batch_starts_when_the_one_before_is_over():
    async def story() -> None:
        release = asyncio.Event()
        script: list[Step] = [*run_story("a")[:2], release, *run_story("a", after=2)]
        nodes = {"a": session("a", script), "b": sound("b"), "c": sound("c")}
        rollout = rollout_of(**nodes)
        said = rollout.in_batches("a", "b c")
        task = asyncio.create_task(rollout.run())
        await first(task, *(rollout.sink.when(name, "host_queued") for name in "bc"), rollout.sink.when("a", "hello"))

        begun = {name: has_run(node) for name, node in nodes.items()}
        release.set()
        run = await task

        assert begun == {"a": True, "b": False, "c": False}
        assert statuses(run) == dict.fromkeys("abc", Status.CHANGED)
        assert said == ["batch 1: 1 of 1 host well; the next batch starts"]
        assert ("a", "host_queued") not in rollout.sink.noted_events

    asyncio.run(story())


def test_a_canary_that_failed_halts_the_rollout():
    async def story() -> None:
        nodes = {"a": failing("a"), "b": sound("b"), "c": sound("c")}
        rollout = rollout_of(**nodes)
        said = rollout.in_batches("a", "b", "c")

        run = await rollout.run()

        sentence = "canary a unhealthy in verify, so the other 2 hosts were not started"
        assert statuses(run) == {"a": Status.FAILED, "b": Status.SKIPPED, "c": Status.SKIPPED}
        assert [run.hosts[name].error for name in "bc"] == [
            HostError("halted", sentence, f"saturn deploy --hosts {name}") for name in "bc"
        ]
        assert (said, has_run(nodes["b"]), has_run(nodes["c"])) == ([sentence], False, False)
        assert outcome(run).exit_code == 1

    asyncio.run(story())


def test_a_rollout_goes_on_while_no_more_fail_than_may():
    async def story() -> None:
        rollout = rollout_of(a=failing("a"), b=failing("b"), c=sound("c"), d=sound("d"))
        said = rollout.in_batches("a", "b", "c d", allowed=1)

        run = await rollout.run()

        assert statuses(run) == {
            "a": Status.FAILED, "b": Status.FAILED, "c": Status.SKIPPED, "d": Status.SKIPPED,
        }  # fmt: skip
        assert said == [
            "batch 1: 0 of 1 host well; the next batch starts",
            "a unhealthy in verify, b unhealthy in verify (1 may fail), so the other 2 hosts were not started",
        ]

    asyncio.run(story())


@pytest.mark.parametrize("max_failures, status", [("34%", Status.CHANGED), ("33%", Status.SKIPPED)])
def test_a_percentage_is_of_all_hosts(max_failures, status):
    async def story() -> None:
        rollout = rollout_of(a=failing("a"), b=sound("b"), c=sound("c"))
        rollout.in_batches("a", "b c", allowed=allowance(max_failures, 3))

        assert statuses(await rollout.run()) == {"a": Status.FAILED, "b": status, "c": status}

    asyncio.run(story())


def test_a_batch_whose_hosts_are_all_away_or_declined_lets_the_next_start():
    async def story() -> None:
        async def consent(plan: HostPlan) -> str:
            return "" if plan.host == "b" else "ada"

        door = FakeDoor(a=[Unreachable("no")] * 9, b=[sound("b")], c=[sound("c")])
        rollout = Rollout(door, ("a", "b", "c"), consent=consent)
        rollout.in_batches("a", "b", "c")

        assert statuses(await rollout.run()) == {
            "a": Status.UNREACHABLE, "b": Status.DECLINED, "c": Status.CHANGED,
        }  # fmt: skip

    asyncio.run(story())


def test_a_gate_says_nothing_when_nobody_waits_behind_it():
    async def story() -> None:
        release = asyncio.Event()
        rollout = Rollout(FakeDoor(a=[failing("a", release)], b=[Denied("no")]), ("a", "b"))
        said = rollout.in_batches("a", "b")
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("b", "host_failed"))

        release.set()
        run = await task

        assert (statuses(run), said) == ({"a": Status.FAILED, "b": Status.FAILED}, [])

    asyncio.run(story())


def test_one_batch_is_no_gate():
    async def story() -> None:
        rollout = rollout_of(a=failing("a"), b=sound("b"))
        said = rollout.in_batches("a b")

        run = await rollout.run()

        assert (statuses(run), said) == ({"a": Status.FAILED, "b": Status.CHANGED}, [])

    asyncio.run(story())


def test_a_stop_lets_go_of_the_batches_that_wait():
    async def story() -> None:
        release = asyncio.Event()
        running = session("a", [run_story("a")[0], release, node_event(events.Goodbye, 2, "a", outcome="cancelled")])
        rollout = rollout_of(a=running, b=sound("b"))
        said = rollout.in_batches("a", "b")
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("a", "hello"), rollout.sink.when("b", "host_queued"))

        rollout.stop.press()
        release.set()
        run = await task

        assert (statuses(run), said) == ({"a": Status.CANCELLED, "b": Status.CANCELLED}, [])

    asyncio.run(story())
