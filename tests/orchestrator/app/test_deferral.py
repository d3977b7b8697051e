from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import build
from support.build import AT, RUN, deferred, plan, run_state
from support.proposals import planner_of
from support.repository import GitFolder

from saturn_orchestrator.app.deferral import EXPIRES_S, Defer, refusal
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.rollout.host_run import Deferral
from saturn_orchestrator.state.model import HostState, RunState, ServiceState, Status

# --- what is proposed for a host that is away -------------------------------------------------------------------------


class Memory:
    """The run in which the node was last heard of, or none."""

    def __init__(self, host: HostState | None = None) -> None:
        self._run = run_state("alpha").with_host(host) if host else None

    def newest(self, host: str) -> tuple[str, str]:
        return (RUN, AT) if self._run else ("", "")

    def replay(self, run: str) -> RunState | None:
        return self._run


HOST = build.host(services=(build.service("db"), build.service("web")))


def made(folder: Path) -> tuple[str, str]:
    git = GitFolder(folder)
    files = {"services/web/compose.yaml": "one", "services/db/compose.yaml": "one"}
    return git.commit("first", **files), git.commit("second", **{"services/web/compose.yaml": "two"})


def deferral(folder: Path, defer: Defer, **scope: object) -> Deferral:
    async def story() -> Deferral:
        return await defer.proposing(await planner_of(folder, HOST, **scope))(HOST)

    return asyncio.run(story())


def heard_of(revision: str) -> Memory:
    services = {name: ServiceState("changed", "healthy") for name in ("db", "web")}
    return Memory(HostState("alpha", Status.CHANGED, services=services, revision_after=revision))


def test_a_host_that_is_away_is_planned_from_what_the_journal_and_git_tell(tmp_path):
    first, second = made(tmp_path)

    found = deferral(tmp_path, Defer(heard_of(first))).plan

    assert (found.revision_before, found.revision_after, found.commits) == (first, second, 1)
    assert found.changes == (Change("db", Action.UNCHANGED), Change("web", Action.RECREATE, "compose.yaml changed"))
    assert found.warnings == (
        f"alpha is away: this is what is known since {AT}, and what is done once it is back",
    )  # fmt: skip
    assert (found.is_foreseen, found.digest) == (False, "")


def test_what_carries_the_connection_of_a_host_that_is_away_is_marked(tmp_path):
    first, _ = made(tmp_path)
    host = build.host(services=(build.service("db"), build.service("web", connectivity=True)))

    async def story() -> HostPlan:
        return (await Defer(heard_of(first)).proposing(await planner_of(tmp_path, host))(host)).plan

    found = asyncio.run(story())

    assert (found.at_stake, found.is_first) == ({"web"}, False)


def test_of_a_host_that_nobody_ever_heard_of_everything_may_be_touched(tmp_path):
    _, second = made(tmp_path)

    found = deferral(tmp_path, Defer(Memory())).plan

    assert (found.revision_before, found.revision_after, found.commits) == ("", second, None)
    assert found.touched == ("db", "web")
    assert found.warnings == ("alpha is away, and nothing is known of it here",)


def test_a_deferral_keeps_how_much_was_ordered(tmp_path):
    first, _ = made(tmp_path)

    found = deferral(tmp_path, Defer(heard_of(first)), services=frozenset({"web"}), prune=True, rollback=True)

    assert (found.scope, found.prune, found.rollback) == (("web",), True, True)
    assert [change.service for change in found.plan.changes] == ["web"]


@pytest.mark.parametrize("expires_s", [EXPIRES_S, 90.0])
def test_a_deferral_is_good_for_as_long_as_was_said(tmp_path, expires_s):
    made(tmp_path)
    before = datetime.now(UTC)

    found = deferral(tmp_path, Defer(Memory(), expires_s))

    end = datetime.fromisoformat(found.expires_at) - timedelta(seconds=expires_s)
    assert before - timedelta(seconds=1) <= end <= datetime.now(UTC)
    assert found.expires_at.endswith("Z")


# --- whether it may still be done -------------------------------------------------------------------------------------

WEB = Change("web", Action.RECREATE)
DB = Change("db", Action.RECREATE)
OTHER = "c" * 40


def test_what_was_confirmed_may_be_done():
    assert refusal(deferred(), plan(changes=(WEB, Change("db", Action.UNCHANGED)))) == ""


def test_less_than_what_was_confirmed_may_be_done():
    assert refusal(deferred(services=("web", "db")), plan(changes=(WEB,))) == ""


@pytest.mark.parametrize(
    "found, why",
    [
        (plan(revision_after=OTHER), "bbbbbbbb was confirmed, and cccccccc would be deployed"),
        (plan(revision_before=OTHER), "it was at aaaaaaaa when this was confirmed, and is at cccccccc now"),
        (plan(revision_before=""), "it was at aaaaaaaa when this was confirmed, and is at nothing now"),
        (plan(changes=(WEB, DB)), "db would be touched, too, which nobody confirmed"),
        (
            plan(changes=(WEB, DB, Change("old", Action.REMOVE), Change("new", Action.CREATE))),
            "db, old, new would be touched, too, which nobody confirmed",
        ),
    ],
)
def test_more_than_what_was_confirmed_may_not_be_done(found: HostPlan, why: str):
    assert refusal(deferred(), found) == why


def test_a_host_of_which_nothing_was_known_may_be_anywhere_when_it_is_back():
    waiting = deferred(revision_before="", services=("web", "db"))

    assert refusal(waiting, plan(revision_before=OTHER, changes=(WEB, DB))) == ""


def test_even_then_only_what_was_confirmed_is_touched():
    assert refusal(deferred(revision_before="", services=("web",)), plan(changes=(DB,))) == (
        "db would be touched, too, which nobody confirmed"
    )
