"""A run that is followed over lines that break, floods, and workers that die. Nothing waits for a clock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.rollout.runs import Rollout, first, session, sound, statuses
from support import build
from support.build import OLD, facts, node_event, run_story
from support.fake_session import FakeDoor, FakeSession, FakeSink, Step

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, ExecutorRefused, HostKeyRejected, SessionLost, Unreachable
from saturn_orchestrator.rollout.following import MAX_EVENTS
from saturn_orchestrator.rollout.outbox import UNNOTED
from saturn_orchestrator.state.model import HostError, Status
from saturn_orchestrator.state.outcome import outcome


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


def test_what_is_no_event_of_the_run_is_counted_and_traced():
    async def story() -> None:
        noise = [events.LogLine("motd"), events.Malformed("x", "speaks for another host or run")]
        rollout = Rollout(FakeDoor(alpha=[session("alpha", [*noise, *run_story()])]))

        run = await rollout.run()

        assert (run.hosts["alpha"].surplus, run.hosts["alpha"].noise, len(rollout.traced)) == (0, 2, 2)

    asyncio.run(story())
