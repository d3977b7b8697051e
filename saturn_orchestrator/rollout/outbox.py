"""How the tasks of the hosts reach the only consumer: posted things wait in one queue, in the order they came."""

from __future__ import annotations

import asyncio

from saturn_orchestrator.events import Event
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.model import RunState

UNNOTED = 128
"""Events of one host that may wait to be noted, so that a node that floods holds back its own line and no other."""


@dataclass(frozen=True)
class Opening:
    """A run is to be watched from now on; hosts it is known with already stay as they are."""

    run: RunState


@dataclass(frozen=True)
class Posted:
    """An event of one host in one run."""

    run: str
    host: str
    event: Event


@dataclass(frozen=True)
class Ended:
    """The task of one host is over."""

    host: str


Mail = asyncio.Queue[Opening | Posted | Ended | asyncio.Future[None]]
"""What waits for the consumer. A future is resolved once everything before it was noted."""


class Outbox:
    """One host's way to the consumer, for one run."""

    def __init__(self, mail: Mail, run: str, host: str) -> None:
        """Nothing is posted yet."""
        self._mail = mail
        self.run = run
        self._host = host
        self._unnoted = 0

    def post(self, event: Event) -> None:
        """Post an event of saturn's own; there are few of them."""
        self._mail.put_nowait(Posted(self.run, self._host, event))

    async def forward(self, event: Event) -> None:
        """Post a node's event, and wait when too many of them were not noted yet."""
        self.post(event)
        self._unnoted += 1
        if self._unnoted >= UNNOTED:
            self._unnoted = 0
            noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._mail.put_nowait(noted)
            await noted
