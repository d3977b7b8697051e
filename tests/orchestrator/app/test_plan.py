from __future__ import annotations

import asyncio
from pathlib import Path

from support import build
from support.build import facts, node_plan
from support.fake_session import FakeDoor, FakeSession
from support.proposals import planner_of
from support.repository import GitFolder

from saturn_orchestrator import events
from saturn_orchestrator.app.plan import plan
from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.plan.model import Prospect


def prospects(folder: Path, door: FakeDoor, *names: str, with_diff: bool = False) -> tuple[Prospect, ...]:
    hosts = [build.host(name, connect_timeout_s=0.2) for name in names]

    async def story() -> tuple[Prospect, ...]:
        return await plan(await planner_of(folder, *hosts), hosts, door, with_diff=with_diff)

    return asyncio.run(story())


def test_every_host_has_a_plan_or_the_reason_why_not(tmp_path):
    revision = GitFolder(tmp_path).commit("first")
    problem = events.Problem("no_docker", "docker is not there")
    good, broken = FakeSession([facts("good"), node_plan("good")]), FakeSession([facts("broken", problems=(problem,))])
    door = FakeDoor(good=[good], dead=[Unreachable("no route")] * 9, broken=[broken])

    found = prospects(tmp_path, door, "dead", "good", "broken")

    assert [(each.host, each.plan and each.plan.revision_after, each.error and each.error.code) for each in found] == [
        ("dead", None, "unreachable"), ("good", revision, None), ("broken", None, "no_docker"),
    ]  # fmt: skip
    assert (good.is_closed, broken.is_closed) == (True, True)
    assert [request.verb for request in (*good.asked, *broken.asked)] == ["plan", "plan"]


def test_hosts_are_asked_at_once(tmp_path):
    GitFolder(tmp_path).commit("first")
    release = asyncio.Event()

    class Last(FakeSession):
        async def ask(self, request, bundle=b"", secrets=b""):
            release.set()
            async for line in super().ask(request, bundle):
                yield line

    first = FakeSession([release, facts("first"), node_plan("first")])
    door = FakeDoor(first=[first], last=[Last([facts("last"), node_plan("last")])])

    assert all(each.plan for each in prospects(tmp_path, door, "first", "last"))


def test_the_differences_of_a_hosts_own_files_are_told_when_they_are_asked_for(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first", **{"services/web/compose.yaml": "one", "services/db/compose.yaml": "one"})
    git.commit("second", **{"services/web/compose.yaml": "two", "services/db/compose.yaml": "two"})

    def told(**options: bool) -> str:
        session = FakeSession([facts(revision=first), node_plan()])
        return prospects(tmp_path, FakeDoor(alpha=[session]), "alpha", **options)[0].diff

    assert told() == ""
    assert ("services/web" in told(with_diff=True), "services/db" in told(with_diff=True)) == (True, False)
