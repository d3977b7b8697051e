"""A run that was confirmed with a plan begins only while everything the plan is based on still stands."""

import os
from dataclasses import replace

import pytest
from support.node import Node, kinds

REFUSED = ["hello", "refused plan_stale", "goodbye refused"]


def planned(tmp_path, **facts):
    """A node after a deploy, its newer revision, and the digest of the plan for that."""
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web", restart="unless-stopped"))
    revision = node.commit_services("web", image="app:2", restart="unless-stopped")
    return node, revision, digest(node, revision, **facts)


def digest(node, revision, **facts):
    return node.ask(node.request("plan", "p", revision, **facts))[2]["digest"]


def container(node):
    return node.containers("web")[0].id


def by_hand(node):
    path = node.write("by-hand.json", '{"services": {"web": {"image": "app:1", "command": ["x"]}}}')
    node.docker("compose", "-p", "web", "-f", path, "up", "--detach")


def other_revision(node):
    node.git("commit", "-q", "--allow-empty", "-m", "a hand-made commit", folder=node.checkout)


def other_run(node):
    node.deploy("r-other", node.git("rev-parse", "HEAD", folder=node.checkout))


MOVES = {
    "a container was removed": lambda node: node.docker("rm", "-f", container(node)),
    "a container was changed": by_hand,
    ".env appeared": lambda node: node.env_file("web", "A=1\n"),
    "an override appeared": lambda node: node.write("root/config/web/docker-compose.override.yml", "services: {}"),
    "the revision moved": other_revision,
    "another run was there": other_run,
}


@pytest.mark.parametrize("move", MOVES.values(), ids=list(MOVES))
def test_a_plan_whose_basis_moved_is_stale_and_nothing_is_written(tmp_path, move):
    node, revision, plan = planned(tmp_path)
    move(node)
    ups = node.docker_calls("up")
    events = node.deploy("r2", revision, plan=plan)
    assert kinds(events) == REFUSED
    assert events[1]["hint"] == "saturn deploy --hosts chelsty"
    assert not os.path.exists(node.path("root/state/deploy/runs/r2"))
    assert node.docker_calls("up") == ups


@pytest.mark.parametrize(
    "wish",
    [{"prune": True}, {"rollback": True}, {"restore": "r1"}, {"revision": "a" * 40}],
    ids=lambda wish: next(iter(wish)),
)
def test_a_run_that_wants_something_else_than_its_plan_is_refused(tmp_path, wish):
    node, revision, plan = planned(tmp_path)
    assert kinds(node.ask(replace(node.request("run", "r2", revision, plan=plan), **wish))) == REFUSED


def test_a_run_of_other_services_than_its_plan_is_refused(tmp_path):
    node, revision, plan = planned(tmp_path)
    node.order = replace(node.order, services=())
    assert kinds(node.deploy("r2", revision, plan=plan)) == REFUSED


def test_a_run_whose_plan_still_stands_begins_and_its_digest_is_used_up(tmp_path):
    node, revision, plan = planned(tmp_path)
    node.docker("compose", "-p", "foreign", "-f", node.write("f.json", '{"services": {}}'), "up")
    assert digest(node, revision) == plan
    assert kinds(node.deploy("r2", revision, plan=plan))[-1] == "goodbye success"
    assert kinds(node.deploy("r3", revision, plan=plan)) == REFUSED


def test_a_run_that_began_is_replayed_whatever_moved_since(tmp_path):
    node, revision, plan = planned(tmp_path)
    events = node.deploy("r2", revision, plan=plan)
    node.env_file("web", "A=1\n")
    assert node.deploy("r2", revision, plan=plan) == events


def test_a_refused_run_may_be_confirmed_again_under_its_own_name(tmp_path):
    node, revision, plan = planned(tmp_path)
    node.env_file("web", "A=1\n")
    assert kinds(node.deploy("r2", revision, plan=plan)) == REFUSED
    assert kinds(node.deploy("r2", revision, plan=digest(node, revision)))[-1] == "goodbye success"


def test_a_person_on_the_node_needs_no_plan(tmp_path):
    node, revision, plan = planned(tmp_path)
    node.deploy("r2", revision, plan=plan)
    assert node.person("deploy").returncode == 0
