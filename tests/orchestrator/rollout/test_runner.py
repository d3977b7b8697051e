"""The run across hosts, over scripted sessions. Nothing waits for a clock: what shall take time waits for an event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from support import build
from support.build import NEW, OLD, RUN, facts, node_event, run_story
from support.fake_session import FakeDoor, FakeSession, FakeSink, Step
from support.proposals import proposing

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, ExecutorRefused, HostKeyRejected, SessionLost, Unreachable
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.following import MAX_EVENTS, Link
from saturn_orchestrator.rollout.host_run import Proposal, Ways
from saturn_orchestrator.rollout.outbox import UNNOTED
from saturn_orchestrator.rollout.runner import Stop, roll_out
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import HostError, RunState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import Host

Propose = Callable[[Host, Session], Awaitable[Proposal]]
PROPOSE = proposing()


async def confirmed(_: HostPlan) -> str:
    return "ada@saturn"


class Rollout:
    """One roll_out with its surroundings: a test replaces what it is about."""

    def __init__(
        self,
        door: FakeDoor,
        names: Sequence[str] = ("alpha",),
        propose: Propose = PROPOSE,
        consent: Callable[[HostPlan], Awaitable[str]] = confirmed,
        slots: int = 8,
    ) -> None:
        self.hosts = [build.host(name, connect_timeout_s=0.2) for name in names]
        self.sink = FakeSink()
        self.stop = Stop()
        self.settled: list[str] = []
        self.traced: list[str] = []
        link = Link(door, self.traced.append, patience_s=0.2)
        self.ways = Ways(link, propose, consent, self.settled.append, asyncio.Semaphore(slots))

    @property
    def patience_s(self) -> float:
        return self.ways.link.patience_s

    @patience_s.setter
    def patience_s(self, seconds: float) -> None:
        self.ways = replace(self.ways, link=replace(self.ways.link, patience_s=seconds))

    async def run(self) -> RunState:
        run = build.run_state(*(host.name for host in self.hosts))
        return await roll_out(run, self.hosts, self.ways, [self.sink], self.stop)


async def first(running: asyncio.Task[RunState], *moments: asyncio.Event) -> None:
    """All these moments have come; a run that ends before them fails the test instead of leaving it to wait."""
    waiting = asyncio.gather(*(moment.wait() for moment in moments))
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        raise AssertionError(f"the run ended before: {running.result()}")


def session(host: str, *scripts: Sequence[Step]) -> FakeSession:
    """A session that answers `facts`, then the scripts in turn."""
    return FakeSession([facts(host, revision=OLD)], *scripts)


def sound(host: str) -> FakeSession:
    return session(host, run_story(host))


def statuses(run: RunState) -> dict[str, Status]:
    return {name: host.status for name, host in run.hosts.items()}


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


def test_a_problem_of_the_node_ends_it_before_the_plan():
    async def story() -> None:
        found = facts(problems=(events.Problem("no_docker", "docker is not there", "install docker"),))

        run = await Rollout(FakeDoor(alpha=[FakeSession([found])])).run()

        assert run.hosts["alpha"].error == HostError("no_docker", "docker is not there", "install docker")

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


def test_a_run_whose_worker_ends_without_a_goodbye_is_lost():
    async def story() -> None:
        run = await Rollout(FakeDoor(alpha=[session("alpha", run_story()[:3])])).run()

        assert run.hosts["alpha"].status is Status.LOST
        assert run.hosts["alpha"].error == HostError(
            "worker_lost",
            "the executor on the node ended without a goodbye",
            "saturn deploy --hosts alpha --resume",
            "prepare",
        )

    asyncio.run(story())


def test_a_broken_line_is_taken_up_behind_the_last_seq():
    async def story() -> None:
        heartbeat = node_event(events.Heartbeat, 99)
        broken = session("alpha", [*run_story()[:3], heartbeat, SessionLost("cut")])
        second = FakeSession(run_story(after=3))
        rollout = Rollout(FakeDoor(alpha=[broken, second]))

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.CHANGED}
        assert (run.hosts["alpha"].surplus, run.hosts["alpha"].last_seq) == (0, 6)
        assert [(request.verb, request.after) for request in (broken.asked[1], second.asked[0])] == [
            ("run", 0), ("follow", 3),
        ]  # fmt: skip
        told = [event for _, event in rollout.sink.noted_events]
        assert told[told.index("link_lost") :][:3] == ["link_lost", "link_restored", "stage_started"]
        assert (broken.is_closed, second.is_closed) == (True, True)

    asyncio.run(story())


def test_a_node_that_tells_events_again_changes_no_result():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:5], SessionLost("cut")])

        run = await Rollout(FakeDoor(alpha=[broken, FakeSession(run_story())])).run()

        assert (run.hosts["alpha"].status, run.hosts["alpha"].surplus) == (Status.CHANGED, 0)

    asyncio.run(story())


def test_a_line_that_stays_away_leaves_the_node_to_go_on():
    async def story() -> None:
        run = await Rollout(FakeDoor(alpha=[session("alpha", [*run_story()[:2], SessionLost("cut")])])).run()

        assert (run.hosts["alpha"].status, run.hosts["alpha"].error) == (Status.RUNNING, None)
        assert run.hosts["alpha"].left == HostError(
            "link_lost", "the line to alpha was away for 0.2 s; its worker goes on by itself",
            "saturn attach --hosts alpha", "prepare",
        )  # fmt: skip
        assert outcome(run).exit_code == 3

    asyncio.run(story())


def test_a_line_that_breaks_again_and_again_is_given_up():
    async def story() -> None:
        broken = [FakeSession([SessionLost("cut")]) for _ in range(99)]
        door = FakeDoor(alpha=[session("alpha", [SessionLost("cut")]), *broken])

        run = await Rollout(door).run()

        assert run.hosts["alpha"].left.message.endswith("whether it took the order is not known")
        assert len(door.opened) < len(broken)

    asyncio.run(story())


def test_a_line_that_breaks_before_the_executor_speaks_again_is_tried_again():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        cut = FakeSession([ExecutorRefused("System is booting up", code="executor_failed")])
        rollout = Rollout(FakeDoor(alpha=[broken, cut, Denied("not yet"), FakeSession(run_story(after=2))]))
        rollout.patience_s = 60

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.CHANGED}

    asyncio.run(story())


def test_a_patience_of_0_waits_for_ever():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        rollout = Rollout(
            FakeDoor(alpha=[broken, Unreachable("no"), Unreachable("no"), FakeSession(run_story(after=2))])
        )
        rollout.patience_s = 0

        assert statuses(await rollout.run()) == {"alpha": Status.CHANGED}

    asyncio.run(story())


def test_a_host_whose_key_changed_in_the_middle_is_left_at_once():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        rollout = Rollout(FakeDoor(alpha=[broken, HostKeyRejected("another key"), sound("alpha")]))
        rollout.patience_s = 60

        run = await rollout.run()

        assert (run.hosts["alpha"].left.code, run.hosts["alpha"].left.message) == ("link_lost", "another key")

    asyncio.run(story())


def test_a_worker_that_vanished_ends_the_run_with_its_last_event():
    async def story() -> None:
        vanished = node_event(
            events.WorkerVanished, 4, stage="deploy", service="web", last="service_started", last_at=build.AT
        )
        run = await Rollout(FakeDoor(alpha=[session("alpha", [*run_story()[:4], vanished])])).run()

        assert run.hosts["alpha"].status is Status.LOST
        assert run.hosts["alpha"].error == HostError(
            "worker_lost",
            "the worker on alpha died in deploy, web: killed, or out of memory; "
            f"its last event was service_started at {build.AT}",
            "saturn deploy --hosts alpha --resume", "deploy",
        )  # fmt: skip

    asyncio.run(story())


def test_a_node_that_rebooted_in_the_middle_says_so():
    async def story() -> None:
        vanished = node_event(events.WorkerVanished, 2, stage="prepare", rebooted=True)
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])

        run = await Rollout(FakeDoor(alpha=[broken, FakeSession([vanished])])).run()

        assert run.hosts["alpha"].error.code == "node_rebooted"

    asyncio.run(story())


def refusal(code: str) -> list[Step]:
    """What a process that is no worker answers when it cannot follow."""
    hello = node_event(events.Hello, 1, launch="answer")
    return [
        hello,
        node_event(events.Refused, 2, code=code, message="no"),
        node_event(events.Goodbye, 3, outcome="refused"),
    ]


def test_a_node_that_forgot_the_run_never_begins_it_again():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        run = await Rollout(FakeDoor(alpha=[broken, FakeSession(refusal("unknown_run"))])).run()

        assert (run.hosts["alpha"].status, run.hosts["alpha"].error.code) == (Status.LOST, "run_forgotten")

    asyncio.run(story())


def test_a_node_that_cannot_answer_now_does_not_end_the_run():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        rollout = Rollout(
            FakeDoor(alpha=[broken, FakeSession(refusal("internal_error")), FakeSession(run_story(after=2))])
        )
        rollout.patience_s = 60

        assert statuses(await rollout.run()) == {"alpha": Status.CHANGED}

    asyncio.run(story())


def test_a_detached_run_is_left_once_the_node_has_taken_it():
    async def story() -> None:
        forever = asyncio.Event()
        node = session("alpha", [*run_story()[:2], forever])
        rollout = Rollout(FakeDoor(alpha=[node]))
        rollout.ways = replace(rollout.ways, detach=True)

        run = await rollout.run()

        assert (statuses(run), run.hosts["alpha"].left.code) == ({"alpha": Status.RUNNING}, "detached")
        assert (outcome(run).exit_code, node.is_closed) == (0, True)

    asyncio.run(story())


def test_a_node_that_sends_more_than_any_run_is_not_listened_to_any_more():
    async def story() -> None:
        flood = [*run_story()[:2], node_event(events.Log, MAX_EVENTS + 1, text="more")]

        run = await Rollout(FakeDoor(alpha=[session("alpha", flood)])).run()

        assert (run.hosts["alpha"].left.code, outcome(run).exit_code) == ("flood", 1)

    asyncio.run(story())


def test_a_flood_waits_for_the_consumer():
    async def story() -> None:
        class Counting(FakeSession):
            ahead = most = 0

            async def ask(self, request, bundle=b""):
                async for line in super().ask(request):
                    self.ahead += 1
                    self.most = max(self.most, self.ahead)
                    yield line

        logs = [node_event(events.Log, seq, text="x") for seq in range(2, 4001)]
        node = Counting(
            [facts(revision=OLD)], [run_story()[0], *logs, node_event(events.Goodbye, 4001, outcome="success")]
        )
        rollout = Rollout(FakeDoor(alpha=[node]))

        class Tell(FakeSink):
            def noted(self, host: str, event: object, run: object) -> None:
                node.ahead -= 1

        rollout.sink = Tell()

        assert (await rollout.run()).hosts["alpha"].last_seq == 4001
        assert node.most < 2 * UNNOTED

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
            async def ask(self, request, bundle=b""):
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


def test_a_stop_while_the_line_is_gone_reaches_the_node_on_the_next_line():
    async def story() -> None:
        line_is_back, release = asyncio.Event(), asyncio.Event()
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        second = FakeSession([*run_story(after=2)[:1], release, node_event(events.Goodbye, 4, outcome="cancelled")])
        rollout = Rollout(FakeDoor(alpha=[broken, line_is_back, second]))
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("alpha", "link_lost"))

        rollout.stop.press()
        line_is_back.set()
        release.set()
        run = await task

        assert statuses(run) == {"alpha": Status.CANCELLED}
        assert [request.verb for request in second.told] == ["cancel"]

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


def test_what_is_no_event_of_the_run_is_counted_and_traced():
    async def story() -> None:
        noise = [events.LogLine("motd"), events.Malformed("x", "speaks for another host or run")]
        rollout = Rollout(FakeDoor(alpha=[session("alpha", [*noise, *run_story()])]))

        run = await rollout.run()

        assert (run.hosts["alpha"].surplus, run.hosts["alpha"].noise, len(rollout.traced)) == (0, 2, 2)

    asyncio.run(story())
