"""What of saturn's own is not in order, in a node in a folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest
from saturn_node import household
from saturn_node.errors import NodeError
from saturn_node.household import Secret, checkout, checkout_check, lock_check, names, origin, secrets_check
from saturn_node.state import Paths
from saturn_node.wire import LockFact, NodeOrder
from support.node import Node

ENV = "/opt/homelab/config/web/.env"
NOW = 1_795_709_400.0  # 2026-11-26T16:10:00Z


@pytest.mark.parametrize(
    "mode, is_sheltered, status",
    [
        (0o600, False, "ok"),
        (0o400, False, "ok"),
        (0o640, False, "warn"),
        (0o644, False, "fail"),
        (0o604, False, "fail"),
        (0o644, True, "warn"),  # the group may still come in
        (0o604, True, "ok"),
    ],
)
def test_secrets_are_for_their_owner_alone(mode, is_sheltered, status):
    check = secrets_check([Secret(ENV, mode, is_sheltered), Secret("/other/.env", 0o600)])

    assert check.status == status
    assert check.fix == ("" if status == "ok" else f"chmod 600 {ENV}")


def test_secrets_are_found_and_whether_others_come_that_far(tmp_path):
    node = Node(tmp_path)
    path = node.env_file("web", "A=1\n")
    os.chmod(path, 0o644)
    paths = Paths(node.root)

    assert list(household.secrets_of(paths)) == [Secret(path, 0o644)]
    os.chmod(paths.config, 0o700)
    assert list(household.secrets_of(paths)) == [Secret(path, 0o644, True)]
    assert list(household.secrets_of(Paths(node.path("nowhere")))) == []


@pytest.mark.parametrize(
    "holder, status, message",
    [
        (None, "ok", "no run holds the node"),
        (LockFact("r1", "ada", "saturn", "2026-11-26T16:05:00.123Z"), "ok",
         "run r1 of ada from saturn has held the node for 5 min"),
        (LockFact("r1", since="2026-11-26T14:00:00Z"), "warn", "run r1 has held the node for 2 h"),
        (LockFact("r1", since="2026-12-26T14:00:00Z"), "ok", "run r1 has held the node for 0 s"),
        (LockFact("r1", since="yesterday"), "ok", "run r1 has held the node for 0 s"),
        (LockFact(""), "warn", "run (unknown) has held the node for 0 s"),
    ],
)  # fmt: skip
def test_a_lock_is_told_when_it_is_held_for_long(holder, status, message):
    check = lock_check(holder, "chelsty", NOW)

    assert (check.status, check.message) == (status, message)
    assert check.fix.startswith("saturn attach --hosts chelsty" if status == "warn" else "")


def test_a_checkout_is_healthy_after_a_run(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    assert checkout(node.order).message == "there is none yet; the first run makes it"
    node.deploy("r1", revision)

    assert checkout(node.order).message == f"{node.checkout} is at {revision[:12]}, and clean"


def test_a_clone_that_was_only_fetched_was_changed_by_nobody(tmp_path):
    node = Node(tmp_path)
    node.deploy("f1", node.commit_services("web"), prefetch=True)

    found = checkout(node.order)

    assert (found.status, found.message) == ("ok", f"{node.checkout} is cloned, and nothing was checked out yet")


def test_a_checkout_with_a_lost_file_is_broken(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web"))
    blob = node.git("rev-parse", "HEAD:services/web/docker-compose.yml", folder=node.checkout)
    os.unlink(os.path.join(node.checkout, ".git", "objects", blob[:2], blob[2:]))

    with pytest.raises(NodeError) as caught:
        checkout(node.order)

    assert (caught.value.code, caught.value.hint) == ("checkout_broken", f"mv {node.checkout} {node.checkout}.broken")


def test_something_else_in_place_of_the_checkout_is_broken(tmp_path):
    node = Node(tmp_path)
    node.write("root/repo/notes.txt", "mine")

    with pytest.raises(NodeError) as caught:
        checkout(node.order)

    assert caught.value.code == "checkout_broken"


def test_a_checkout_without_a_commit_is_for_the_next_run(tmp_path):
    node = Node(tmp_path)
    subprocess.run(("git", "init", "-q", node.checkout), env=node.env, check=True)

    assert (checkout(node.order).status, checkout(node.order).fix) == ("warn", "saturn deploy --hosts chelsty")


def test_files_that_were_changed_by_hand_are_named():
    order = NodeOrder("alpha", "/r", "/r/my repo", "origin", "main")
    check = checkout_check(order, "a" * 40, [str(number) for number in range(7)])

    assert check.status == "fail"
    assert check.message.endswith("by hand: 0, 1, 2, 3, 4 and 2 more")
    assert check.fix == "git -C '/r/my repo' status   # on the node"


def test_origin_answers_or_the_node_is_sent_what_it_lacks(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web")

    assert origin(node.order).status == "ok"
    absent = origin(replace(node.order, branch="absent"))
    assert (absent.status, absent.message) == (
        "warn", f"{node.origin} has no branch absent; SATURN sends what the node lacks",
    )  # fmt: skip
    assert origin(replace(node.order, source="saturn")).status == "skip"
    assert origin(replace(node.order, origin="")).status == "skip"
    node.lose_origin()
    gone = origin(replace(node.order, source="origin"))
    assert (gone.status, gone.fix) == ("warn", f"git ls-remote {node.origin}   # on the node")
    assert gone.message.endswith("git.source is origin, so a run fails")


def test_names_are_few():
    assert names(["a", "b"]) == "a, b"
    assert names(["a", "b", "c"], 2) == "a, b and 1 more"
