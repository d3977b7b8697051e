"""diagnose: everything a person wants to see after a failure, in one file.

It never fails: a section that cannot be had says so, and every section has a time limit.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Callable, Iterator, NamedTuple

from . import compose, git, proc, state
from .errors import Cancelled, NodeError
from .late import shutil
from .redaction import Redactor
from .state import Paths
from .wire import Request

SECTION_TIMEOUT_S = 20.0
LOG_LINES = 200
LOG_TAIL_BYTES = 65536


class Section(NamedTuple):
    """A headline, and what computes the text below it."""

    title: str
    text: Callable[[], str]


def collect(request: Request, paths: Paths, redactor: Redactor, executor: str) -> str:
    """Write `diagnostics_<timestamp>.txt` and return its path."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = os.path.join(paths.deploy_logs, f"diagnostics_{stamp}.txt")
    sections = (f"\n=== {section.title}\n{_text_of(section)}" for section in _sections(request, paths))
    text = redactor.redacted("\n".join((_header(request, paths, executor), *sections))) + "\n"
    os.makedirs(paths.deploy_logs, exist_ok=True)
    state.write_atomically(path, text.encode("utf-8", "replace"), 0o600)
    return path


def _header(request: Request, paths: Paths, executor: str) -> str:
    facts = (
        ("host", request.node.host),
        ("node", " ".join(os.uname())),
        ("run", request.run),
        ("stage", state.current_stage(paths)),
        ("last service", state.last_service(paths)),
        ("revision", request.revision or git_head(request.node.checkout)),
        ("python", sys.version.split()[0]),
        ("executor", executor),
        ("collected at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
    )
    return "\n".join(f"{name:<13} {value}" for name, value in facts)


def git_head(checkout: str) -> str:
    """The commit that is checked out, or "" when git cannot tell."""
    try:
        return git.head(checkout)
    except NodeError:
        return ""


def _sections(request: Request, paths: Paths) -> Iterator[Section]:
    order = request.node
    docker = compose.docker_of(order.compose)
    for service in order.services:
        project = compose.project_of(order, service, paths)
        yield _command(f"containers of {service.name}", project.argv("ps", "--all"))
    yield from _container_logs(request)
    yield _command("docker info", (*docker, "info"))
    yield _command("docker system df", (*docker, "system", "df"))
    yield Section("disk", lambda: _disk(paths.root))
    yield Section("memory", lambda: _head("/proc/meminfo", 8))
    yield Section("load and uptime", lambda: "{}\n{}".format(_head("/proc/loadavg", 1), _head("/proc/uptime", 1)))
    yield _command("git status", git.argv(order.checkout, "status", "--short", "--branch"))
    yield _command("git log", git.argv(order.checkout, "log", "--oneline", "-5"))
    yield Section("deploy log", lambda: _newest_log(paths))


def _container_logs(request: Request) -> Iterator[Section]:
    order = request.node
    names = {service.name for service in order.services}
    try:
        found = [each for each in compose.containers(order) if each.project in names]
    except NodeError as error:
        message = error.message
        yield Section("container logs", lambda: message)
        return
    for each in found:
        argv = (*compose.docker_of(order.compose), "logs", "--tail", str(LOG_LINES), "--timestamps", each.id)
        yield _command(f"log of {each.name}", argv)


def _command(title: str, argv: tuple[str, ...]) -> Section:
    def text() -> str:
        lines: list[str] = []
        finished = proc.run(argv, timeout_s=SECTION_TIMEOUT_S, on_line=lines.append)
        return "\n".join(lines if finished.ok else [*lines, f"(failed: {finished.cut or finished.status})"])

    return Section("{}: {}".format(title, " ".join(argv)), text)


def _text_of(section: Section) -> str:
    try:
        return section.text()
    except Cancelled:
        raise
    except (NodeError, OSError) as error:
        return f"(failed: {error})"


def _disk(root: str) -> str:
    lines = []
    for path in dict.fromkeys((root, "/", "/var/lib/docker")):
        if os.path.exists(path):
            usage = shutil.disk_usage(path)
            nodes = os.statvfs(path)
            line = "{}: {} of {} MiB free, {} of {} inodes free"
            lines.append(line.format(path, usage.free >> 20, usage.total >> 20, nodes.f_ffree, nodes.f_files))
    return "\n".join(lines)


def _head(path: str, lines: int) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[:lines]).rstrip()


def _newest_log(paths: Paths) -> str:
    names = sorted(name for name in os.listdir(paths.deploy_logs) if name.startswith("deploy_"))
    if not names:
        return "(none)"
    with open(os.path.join(paths.deploy_logs, names[-1]), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
