"""The gate between batches: it watches what becomes of one, and opens the next or halts the rollout.

It is a sink, told of states that the only consumer has reduced, and owns none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import HostState, RunState, Status

_FAILURES = frozenset({Status.FAILED, Status.BLOCKED, Status.LOST, Status.ROLLED_BACK})
"""What counts against the allowance, beside a host whose run was left: nobody knows how that ends.

A host that is away or was declined is an outcome, not a failure.
"""


class Turns(Protocol):
    """When a host may start."""

    def place(self, host: str) -> tuple[int, int]:
        """The number of the host's batch, from 1, and how many there are."""

    async def wait(self, host: str) -> str:
        """Return once the host's batch may start, or was halted; why it was halted, "" when it may start."""


def verdict(run: RunState, batch: Sequence[str], number: int, waiting: int, allowed: int) -> tuple[bool, str]:
    """Whether the next batch may start after this one, and the sentence that says why. Pure.

    Args:
        run: the state after the batch.
        batch: the hosts that it had.
        number: its own, from 1.
        waiting: how many hosts come after it.
        allowed: how many hosts may fail in the whole run.
    """
    failed = [host for host in run.hosts.values() if host.status in _FAILURES or host.left]
    others = "the other host was" if waiting == 1 else f"the other {waiting} hosts were"
    if len(failed) > allowed:
        who = ", ".join(f"{host.host} {_said(host)}" for host in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        label = "canary " if number == 1 and len(batch) == 1 else ""
        tolerated = f" ({allowed} may fail)" if allowed else ""
        return False, f"{label}{who}{more}{tolerated}, so {others} not started"
    well = sum(run.hosts[name].status.is_success for name in batch)
    hosts = "1 host" if len(batch) == 1 else f"{len(batch)} hosts"
    return True, f"batch {number}: {well} of {hosts} well; the next batch starts"


def _said(host: HostState) -> str:
    """What became of a host, in a word or two: `unhealthy in verify`."""
    error = host.error or host.left
    code = (error.code if error else str(host.status)).replace("_", " ")
    return f"{code} in {error.stage}" if error and error.stage else code


class Gate:
    """A Sink that is Turns, too."""

    def __init__(self, batches: Sequence[Sequence[str]], allowed: int, say: Callable[[str], None]) -> None:
        """`say` is told in a sentence why the rollout proceeds or halts."""
        self._batches = [tuple(batch) for batch in batches]
        self._allowed = allowed
        self._say = say
        self._number_of = {name: number for number, batch in enumerate(self._batches) for name in batch}
        self._open = 0
        self._halted = ""
        self._moved = asyncio.Event()

    def place(self, host: str) -> tuple[int, int]:
        """See Turns.place."""
        return self._number_of[host] + 1, len(self._batches)

    async def wait(self, host: str) -> str:
        """See Turns.wait."""
        while self._number_of[host] > self._open and not self._halted:
            self._moved.clear()
            await self._moved.wait()
        return self._halted if self._number_of[host] > self._open else ""

    def halt(self, why: str) -> None:
        """Open no batch any more. Hosts of the open one are not held here."""
        self._halted = why
        self._moved.set()

    def opened(self, run: RunState) -> None:
        """See Sink.opened."""

    def noted(self, _host: str, _told: Sequence[Event], run: RunState) -> None:
        """See Sink.noted."""
        while not self._halted and self._open < len(self._batches) - 1 and self._is_over(run):
            batch = self._batches[self._open]
            later = [name for each in self._batches[self._open + 1 :] for name in each]
            waiting = [name for name in later if not run.hosts[name].is_over]
            if not waiting:
                return
            proceeds, sentence = verdict(run, batch, self._open + 1, len(waiting), self._allowed)
            self._say(sentence)
            if proceeds:
                self._open += 1
                self._moved.set()
            else:
                self.halt(sentence)

    def _is_over(self, run: RunState) -> bool:
        return all(run.hosts[name].is_over for name in self._batches[self._open])

    def flush(self) -> None:
        """See Sink.flush."""

    def closed(self, run: RunState) -> None:
        """See Sink.closed."""
