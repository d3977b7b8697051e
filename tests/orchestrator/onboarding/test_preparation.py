"""From a machine to what it needs: no more than that, and nothing that a person cannot see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support import build

from saturn_orchestrator.onboarding.machine import FOLDERS, Machine
from saturn_orchestrator.onboarding.preparation import Preparation, preparation
from saturn_orchestrator.topology.model import Host

READY = Machine(
    user="deploy", uid=1000, group="users", in_group=True, listed=True, sudo="yes", os="debian", manager="apt",
    init="systemd", lingers=True, python=(3, 11), git="2.39", docker="20.10", compose="2.26", becomes=True, socket="ok",
    root="folder", writable=True, empty=False, missing=(), parent_writable=False, has_checkout=True, is_deployed=True,
    free_kb=99_000_000,
)  # fmt: skip


def needed(*, install: bool = False, host: Host | None = None, **other: Any) -> Preparation:
    return preparation(host or build.host(), replace(READY, **other), install=install)


def names(wanted: Preparation) -> list[str]:
    return [step.name for step in wanted.steps]


def codes(wanted: Preparation) -> list[str]:
    return [problem.code for problem in wanted.problems]


@pytest.mark.parametrize("install", [False, True])
def test_a_machine_that_is_ready_needs_nothing(install):
    assert needed(install=install).is_ready


def test_a_bare_machine_needs_all_of_it_in_order():
    wanted = needed(
        install=True, python=(), git="", docker="", compose="", socket="none", in_group=False, listed=False,
        lingers=False, root="none", missing=FOLDERS,
    )  # fmt: skip

    assert names(wanted) == [
        "install-python3", "install-git", "install-docker", "install-compose", "start-docker", "docker-group", "linger",
        "root-folder", "folders",
    ]  # fmt: skip
    assert (wanted.problems, wanted.becomes) == ((), True)
    lists = [
        step.name for step in wanted.steps if any("update" in command for choice in step.choices for command in choice)
    ]
    assert lists == ["install-python3"], "the lists of packages are fetched once"


@pytest.mark.parametrize(
    "other, said",
    [
        ({"git": ""}, "git is missing"), ({"python": ()}, "python3 is missing"),
        ({"docker": "", "socket": "none"}, "docker is missing"),
        ({"python": (3, 7)}, "python3 is 3.7, and 3.8 or newer is needed"),
        ({"compose": "1.29.2"}, "compose is 1.29.2, and 2 or newer is needed"),
    ],
)  # fmt: skip
def test_without_install_a_missing_tool_is_named_with_its_command(other, said):
    (problem,) = needed(**other).problems

    assert (problem.code, problem.message) == ("tool_missing", said)
    assert problem.commands[0].startswith("sudo apt-get ")


def test_a_tool_that_no_known_manager_has_is_a_problem_with_or_without_install():
    assert [codes(needed(git="", manager="", install=install)) for install in (False, True)] == [["tool_missing"]] * 2


def test_a_login_in_the_group_from_the_next_time_on_needs_no_step():
    wanted = needed(socket="denied", in_group=False, listed=True)

    assert (wanted.is_ready, wanted.notes) == (True, ("deploy is in the group docker from the next login on",))


def test_a_user_who_may_not_talk_to_docker_joins_its_group():
    (step,) = needed(socket="denied", in_group=False, listed=False).steps

    assert (step.name, "as good as root" in step.words) == ("docker-group", True)


def test_a_socket_of_another_group_is_a_problem():
    assert codes(needed(socket="denied")) == ["docker_denied"]


def test_docker_that_is_down_is_started_where_that_is_known():
    assert names(needed(socket="down")) == ["start-docker"]
    assert codes(needed(socket="down", init="other")) == ["docker_down"]


@pytest.mark.parametrize("host, other", [(build.host(become=True), {}), (build.host(), {"uid": 0, "sudo": "root"})])
def test_an_executor_that_is_root_needs_no_group_and_no_linger(host, other):
    wanted = needed(host=host, socket="denied", in_group=False, listed=False, lingers=False, **other)

    assert names(wanted) == []


def test_become_without_sudo_is_a_problem():
    assert codes(needed(host=build.host(become=True), becomes=False)) == ["become_denied"]


def test_folders_in_a_root_of_ones_own_need_no_root():
    wanted = needed(missing=("config", "logs"))
    (step,) = wanted.steps

    assert (step.name, wanted.becomes) == ("folders", False)
    assert step.choices == (
        (("install", "-d", "-o", "deploy", "-g", "users", "-m", "0750", "/opt/homelab/config"),),
        (("install", "-d", "-o", "deploy", "-g", "users", "-m", "0755", "/opt/homelab/logs"),),
    )


@pytest.mark.parametrize(
    "other, needs_root",
    [({"root": "none"}, True), ({"root": "none", "parent_writable": True}, False),
     ({"empty": True, "writable": False}, True)],
)  # fmt: skip
def test_the_root_folder_is_made_or_given(other, needs_root):
    wanted = needed(missing=FOLDERS, **other)

    assert (names(wanted), wanted.becomes) == (["root-folder", "folders"], needs_root)


def test_a_root_folder_full_of_somebody_elses_files_is_for_a_person():
    wanted = needed(writable=False)

    assert (codes(wanted), wanted.steps) == (["root_foreign"], ())
    assert wanted.problems[0].commands == ("sudo chown deploy:users /opt/homelab",)
    assert codes(needed(root="other", writable=False)) == ["root_not_a_folder"]


@pytest.mark.parametrize("sudo, first", [("password", "sudo groupadd"), ("none", "groupadd")])
def test_what_needs_root_and_cannot_have_it_is_typed_by_a_person(sudo, first):
    wanted = needed(sudo=sudo, socket="denied", in_group=False, listed=False)

    (problem,) = wanted.problems
    assert (problem.code, problem.commands[0].startswith(first), len(problem.commands)) == ("needs_person", True, 3)


def test_little_room_is_told():
    assert needed(free_kb=500_000).notes == ("only 488 MiB are free there",)
    assert needed(free_kb=-1).notes == ()
