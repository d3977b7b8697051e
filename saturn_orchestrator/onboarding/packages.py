"""What the tools of a node are called by the package managers, and the commands that install them. Data.

Compose v2 is `docker-compose-v2` on Ubuntu, `docker-compose-plugin` in Docker's own repositories, and `docker-compose`
of version 2 or newer on Debian 13, Fedora and Arch; that of Debian 12 is version 1, which is of no use here.
"""

from __future__ import annotations

from collections.abc import Mapping

Command = tuple[str, ...]
Choice = tuple[Command, ...]
"""Commands of which the first that succeeds is enough."""

TOOLS = ("python3", "git", "docker", "compose")

_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-y")
_INSTALL: Mapping[str, Command] = {
    "apt": (*_APT, "install", "--no-install-recommends"),
    "dnf": ("dnf", "-y", "install"),
    "apk": ("apk", "add"),
    "pacman": ("pacman", "-S", "--needed", "--noconfirm"),
}
_REFRESH: Mapping[str, tuple[Choice, ...]] = {
    # What another installation left half done is ended first, unless it is still at work: apt-get waits for that.
    "apt": ((("dpkg", "--configure", "-a"), ("true",)), ((*_APT, "update"),)),
}
_PACKAGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "apt": {
        "python3": ("python3",),
        "git": ("git",),
        "docker": ("docker.io", "docker-ce"),
        "compose": ("docker-compose-v2", "docker-compose-plugin", "docker-compose=2*"),
    },
    "dnf": {
        "python3": ("python3",),
        "git": ("git-core", "git"),
        "docker": ("moby-engine", "docker-ce"),
        "compose": ("docker-compose", "docker-compose-plugin"),
    },
    "apk": {"python3": ("python3",), "git": ("git",), "docker": ("docker",), "compose": ("docker-cli-compose",)},
    "pacman": {"python3": ("python",), "git": ("git",), "docker": ("docker",), "compose": ("docker-compose",)},
}
_START: Mapping[str, tuple[Choice, ...]] = {
    "systemd": ((("systemctl", "enable", "--now", "docker"),),),
    "openrc": ((("rc-update", "add", "docker", "default"),), (("rc-service", "docker", "start"),)),
}
ELSEWHERE = "https://docs.docker.com/engine/install/"


def installing(manager: str, tool: str) -> tuple[Choice, ...]:
    """The commands that install a tool; none for a manager that is not known."""
    names = _PACKAGES.get(manager, {}).get(tool, ())
    return (tuple((*_INSTALL[manager], name) for name in names),) if names else ()


def refreshing(manager: str) -> tuple[Choice, ...]:
    """The commands that make the manager know what there is, before the first installation."""
    return _REFRESH.get(manager, ())


def starting_docker(init: str) -> tuple[Choice, ...]:
    """The commands that start docker, now and at each boot; none where that is not known."""
    return _START.get(init, ())


def joining_docker(manager: str, init: str, user: str, uid: int) -> tuple[Choice, ...]:
    """The commands that put a user into docker's group. busybox has no usermod.

    The user's own manager of systemd, which may run the worker, keeps the groups that it began with: it begins anew.
    """
    if manager == "apk":
        return ((("addgroup", user, "docker"),),)
    again: Choice = (("systemctl", "try-restart", f"user@{uid}.service"), ("true",))
    return (
        (("groupadd", "--force", "--system", "docker"),),
        (("usermod", "--append", "--groups", "docker", user),),
        *((again,) if init == "systemd" else ()),
    )
