from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import facts, node_event
from support.fake_session import FakeDoor, FakeSession, FakeSink
from support.repository import GitFolder

from saturn_orchestrator import events
from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.app.deploy import Deploy, Ports, deploy
from saturn_orchestrator.errors import Interrupted, RepositoryError, Unreachable
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.state.model import RunState, Status


def story_of(host: str) -> list[object]:
    return [node_event(events.Hello, 1, host), node_event(events.Goodbye, 2, host, outcome="success")]


def node(host: str) -> FakeSession:
    return FakeSession([facts(host)], story_of(host))


class Desk:
    """The person, the screen and the nodes of one deploy."""

    def __init__(self, door: FakeDoor, **answers: Answer) -> None:
        self.door = door
        self.answers = answers
        self.shown: list[str] = []
        self.sink = FakeSink()
        self.stop = Stop()

    async def ask(self, plan: HostPlan) -> Answer:
        return self.answers[plan.host]

    def deploy(self, folder: Path, *names: str) -> RunState:
        hosts = tuple(build.host(name, connect_timeout_s=0.2) for name in names)
        order = Deploy(build.topology(folder, *hosts), hosts, by="ada", controller="saturn")
        ports = Ports(
            self.door, lambda plan: self.shown.append(plan.host), self.ask if self.answers else None, [self.sink],
            self.stop, lambda _: None,
        )  # fmt: skip
        return asyncio.run(deploy(order, ports))


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
    assert [(request.verb, request.revision, request.by) for request in alpha.asked] == [
        ("facts", "", ""), ("run", revision, "ada@saturn"),
    ]  # fmt: skip
    assert [request.verb for request in beta.asked] == ["facts"]


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
