"""Runs that are journalled as they would be live."""

from __future__ import annotations

from pathlib import Path

from saturn_orchestrator import events
from saturn_orchestrator.journal import Journal
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.reduce import reduce_run


def never(sentence: str) -> None:
    raise AssertionError(sentence)


def journalled(file: Path, run: RunState, told: list[tuple[str, events.Event]]) -> RunState:
    """Live: reduce and note every event, in order."""
    journal = Journal(file, "inventory/topology.yaml", never)
    journal.opened(run)
    for host, event in told:
        run = reduce_run(run, host, event)
        journal.noted(host, (event,), run)
    journal.closed(run)
    return run
