"""What is to be done on a machine before a first deploy, and what stands in the way. Pure: a machine in, steps out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from saturn_orchestrator.onboarding.machine import Machine
from saturn_orchestrator.onboarding.packages import (
    ELSEWHERE,
    TOOLS,
    Choice,
    installing,
    joining_docker,
    refreshing,
    starting_docker,
)
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.model import Host

PYTHON = (3, 8)
ROOM_KB = 2 * 1024 * 1024
"""With less room than this a person is told: images are large."""

_PRIVATE = "config"
"""The folder that holds secrets: nobody but its owner and group looks in."""


@dataclass(frozen=True)
class Step:
    """Something to be done. name: stable. words: for a person. choices: in order, of each the first that succeeds."""

    name: str
    words: str
    choices: tuple[Choice, ...]
    needs_root: bool = True


@dataclass(frozen=True)
class Problem:
    """What a person must see to. commands: to type on the machine, as far as there are any."""

    code: str
    message: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """Everything that a host needs before its first deploy. notes: what a person should know besides."""

    host: str
    machine: Machine
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.steps or self.problems)

    @property
    def needs_root(self) -> bool:
        """Whether the steps run as root."""
        return any(step.needs_root for step in self.steps)

    @property
    def becomes(self) -> bool:
        """Whether the steps run through sudo."""
        return self.needs_root and self.machine.uid != 0


def preparation(host: Host, machine: Machine, *, install: bool) -> Preparation:
    """What the machine needs. install: whether missing tools are installed, or told as problems."""
    missing = missing_tools(machine)
    steps = (
        *(_tool_steps(machine, missing) if install else ()),
        *_docker_steps(host, machine, is_coming="docker" in missing and install),
        *_folder_steps(host, machine),
    )
    problems = tuple(_problems(host, machine, () if install and machine.manager else missing))
    by_hand = [step for step in steps if step.needs_root] if machine.sudo in {"password", "none"} else []
    if by_hand:
        problems += (_by_hand(machine, by_hand),)
    return Preparation(host.name, machine, steps, problems, tuple(_notes(machine)))


def missing_tools(machine: Machine) -> tuple[str, ...]:
    """Those of the tools that are not there, or too old."""
    is_there = {
        "python3": machine.python >= PYTHON,
        "git": bool(machine.git),
        "docker": bool(machine.docker),
        "compose": bool(machine.compose) and not machine.compose.startswith("1."),
    }
    return tuple(tool for tool in TOOLS if not is_there[tool])


def _tool_steps(machine: Machine, missing: tuple[str, ...]) -> Iterator[Step]:
    before = refreshing(machine.manager)
    for tool in missing:
        commands = installing(machine.manager, tool)
        if commands:
            yield Step(f"install-{tool}", f"install {tool} with {machine.manager}", (*before, *commands))
            before = ()


def _docker_steps(host: Host, machine: Machine, *, is_coming: bool) -> Iterator[Step]:
    starting = starting_docker(machine.init)
    if starting and (is_coming or machine.socket == "down"):
        yield Step("start-docker", "start docker, now and at each boot", starting)
    if _is_root(host, machine):
        return
    if machine.socket != "ok" and not machine.listed and not machine.in_group and (machine.docker or is_coming):
        words = f"put {machine.user} into the group docker, which is as good as root"
        yield Step("docker-group", words, joining_docker(machine.manager, machine.init, machine.user, machine.uid))
    if machine.init == "systemd" and not machine.lingers:
        words = f"let {machine.user}'s runs outlive the login (linger)"
        yield Step("linger", words, ((("loginctl", "enable-linger", machine.user),),))


def _folder_steps(host: Host, machine: Machine) -> Iterator[Step]:
    is_ours = machine.root == "folder" and (machine.writable or machine.uid == 0)
    if machine.root == "none" or (machine.root == "folder" and machine.empty and not is_ours):
        words = (
            f"{'make' if machine.root == 'none' else 'give'} {host.root} {'for' if machine.root == 'none' else 'to'}"
        )
        needs_root = machine.uid != 0 and not (machine.root == "none" and machine.parent_writable)
        yield Step("root-folder", f"{words} {machine.user}", ((_made(machine, host.root),),), needs_root)
    elif not is_ours:
        return
    if machine.missing:
        paths = tuple(((_made(machine, f"{host.root}/{each}", each),)) for each in machine.missing)
        yield Step("folders", f"make {', '.join(machine.missing)} in it", paths, needs_root=False)


def _made(machine: Machine, path: str, name: str = "") -> tuple[str, ...]:
    mode = "0750" if name == _PRIVATE else "0755"
    return ("install", "-d", "-o", machine.user, "-g", machine.group, "-m", mode, path)


def _problems(host: Host, machine: Machine, missing: tuple[str, ...]) -> Iterator[Problem]:
    for tool in missing:
        yield _missing(machine, tool)
    if machine.root == "other":
        yield Problem(
            "root_not_a_folder", f"{host.root} is there, and no folder", (f"ls -ld {shlex.quote(host.root)}",)
        )
    elif machine.root == "folder" and not (machine.writable or machine.empty or _is_root(host, machine)):
        command = shlex.join(("sudo", "chown", f"{machine.user}:{machine.group}", host.root))
        yield Problem("root_foreign", f"{host.root} is not empty, and {machine.user} may not write there", (command,))
    if machine.python and not machine.becomes:
        message = f"become is set, and sudo does not let {machine.user} run python3 without a password"
        yield Problem("become_denied", message)
    if machine.socket == "denied" and machine.in_group and not _is_root(host, machine):
        message = f"{machine.user} is in the group docker, and docker's socket is of another one"
        yield Problem("docker_denied", message, ("ls -l /var/run/docker.sock",))
    if machine.socket == "down" and machine.init == "other":
        yield Problem("docker_down", "docker does not answer, and how it is started here is not known")


def _missing(machine: Machine, tool: str) -> Problem:
    commands = tuple(shlex.join(("sudo", *choice[0])) for choice in installing(machine.manager, tool))
    older = ".".join(map(str, machine.python)) if tool == "python3" else machine.compose if tool == "compose" else ""
    needed = {"python3": "3.8", "compose": "2"}.get(tool, "")
    words = f"{tool} is {older}, and {needed} or newer is needed" if older else f"{tool} is missing"
    return Problem("tool_missing", words, commands or (f"# see {ELSEWHERE}",))


def _by_hand(machine: Machine, steps: list[Step]) -> Problem:
    why = f"sudo asks {machine.user} for a password" if machine.sudo == "password" else "there is no sudo"
    prefix = ("sudo",) if machine.sudo == "password" else ()
    commands = tuple(shlex.join((*prefix, *choice[0])) for step in steps for choice in step.choices)
    return Problem("needs_person", f"{why}, so a person must type these as root", commands)


def _notes(machine: Machine) -> Iterator[str]:
    if 0 <= machine.free_kb < ROOM_KB:
        yield f"only {machine.free_kb // 1024} MiB are free there"
    if machine.listed and not machine.in_group:
        yield f"{machine.user} is in the group docker from the next login on"


def _is_root(host: Host, machine: Machine) -> bool:
    """Whether the executor runs as root."""
    return machine.uid == 0 or host.become
