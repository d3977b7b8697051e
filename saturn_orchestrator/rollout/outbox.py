"""How the tasks of the hosts reach the only consumer: posted things wait in one queue, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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
    """Events of one host in one run, in their order."""

    run: str
    host: str
    events: Sequence[Event]


@dataclass(frozen=True)
class Ended:
    """The task of one host is over."""

    host: str


Parcel = Opening | Posted | Ended | asyncio.Future[None]
"""One thing for the consumer. A future is resolved once everything before it was noted."""

Mail = asyncio.Queue[Parcel]
"""What waits for the consumer."""


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
        self._mail.put_nowait(Posted(self.run, self._host, (event,)))

    async def forward(self, *told: Event) -> None:
        """Post what a node said, and wait when too much of it was not noted yet."""
        self._mail.put_nowait(Posted(self.run, self._host, told))
        self._unnoted += len(told)
        if self._unnoted >= UNNOTED:
            self._unnoted = 0
            noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._mail.put_nowait(noted)
            await noted
