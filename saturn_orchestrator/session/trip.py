"""The steps of the way to a host, and when each was done: what `SATURN_TRACE=1` shows."""

from __future__ import annotations

import time
from collections.abc import Callable

STEPS = ("dial", "key exchange", "login", "exec", "executor", "first event")
"""In their order. dial: the line stands. exec: the server took the command. executor: it is there, and has begun."""


class Trip:
    """One attempt to reach a host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """It begins now. clock: seconds."""
        self._clock = clock
        self._began = clock()
        self._reached: dict[str, float] = {}

    def reach(self, step: str) -> None:
        """The step is done. Of one that is tried twice the last time counts; after the last step none is tried."""
        if STEPS[-1] not in self._reached:
            self._reached[step] = self._clock() - self._began

    @property
    def seconds(self) -> dict[str, float]:
        """What each step took that was done, by its name and in their order: they sum up to the whole.

        Steps that are answered together are done together: the later one took no time.
        """
        taken: dict[str, float] = {}
        before = 0.0
        for step in STEPS:
            if step in self._reached:
                taken[step] = max(self._reached[step] - before, 0.0)
                before = max(self._reached[step], before)
        return taken
