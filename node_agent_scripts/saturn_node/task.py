"""What every stage is given: the request, the node's paths, the sink. No stage's own knowledge lives here."""

from __future__ import annotations

import os
from typing import Callable, Mapping, NamedTuple

from . import lock, proc, state
from .errors import Cancelled
from .log import Sink
from .state import Paths
from .wire import LockFact, Log, NodeOrder, Progress, Request


class Trail:
    """What a run has done so far, for going back.

    touched: services whose containers may have moved since the last deployment that was completed, by this run or by
    the one that it resumes. pins: images that services shall have again, by service and compose service.
    unacknowledged: the service that carries the connection, was touched by this run, and waits for its acknowledgement;
    "" for none.
    """

    def __init__(
        self, pins: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None, unacknowledged: str = ""
    ) -> None:
        self.touched: set[str] = set()
        self.pins = pins or {}
        self.unacknowledged = unacknowledged


class Task(NamedTuple):
    """One run on this node. holder: this run, as the lock tells it to others."""

    request: Request
    paths: Paths
    sink: Sink
    holder: LockFact
    trail: Trail

    @property
    def order(self) -> NodeOrder:
        """Where things lie, and the services."""
        return self.request.node

    def check_cancelled(self) -> None:
        """Raise Cancelled once a person asked the run to stop.

        Softly asked it waits until what carries the connection is acknowledged, or has gone all its way back.
        """
        proc.check_interrupted()
        if os.path.exists(self.paths.run(self.request.run, "cancel")) and not self.trail.unacknowledged:
            raise Cancelled(
                "cancelled", "the run was told to stop", f"saturn deploy --hosts {self.order.host} --resume"
            )

    def begin_stage(self, stage: str) -> None:
        """A stage is taken in hand; whoever asks who holds the node is told so, and of no service yet."""
        state.write_current_stage(self.paths, stage)
        lock.describe(self.paths, self.holder)

    def begin(self, service: str) -> None:
        """A service is taken in hand: the last moment to stop before it."""
        self.check_cancelled()
        lock.describe(self.paths, LockFact(**{**vars(self.holder), "service": service}))

    def say(self, text: str, service: str = "") -> None:
        """A sentence for the live row."""
        self.sink.send(Progress, text=text, service=service)

    def logger(self, service: str = "") -> Callable[[str], None]:
        """A callback that sends each line of a command's output."""

        def log(line: str) -> None:
            self.sink.send(Log, text=line, service=service)

        return log

    @property
    def bundle(self) -> str:
        """The file that SATURN sent with this run, or ""."""
        path = self.paths.run(self.request.run, "bundle")
        return path if os.path.isfile(path) else ""
