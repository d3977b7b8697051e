"""The answer to `examine`: named checks of the node, each with its next command. Strictly read-only.

What is looked at, and what it means, stands in `machine`, `household` and `compatibility`; here the checks are named,
put in order and kept from spoiling one another.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Callable, Iterator, NamedTuple, Tuple

from . import compatibility, compose, facts, household, lock, machine
from .errors import NodeError
from .log import cut_in_the_middle
from .state import Paths
from .wire import Check, NodeOrder

_TOLD_BY = {"no_git": "git", "no_docker": "docker", "docker_down": "docker", "docker_denied": "docker"}
"""The check that a failure is about; others that meet it were not made, and that is all they say."""

MESSAGE_MAX, FIX_MAX = 500, 300
"""Characters of a check's texts: an event with ten of them stays far below what a reader takes for one line."""

_DOCKER_ROOT = "/var/lib/docker"


class Look(NamedTuple):
    """A check by its name, and how it is made. May raise NodeError or OSError."""

    name: str
    check: Callable[[], Check]


def examined(order: NodeOrder) -> Iterator[Tuple[Check, ...]]:
    """Every check, in groups: each is told as soon as it is known, since a docker that hangs takes a minute."""
    for looks in (_machine(order), _household(order), _programs(order)):
        yield tuple(_bounded(_made(each)) for each in looks)


def _machine(order: NodeOrder) -> Tuple[Look, ...]:
    return (
        Look("disk", lambda: machine.disk_check("disk", order.root, machine.room_at(order.root))),
        Look("inodes", lambda: machine.inode_check("inodes", order.root, machine.room_at(order.root))),
        Look("memory", lambda: machine.memory_check(machine.meminfo())),
        Look("worker", machine.worker),
        Look("units", lambda: machine.units_check(machine.unit_states())),
        Look("reboot", lambda: machine.reboot_check(machine.reboot_reason())),
        Look("tailnet_key", lambda: machine.tailnet_key_check(machine.tailscale_status(), time.time())),
    )


def _household(order: NodeOrder) -> Tuple[Look, ...]:
    paths = Paths(order.root)
    return (
        Look("root", lambda: household.root(order)),
        Look("secrets", lambda: household.secrets_check(tuple(household.secrets_of(paths)))),
        Look("lock", lambda: household.lock_check(lock.holder(paths), order.host, time.time())),
        Look("git", lambda: Check("git", "ok", facts.git_version()["git"])),
        Look("checkout", lambda: household.checkout(order)),
        Look("origin", lambda: household.origin(order)),
    )


def _programs(order: NodeOrder) -> Tuple[Look, ...]:
    disk = _DockerDisk(order)
    return (
        Look("python", lambda: Check("python", "ok", sys.version.split()[0])),
        Look("docker", lambda: disk.answers(compose.engine_version(order))),
        Look("compose", lambda: compose_check(compose.compose_version(order.compose))),
        Look("docker_disk", lambda: disk.check("docker_disk", machine.disk_check)),
        Look("docker_inodes", lambda: disk.check("docker_inodes", machine.inode_check)),
    )


def compose_check(version: str) -> Check:
    """Whether this version of Compose is one that does what a run asks of it."""
    flaw = compatibility.flaw_of(compose.parsed_version(version))
    if not flaw:
        return Check("compose", "ok", f"version {version}")
    better = ".".join(map(str, compatibility.UNBLEMISHED))
    message = f"version {version} is known to be bad: {flaw.why} ({flaw.source})"
    fix = f"install Compose {better} or newer: https://docs.docker.com/compose/install/linux/"
    return Check("compose", flaw.severity, message, fix)


class _DockerDisk:
    """Where docker writes to. A docker that does not answer is not asked for that, which may take a minute."""

    def __init__(self, order: NodeOrder) -> None:
        self._order = order
        self._place = _DOCKER_ROOT

    def answers(self, version: str) -> Check:
        """The engine has just told its version."""
        self._place = compose.data_root(self._order) or _DOCKER_ROOT
        return Check("docker", "ok", f"version {version} answers")

    def check(self, name: str, judged: Callable[[str, str, machine.Room], Check]) -> Check:
        """A check of this disk, which is not made twice when it is the disk of the root."""
        if not os.path.exists(self._place):
            return Check(name, "skip", f"{self._place} is not there")
        room = machine.room_at(self._place)
        if room.device == machine.room_at(self._order.root).device:
            return Check(name, "ok", f"{self._place} is on the disk of {self._order.root}")
        return judged(name, self._place, room)


def _made(look: Look) -> Check:
    try:
        return look.check()
    except NodeError as error:
        if _TOLD_BY.get(error.code, look.name) != look.name:
            return Check(look.name, "skip", error.message)
        return Check(look.name, "fail", error.message, error.hint)
    except (OSError, ValueError) as error:
        return Check(look.name, "warn", f"it could not be looked at: {error}")


def _bounded(check: Check) -> Check:
    message = cut_in_the_middle(check.message, MESSAGE_MAX)
    return Check(check.name, check.status, message, cut_in_the_middle(check.fix, FIX_MAX))
