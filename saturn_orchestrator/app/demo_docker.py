"""Which docker carries the demo: the one on this machine when it answers, else the simulated one; and its clearing up.

Only projects whose names begin with PREFIX are ever touched, and only when none of them was there before.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from saturn_orchestrator.app import simulated_docker
from saturn_orchestrator.records import dataclass

PREFIX = "demo-"
IMAGE = "busybox:1.36"
"""What stands in for every image when the containers are real: it is small, and it has a web server."""

_ANSWER_S = 10.0
_PULL_S = 60.0
_DOWN_S = 60.0


@dataclass(frozen=True)
class DemoDocker:
    """reason: why it is the simulated one; "" for the real one. is_image_ours: the demo pulled IMAGE and removes it."""

    reason: str = ""
    is_image_ours: bool = False

    @property
    def is_simulated(self) -> bool:
        """Whether no container is ever started."""
        return bool(self.reason)


async def chosen_docker(projects: Sequence[str], environ: Mapping[str, str]) -> DemoDocker:
    """The docker of this machine if the demo can use it without a trace, else the simulated one and why."""
    if not await _asked("docker", "version", "--format", "{{.Server.Version}}", environ=environ):
        return DemoDocker("no docker answers on this machine")
    if not await _asked("docker", "compose", "version", environ=environ):
        return DemoDocker("docker is here, but not its compose plugin")
    for project in projects:
        label = f"label=com.docker.compose.project={project}"
        if await _asked("docker", "ps", "--all", "--quiet", "--filter", label, environ=environ) != "\n":
            return DemoDocker(f"a project {project} is on this machine's docker already")
    if await _asked("docker", "image", "inspect", IMAGE, environ=environ):
        return DemoDocker()
    if await _asked("docker", "pull", "--quiet", IMAGE, environ=environ, limit_s=_PULL_S):
        return DemoDocker(is_image_ours=True)
    return DemoDocker(f"{IMAGE} is not here and cannot be pulled")


async def clear(docker: DemoDocker, projects: Sequence[str], environ: Mapping[str, str]) -> None:
    """Remove what the demo's projects left on the real docker; the simulated one's files go with the demo's folder."""
    if docker.is_simulated:
        return
    for project in reversed(projects):  # whoever owns a shared network was brought up first, and goes last
        words = ("docker", "compose", "-p", project, "down", "--volumes", "--remove-orphans", "--timeout", "1")
        await _asked(*words, environ=environ, limit_s=_DOWN_S)
    if docker.is_image_ours:
        await _asked("docker", "image", "rm", IMAGE, environ=environ)


def simulated_command(state: Path) -> str:
    """A shell script that is `docker` to a node: the simulated one, which keeps its containers in that folder."""
    program = (sys.executable, "-P", "-B", simulated_docker.__file__, str(state))
    return f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n'


async def _asked(*argv: str, environ: Mapping[str, str], limit_s: float = _ANSWER_S) -> str:
    """What a command said, and a line's end; "" when it failed, is not there or took too long."""
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await child.communicate()
    except TimeoutError:
        return ""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return said.decode("utf-8", "replace").strip() + "\n" if child.returncode == 0 else ""
