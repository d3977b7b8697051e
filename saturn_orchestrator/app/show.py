"""`saturn show` and `saturn logs`: which run a person means, and what the journal holds of it."""

from __future__ import annotations

from typing import Protocol

from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.record import RunRecord

LAST = "last"
_NEAREST = 5


class Memory(Protocol):
    """What the journal tells of former runs."""

    def matching(self, beginning: str) -> tuple[str, ...]:
        """The runs whose id begins so, newest first."""

    def runs(self, limit: int, hosts: tuple[str, ...] = ()) -> tuple[RunRecord, ...]:
        """The newest runs, newest first."""

    def replay(self, run: str) -> RunState | None:
        """The state of a run; None when it is not known."""


def run_named(word: str, memory: Memory) -> RunState:
    """The run that the word means: an id, the beginning of just one, or `last`.

    Raises:
        UsageError: no run or several are meant; the nearest are named.
    """
    found = tuple(each.run for each in memory.runs(1)) if word == LAST else memory.matching(word)
    state = memory.replay(found[0]) if len(found) == 1 or word in found[:1] else None
    if state:
        return state
    code = "ambiguous_run" if len(found) > 1 else "unknown_run"
    message = f"{word} is the beginning of {len(found)} runs" if len(found) > 1 else f"no run {word} is known here"
    nearest = found or tuple(each.run for each in memory.runs(_NEAREST))
    raise UsageError(
        message, code=code, notes=[f"known: {', '.join(nearest[:_NEAREST])}"] if nearest else (), hint="saturn history"
    )
