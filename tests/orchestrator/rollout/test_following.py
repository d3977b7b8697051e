"""A run that is followed over lines that break, floods, and workers that die. Nothing waits for a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from orchestrator.rollout.runs import Rollout, first, session, sound, statuses
from support import build
from support.build import OLD, facts, node_event, run_story
from support.fake_session import FakeDoor, FakeSession, FakeSink, Step

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, ExecutorRefused, HostKeyRejected, OffTailnet, SessionLost, Unreachable
from saturn_orchestrator.plan.model import Action, Change
from saturn_orchestrator.rollout.following import MAX_EVENTS
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.outbox import UNNOTED
from saturn_orchestrator.session.base import Session, Tell
from saturn_orchestrator.state.model import HostError, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import Host


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


def test_a_host_whose_policy_shut_us_out_in_the_middle_is_left_at_once():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        denial = Denied("the policy does not permit it", code="denied_by_policy", hint="mend the policy")
        rollout = Rollout(FakeDoor(alpha=[broken, denial, sound("alpha")]))
        rollout.patience_s = 60

        run = await rollout.run()

        assert run.hosts["alpha"].left == HostError(
            "link_lost", "the policy does not permit it", "mend the policy", "prepare"
        )
        assert run.hosts["alpha"].status is Status.RUNNING

    asyncio.run(story())


class Waits:
    """An OpenSession that has something to say before each attempt."""

    def __init__(self, door: FakeDoor, *words: Sequence[events.SessionWaiting]) -> None:
        self._door = door
        self._words = list(words)

    async def __call__(self, host: Host, tell: Tell) -> Session:
        for event in self._words.pop(0) if self._words else ():
            tell(event)
        return await self._door(host, tell)


def waiting(code: str, message: str = "", url: str = "") -> events.SessionWaiting:
    return events.SessionWaiting(build.AT, code, message, url, patience_s=1.0)


def test_what_keeps_a_line_away_is_said_once_while_it_is_tried_again_and_again():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        again = FakeSession([*run_story()[2:4], SessionLost("cut again")])
        away = OffTailnet("alpha is offline")
        door = FakeDoor(alpha=[broken, away, away, again, away, FakeSession(run_story(after=4))])
        asked = waiting("approval", "needs approval", "https://x")
        words = [(), *[[waiting("offline", f"offline, last seen {age} min ago")] for age in range(2)], [asked, asked]]
        rollout = Rollout(Waits(door, *words, [waiting("offline", "offline")]))
        rollout.patience_s = 60

        run = await rollout.run()

        assert statuses(run) == {"alpha": Status.CHANGED}
        told = [event for _, event in rollout.sink.noted_events]
        first = told.index("link_lost")
        assert told[first:][:5] == ["link_lost", "session_waiting", "session_waiting", "link_restored", "checked_out"]
        second = told.index("link_lost", first + 1)
        assert told[second:][:3] == ["link_lost", "session_waiting", "link_restored"]

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

            async def ask(self, request, bundle=b"", secrets=b""):
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
            def noted(self, host: str, told: Sequence[object], run: object) -> None:
                node.ahead -= len(told)

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


# --- what carries the connection --------------------------------------------------------------------------------------


def asking(seq: int, service: str = "vpn") -> events.AckNeeded:
    return node_event(events.AckNeeded, seq, stage="deploy", service=service, timeout_s=120)


def answered(seq: int, service: str = "vpn") -> events.Acknowledged:
    return node_event(events.Acknowledged, seq, stage="deploy", service=service, by="ada@saturn")


def goodbye(seq: int, outcome: str = "success") -> events.Goodbye:
    return node_event(events.Goodbye, seq, outcome=outcome)


def told(session: FakeSession) -> list[tuple[str, str]]:
    return [(request.verb, request.service) for request in session.told]


def test_a_question_is_answered_at_once_and_over_the_line_that_asked():
    async def story() -> None:
        node = session("alpha", [*run_story()[:2], asking(3), answered(4), goodbye(5)])

        run = await Rollout(FakeDoor(alpha=[node])).run()

        assert (told(node), statuses(run)) == ([("ack", "vpn")], {"alpha": Status.UNCHANGED})
        assert (node.told[0].run, node.told[0].by) == (build.RUN, "ada@saturn")
        assert node.is_closed

    asyncio.run(story())


def test_every_question_gets_its_own_answer():
    async def story() -> None:
        questions = [asking(3, "dns"), answered(4, "dns"), asking(5), answered(6)]
        node = session("alpha", [*run_story()[:2], *questions, goodbye(7)])

        await Rollout(FakeDoor(alpha=[node])).run()

        assert told(node) == [("ack", "dns"), ("ack", "vpn")]

    asyncio.run(story())


@pytest.mark.parametrize("first", [node_event(events.Heartbeat, 3), asking(3)], ids=["a sign of life", "asked again"])
def test_an_answer_that_may_be_lost_is_said_once_more_on_the_next_line(first: Step):
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], asking(3), SessionLost("cut")])
        second = FakeSession([first, first, answered(4), goodbye(5)])

        run = await Rollout(FakeDoor(alpha=[broken, second])).run()

        assert (told(broken), told(second)) == ([("ack", "vpn")], [("ack", "vpn")])
        assert (statuses(run), run.hosts["alpha"].noise) == ({"alpha": Status.UNCHANGED}, 0)

    asyncio.run(story())


def test_a_question_that_is_heard_with_the_next_line_is_answered_there():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], SessionLost("cut")])
        second = FakeSession([asking(3), answered(4), goodbye(5)])

        await Rollout(FakeDoor(alpha=[broken, second])).run()

        assert (told(broken), told(second)) == ([], [("ack", "vpn")])

    asyncio.run(story())


@pytest.mark.parametrize(
    "end", [answered(4), node_event(events.StageFailed, 4, stage="deploy", code="unacknowledged", message="late")]
)
def test_a_question_that_is_settled_is_not_answered_again(end: Step):
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], asking(3), SessionLost("cut")])
        second = FakeSession([end, goodbye(5)])

        await Rollout(FakeDoor(alpha=[broken, second])).run()

        assert told(second) == []

    asyncio.run(story())


def test_a_line_that_cannot_follow_is_no_line_to_answer_on():
    async def story() -> None:
        broken = session("alpha", [*run_story()[:2], asking(3), SessionLost("cut")])
        other = FakeSession(refusal("internal_error"))
        third = FakeSession([asking(3), answered(4), goodbye(5)])
        rollout = Rollout(FakeDoor(alpha=[broken, other, third]))
        rollout.patience_s = 60

        await rollout.run()

        assert (told(other), told(third)) == ([], [("ack", "vpn")])

    asyncio.run(story())


def detached(node: FakeSession, *changes: Change) -> Rollout:
    """A rollout that shall leave the node, and whose plan has these changes."""
    rollout = Rollout(FakeDoor(alpha=[node]))
    propose = rollout.ways.propose

    async def planned(host: Host, session: Session) -> Proposal:
        proposal = await propose(host, session)
        return replace(proposal, plan=replace(proposal.plan, changes=changes))

    rollout.ways = replace(rollout.ways, detach=True, propose=planned)
    return rollout


def test_whoever_detaches_stays_until_all_that_is_at_stake_is_acknowledged():
    async def story() -> None:
        forever = asyncio.Event()
        same = node_event(events.ServiceFinished, 3, stage="deploy", service="dns", status="unchanged")
        changed = node_event(events.ServiceFinished, 6, stage="deploy", service="vpn", status="changed")
        node = session("alpha", [*run_story()[:2], same, asking(4), answered(5), changed, forever])
        rollout = detached(
            node, Change("dns", Action.RECREATE, carries=True), Change("vpn", Action.RECREATE, carries=True)
        )

        run = await rollout.run()

        assert told(node) == [("ack", "vpn")]
        assert (run.hosts["alpha"].left.code, run.hosts["alpha"].last_seq) == ("detached", 5)

    asyncio.run(story())


@pytest.mark.parametrize("change", [Change("vpn", Action.UNCHANGED, carries=True), Change("vpn", Action.RECREATE)])
def test_whoever_detaches_leaves_at_once_when_nothing_is_at_stake(change: Change):
    async def story() -> None:
        node = session("alpha", [*run_story()[:2], asyncio.Event()])

        run = await detached(node, change).run()

        assert (run.hosts["alpha"].left.code, run.hosts["alpha"].last_seq) == ("detached", 2)

    asyncio.run(story())


def test_whoever_detaches_sees_the_end_of_a_run_that_nobody_could_acknowledge():
    async def story() -> None:
        failed = node_event(events.StageFailed, 4, stage="deploy", code="unacknowledged", message="late")
        node = session("alpha", [*run_story()[:2], asking(3), failed, goodbye(5, "rolled_back")])

        run = await detached(node, Change("vpn", Action.RECREATE, carries=True)).run()

        assert statuses(run) == {"alpha": Status.ROLLED_BACK}

    asyncio.run(story())
