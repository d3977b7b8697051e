"""Proposals: what the node compares, what git tells, and what SATURN sends."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from support import build
from support.build import OLD, RUN, facts, node_event, node_plan
from support.fake_session import FakeSession
from support.proposals import planner_of
from support.repository import GitFolder
from support.tailscaled import peer

from saturn_orchestrator import events
from saturn_orchestrator.app.planning import Scope
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost
from saturn_orchestrator.events import ImageChange, Request, ServiceChange
from saturn_orchestrator.plan.model import Action, Change
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.host_run import Proposal
from saturn_orchestrator.session.base import THIN_MAX
from saturn_orchestrator.tailnet.model import Path as Way
from saturn_orchestrator.topology.model import Git, Host

FORESEEN = node_plan(changes=(ServiceChange("web", "create", ("no containers yet",)),))
BLIND = node_plan(is_foreseen=False, digest="")


def made(folder: Path) -> tuple[str, str]:
    git = GitFolder(folder)
    return git.commit("first", **{"services/web/compose.yaml": "one"}), git.commit("second")


def proposed(folder: Path, session: FakeSession, host: Host | None = None, **scope: object) -> Proposal:
    async def story() -> Proposal:
        each = host or build.host()
        return await (await planner_of(folder, each, **scope)).propose(each, session)

    return asyncio.run(story())


# --- how much is asked ------------------------------------------------------------------------------------------------


def test_a_scope_says_all_that_a_run_does():
    host = build.host(services=(build.service("db"), build.service("web")))
    scope = Scope(frozenset({"web"}), resume=True, prune=True, rollback=True, prefetch=True)

    assert scope.request(host, RUN, "saturn") == Request(
        "run", RUN, node_order(host, frozenset({"web"})), resume=True, prune=True, rollback=True, prefetch=True,
        controller="saturn",
    )  # fmt: skip
    assert (scope.names(host), Scope().names(host)) == (("web",), ("db", "web"))


def test_a_host_may_always_want_to_go_back_after_a_failure():
    assert Scope().request(build.host(rollback_on_failure=True), RUN, "saturn").rollback


# --- the way to the host ----------------------------------------------------------------------------------------------


def test_the_way_to_a_host_stands_in_its_plan(tmp_path):
    first, _ = made(tmp_path)
    pulled = ImageChange("web", "", "app:2", "", "", -1)
    foreseen = node_plan(changes=(ServiceChange("web", "create", ("no containers yet",), images=(pulled,)),))
    session = FakeSession([facts(revision=first), foreseen])
    session.peer = peer("alpha", path=Way("derp", "fra"), key_expiry="2020-01-01T00:00:00Z")

    found = proposed(tmp_path, session).plan

    assert found.path == "DERP fra"
    assert found.warnings[-2:] == (
        "alpha is reached only by DERP fra, which is slow: 1 image of unknown size to pull",
        "its tailnet key has expired",
    )
    assert proposed(tmp_path, FakeSession([facts(revision=first), FORESEEN])).plan.path == ""


def test_what_carries_the_connection_of_the_host_is_marked_in_its_plan(tmp_path):
    made(tmp_path)
    host = build.host(services=(build.service("web", connectivity=True),), ack_timeout_s=30)

    proposal = proposed(tmp_path, FakeSession([facts(), FORESEEN]), host)

    assert (proposal.plan.at_stake, proposal.plan.ack_timeout_s) == ({"web"}, 30)
    assert proposal.request.node.services[0].connectivity


# --- the proposal -----------------------------------------------------------------------------------------------------


def test_the_node_is_asked_once_when_it_could_compare(tmp_path):
    _, second = made(tmp_path)
    session = FakeSession([facts(), FORESEEN])

    proposal = proposed(tmp_path, session)

    host = build.host()
    assert proposal.plan.changes == (Change("web", Action.CREATE, "no containers yet"),)
    assert (proposal.plan.digest, proposal.plan.revision_after, proposal.plan.sent) == ("d1", second, 0)
    assert proposal.request == Request(
        "run", RUN, node_order(host), revision=second, controller="saturn", plan="d1"
    )  # fmt: skip
    assert [(request.verb, request.revision, request.run != RUN) for request in session.asked] == [
        ("plan", second, True),
    ]  # fmt: skip


def test_what_failed_before_the_run_goes_with_it(tmp_path):
    made(tmp_path)
    told = node_plan(failing=(events.Failing("db", "it exited"), events.Failing("web", "it is unhealthy")))

    assert proposed(tmp_path, FakeSession([facts(), told])).request.failing == ("db", "web")


def test_what_a_resume_finds_failing_is_not_excused_by_it(tmp_path):
    made(tmp_path)
    told = node_plan(failing=(events.Failing("web", "it is unhealthy"),))

    assert proposed(tmp_path, FakeSession([facts(), told]), resume=True).request.failing == ()


def test_a_problem_of_the_node_ends_it_before_the_plan(tmp_path):
    made(tmp_path)
    session = FakeSession([facts(problems=(events.Problem("no_docker", "docker is not there", "install docker"),))])

    with pytest.raises(ExecutorRefused) as caught:
        proposed(tmp_path, session)

    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "no_docker", "docker is not there", "install docker",
    )  # fmt: skip


@pytest.mark.parametrize(
    "script, code",
    [
        ([], "facts_missing"),
        ([SessionLost("the connection broke")], "session_lost"),
        ([node_event(events.Refused, code="root_unwritable", message="no")], "root_unwritable"),
    ],
)
def test_a_node_that_tells_nothing_has_no_plan(tmp_path, script, code):
    made(tmp_path)

    with pytest.raises(SessionError) as caught:
        proposed(tmp_path, FakeSession(script))

    assert caught.value.code == code


# --- what SATURN sends ------------------------------------------------------------------------------------------------


def test_a_node_that_lacks_the_revision_is_sent_it_and_asked_again(tmp_path):
    first, second = made(tmp_path)
    session = FakeSession([facts(revision=first, tips=(first,)), BLIND], [facts(revision=first), FORESEEN])

    proposal = proposed(tmp_path, session)

    digest = hashlib.sha256(proposal.bundle).hexdigest()
    assert (proposal.bundle[:15], session.carried) == (b"# v2 git bundle", [b"", proposal.bundle])
    assert (proposal.plan.digest, proposal.plan.sent, proposal.plan.is_foreseen) == ("d1", len(proposal.bundle), True)
    assert (proposal.request.bundle, proposal.request.plan) == (digest, "d1")
    assert [(request.verb, request.revision, request.bundle) for request in session.asked] == [
        ("plan", second, ""), ("plan", second, digest),
    ]  # fmt: skip


def test_a_node_is_not_sent_what_it_has_beside_commits_that_nobody_knows_here(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first", **{"large.bin": "".join(f"{number * 7919:x}" for number in range(20_000))})
    git.commit("second")
    tips = ("f" * 40, first, "--all", "main")
    session = FakeSession([facts(revision=first, tips=tips), BLIND], [facts(revision=first), FORESEEN])

    proposal = proposed(tmp_path, session)

    assert (proposal.bundle[:15], len(proposal.bundle) < 1000) == (b"# v2 git bundle", True)


def test_a_node_that_has_nothing_that_is_known_here_is_sent_everything(tmp_path):
    git = GitFolder(tmp_path)
    git.commit("first", **{"large.bin": "".join(f"{number * 7919:x}" for number in range(20_000))})
    session = FakeSession([facts(revision="f" * 40, tips=("f" * 40,)), BLIND], [facts(), FORESEEN])

    assert len(proposed(tmp_path, session).bundle) > 1000


def test_what_failed_is_as_the_node_said_at_first(tmp_path):
    first, _ = made(tmp_path)
    failing = (events.Failing("db", "it exited"),)
    blind = node_plan(is_foreseen=False, failing=failing)
    session = FakeSession([facts(revision=first, tips=(first,)), blind], [facts(revision=first), FORESEEN])

    proposal = proposed(tmp_path, session)

    assert (proposal.request.failing, proposal.plan.is_foreseen) == (("db",), True)
    assert proposal.plan.warnings == ("db is failing already, before this deploy: it exited",)


def test_a_node_that_takes_commits_from_origin_alone_is_sent_nothing(tmp_path):
    first, _ = made(tmp_path)
    session = FakeSession([facts(revision=first), BLIND])

    proposal = proposed(tmp_path, session, build.host(git=Git(url="u", source="origin")))

    assert (proposal.bundle, proposal.request.bundle, len(session.asked)) == (b"", "", 1)
    assert proposal.plan.is_foreseen is False


def test_a_clone_that_cannot_send_says_so_and_leaves_it_to_origin(tmp_path):
    git = GitFolder(tmp_path / "whole")
    git.commit("first")
    git.commit("second")
    git.git("clone", "-q", "--no-local", "--depth=1", str(git.folder), str(tmp_path / "shallow"))
    session = FakeSession([facts(), BLIND])

    proposal = proposed(tmp_path / "shallow", session)

    assert (proposal.bundle, len(session.asked)) == (b"", 1)
    assert proposal.plan.warnings == (
        (
            "SATURN cannot send what the node lacks: "
            "this clone is shallow, and the node needs commits that were cut off;"
            f" git -C {tmp_path / 'shallow'} fetch --unshallow"
        ),
    )


def test_nodes_that_lack_the_same_are_sent_the_same_bundle(tmp_path):
    first, _ = made(tmp_path)
    hosts = [build.host(name) for name in ("alpha", "beta", "gamma")]
    tips = {"alpha": (first,), "beta": (first,), "gamma": (OLD,)}

    async def story() -> list[bytes]:
        planner = await planner_of(tmp_path, *hosts)
        nodes = [
            FakeSession([facts(host.name, tips=tips[host.name]), node_plan(host.name, is_foreseen=False)], [])
            for host in hosts
        ]
        proposals = await asyncio.gather(*map(planner.propose, hosts, nodes))
        return [each.bundle for each in proposals]

    alpha, beta, gamma = asyncio.run(story())

    assert alpha is beta
    assert len(gamma) > len(alpha) > 0


def test_a_run_that_was_named_gives_its_images_back(tmp_path):
    first, _ = made(tmp_path)

    async def story() -> Proposal:
        planner = await planner_of(tmp_path, build.host())
        asked = Request("run", RUN, node_order(build.host()), revision=first, restore="r7")
        return await planner.proposal(build.host(), FakeSession([facts(), FORESEEN]), asked)

    proposal = asyncio.run(story())

    assert (proposal.plan.restores, proposal.plan.revision_after, proposal.request.restore) == ("r7", first, "r7")


# --- what goes along with the question --------------------------------------------------------------------------------


def guessing(folder: Path, session: FakeSession, known: str, host: Host | None = None, by: str = "") -> Proposal:
    async def story() -> Proposal:
        each = host or build.host()
        planner = replace(await planner_of(folder, each), known=lambda _: known)
        return await (planner.order(each, session, by) if by else planner.propose(each, session))

    return asyncio.run(story())


def test_what_a_node_lacked_when_it_was_last_heard_of_goes_along(tmp_path):
    first, _ = made(tmp_path)
    session = FakeSession([facts(revision=first, tips=(first,)), FORESEEN])

    proposal = guessing(tmp_path, session, first)

    digest = hashlib.sha256(proposal.bundle).hexdigest()
    assert (session.carried, proposal.bundle[:15]) == ([proposal.bundle], b"# v2 git bundle")
    assert [(request.verb, request.bundle, request.facts_known) for request in session.asked] == [
        ("plan", digest, False)
    ]
    assert (proposal.request.bundle, proposal.plan.sent) == (digest, len(proposal.bundle))


def test_a_node_that_has_it_all_the_same_needs_no_bundle(tmp_path):
    first, _ = made(tmp_path)

    proposal = guessing(tmp_path, FakeSession([facts(revision=first, has_revision=True), FORESEEN]), first)

    assert (proposal.bundle, proposal.request.bundle, proposal.plan.sent) == (b"", "", 0)


def test_after_a_wrong_guess_it_is_asked_again(tmp_path):
    git = GitFolder(tmp_path)
    older, first = git.commit("older"), git.commit("first")
    git.commit("second")
    session = FakeSession([facts(revision=older, tips=(older,)), BLIND], [FORESEEN])

    proposal = guessing(tmp_path, session, first)

    assert [len(each) > 0 for each in session.carried] == [True, True]
    assert session.carried[0] != session.carried[1] == proposal.bundle
    assert [(request.facts_known, request.begins) for request in session.asked] == [(False, False), (True, False)]
    assert proposal.request.bundle == session.asked[1].bundle


@pytest.mark.parametrize("known", ["", "f" * 40, "wanted"])
def test_nothing_is_guessed_of_a_node_that_is_unknown_or_was_there_already(tmp_path, known):
    _, second = made(tmp_path)
    session = FakeSession([facts(has_revision=True), FORESEEN])

    guessing(tmp_path, session, second if known == "wanted" else known)

    assert (session.carried, session.asked[0].bundle) == ([b""], "")


def test_nothing_is_guessed_for_a_node_that_asks_origin_alone(tmp_path):
    first, _ = made(tmp_path)
    session = FakeSession([facts(revision=first), BLIND])

    guessing(tmp_path, session, first, build.host(git=Git(url="u", source="origin")))

    assert session.carried == [b""]


def test_what_is_too_much_to_be_sent_in_vain_waits_until_it_is_asked_for(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first")
    git.commit("second", **{"large.bin": "".join(f"{number * 7919:x}" for number in range(20_000))})
    session = FakeSession([facts(revision=first, tips=(first,)), BLIND], [FORESEEN])

    proposal = guessing(tmp_path, session, first)

    assert (session.carried[0], len(proposal.bundle) > THIN_MAX) == (b"", True)


def test_a_yes_that_was_said_beforehand_goes_along_and_its_run_is_told_in_the_same_answer(tmp_path):
    made(tmp_path)
    session = FakeSession([facts(has_revision=True), replace(FORESEEN, begins=True), node_event(events.Hello, 1)])

    async def story() -> tuple[Proposal, list[str]]:
        host = build.host()
        proposal = await (await planner_of(tmp_path, host)).order(host, session, "ada@saturn")
        return proposal, [line.type async for line in proposal.answer]

    proposal, rest = asyncio.run(story())

    asked = session.asked[0]
    assert (asked.verb, asked.run, asked.begins, asked.by) == ("plan", RUN, True, "ada@saturn")
    assert (proposal.request.verb, proposal.request.begins, proposal.request.plan, rest) == (
        "run",
        False,
        "d1",
        ["hello"],
    )


def test_a_node_that_begins_unasked_is_not_believed(tmp_path):
    made(tmp_path)
    session = FakeSession([facts(has_revision=True), replace(FORESEEN, begins=True)])

    assert guessing(tmp_path, session, "").answer is None


def test_what_the_hosts_lack_is_made_while_they_are_connected_to(tmp_path):
    first, _ = made(tmp_path)

    async def story() -> tuple[list[bytes], bytes]:
        hosts = [build.host(name) for name in ("alpha", "beta")]
        planner = replace(await planner_of(tmp_path, *hosts), known=lambda _: first)
        planner.prepare(hosts)
        prepared = await asyncio.gather(*planner._guesses)
        session = FakeSession([facts(revision=first, tips=(first,)), FORESEEN])
        return prepared, (await planner.propose(hosts[0], session)).bundle

    (alpha, beta), sent = asyncio.run(story())

    assert alpha is beta is sent
