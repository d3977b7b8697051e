"""The run across hosts, over scripted sessions. Nothing waits for a clock: what shall take time waits for an event."""

from __future__ import annotations

import asyncio

import pytest
from orchestrator.rollout.runs import PROPOSE, Rollout, first, session, sound, statuses
from support import build
from support.build import NEW, OLD, RUN, facts, node_event, run_story
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, ExecutorRefused, HostKeyRejected, Unreachable
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import HostError, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import Host


def test_a_run_goes_from_the_first_attempt_to_the_goodbye():
    async def story() -> None:
        node = sound("alpha")
        rollout = Rollout(FakeDoor(alpha=[node]))

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.CHANGED}
        assert [event for _, event in rollout.sink.noted_events] == [
            "session_opening", "session_opened", "host_planned", "host_confirmed",
            "hello", "stage_started", "checked_out", "stage_started", "service_finished", "goodbye",
        ]  # fmt: skip
        assert node.asked[1] == Request(
            "run", RUN, node_order(rollout.hosts[0]), revision=NEW, by="ada@saturn", controller="saturn"
        )
        assert (node.is_closed, rollout.sink.is_closed, rollout.settled) == (True, True, ["alpha"])

    asyncio.run(story())


def test_the_facts_request_names_no_run_and_changes_nothing():
    async def story() -> None:
        node = sound("alpha")

        await Rollout(FakeDoor(alpha=[node])).run()

        assert (node.asked[0].verb, node.asked[0].run != RUN) == ("facts", True)

    asyncio.run(story())


def test_all_hosts_run_at_the_same_time():
    async def story() -> None:
        everybody = asyncio.Barrier(3)

        async def together(_: HostPlan) -> str:
            await everybody.wait()
            return "ada"

        names = ("alpha", "beta", "gamma")
        rollout = Rollout(FakeDoor(**{name: [sound(name)] for name in names}), names, consent=together)

        assert statuses(await rollout.run()) == dict.fromkeys(names, Status.CHANGED)

    asyncio.run(story())


def test_a_dead_a_refusing_and_a_slow_host_neither_delay_nor_spoil_another():
    async def story() -> None:
        release, never_before = asyncio.Event(), asyncio.Event()
        dead = [Unreachable("no route")] * 9
        refusing = [Denied("no key of yours")]
        slow = [session("slow", [run_story("slow")[0], release, *run_story("slow")[1:]])]
        silent = [FakeSession([never_before])]
        door = FakeDoor(dead=dead, refusing=refusing, slow=slow, silent=silent, good=[sound("good")])
        rollout = Rollout(door, ("dead", "refusing", "slow", "silent", "good"))
        done = rollout.sink.when("good", "goodbye")

        running = asyncio.create_task(rollout.run())
        await first(running, done)
        seen = statuses(rollout.sink.states[-1])
        release.set()
        never_before.set()
        run = await running

        assert (seen["good"], seen["slow"].is_final, seen["silent"].is_final) == (Status.CHANGED, False, False)
        assert statuses(run) == {
            "dead": Status.UNREACHABLE, "refusing": Status.FAILED, "slow": Status.CHANGED, "silent": Status.FAILED,
            "good": Status.CHANGED,
        }  # fmt: skip
        assert run.hosts["dead"].error.code == "unreachable"
        assert run.hosts["refusing"].error == HostError("permission_denied", "no key of yours")
        assert run.hosts["silent"].error.code == "facts_missing"
        assert sorted(rollout.settled) == ["dead", "good", "refusing", "silent", "slow"]

    asyncio.run(story())


def test_a_host_that_does_not_answer_in_time_is_unreachable():
    async def story() -> None:
        run = await Rollout(FakeDoor(alpha=[asyncio.Event()])).run()

        assert run.hosts["alpha"].error == HostError(
            "unreachable", "alpha port 22 did not answer within 0.2 s", "is it powered and online? try: ping alpha"
        )

    asyncio.run(story())


@pytest.mark.parametrize(
    "error",
    [
        Denied("no"),
        HostKeyRejected("another key", notes=["on file: a", "shown: b"]),
        ExecutorRefused("no python3", code="no_python"),
    ],
)
def test_a_refusal_is_final_and_never_tried_again(error):
    async def story() -> None:
        door = FakeDoor(alpha=[error, sound("alpha")])

        run = await Rollout(door).run()

        assert door.opened == ["alpha"]
        assert run.hosts["alpha"].error == HostError(error.code, "; ".join((error.message, *error.notes)))

    asyncio.run(story())


def test_a_host_that_nobody_answers_at_first_is_tried_again():
    async def story() -> None:
        door = FakeDoor(alpha=[Unreachable("refused"), sound("alpha")])
        rollout = Rollout(door)
        rollout.hosts = [build.host("alpha", connect_timeout_s=30)]

        run = await rollout.run()

        assert (statuses(run), run.hosts["alpha"].attempt) == ({"alpha": Status.CHANGED}, 2)

    asyncio.run(story())


def test_a_refusal_to_tell_facts_is_the_nodes_word():
    async def story() -> None:
        refused = node_event(events.Refused, code="root_unwritable", message="cannot write", hint="chown it")

        run = await Rollout(FakeDoor(alpha=[FakeSession([refused])])).run()

        assert run.hosts["alpha"].error == HostError("root_unwritable", "cannot write", "chown it")

    asyncio.run(story())


def test_a_declined_host_is_never_asked_to_run():
    async def story() -> None:
        async def declined(plan: HostPlan) -> str:
            return "" if plan.host == "alpha" else "ada"

        node = sound("alpha")
        rollout = Rollout(FakeDoor(alpha=[node], beta=[sound("beta")]), ("alpha", "beta"), consent=declined)

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.DECLINED, "beta": Status.CHANGED}
        assert [request.verb for request in node.asked] == ["facts"]

    asyncio.run(story())


def test_a_locked_node_is_told_as_such():
    async def story() -> None:
        locked = node_event(events.Refused, 2, code="locked", message="run r1 has it", hint="saturn status")
        goodbye = node_event(events.Goodbye, 3, outcome="refused")

        run = await Rollout(FakeDoor(alpha=[session("alpha", [node_event(events.Hello), locked, goodbye])])).run()

        assert (run.hosts["alpha"].status, run.hosts["alpha"].error.code) == (Status.FAILED, "locked")

    asyncio.run(story())


def test_a_defect_while_planning_one_host_harms_no_other():
    async def story() -> None:
        async def broken(host: Host, session: Session) -> Proposal:
            if host.name == "alpha":
                raise ZeroDivisionError("a defect")
            return await PROPOSE(host, session)

        rollout = Rollout(FakeDoor(alpha=[sound("alpha")], beta=[sound("beta")]), ("alpha", "beta"), propose=broken)

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.FAILED, "beta": Status.CHANGED}
        assert run.hosts["alpha"].error.code == "internal_error"
        assert "ZeroDivisionError" in rollout.traced[0]

    asyncio.run(story())


def test_a_defect_after_the_order_leaves_the_node_to_go_on():
    async def story() -> None:
        class Broken(FakeSession):
            async def ask(self, request, bundle=b"", secrets=b""):
                async for line in super().ask(request):
                    yield line
                if request.verb == "run":
                    raise ZeroDivisionError("a defect")

        node = Broken([facts(revision=OLD)], run_story()[:2])

        run = await Rollout(FakeDoor(alpha=[node])).run()

        assert (run.hosts["alpha"].left.code, outcome(run).exit_code) == ("internal_error", 1)

    asyncio.run(story())


def test_only_so_many_hosts_are_worked_on_at_once_but_a_person_may_take_time():
    async def story() -> None:
        asked = asyncio.Barrier(3)

        async def thinking(_: HostPlan) -> str:
            await asked.wait()
            return "ada"

        names = ("alpha", "beta", "gamma")
        rollout = Rollout(FakeDoor(**{name: [sound(name)] for name in names}), names, consent=thinking, slots=1)

        run = await rollout.run()

        assert statuses(run) == dict.fromkeys(names, Status.CHANGED)
        hosts = [host for host, event in rollout.sink.noted_events if event in {"host_confirmed", "goodbye"}]
        assert hosts[0::2] == hosts[1::2]

    asyncio.run(story())


def test_the_first_stop_asks_running_nodes_and_lets_go_of_the_others():
    async def story() -> None:
        release, answer = asyncio.Event(), asyncio.Event()

        async def consent(plan: HostPlan) -> str:
            if plan.host == "asked":
                await answer.wait()
            return "ada"

        end = [node_event(events.Goodbye, 2, host="running", outcome="cancelled")]
        running = session("running", [node_event(events.Hello, host="running"), release, *end])
        rollout = Rollout(FakeDoor(running=[running], asked=[sound("asked")]), ("running", "asked"), consent=consent)
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("running", "hello"), rollout.sink.when("asked", "host_planned"))

        rollout.stop.press()
        release.set()
        run = await task

        assert statuses(run) == {"running": Status.CANCELLED, "asked": Status.CANCELLED}
        assert [(request.verb, request.run) for request in running.told] == [("cancel", RUN)]
        assert sorted(rollout.settled) == ["asked", "running"]

    asyncio.run(story())


def test_a_stop_before_the_first_step_leaves_every_host_alone():
    async def story() -> None:
        rollout = Rollout(FakeDoor(alpha=[sound("alpha")]))
        task = asyncio.create_task(rollout.run())
        asyncio.get_running_loop().call_soon(rollout.stop.press)

        run = await task

        assert statuses(run) == {"alpha": Status.CANCELLED}
        assert rollout.settled == ["alpha"]

    asyncio.run(story())


def test_the_second_stop_leaves_the_nodes_to_go_on():
    async def story() -> None:
        forever = asyncio.Event()
        node = session("alpha", [node_event(events.Hello), forever])
        rollout = Rollout(FakeDoor(alpha=[node]))
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("alpha", "hello"))

        rollout.stop.press()
        rollout.stop.press()
        run = await task

        assert (statuses(run), run.hosts["alpha"].left.code) == ({"alpha": Status.RUNNING}, "interrupted")
        assert outcome(run).exit_code == 130
        assert (node.is_closed, rollout.sink.is_closed) == (True, True)

    asyncio.run(story())


def test_a_stop_that_nobody_listens_to_is_counted_and_does_nothing():
    stop = Stop()
    stop.press()
    stop.press()

    assert stop.presses == 2
