"""A machine as its probe told of it: the script that looks, and its lines, read as hostile text. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from importlib.resources import files

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.model import Host

FOLDERS = ("bin", "config", "data", "logs", "state")
"""Below the root, as the executor expects them."""

LAST = "saturn-fact end=yes"
"""The line that ends a whole answer."""

_FACT = "saturn-fact "
_YES_NO = r"yes|no"
_ACCOUNT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_SHAPES: Mapping[str, str] = {
    "user": _ACCOUNT,
    "uid": r"[0-9]{1,10}",
    "group": _ACCOUNT,
    "in_group": _YES_NO,
    "listed": _YES_NO,
    "sudo": r"root|yes|password|none",
    "os": r"[a-z0-9._-]{0,40}",
    "manager": r"apt|dnf|apk|pacman",
    "init": r"systemd|openrc|other",
    "lingers": _YES_NO,
    "python": r"(Python [0-9.]{1,20}\S{0,20})?",
    "git": r"(git version [0-9.]{1,20}.{0,60})?",
    "docker": r".{0,200}",
    "compose": r".{0,200}",
    "becomes": _YES_NO,
    "socket": r"none|ok|denied|down",
    "root": r"none|folder|other",
    "writable": _YES_NO,
    "empty": _YES_NO,
    "parent_writable": _YES_NO,
    "checkout": _YES_NO,
    "deployed": _YES_NO,
    "free_kb": r"[0-9]{0,18}",
    "end": r"yes",
}
_OPTIONAL = {"os", "manager", "writable", "empty"}


@dataclass(frozen=True)
class Machine:
    """What stands on a machine.

    user, uid, group: of the login. in_group: this login has docker's group; listed: the next one will. sudo: root | yes
    | password | none. manager: apt | dnf | apk | pacman | "". init: systemd | openrc | other. python, git, docker,
    compose: versions, "" for what is missing. becomes: the executor is let in as its host wants it. socket: docker's,
    ok | denied | down | none. root: folder | other | none. writable, empty: of the root folder. missing: folders below
    it. free_kb: -1 when it is not known.
    """

    user: str
    uid: int
    group: str
    in_group: bool
    listed: bool
    sudo: str
    os: str
    manager: str
    init: str
    lingers: bool
    python: tuple[int, ...]
    git: str
    docker: str
    compose: str
    becomes: bool
    socket: str
    root: str
    writable: bool
    empty: bool
    missing: tuple[str, ...]
    parent_writable: bool
    has_checkout: bool
    is_deployed: bool
    free_kb: int


def probe(host: Host) -> str:
    """The script that looks at a host, for `sh -s`."""
    head = (
        f"root={shlex.quote(host.root)}",
        f"repo={shlex.quote(host.git.path)}",
        f"become={'yes' if host.become else 'no'}",
        f'compose() {{ limited {shlex.join(host.compose.command)} "$@"; }}',
    )
    return "\n".join((*head, files("saturn_orchestrator.onboarding").joinpath("probe.sh").read_text("utf-8")))


def machine(lines: Iterable[str], host: str) -> Machine:
    """The machine of which the lines tell; noise of a login between them is passed over.

    Raises:
        SessionError: a fact is missing, or is none (`probe_unreadable`).
    """
    found, missing = _facts(lines, host)
    lacking = [key for key in _SHAPES if key not in found and key not in _OPTIONAL]
    if lacking:
        raise _unreadable(host, f"it did not tell {', '.join(lacking[:3])}")
    yes = {key for key, value in found.items() if value == "yes"}
    return Machine(
        user=found["user"],
        uid=int(found["uid"]),
        group=found["group"],
        in_group="in_group" in yes,
        listed="listed" in yes,
        sudo=found["sudo"],
        os=found.get("os", ""),
        manager=found.get("manager", ""),
        init=found["init"],
        lingers="lingers" in yes,
        python=_numbers(found["python"]),
        git=_version(found["git"], "git version "),
        docker=_version(found["docker"], "Docker version "),
        compose=_version(found["compose"], ""),
        becomes="becomes" in yes,
        socket=found["socket"],
        root=found["root"],
        writable="writable" in yes,
        empty="empty" in yes,
        missing=tuple(each for each in FOLDERS if each in missing),
        parent_writable="parent_writable" in yes,
        has_checkout="checkout" in yes,
        is_deployed="deployed" in yes,
        free_kb=int(found["free_kb"] or -1),
    )


def _facts(lines: Iterable[str], host: str) -> tuple[dict[str, str], set[str]]:
    """What was told first of each key, and the folders that are missing."""
    found: dict[str, str] = {}
    missing: set[str] = set()
    for line in lines:
        key, equals, value = line.removeprefix(_FACT).partition("=")
        if not line.startswith(_FACT) or not equals:
            continue
        if key == "missing":
            missing.add(value)
        elif key in _SHAPES and key not in found:
            if not re.fullmatch(_SHAPES[key], value, re.ASCII):
                raise _unreadable(host, f"{key} is {neutral(value[:40])!r}")
            found[key] = value
    return found, missing


def _unreadable(host: str, why: str) -> SessionError:
    return SessionError(
        f"what {host} tells of itself cannot be understood: {why}",
        code="probe_unreadable",
        hint="log in there: is its /bin/sh a POSIX shell, and does a login print anything strange?",
    )


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of `Python 3.11.2`."""
    found = re.search(r"([0-9]{1,4})\.([0-9]{1,4})", text)
    return tuple(map(int, found.groups())) if found else ()


def _version(text: str, before: str) -> str:
    """The version behind some words; "" when they are not there."""
    found = re.match(re.escape(before) + r"v?([0-9]+\.[0-9.]+)", text)
    return found[1].rstrip(".") if found else ""
