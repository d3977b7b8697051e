from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import NEW, OLD, facts, node_plan
from support.fake_session import FakeSession
from support.proposals import planner_of
from support.repository import GitFolder

from saturn_orchestrator.app.rollback import former, returning
from saturn_orchestrator.errors import ExecutorRefused
from saturn_orchestrator.events import DeploymentFact, RunFact
from saturn_orchestrator.rollout.host_run import Proposal

OLDEST = "c" * 40
THIRD, SECOND, FIRST = DeploymentFact("r3", NEW), DeploymentFact("r2", OLD), DeploymentFact("r1", OLDEST)
ALL = (THIRD, SECOND, FIRST)


def last(outcome: str, **fields: object) -> RunFact:
    return RunFact("r4", outcome, **fields)


@pytest.mark.parametrize(
    "known, revision, run, meant",
    [
        pytest.param((), NEW, None, None, id="nothing is remembered"),
        pytest.param((THIRD,), NEW, last("success"), None, id="nothing before the present state"),
        pytest.param(ALL, NEW, None, SECOND, id="the last run is not remembered"),
        pytest.param(ALL, NEW, last("success"), SECOND, id="the one before"),
        pytest.param((THIRD, DeploymentFact("again", NEW), SECOND), NEW, last("success"), SECOND, id="same revision"),
        pytest.param(ALL, NEW, last("failed"), THIRD, id="a failed run left something else"),
        pytest.param(ALL, NEW, last("lost"), THIRD, id="a lost run may have"),
        pytest.param(ALL, NEW, last("cancelled"), THIRD, id="a cancelled run may have"),
        pytest.param(ALL, NEW, last("rolled_back"), SECOND, id="a run that went back has not"),
        pytest.param(ALL, NEW, last("blocked"), SECOND, id="a blocked run has not"),
        pytest.param(ALL, NEW, last("failed", is_prefetch=True), SECOND, id="a run that only fetched has not"),
        pytest.param(ALL, "d" * 40, last("success"), THIRD, id="the checkout stands elsewhere"),
        pytest.param((THIRD,), "d" * 40, last("failed"), THIRD, id="the only one is what to return to"),
    ],
)
def test_the_former_deployment_is_the_one_before_the_present_state(known, revision, run, meant):
    assert former(facts(revision=revision, deployments=known, last_run=run), "") == meant


@pytest.mark.parametrize(
    "to, meant",
    [
        ("r1", FIRST),
        (OLD, SECOND),
        ("aaaa", SECOND),
        ("bbbbbbbb", THIRD),
        ("aaa", None),
        ("r", None),
        ("dddd", None),
    ],
)
def test_a_deployment_is_named_by_its_run_or_the_beginning_of_its_revision(to, meant):
    assert former(facts(revision=NEW, deployments=ALL), to) == meant


def test_of_deployments_of_one_revision_the_newest_is_meant():
    again = DeploymentFact("again", OLD)

    assert former(facts(revision=NEW, deployments=(THIRD, again, SECOND)), "aaaa") == again


# --- the proposal -----------------------------------------------------------------------------------------------------


def proposed(folder: Path, session: FakeSession, to: str = "") -> Proposal:
    async def story() -> Proposal:
        return await returning(await planner_of(folder, build.host()), to)(build.host(), session)

    return asyncio.run(story())


def node(revision: str, *deployments: DeploymentFact) -> FakeSession:
    told = facts(revision=revision, deployments=deployments)
    return FakeSession([told], [told, node_plan()])


def test_a_return_brings_the_revision_and_the_images_of_the_former_deployment(tmp_path):
    git = GitFolder(tmp_path)
    first, second = git.commit("first"), git.commit("second")
    session = node(second, DeploymentFact("r2", second), DeploymentFact("r1", first))

    proposal = proposed(tmp_path, session)

    assert (proposal.request.revision, proposal.request.restore, proposal.plan.restores) == (first, "r1", "r1")
    assert [(request.verb, request.revision, request.restore) for request in session.asked] == [
        ("facts", "", ""), ("plan", first, "r1"),
    ]  # fmt: skip


def test_a_node_that_remembers_nothing_has_nothing_to_return_to(tmp_path):
    first = GitFolder(tmp_path).commit("first")

    with pytest.raises(ExecutorRefused) as caught:
        proposed(tmp_path, node(first))

    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "nothing_to_return_to", "alpha remembers no former deployment",
        "name a revision: saturn rollback --hosts alpha --to REV",
    )  # fmt: skip


def test_a_revision_that_the_node_does_not_remember_comes_without_its_images(tmp_path):
    git = GitFolder(tmp_path)
    first, second = git.commit("first"), git.commit("second")

    proposal = proposed(tmp_path, node(second, DeploymentFact("r2", second)), first[:10])

    assert (proposal.request.revision, proposal.request.restore, proposal.plan.restores) == (first, "", "")
    assert proposal.plan.warnings[-1] == (
        f"alpha remembers no deployment of {first[:10]}: images are what their names mean now"
    )


def test_a_revision_that_nobody_knows_is_refused(tmp_path):
    first = GitFolder(tmp_path).commit("first")

    with pytest.raises(ExecutorRefused) as caught:
        proposed(tmp_path, node(first), "v9")

    assert (caught.value.code, caught.value.message) == (
        "nothing_to_return_to", "alpha remembers no deployment v9, and git on SATURN knows no such revision",
    )  # fmt: skip
