"""A run as a list of runs shows it."""

from __future__ import annotations

from collections.abc import Mapping

from saturn_orchestrator.records import dataclass


@dataclass(frozen=True)
class RunRecord:
    """A run as a list shows it. outcome, finished_at: "" while it has no end here. by: who confirmed it, where known.

    hosts: name to the status word and the time of the last event.
    """

    by: str
    hosts: Mapping[str, tuple[str, str]]
    run: str
    revision: str
    started_at: str
    finished_at: str
    outcome: str
    exit_code: int | None
    inventory: str
