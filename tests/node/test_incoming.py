"""Values that SATURN brings: into the `.env` of the service, under the lock, and nowhere else."""

import json
import os
from dataclasses import replace

import pytest
from saturn_node import incoming, state, wire
from saturn_node.errors import NodeError
from support.node import Node, kinds

SECRET = "hunter22-of-the-vault"
KEPT_UP = {"restart": "unless-stopped", "healthcheck": {"test": ["CMD", "true"]}}


def ordered(tmp_path, **more):
    """A node whose one service needs a password that SATURN brings."""
    node = Node(tmp_path)
    revision = node.commit_services("web", environment={"P": "${PASSWORD:?}"}, **KEPT_UP)
    services = tuple(
        replace(each, required_env=("PASSWORD",), provided=("PASSWORD",), **more) for each in node.order.services
    )
    node.order = replace(node.order, services=services)
    return node, revision


def bringing(node, run, revision, values=None, **facts):
    """A run with values behind its line."""
    data = json.dumps({"web": {"PASSWORD": SECRET} if values is None else values}).encode()
    request = node.request("run", run, revision, secrets_size=len(data), **facts)
    return node.ask(request, data)


def env(node):
    return node.read("root/config/web/.env")


def everything(node):
    """Every byte below the node's folder, but for the `.env` itself and what docker was told."""
    found = b""
    for folder, _, names in os.walk(node.folder):
        for name in names:
            path = os.path.join(folder, name)
            if path != node.path("root/config/web/.env") and not folder.startswith(node.docker_folder):
                with open(path, "rb") as file:
                    found += file.read()
    return found


def test_values_come_into_the_env_file_and_nowhere_else(tmp_path):
    node, revision = ordered(tmp_path)
    events = bringing(node, "r1", revision)
    assert kinds(events)[-1] == "goodbye success"
    assert env(node) == f"PASSWORD={SECRET}\n"
    assert os.stat(node.path("root/config/web/.env")).st_mode & 0o777 == 0o600
    assert SECRET.encode() not in everything(node)
    assert SECRET not in json.dumps(events)
    assert os.listdir(node.path("root/config/web")) == [".env"]


def test_a_plan_that_was_made_before_stays_true(tmp_path):
    node, revision = ordered(tmp_path)
    bringing(node, "r1", revision)
    plan = node.ask(node.request("plan", "", revision))[2]
    events = bringing(node, "r2", revision, {"PASSWORD": "another one"}, plan=plan["digest"])
    assert kinds(events)[-1] == "goodbye success"
    assert "another one" in env(node)


def test_the_same_value_again_leaves_file_and_service_alone(tmp_path):
    node, revision = ordered(tmp_path)
    bringing(node, "r1", revision)
    before = os.stat(node.path("root/config/web/.env"))
    events = bringing(node, "r2", revision)
    assert [each["status"] for each in events if each["type"] == "service_finished"] == ["unchanged"]
    assert os.stat(node.path("root/config/web/.env")).st_ino == before.st_ino


def test_another_value_recreates_the_service(tmp_path):
    node, revision = ordered(tmp_path)
    bringing(node, "r1", revision)
    events = bringing(node, "r2", revision, {"PASSWORD": "another one"})
    assert [each["status"] for each in events if each["type"] == "service_finished"] == ["changed"]


def test_a_name_that_is_brought_is_missing_in_no_plan(tmp_path):
    node, revision = ordered(tmp_path)
    node.deploy("r0", revision, prefetch=True)  # the node has the commit, and nothing was brought up
    facts, plan = node.ask(node.request("plan", "", revision))[1:3]
    assert facts["services"][0]["missing_env"] == []
    assert [each["code"] for each in plan["findings"] if each["severity"] == "error"] == []
    assert [each["action"] for each in plan["changes"]] == ["create"]


def test_a_name_that_was_not_brought_after_all_blocks(tmp_path):
    node, revision = ordered(tmp_path)
    events = bringing(node, "r1", revision, {"OTHER": "x"})
    assert kinds(events)[-1] == "goodbye blocked"
    assert "env_missing" in [each["code"] for each in events if each.get("severity") == "error"]


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    node, revision = ordered(tmp_path)
    bringing(node, "r1", revision)
    events = bringing(node, "r2", revision, {"PASSWORD": "another one"}, plan="no digest at all")
    assert kinds(events)[1] == "refused plan_stale"
    assert env(node) == f"PASSWORD={SECRET}\n"
    assert os.listdir(node.path("root/config/web")) == [".env"]


def test_a_run_that_has_begun_takes_no_values_a_second_time(tmp_path):
    node, revision = ordered(tmp_path)
    first = bringing(node, "r1", revision)
    again = bringing(node, "r1", revision, {"PASSWORD": "another one"})
    assert again == first
    assert env(node) == f"PASSWORD={SECRET}\n"


def test_what_a_killed_start_left_is_swept_and_never_merged(tmp_path):
    node, revision = ordered(tmp_path)
    node.write("root/config/web/.env.incoming-r0", json.dumps({"PASSWORD": "stale value"}))
    bringing(node, "r1", revision)
    assert env(node) == f"PASSWORD={SECRET}\n"
    assert os.listdir(node.path("root/config/web")) == [".env"]


def test_values_that_are_lost_on_the_way_fail_the_run_before_it_touches_anything(tmp_path):
    node, revision = ordered(tmp_path)
    paths = state.Paths(node.root)
    request = replace(node.request("run", "r1", revision), secrets_size=10)
    with pytest.raises(NodeError) as failure:
        incoming.apply(paths, request)
    assert failure.value.code == "secret_lost"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"../up": {"A": "b"}}', b'{"web": 7}', b"\xff"])
def test_anything_else_than_values_is_refused(tmp_path, data):
    node, revision = ordered(tmp_path)
    request = node.request("run", "r1", revision, secrets_size=len(data))
    events = node.ask(request, data)
    assert kinds(events)[1] == "refused secret_damaged"
    assert not os.path.exists(node.path("root/up"))


def test_a_person_on_the_node_needs_no_values_again(tmp_path):
    node, revision = ordered(tmp_path)
    bringing(node, "r1", revision)
    done = node.person("deploy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_owner_of_the_file_stays(tmp_path):
    node, _ = ordered(tmp_path)
    path = node.env_file("web", "OLD=1\n")
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    paths = state.Paths(node.root)
    incoming.keep(paths, "r1", {"web": {"NEW": "2"}})
    assert incoming.apply(paths, wire.Request("run", "r1", node.order)) == ("web",)
    assert env(node) == "OLD=1\nNEW=2\n"
    if os.geteuid() == 0:
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (1234, 1235)
