from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import build
from support.build import facts, node_event, node_plan
from support.fake_session import FakeDoor, FakeSession, FakeSink
from support.repository import GitFolder

from saturn_orchestrator import events
from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.app.deploy import Deploy, Ports, Propose, deploy, proposed
from saturn_orchestrator.app.planning import Planner, Scope
from saturn_orchestrator.errors import Interrupted, RepositoryError, Unreachable
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.topology.model import Host


def story_of(host: str) -> list[object]:
    return [node_event(events.Hello, 1, host), node_event(events.Goodbye, 2, host, outcome="success")]


def node(host: str, **told: object) -> FakeSession:
    return FakeSession([facts(host), node_plan(host, **told)], story_of(host))


class Desk:
    """The person, the screen and the nodes of one deploy."""

    def __init__(self, door: FakeDoor, **answers: Answer | list[Answer]) -> None:
        self.door = door
        self.answers = answers
        self.shown: list[str] = []
        self.texts: list[str] = []
        self.said: list[str] = []
        self.sink = FakeSink()
        self.stop = Stop()

    async def ask(self, plan: HostPlan) -> Answer:
        said = self.answers[plan.host]
        return said.pop(0) if isinstance(said, list) else said

    def deploy(self, folder: Path, *names: str, propose: Propose = proposed, **fields: object) -> RunState:
        hosts = tuple(
            build.host(name, connect_timeout_s=0.2, transport="local" if name == "saturn" else "auto") for name in names
        )
        order = Deploy(build.topology(folder, *hosts), hosts, by="ada", controller="saturn", **fields)
        ports = Ports(
            open_session=self.door,
            show=lambda plan: self.shown.append(plan.host),
            show_text=self.texts.append,
            ask=self.ask if self.answers else None,
            say=self.said.append,
            sinks=[self.sink],
            stop=self.stop,
            trace=lambda _: None,
        )
        return asyncio.run(deploy(order, ports, propose))


def test_a_deploy_shows_asks_and_runs(tmp_path):
    revision = GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    alpha, beta = node("alpha"), node("beta")
    desk = Desk(FakeDoor(alpha=[alpha], beta=[beta]), alpha=Answer.YES, beta=Answer.NO)

    run = desk.deploy(tmp_path, "alpha", "beta")

    assert {name: host.status for name, host in run.hosts.items()} == {
        "alpha": Status.UNCHANGED,
        "beta": Status.DECLINED,
    }
    assert (run.revision, sorted(desk.shown)) == (revision, ["alpha", "beta"])
    assert [(request.verb, request.revision, request.by, request.plan) for request in alpha.asked] == [
        ("plan", revision, "", ""), ("run", revision, "ada@saturn", "d1"),
    ]  # fmt: skip
    assert [request.verb for request in beta.asked] == ["plan"]


def test_the_differences_are_shown_to_whoever_asks_for_them(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    desk = Desk(FakeDoor(alpha=[node("alpha")]), alpha=[Answer.DIFF, Answer.NO])

    desk.deploy(tmp_path, "alpha")

    (text,) = desk.texts
    assert (desk.shown, "+one" in text.splitlines()) == (["alpha"], True)


def test_a_deploy_in_batches_halts_at_an_unhealthy_canary(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    end = [node_event(events.Hello, 1, "a"), node_event(events.Goodbye, 2, "a", outcome="failed")]
    canary = FakeSession([facts("a"), node_plan("a")], end)
    desk = Desk(FakeDoor(a=[canary], b=[node("b")], c=[node("c")]))

    run = desk.deploy(tmp_path, "a", "b", "c", batches=("1", "100%"))

    assert {name: host.status for name, host in run.hosts.items()} == {
        "a": Status.FAILED, "b": Status.SKIPPED, "c": Status.SKIPPED,
    }  # fmt: skip
    assert desk.said == ["canary a failed, so the other 2 hosts were not started"]


def test_saturn_itself_goes_last_and_is_shown_in_its_place(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    desk = Desk(FakeDoor(saturn=[node("saturn")], a=[node("a")], b=[node("b")]))

    run = desk.deploy(tmp_path, "saturn", "a", "b", batches=("1",))

    begun = [host for host, event in desk.sink.noted_events if event == "hello"]
    assert (begun, list(run.hosts)) == (["a", "b", "saturn"], ["saturn", "a", "b"])


def test_as_many_hosts_may_fail_as_the_order_says(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    end = [node_event(events.Hello, 1, "a"), node_event(events.Goodbye, 2, "a", outcome="failed")]
    canary = FakeSession([facts("a"), node_plan("a")], end)
    desk = Desk(FakeDoor(a=[canary], b=[node("b")]))

    run = desk.deploy(tmp_path, "a", "b", batches=("1", "100%"), max_failures="50%")

    assert [host.status for host in run.hosts.values()] == [Status.FAILED, Status.UNCHANGED]


def test_a_deploy_goes_to_the_revision_that_is_named_for_a_host(tmp_path):
    git = GitFolder(tmp_path)
    first, second = git.commit("first"), git.commit("second")
    alpha, beta = node("alpha"), node("beta")
    desk = Desk(FakeDoor(alpha=[alpha], beta=[beta]))

    desk.deploy(tmp_path, "alpha", "beta", revisions={"beta": first})

    assert [request.revision for request in (*alpha.asked, *beta.asked)] == [second, second, first, first]


def test_what_was_confirmed_beforehand_is_confirmed_by_whoever_said_so(tmp_path):
    GitFolder(tmp_path).commit("first")
    alpha, beta = node("alpha"), node("beta")

    Desk(FakeDoor(alpha=[alpha], beta=[beta])).deploy(tmp_path, "alpha", "beta", confirmed={"beta": "eve@laptop"})

    assert [alpha.asked[-1].by, beta.asked[-1].by] == ["ada@saturn", "eve@laptop"]


def test_a_return_has_no_revision_of_its_own(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first")
    git.commit("second")
    alpha = node("alpha")

    def returning(planner: Planner) -> Callable[[Host, Session], Awaitable[Proposal]]:
        async def propose(host: Host, session: Session) -> Proposal:
            request = replace(planner.scope.request(host, planner.run, planner.controller), revision=first)
            return await planner.proposal(host, session, request)

        return propose

    run = Desk(FakeDoor(alpha=[alpha])).deploy(tmp_path, "alpha", is_return=True, propose=returning)

    assert (run.revision, alpha.asked[-1].revision) == ("", first)


def test_a_dead_host_is_not_waited_for_and_yes_asks_nobody(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    desk = Desk(FakeDoor(alpha=[node("alpha")], dead=[Unreachable("no route")] * 3))

    run = desk.deploy(tmp_path, "alpha", "dead")

    assert {name: host.status for name, host in run.hosts.items()} == {
        "alpha": Status.UNCHANGED,
        "dead": Status.UNREACHABLE,
    }


def test_without_a_repository_nobody_is_dialled(tmp_path):
    desk = Desk(FakeDoor(alpha=[node("alpha")]))

    with pytest.raises(RepositoryError):
        desk.deploy(tmp_path, "alpha")

    assert (desk.door.opened, desk.sink.states) == ([], [])


def test_a_stop_before_any_host_was_asked_dials_nobody(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    desk = Desk(FakeDoor(alpha=[node("alpha")]))
    desk.stop.press()

    with pytest.raises(Interrupted):
        desk.deploy(tmp_path, "alpha")

    assert desk.door.opened == []


# --- who is ordered with the question ---------------------------------------------------------------------------------


def begun(host: str) -> FakeSession:
    """A node that begins when it is asked to, and is asked to run when it is not."""
    return FakeSession([facts(host), node_plan(host, begins=True), *story_of(host)], story_of(host))


def is_ordered_at_once(session: FakeSession) -> bool:
    return [(each.verb, each.begins) for each in session.asked] == [("plan", True)]


def test_with_yes_a_host_is_ordered_with_the_question(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})
    alpha = begun("alpha")
    desk = Desk(FakeDoor(alpha=[alpha]))

    run = desk.deploy(tmp_path, "alpha")

    assert (run.hosts["alpha"].status, run.hosts["alpha"].by) == (Status.UNCHANGED, "ada@saturn")
    assert (is_ordered_at_once(alpha), desk.shown) == (True, ["alpha"])


def test_who_is_asked_or_waits_or_is_left_is_not(tmp_path):
    GitFolder(tmp_path).commit("first", **{"services/web/compose.yaml": "one"})

    def ordered(desk: Desk, *names: str, **fields: object) -> list[bool]:
        nodes = {name: begun(name) for name in names}
        desk.door = FakeDoor(**{name: [each] for name, each in nodes.items()})
        desk.deploy(tmp_path, *names, **fields)
        return [is_ordered_at_once(each) for each in nodes.values()]

    assert ordered(Desk(FakeDoor(), alpha=Answer.YES), "alpha") == [False]
    assert ordered(Desk(FakeDoor()), "alpha", "beta", batches=("1", "100%")) == [True, False]
    assert ordered(Desk(FakeDoor()), "alpha", detach=True) == [False]
    assert ordered(Desk(FakeDoor()), "alpha", scope=Scope(prefetch=True)) == [False]
    assert ordered(Desk(FakeDoor()), "alpha", propose=lambda planner: planner.propose) == [False]
