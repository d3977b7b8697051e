"""What the tools are called, for every manager."""

from __future__ import annotations

import pytest

from saturn_orchestrator.onboarding.packages import TOOLS, installing, joining_docker, refreshing, starting_docker

MANAGERS = ("apt", "dnf", "apk", "pacman")


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("tool", TOOLS)
def test_every_manager_has_every_tool_and_asks_nobody(manager, tool):
    (choice,) = installing(manager, tool)

    assert all(command[0].removesuffix("-get") == manager for command in choice)
    assert all({"-y", "add", "--noconfirm"} & set(command) for command in choice)


def test_an_unknown_manager_has_none():
    assert (installing("", "git"), installing("apt", "vim"), refreshing("brew"), starting_docker("other")) == (
        (),
        (),
        (),
        (),
    )


def test_compose_of_version_1_is_never_asked_for():
    (choice,) = installing("apt", "compose")

    assert [command[-1] for command in choice] == ["docker-compose-v2", "docker-compose-plugin", "docker-compose=2*"]


def test_a_user_joins_docker_with_what_is_there():
    assert joining_docker("apk", "openrc", "ada", 1000) == ((("addgroup", "ada", "docker"),),)
    assert joining_docker("apt", "other", "ada", 1000)[-1] == (("usermod", "--append", "--groups", "docker", "ada"),)


def test_the_manager_of_a_user_learns_of_the_group():
    (_, _, again) = joining_docker("apt", "systemd", "ada", 1000)

    assert again == (("systemctl", "try-restart", "user@1000.service"), ("true",)), "not being there is no failure"
