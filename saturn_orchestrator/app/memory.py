"""What the use cases ask the journal for."""

from __future__ import annotations

from typing import Protocol

from saturn_orchestrator.state.model import RunState


class Memory(Protocol):
    """What the journal tells of former runs."""

    def newest(self, host: str) -> tuple[str, str]:
        """The newest run in which the node spoke, and the time of its last event; ("", "") when there is none."""

    def replay(self, run: str) -> RunState | None:
        """The state of a run; None when it is not known."""
