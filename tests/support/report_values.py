"""Values that the tests of report share, and the one way they look at a renderable."""

from __future__ import annotations

import io

from rich.console import RenderableType

from saturn_orchestrator.report.style import Screen, console, show
from saturn_orchestrator.state.model import HostState, RunState

OLD = "3f2a91c0" + "a" * 32
NEW = "8be02d44" + "b" * 32
RUN = "20261123T161002Z-7f3a"


def at(seconds: int, minute: int = 10) -> str:
    return f"2026-11-23T16:{minute:02d}:{seconds:02d}.000Z"


def run_of(*hosts: HostState) -> RunState:
    return RunState(RUN, NEW, {host.host: host for host in hosts}, at(2))


def screen_of(stream: io.StringIO, width: int = 80, height: int = 24, **environ: str) -> Screen:
    return console(stream, environ=environ, width=width, height=height)


def shown(*renderables: RenderableType, width: int = 80) -> str:
    """What a person sees of it, without the blanks that tables leave at line ends."""
    stream = io.StringIO()
    show(screen_of(stream, width), *renderables)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
