"""`saturn demo`: wires the story to real SSH servers and to saturns in their own processes; Ctrl-C ends it cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saturn_orchestrator.errors import Interrupted

if TYPE_CHECKING:
    from saturn_orchestrator.app.demo import Kind

_MAIN = "from saturn_orchestrator.cli.main import main; main()"
_PATIENCE_S = 3.0
_STYLES: Mapping[Kind, str] = {"heading": "bold", "command": "cyan", "text": ""}


@click.command("demo")
@click.option("--simulated", is_flag=True, help="Use the simulated docker, even where a real one answers.")
def command(simulated: bool) -> int:
    """Deploy a sample homelab to nodes on this very machine, break it, mend it. Nothing is left behind."""
    asyncio.run(_interruptible(simulated=simulated))
    return 0


async def _interruptible(*, simulated: bool) -> None:
    """The story; the first signal ends it, and clearing up takes no more of them."""
    from saturn_orchestrator.app.demo import Ports, demo
    from saturn_orchestrator.report.style import console, show, unbroken
    from saturn_orchestrator.session.loopback import LoopbackNode, new_identity

    screen = console(sys.stdout)

    def say(text: str, kind: Kind) -> None:
        show(screen, unbroken(text, _STYLES[kind]))

    ports = Ports(new_server=LoopbackNode, new_identity=new_identity, run_saturn=_run_saturn, say=say)
    story = asyncio.create_task(demo(ports, simulated=simulated))

    def stop() -> None:
        if not story.cancelling():
            story.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await story
    except asyncio.CancelledError as error:
        raise Interrupted("the demo was interrupted; nothing of it is left") from error


async def _run_saturn(words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
    """A saturn of its own, on this very terminal; its exit status."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", _MAIN, *words, cwd=folder, env=dict(environ), stdin=asyncio.subprocess.DEVNULL
    )
    try:
        return await child.wait()
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Interrupt it as a person would, twice: the second Ctrl-C detaches a deploy at once and mends the screen."""
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        if child.returncode is not None:
            return
        child.send_signal(number)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await child.wait()
        except TimeoutError:
            continue
