"""One host whose plan becomes stale, or that is away; the plain story stands in test_runner.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from orchestrator.rollout.runs import Rollout, first, sound, statuses
from support.build import NEW, OLD, RUN, facts, node_event, plan, run_story
from support.fake_session import FakeDoor, FakeSession, Step
from support.proposals import proposing

from saturn_orchestrator import events
from saturn_orchestrator.errors import (
    Denied,
    ExecutorRefused,
    HostKeyRejected,
    RepositoryError,
    SessionError,
    SessionLost,
    Unreachable,
)
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.host_run import PLANS_MAX, Deferral, Proposal
from saturn_orchestrator.rollout.survey import gather_plan
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import HostError, HostState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import Host

# --- a plan that is not true any more ---------------------------------------------------------------------------------

STALE: list[Step] = [
    node_event(events.Hello, 1, launch="answer"),
    node_event(events.Refused, 2, code="plan_stale", message="the plan is not true any more"),
    node_event(events.Goodbye, 3, outcome="refused"),
]


class Asking:
    """A person who is shown plans, and proposals that have another digest each time."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []

    async def propose(self, host: Host, session: Session) -> Proposal:
        proposal = await proposing(digest=f"d{len(self.shown) + 1}")(host, session)
        return replace(proposal, plan=replace(proposal.plan, digest=proposal.request.plan))

    async def consent(self, shown: HostPlan) -> str:
        self.shown.append(shown.digest)
        return self.answers.pop(0) if self.answers else "ada"


def moving(times: int) -> FakeSession:
    """A node that moved so many times between its plan and the start."""
    standing = [facts(revision=OLD)]
    return FakeSession(*[standing, STALE] * times, standing, run_story())


def deployed(node: FakeSession, person: Asking) -> Rollout:
    return Rollout(FakeDoor(alpha=[node]), propose=person.propose, consent=person.consent)


def test_a_person_is_asked_again_within_the_same_run_when_the_plan_became_stale():
    async def story() -> None:
        node, person = moving(1), Asking()
        rollout = deployed(node, person)

        run = await rollout.run()

        assert (statuses(run), run.hosts["alpha"].digest) == ({"alpha": Status.CHANGED}, "d2")
        assert person.shown == ["d1", "d2"]
        runs = [(request.run, request.plan) for request in node.asked if request.verb == "run"]
        assert runs == [(run.run, "d1"), (run.run, "d2")]
        assert [event for _, event in rollout.sink.noted_events][:7] == [
            "session_opening", "session_opened", "host_planned", "host_confirmed",
            "plan_stale", "host_planned", "host_confirmed",
        ]  # fmt: skip
        assert (run.hosts["alpha"].surplus, node.is_closed) == (0, True)

    asyncio.run(story())


def test_a_new_plan_may_be_declined():
    async def story() -> None:
        node, person = moving(1), Asking("ada", "")

        run = await deployed(node, person).run()

        assert (statuses(run), outcome(run).exit_code) == ({"alpha": Status.DECLINED}, 6)
        assert [request.verb for request in node.asked] == ["facts", "run", "facts"]

    asyncio.run(story())


def test_a_node_that_moves_each_time_is_given_up():
    async def story() -> None:
        person = Asking()

        run = await deployed(moving(PLANS_MAX), person).run()

        assert person.shown == [f"d{number}" for number in range(1, PLANS_MAX + 1)]
        assert run.hosts["alpha"].error == HostError(
            "plan_stale", "alpha moved each time between its plan and the start", "saturn status --hosts alpha"
        )

    asyncio.run(story())


def test_a_node_that_comes_to_rest_at_the_last_plan_is_deployed():
    async def story() -> None:
        assert statuses(await deployed(moving(PLANS_MAX - 1), Asking()).run()) == {"alpha": Status.CHANGED}

    asyncio.run(story())


def test_a_stale_plan_that_a_worker_tells_of_is_the_end_of_its_run():
    async def story() -> None:
        told = [node_event(events.Hello, 1), *STALE[1:]]
        run = await deployed(FakeSession([facts(revision=OLD)], told), Asking()).run()

        assert (run.hosts["alpha"].status, run.hosts["alpha"].error.code) == (Status.FAILED, "plan_stale")

    asyncio.run(story())


def test_a_refusal_of_a_stale_plan_needs_no_words():
    async def story() -> None:
        told = [STALE[0], replace(STALE[1], message=""), STALE[2]]
        node = FakeSession([facts(revision=OLD)], told, [facts(revision=OLD)], run_story())

        assert statuses(await deployed(node, Asking()).run()) == {"alpha": Status.CHANGED}

    asyncio.run(story())


def test_a_stop_while_the_node_refuses_a_stale_plan_cancels_the_host():
    async def story() -> None:
        release = asyncio.Event()
        node = FakeSession([facts(revision=OLD)], [STALE[0], release, *STALE[1:]], [facts(revision=OLD)], run_story())
        person = Asking()
        rollout = deployed(node, person)
        task = asyncio.create_task(rollout.run())
        await first(task, rollout.sink.when("alpha", "host_confirmed"))

        rollout.stop.press()
        release.set()
        run = await task

        assert (statuses(run), person.shown) == ({"alpha": Status.CANCELLED}, ["d1"])
        assert outcome(run).exit_code == 6

    asyncio.run(story())


def test_a_stop_while_a_stale_plan_is_made_anew_cancels_the_host():
    async def story() -> None:
        never, asked_again = asyncio.Event(), asyncio.Event()

        class Slow(Asking):
            async def propose(self, host: Host, session: Session) -> Proposal:
                if self.shown:
                    asked_again.set()
                    await never.wait()
                return await super().propose(host, session)

        rollout = deployed(moving(1), Slow())
        task = asyncio.create_task(rollout.run())
        await first(task, asked_again)

        rollout.stop.press()
        run = await task

        assert (statuses(run), outcome(run).exit_code) == ({"alpha": Status.CANCELLED}, 6)

    asyncio.run(story())


def test_the_bundle_goes_with_the_order_to_run_and_not_with_following():
    async def story() -> None:
        async def propose(host: Host, session: Session) -> Proposal:
            return replace(await proposing()(host, session), bundle=b"bundle")

        node = FakeSession([facts(revision=OLD)], run_story())

        await Rollout(FakeDoor(alpha=[node]), propose=propose).run()

        assert [(request.verb, bundle) for request, bundle in zip(node.asked, node.carried, strict=True)] == [
            ("facts", b""), ("run", b"bundle"),
        ]  # fmt: skip

    asyncio.run(story())


# --- a host that is away ----------------------------------------------------------------------------------------------

UNTIL = "2026-11-30T16:10:02Z"
Defer = Callable[[Host], Awaitable[Deferral | None]]


async def deferral(host: Host) -> Deferral:
    changes = (Change("web", Action.RECREATE), Change("db", Action.UNCHANGED))
    return Deferral(plan(host.name, changes=changes), ("web", "db"), UNTIL, prune=True, rollback=True)


def away(defer: Defer, **fields: object) -> Rollout:
    rollout = Rollout(FakeDoor(alpha=[Unreachable("no")] * 9), **fields)
    rollout.ways = replace(rollout.ways, defer=defer)
    return rollout


def test_what_is_confirmed_for_a_host_that_is_away_is_noted():
    async def story() -> None:
        told: list[events.HostDeferred] = []
        rollout = away(deferral)
        noted = rollout.sink.noted

        def note(host: str, noted_now: Sequence[object], run: object) -> None:
            told.extend(event for event in noted_now if isinstance(event, events.HostDeferred))
            noted(host, noted_now, run)

        rollout.sink.noted = note

        run = await rollout.run()

        assert told == [
            events.HostDeferred(
                told[0].at, "ada@saturn", NEW, OLD, ("web",), ("web", "db"), UNTIL, prune=True, rollback=True
            )
        ]
        assert (run.hosts["alpha"].status, run.hosts["alpha"].by) == (Status.DEFERRED, "ada@saturn")
        assert (run.hosts["alpha"].revision_before, run.hosts["alpha"].revision_after) == (OLD, OLD)
        assert (outcome(run).exit_code, rollout.settled) == (3, ["alpha"])

    asyncio.run(story())


def test_what_is_declined_for_a_host_that_is_away_is_not_deferred():
    async def story() -> None:
        assert statuses(await away(deferral, consent=Asking("").consent).run()) == {"alpha": Status.DECLINED}

    asyncio.run(story())


def test_a_host_for_which_nothing_is_proposed_is_unreachable():
    async def story() -> None:
        async def nothing(_: Host) -> None:
            return None

        assert statuses(await away(nothing).run()) == {"alpha": Status.UNREACHABLE}

    asyncio.run(story())


def test_a_host_that_denies_the_login_is_not_deferred():
    async def story() -> None:
        rollout = Rollout(FakeDoor(alpha=[Denied("no")]))
        rollout.ways = replace(rollout.ways, defer=deferral)

        assert statuses(await rollout.run()) == {"alpha": Status.FAILED}

    asyncio.run(story())


def test_a_host_that_is_there_is_deployed_whatever_could_be_deferred():
    async def story() -> None:
        rollout = Rollout(FakeDoor(alpha=[sound("alpha")]))
        rollout.ways = replace(rollout.ways, defer=deferral)

        assert statuses(await rollout.run()) == {"alpha": Status.CHANGED}

    asyncio.run(story())


# --- a yes that was said beforehand -----------------------------------------------------------------------------------


def planned(**fields: object) -> Step:
    return node_event(events.Plan, 2, digest="d1", revision=NEW, is_foreseen=True, **{"begins": True, **fields})


class Prior:
    """A rollout of hosts that somebody said yes to beforehand. failing: what SATURN finds once the node has begun."""

    def __init__(self, *sessions: FakeSession | SessionError, failing: Exception | None = None) -> None:
        self.shown: list[str] = []
        self.failing = failing
        self.rollout = Rollout(FakeDoor(alpha=sessions), consent=self.consent)
        self.rollout.ways = replace(self.rollout.ways, order=self.order, prior=lambda _: "ada")

    async def order(self, host: Host, session: Session, by: str) -> Proposal:
        request = Request("run", RUN, node_order(host), revision=NEW, by=by)
        told = await gather_plan(host, session, replace(request, begins=True), nothing)
        if self.failing:
            raise self.failing
        return Proposal(plan(digest="d1"), replace(request, plan="d1"), told.bundle, told.answer)

    async def consent(self, shown: HostPlan) -> str:
        self.shown.append(shown.digest)
        return "ada"

    async def run(self) -> HostState:
        return (await self.rollout.run()).hosts["alpha"]


async def nothing(_: events.Facts) -> bytes:
    return b""


def asked_of(node: FakeSession) -> list[tuple[str, str]]:
    return [(request.verb, request.run) for request in node.asked]


def test_plan_and_run_come_in_one_answer():
    async def story() -> None:
        node = FakeSession([facts(revision=OLD), planned(), *run_story()])
        prior = Prior(node)

        host = await prior.run()

        assert (host.status, host.by, host.digest, host.surplus) == (Status.CHANGED, "ada", "d1", 0)
        assert (asked_of(node), prior.shown, node.is_closed) == ([("plan", RUN)], ["d1"], True)
        assert [event for _, event in prior.rollout.sink.noted_events][:4] == [
            "session_opening", "session_opened", "host_planned", "host_confirmed",
        ]  # fmt: skip

    asyncio.run(story())


def test_a_node_against_which_something_stands_is_asked_to_run_as_ever():
    async def story() -> None:
        node = FakeSession([facts(revision=OLD), planned(begins=False)], run_story())

        host = await Prior(node).run()

        assert (host.status, asked_of(node)) == (Status.CHANGED, [("plan", RUN), ("run", RUN)])

    asyncio.run(story())


def test_a_run_whose_line_breaks_after_the_plan_is_followed_over_another():
    async def story() -> None:
        hello, *rest = run_story()
        broken = FakeSession([facts(revision=OLD), planned(), hello, SessionLost("the connection broke")])
        again = FakeSession(rest)

        host = await Prior(broken, again).run()

        assert (host.status, asked_of(again)) == (Status.CHANGED, [("follow", RUN)])

    asyncio.run(story())


@pytest.mark.parametrize("lost", [SessionLost("the connection broke"), Unreachable("nobody answers")])
def test_when_the_line_breaks_before_the_plan_the_node_tells_whether_it_began(lost: SessionError):
    async def story() -> None:
        broken, again = FakeSession([lost]), FakeSession(run_story())
        prior = Prior(broken, again)

        host = await prior.run()

        assert (host.status, host.surplus, broken.is_closed) == (Status.CHANGED, 0, True)
        assert asked_of(again) == [("follow", RUN)]
        assert "host_attached" in [event for _, event in prior.rollout.sink.noted_events]

    asyncio.run(story())


def test_a_node_that_never_got_the_order_says_so():
    async def story() -> None:
        unknown = [
            node_event(events.Hello, 1, launch="answer"),
            node_event(events.Refused, 2, code="unknown_run", message="this node knows no run"),
            node_event(events.Goodbye, 3, outcome="refused"),
        ]

        host = await Prior(FakeSession([SessionLost("the connection broke")]), FakeSession(unknown)).run()

        assert (host.status, host.error.code) == (Status.FAILED, "never_started")

    asyncio.run(story())


def test_a_host_that_stays_away_after_the_order_left_is_not_called_untouched():
    async def story() -> None:
        host = await Prior(FakeSession([SessionLost("the connection broke")])).run()

        assert (host.status, host.left.code, host.left.hint) == (
            Status.RUNNING, "link_lost", "saturn attach --hosts alpha",
        )  # fmt: skip

    asyncio.run(story())


@pytest.mark.parametrize("error", [Denied("no"), HostKeyRejected("another key"), ExecutorRefused("no python")])
def test_a_node_that_said_no_has_not_begun(error: SessionError):
    async def story() -> None:
        host = await Prior(FakeSession([error])).run()

        assert (host.status, host.error.message, host.left) == (Status.FAILED, error.message, None)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("failing", "code"), [(RepositoryError("git is gone"), "repository"), (ValueError("a defect"), "internal_error")]
)
def test_what_fails_on_saturn_leaves_a_run_that_has_begun_to_the_node(failing: Exception, code: str):
    async def story() -> None:
        node = FakeSession([facts(revision=OLD), planned(), *run_story()])

        host = await Prior(node, failing=failing).run()

        assert (host.status, host.left.code, node.is_closed) == (Status.RUNNING, code, True)

    asyncio.run(story())


def test_a_first_ctrl_c_before_the_plan_came_stops_the_run_after_it():
    async def story() -> None:
        gate = asyncio.Event()
        hello, *_ = run_story()
        node = FakeSession(
            [facts(revision=OLD), gate, planned(), hello, node_event(events.Goodbye, 2, outcome="cancelled")]
        )
        prior = Prior(node)
        running = asyncio.create_task(prior.rollout.run())
        await first(running, prior.rollout.sink.when("alpha", "session_opened"))
        await asyncio.sleep(0)

        prior.rollout.stop.press()
        gate.set()

        assert (await running).hosts["alpha"].status is Status.CANCELLED
        assert [request.verb for request in node.told] == ["cancel"]

    asyncio.run(story())


def test_a_second_ctrl_c_leaves_it_to_the_node():
    async def story() -> None:
        node = FakeSession([facts(revision=OLD), asyncio.Event()])
        prior = Prior(node)
        running = asyncio.create_task(prior.rollout.run())
        await first(running, prior.rollout.sink.when("alpha", "session_opened"))
        await asyncio.sleep(0)

        prior.rollout.stop.press()
        prior.rollout.stop.press()

        host = (await running).hosts["alpha"]
        assert (host.status, host.left.code, node.is_closed) == (Status.RUNNING, "interrupted", True)

    asyncio.run(story())


def test_a_first_ctrl_c_lets_go_of_a_node_that_did_not_begin():
    async def story() -> None:
        gate = asyncio.Event()
        node = FakeSession([facts(revision=OLD), gate, planned(begins=False)])
        prior = Prior(node)
        running = asyncio.create_task(prior.rollout.run())
        await first(running, prior.rollout.sink.when("alpha", "session_opened"))
        await asyncio.sleep(0)

        prior.rollout.stop.press()
        gate.set()

        assert (await running).hosts["alpha"].status is Status.CANCELLED
        assert (asked_of(node), node.told) == ([("plan", RUN)], [])

    asyncio.run(story())
