"""Who is told of a run: live view, plain lines, journal."""

from __future__ import annotations

from typing import Protocol

from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import RunState


class Sink(Protocol):
    """Told everything by the only consumer, in order, from one task; it must not block for long nor raise."""

    def opened(self, run: RunState) -> None:
        """A run begins here, or hosts were added to it; what is known of it is in its state."""

    def noted(self, host: str, event: Event, run: RunState) -> None:
        """An event of the host was reduced; run is the state after it."""

    def flush(self) -> None:
        """All that has arrived was noted; the next may take a while."""

    def closed(self, run: RunState) -> None:
        """The run is over, or this saturn stops watching. Every run that was opened is closed once."""
