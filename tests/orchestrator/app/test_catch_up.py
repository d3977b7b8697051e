from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import deferred, facts, node_plan
from support.fake_session import FakeDoor, FakeSession
from support.proposals import planner_of
from support.repository import GitFolder

from saturn_orchestrator.app.catch_up import Back, checking, look
from saturn_orchestrator.errors import Denied, ExecutorRefused, Unreachable
from saturn_orchestrator.events import ServiceChange
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.session.base import Session, nobody
from saturn_orchestrator.state.standing import Deferred

# --- who is back ------------------------------------------------------------------------------------------------------


def looked(door: FakeDoor, *waiting: str, names: tuple[str, ...]) -> Back:
    hosts = [build.host(name, connect_timeout_s=0.2) for name in names]
    return asyncio.run(look({name: deferred() for name in waiting}, hosts, door))


def test_only_hosts_for_which_something_waits_are_dialled():
    back = FakeSession()
    door = FakeDoor(back=[back], away=[Unreachable("no route")] * 9, denied=[Denied("no")], idle=[FakeSession()])

    found = looked(door, "back", "away", "denied", names=("back", "idle", "away", "denied"))

    assert set(door.opened) == {"back", "away", "denied"}
    assert (list(found.back), {name: error.code for name, error in found.away.items()}) == (
        ["back"], {"away": "unreachable", "denied": "permission_denied"},
    )  # fmt: skip
    assert not back.is_closed


def test_a_session_that_is_open_already_is_handed_out_once():
    first, second = FakeSession(), FakeSession()
    door = FakeDoor(alpha=[first, second])

    async def story() -> list[Session]:
        host = build.host()
        opened = (await look({"alpha": deferred()}, [host], door)).opening(door)
        return [await opened(host, nobody), await opened(host, nobody)]

    assert asyncio.run(story()) == [first, second]


# --- what is done for them --------------------------------------------------------------------------------------------

HOST = build.host(services=(build.service("db"), build.service("web")))


def made(folder: Path) -> tuple[str, str]:
    git = GitFolder(folder)
    return git.commit("first"), git.commit("second")


def checked(folder: Path, waiting: Deferred, session: FakeSession) -> Proposal:
    async def story() -> Proposal:
        return await checking(await planner_of(folder, HOST), {"alpha": waiting})(HOST, session)

    return asyncio.run(story())


def node(revision: str, *touched: str) -> FakeSession:
    changes = tuple(ServiceChange(name, "recreate") for name in touched)
    return FakeSession([facts(revision=revision), node_plan(changes=changes)])


def test_what_waits_is_proposed_as_any_other_deploy(tmp_path):
    first, second = made(tmp_path)

    proposal = checked(tmp_path, deferred(revision=second, revision_before=first), node(first, "web"))

    assert (proposal.plan.touched, proposal.request.revision, proposal.request.plan) == (("web",), second, "d1")


def test_what_waits_is_done_with_the_scope_that_was_confirmed(tmp_path):
    first, second = made(tmp_path)
    waiting = deferred(revision=second, revision_before=first, scope=("web",), prune=True, rollback=True)

    asked = checked(tmp_path, waiting, node(first, "web")).request

    assert ([service.name for service in asked.node.services], asked.prune, asked.rollback) == (["web"], True, True)


@pytest.mark.parametrize(
    "before, touched, why",
    [
        (build.OLD, ("web",), "it was at aaaaaaaa when this was confirmed, and is at {first} now"),
        ("", ("web", "db"), "db would be touched, too, which nobody confirmed"),
    ],
)
def test_what_moved_beyond_what_was_confirmed_is_refused(tmp_path, before, touched, why):
    first, second = made(tmp_path)

    with pytest.raises(ExecutorRefused) as caught:
        checked(tmp_path, deferred(revision=second, revision_before=before), node(first, *touched))

    assert (caught.value.code, caught.value.hint) == ("plan_moved", "saturn deploy --hosts alpha")
    assert caught.value.message == (
        f"what was confirmed for alpha is not what would be done now: {why.format(first=first[:8])}"
    )
