"""Attaching to runs, over scripted sessions and a real journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from support import build
from support.build import AT, NEW, RUN, facts, node_event, run_story
from support.fake_session import FakeDoor, FakeSession, FakeSink

from saturn_orchestrator import events
from saturn_orchestrator.app.attach import Attach, Attached, Watch, attach
from saturn_orchestrator.errors import Denied, SessionLost, Unreachable
from saturn_orchestrator.events import LockFact, RunFact
from saturn_orchestrator.journal import Journal, Records
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.reduce import reduce_run

OLDER = "20261122T090000Z-0001"
ORDER = (events.SessionOpened, events.HostPlanned, events.HostConfirmed)


class Desk:
    """A person with a journal, who attaches."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "journal.db"
        self.sink = FakeSink()
        self.stop = Stop()
        self.said: list[str] = []

    def knows(self, run: str, *told: events.Event, hosts: tuple[str, ...] = ("alpha",)) -> None:
        """Journal a run of which this much was heard."""
        state = RunState.of(run, NEW, hosts, AT)
        journal = Journal(self.file, "topology.yaml", self.said.append)
        journal.opened(state)
        for host in hosts:
            for event in (*(build.own_event(kind) for kind in ORDER), *told):
                state = reduce_run(state, host, event)
                journal.noted(host, (event,), state)
        journal.closed(state)

    async def attach(self, door: FakeDoor, *names: str) -> Attached:
        hosts = tuple(build.host(name, connect_timeout_s=0.2) for name in names or ("alpha",))
        journal = Journal(self.file, "topology.yaml", self.said.append)
        memory = Records(self.file, self.said.append)
        watch = Watch(door, memory, (journal, self.sink), self.stop, self.said.append)
        return await attach(Attach(hosts, "bob@laptop", 0.2), watch)

    def run(self, door: FakeDoor, *names: str) -> Attached:
        return asyncio.run(self.attach(door, *names))

    @property
    def records(self) -> Records:
        return Records(self.file, self.said.append)


def story(run: str, host: str = "alpha", after: int = 0) -> list[object]:
    return [replace(event, run=run) for event in run_story(host, after=after)]


def test_a_run_at_work_is_followed_behind_the_last_event_known(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(RUN, *run_story()[:3])
    node = FakeSession([facts(lock=LockFact(RUN))], run_story(after=3))

    found = desk.run(FakeDoor(alpha=[node]))

    (run,) = found.runs
    assert (run.hosts["alpha"].status, outcome(run).exit_code) == (Status.CHANGED, 0)
    assert [(request.verb, request.run, request.after) for request in node.asked[1:]] == [("follow", RUN, 3)]
    assert desk.records.replay(RUN) == run
    assert node.is_closed


def test_a_question_that_the_journal_knows_is_answered_once_the_node_asks_again(tmp_path):
    asked = node_event(events.AckNeeded, 3, stage="deploy", service="vpn", timeout_s=120)
    desk = Desk(tmp_path)
    desk.knows(RUN, *run_story()[:2], asked)
    rest = [node_event(events.Acknowledged, 4, stage="deploy", service="vpn"), *run_story(after=4)]
    node = FakeSession([facts(lock=LockFact(RUN))], [asked, *rest])

    found = desk.run(FakeDoor(alpha=[node]))

    assert [(request.verb, request.service, request.by) for request in node.told] == [("ack", "vpn", "bob@laptop")]
    assert (found.runs[0].hosts["alpha"].surplus, desk.records.replay(RUN)) == (0, found.runs[0])


def test_an_empty_journal_learns_the_run_from_the_node(tmp_path):
    desk = Desk(tmp_path)
    last = RunFact(RUN, "success", NEW, "complete", AT)

    found = desk.run(FakeDoor(alpha=[FakeSession([facts(last_run=last)], run_story())]))

    (run,) = found.runs
    assert (run.revision, run.started_at, run.hosts["alpha"].last_seq) == (NEW, "2026-11-23T16:10:02.000Z", 6)
    assert desk.records.knows_end(RUN, "alpha")


def test_a_run_whose_end_is_known_is_not_attached_to(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(RUN, *run_story())
    node = FakeSession([facts(last_run=RunFact(RUN, "success"))])

    assert desk.run(FakeDoor(alpha=[node])) == Attached(())
    assert len(node.asked) == 1


def test_older_runs_are_brought_home_before_the_one_at_work(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(OLDER, *story(OLDER)[:2])
    node = FakeSession([facts(lock=LockFact(RUN))], story(OLDER, after=2), run_story())

    found = desk.run(FakeDoor(alpha=[node]))

    assert [(run.run, run.hosts["alpha"].status) for run in found.runs] == [
        (OLDER, Status.CHANGED), (RUN, Status.CHANGED),
    ]  # fmt: skip


def test_an_order_that_never_reached_the_node_has_an_end_now(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(RUN)
    refused = [
        node_event(events.Hello, launch="answer"),
        node_event(events.Refused, 2, code="unknown_run", message="m"),
    ]

    (run,) = desk.run(FakeDoor(alpha=[FakeSession([facts()], refused)])).runs

    assert (run.hosts["alpha"].status, run.hosts["alpha"].error.code) == (Status.FAILED, "never_started")
    assert desk.records.unfinished("alpha") == ()


def test_hosts_of_one_run_are_one_run(tmp_path):
    desk = Desk(tmp_path)
    at_work = {name: FakeSession([facts(name, lock=LockFact(RUN))], run_story(name)) for name in ("alpha", "beta")}

    (run,) = desk.run(FakeDoor(**{name: [node] for name, node in at_work.items()}), "alpha", "beta").runs

    assert {name: host.status for name, host in run.hosts.items()} == dict.fromkeys(("alpha", "beta"), Status.CHANGED)


def test_a_host_that_is_away_leaves_its_run_open(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(RUN, *run_story()[:2])

    found = desk.run(FakeDoor(alpha=[Unreachable("no route")] * 9, beta=[Denied("no")]), "alpha", "beta")

    (run,) = found.runs
    assert (run.hosts["alpha"].status, run.hosts["alpha"].left.code) == (Status.RUNNING, "link_lost")
    assert outcome(run).exit_code == 3
    assert {name: error.code for name, error in found.away.items()} == {"beta": "permission_denied"}
    assert desk.records.unfinished("alpha") == (RUN,)


def test_only_the_chosen_hosts_count(tmp_path):
    desk = Desk(tmp_path)
    desk.knows(RUN, hosts=("alpha", "beta"))

    (run,) = desk.run(FakeDoor(alpha=[FakeSession([facts()], run_story())])).runs

    assert list(run.hosts) == ["alpha"]
    assert list(desk.records.replay(RUN).hosts) == ["alpha", "beta"]
    assert desk.records.unfinished("beta") == (RUN,)


def test_ctrl_c_stops_the_node_softly_and_then_leaves_it(tmp_path):
    async def watching() -> None:
        desk = Desk(tmp_path)
        forever = asyncio.Event()
        node = FakeSession([facts(lock=LockFact(RUN))], [run_story()[0], forever])
        task = asyncio.create_task(desk.attach(FakeDoor(alpha=[node])))
        await desk.sink.when("alpha", "hello").wait()

        desk.stop.press()
        desk.stop.press()
        (run,) = (await task).runs

        assert [request.verb for request in node.told] == ["cancel"]
        assert (run.hosts["alpha"].left.code, outcome(run).exit_code) == ("interrupted", 130)

    asyncio.run(watching())


def test_a_line_that_breaks_is_taken_up_again(tmp_path):
    desk = Desk(tmp_path)
    broken = FakeSession([facts(lock=LockFact(RUN))], [*run_story()[:2], SessionLost("cut")])

    (run,) = desk.run(FakeDoor(alpha=[broken, FakeSession(run_story(after=2))])).runs

    assert run.hosts["alpha"].status is Status.CHANGED
