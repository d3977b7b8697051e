"""How many processes a node starts: on a small board `docker compose` takes seconds and `docker` a fifth of one."""

import collections
import os
import shutil
import sys
from dataclasses import replace

import pytest
from saturn_node import wire
from support.node import SIMULATED_DOCKER, Node, compose_json, kinds

NAMES = ("a", "b", "c", "d", "e")
SHIM = '#!/bin/sh\nprintf "%s\\n" "{name} $*" >> "{log}"\nexec {program} "$@"\n'
WITH_A_VALUE = ("-C", "-c", "-p", "-f", "--env-file", "--project-directory")


class Counted:
    """A node with five services that mount a file of the checkout, and every docker and git process that it starts."""

    def __init__(self, tmp_path):
        self.node = Node(tmp_path)
        orders = (wire.ServiceOrder(name, "services/" + name, (), (), 5.0, 0.05) for name in NAMES)
        self.node.order = replace(self.node.order, services=tuple(orders))
        docker = f'"{sys.executable}" -I -S "{SIMULATED_DOCKER}" "{self.node.docker_folder}"'
        for name, program in (("docker", docker), ("git", shutil.which("git"))):
            path = self.node.write(
                "bin/" + name, SHIM.format(name=name, log=self.node.path("processes"), program=program)
            )
            os.chmod(path, 0o755)

    def commit(self, tag):
        """Another image and another mounted file for each service."""
        place = self.node.checkout + "/services/{}/conf"
        files = {f"services/{name}/conf": tag for name in NAMES}
        for name in NAMES:
            mount = {"type": "bind", "source": place.format(name), "target": "/conf"}
            text = compose_json(name, image=f"{name}:{tag}", volumes=[mount], restart="unless-stopped")
            files[f"services/{name}/docker-compose.yml"] = text
        return self.node.commit(**files)

    def deployed(self):
        revision = self.commit("1")
        assert kinds(self.node.deploy("r1", revision))[-1] == "goodbye success"
        return revision

    def processes(self, *requests):
        """What these requests start: how many of `git`, and of `docker` and `docker compose` by their verb."""
        self.node.write("processes", "")
        events = self.node.ask(*requests)
        counts = collections.Counter(map(_short, self.node.read("processes").splitlines()))
        return events, dict(counts)


def _short(line):
    words = iter(line.split())
    kept = [word for word in words if not (word in WITH_A_VALUE and next(words))]
    if kept[0] == "git":
        return "git"
    return " ".join(kept[:3] if kept[1] in ("compose", "image") else kept[:2])


@pytest.fixture
def counted(tmp_path):
    return Counted(tmp_path)


def statuses(events):
    return {each["status"] for each in events if each["type"] == "service_finished"}


def test_a_status_asks_each_thing_once(counted):
    revision = counted.deployed()
    _, started = counted.processes(counted.node.request("facts", "q", revision))
    assert started == {"git": 4, "docker version": 1, "docker compose version": 1, "docker ps": 1, "docker inspect": 1}


def test_a_plan_asks_compose_once_a_service_and_docker_once_for_all(counted):
    revision = counted.deployed()
    _, started = counted.processes(counted.node.request("plan", "p", revision))
    assert started == {
        "git": 5, "docker version": 1, "docker compose version": 1, "docker ps": 1, "docker inspect": 1,
        "docker compose config": 5, "docker image inspect": 1,
    }  # fmt: skip


def test_services_that_stand_as_they_should_cost_one_compose_call_each(counted):
    revision = counted.deployed()
    plan = counted.node.ask(counted.node.request("plan", "p", revision))[2]["digest"]
    events, started = counted.processes(counted.node.request("run", "r2", revision, plan=plan))
    assert (kinds(events)[-1], statuses(events)) == ("goodbye success", {"unchanged"})
    assert started == {
        "git": 8, "docker version": 1, "docker compose config": 5,
        "docker image inspect": 1, "docker ps": 5, "docker inspect": 5,
    }  # fmt: skip


def test_services_that_change_cost_three_compose_calls_and_one_look_each(counted):
    counted.deployed()
    revision = counted.commit("2")
    events, started = counted.processes(counted.node.request("run", "r2", revision))
    assert (kinds(events)[-1], statuses(events)) == ("goodbye success", {"changed"})
    assert started == {
        "git": 7, "docker version": 1, "docker compose config": 5,
        "docker compose pull": 5, "docker compose up": 5, "docker image inspect": 2, "docker ps": 3,
        "docker inspect": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    "moved",
    [
        lambda node: node.docker("rm", "-f", node.containers("c")[0].id),
        lambda node: node.docker("stop", node.containers("c")[0].id),
        lambda node: node.docker("pause", node.containers("c")[0].id),
        lambda node: node.control(restarting=["c"]),
        lambda node: node.write("root/config/c/docker-compose.override.yml", compose_json("c", labels={"x": "y"})),
        lambda node: node.write("root/state/deploy/services/c.json", "{}"),
        lambda node: node.control(registry={"c:1": "another"}) or node.docker("pull", "c:1"),
    ],
    ids=["removed", "stopped", "paused", "restarting", "override", "forgotten", "image"],
)
def test_compose_is_asked_about_whatever_moved_and_about_nothing_else(counted, moved):
    revision = counted.deployed()
    moved(counted.node)
    counted.node.deploy("r2", revision)
    assert counted.node.docker_calls("up")[len(NAMES) :] == ["c"]


def test_a_service_left_alone_is_remembered_as_standing_for_the_new_revision(counted):
    counted.deployed()
    revision = counted.node.commit(README="2")
    events = counted.node.deploy("r2", revision)
    assert statuses(events) == {"unchanged"}
    facts = counted.node.ask(counted.node.request("facts"))[1]
    assert {each["deployed_revision"] for each in facts["services"]} == {revision}


def test_a_one_shot_runs_once_more_with_every_deploy(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("job")
    node.control(exits={"job": 0})
    node.deploy("r1", revision)
    node.deploy("r2", revision)
    assert node.docker_calls("up") == ["job", "job"]


def test_pulls_go_on_when_one_fails_and_the_first_in_order_is_named(counted):
    revision = counted.commit("1")
    counted.node.control(pull_fails=["b:1", "c:1"], sleep={"pull": 0.3})
    events = counted.node.deploy("r1", revision)
    failed = next(each for each in events if each["type"] == "stage_failed")
    assert (failed["code"], failed["service"], counted.node.docker_calls("up")) == ("pull_failed", "b", [])
    assert counted.node.docker("image", "inspect", "a:1").startswith("sha256:")
    assert {each["service"] for each in events if each.get("text", "").startswith("pulling")} >= {"a", "b", "c"}
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
