"""Who is told of a run: live view, plain lines, journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import RunState


class Sink(Protocol):
    """Told everything by the only consumer, in order, from one task; it must not block for long nor raise."""

    def opened(self, run: RunState) -> None:
        """A run begins here, or hosts were added to it; what is known of it is in its state."""

    def noted(self, host: str, told: Sequence[Event], run: RunState) -> None:
        """Events of the host were reduced; run is the state after them.

        More than one are output that came together, each line of which counts: see state.reduce.strides.
        """

    def flush(self) -> None:
        """All that has arrived was noted; the next may take a while."""

    def closed(self, run: RunState) -> None:
        """The run is over, or this saturn stops watching. Every run that was opened is closed once."""
