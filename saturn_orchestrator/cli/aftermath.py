"""What follows a run once it was told: hooks, then notices. Neither changes what the command ends with."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence

from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.hooks import Hooks
from saturn_orchestrator.app.notices import Notices
from saturn_orchestrator.errors import SaturnError
from saturn_orchestrator.events import Event
from saturn_orchestrator.journal import state_folder
from saturn_orchestrator.report.documents import Document
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.outcome import Outcome, outcome

Say = Callable[[str], None]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LastState:
    """A sink that remembers how the run stood in the end, for a run that ends in an error."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self.run: RunState | None = None

    def opened(self, run: RunState) -> None:
        """See Sink.opened."""

    def noted(self, host: str, told: Sequence[Event], run: RunState) -> None:
        """See Sink.noted."""

    def flush(self) -> None:
        """See Sink.flush."""

    def closed(self, run: RunState) -> None:
        """See Sink.closed."""
        self.run = run


async def follow_up(order: Deploy, run: RunState, document: Document, hooks: Hooks | None, say: Say) -> None:
    """Run the hooks that follow a run, and send its notices. document: what `--json` prints of it."""
    await _unless_ended(_sentences(order, run, outcome(run), document, hooks), say)


async def follow_refusal(order: Deploy, run: RunState | None, say: Say) -> None:
    """Send the notices of a run that a hook kept from starting; it has no document, so no hook follows."""
    if run:
        await _unless_ended(_sentences(order, run, outcome(run), {}, None), say)


async def _sentences(
    order: Deploy, run: RunState, verdict: Outcome, document: Document, hooks: Hooks | None
) -> AsyncIterator[str]:
    if hooks:
        async for complaint in hooks.after(run, verdict, document):
            yield complaint
    try:
        yield await Notices(order.topology, state_folder(os.environ)).follow(order, run, verdict)
    except SaturnError as error:
        yield f"{error.message}: {error.hint}"


async def _unless_ended(sentences: AsyncIterator[str], say: Say) -> None:
    """Say what there is to say, unless a person or the machine ends it: then at once, with the run's own exit code."""

    async def said() -> None:
        async for sentence in sentences:
            if sentence:
                say(sentence)

    loop, task = asyncio.get_running_loop(), asyncio.create_task(said())
    for number in _ENDING:
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        say("what follows the run was broken off; the run itself is as it is told above")
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
