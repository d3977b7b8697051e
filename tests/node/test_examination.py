"""Examining a node in a folder, over the wire as saturn does, and how the checks are kept from one another."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from saturn_node import examination
from saturn_node.errors import NodeError
from saturn_node.examination import FIX_MAX, MESSAGE_MAX, Look, compose_check
from saturn_node.wire import Check
from support.node import Node


def examined(node):
    """The checks by their names."""
    events = node.ask(node.request("examine"))
    assert [each["type"] for each in (events[0], events[-1])] == ["hello", "goodbye"]
    checks = [check for each in events[1:-1] for check in each["checks"]]
    found = {check["name"]: check for check in checks}
    assert len(found) == len(checks)
    return found


def test_a_sound_node_is_told_so(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web"))

    found = examined(node)

    assert len(found) > 15
    assert {name for name, each in found.items() if each["status"] in ("warn", "fail")} <= {"memory", "disk", "reboot"}
    assert found["docker"]["message"] == "version 20.10.24-simulated answers"


def test_to_examine_changes_nothing(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web")

    examined(node)

    assert not os.path.exists(node.root)


def test_a_greeting_reads_nothing_and_tells_the_time(tmp_path):
    node = Node(tmp_path)
    node.env_file("web", "A=1\n")

    (hello, goodbye) = node.ask(node.request("greet"))

    assert (hello["type"], goodbye["type"], goodbye["outcome"]) == ("hello", "goodbye", "success")
    assert hello["at"].endswith("Z")


def test_a_docker_that_is_down_is_told_once(tmp_path):
    node = Node(tmp_path)
    node.control(down=True)

    found = examined(node)

    assert (found["docker"]["status"], found["docker"]["fix"]) == ("fail", "sudo systemctl start docker")
    assert found["compose"]["status"] == "ok"


def test_a_value_of_an_env_file_stays_on_the_node(tmp_path):
    node = Node(tmp_path)
    node.env_file("web", "TOKEN=my-secret-branch\n")
    node.commit_services("web")
    node.order = replace(node.order, branch="my-secret-branch")

    told = examined(node)["origin"]["message"]

    assert "my-secret-branch" not in told
    assert "[redacted]" in told


def made(error):
    def check():
        raise error

    return examination._made(Look("checkout", check))


def test_a_failure_is_told_by_the_check_that_it_is_about():
    assert made(NodeError("checkout_broken", "it is broken", "mv it")) == Check(
        "checkout", "fail", "it is broken", "mv it"
    )
    assert made(NodeError("no_git", "git cannot be started", "apt")) == Check(
        "checkout", "skip", "git cannot be started"
    )


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), ValueError("no number")])
def test_a_check_that_cannot_be_made_spoils_no_other(error):
    assert made(error).status == "warn"


def test_texts_are_bounded():
    check = examination._bounded(Check("disk", "fail", "ü" * 5000, "ü" * 5000))

    assert (len(check.message), len(check.fix)) == (MESSAGE_MAX - 1, FIX_MAX - 1)


def test_a_version_that_is_known_to_be_bad_is_told_with_a_better_one():
    check = compose_check("2.27.1")

    assert check.status == "fail"
    assert "it ignores --env-file" in check.message
    assert "Compose 2.40.2 or newer" in check.fix
    assert compose_check("2.26.1").status == "ok"
