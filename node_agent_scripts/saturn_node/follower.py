"""Tail a run's event file. The worker does not know that anybody reads; the follower never changes what it reads."""

from __future__ import annotations

import json
import os
import time
from typing import Callable

from . import lock, state, wire
from .log import now_at
from .state import Paths
from .wire import Goodbye, Heartbeat, Refused, Request

POLL_S = 0.05
HEARTBEAT_S = 10.0
BEGIN_S = 20.0
CHUNK = 65536


class Follower:
    """One reader of one run. `write` gets each complete event line as bytes, without a prefix.

    after: the last seq that the reader has; lines are numbered like the events in them.
    """

    def __init__(self, paths: Paths, request: Request, write: Callable[[bytes], None]) -> None:
        self._paths = paths
        self._request = request
        self._write = write
        self._file = paths.run(request.run, "events.jsonl")
        self._pending = b""
        self._offset = 0
        self._stage = ""
        self._spoke_at = time.monotonic()
        self.seq = 0
        self.ended = False

    def follow(self, wait: Callable[[float], bool]) -> None:
        """Hand on events until the goodbye, the worker's death, or until `wait` says that nobody listens any more."""
        began = time.monotonic()
        while not self.ended:
            if self._step():
                continue
            if not self.seq and not self._offset and time.monotonic() - began > BEGIN_S:
                self._refuse()
                return
            if self._offset and not lock.is_held(self._file):
                self._drain()
                return
            if not wait(POLL_S):
                return
            self._beat()

    def _drain(self) -> None:
        """The worker is gone: whatever it wrote in its last moment still counts."""
        while self._step():
            continue

    def _step(self) -> bool:
        """Read one chunk and hand on the whole lines in it; whether there was anything."""
        try:
            with open(self._file, "rb") as file:
                file.seek(self._offset)
                data = file.read(CHUNK)
        except FileNotFoundError:
            return False
        self._offset += len(data)
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._hand_on(line)
        return bool(data)

    def _hand_on(self, line: bytes) -> None:
        self.seq += 1
        if self.seq > self._request.after:
            self._spoke_at = time.monotonic()
            self._write(line)
        if b'"type":"stage_started"' in line:
            self._stage = str(json.loads(line).get("stage", ""))
        if line.endswith(b'"type":"goodbye"}'):
            self.ended = True

    def _beat(self) -> None:
        if time.monotonic() - self._spoke_at >= HEARTBEAT_S:
            self._spoke_at = time.monotonic()
            request = self._request
            beat = Heartbeat(self.seq, now_at(), request.run, request.node.host, self._stage)
            self._write(wire.encode(beat).encode())

    def _refuse(self) -> None:
        request = self._request
        said = state.read_text(self._paths.run(request.run, "worker.log")).splitlines()
        message = "the worker did not begin within {:.0f} s: {}".format(
            BEGIN_S, " ".join(said[-5:]) or "it said nothing"
        )
        hint = "cat {}".format(self._paths.run(request.run, "worker.log"))
        where = (request.run, request.node.host)
        refused = Refused(1, now_at(), *where, code="worker_not_started", message=message, hint=hint)
        self._write(wire.encode(refused).encode())
        self._write(wire.encode(Goodbye(2, now_at(), *where, outcome="refused")).encode())


def is_begun(paths: Paths, run: str) -> bool:
    """Whether a worker has ever taken the run."""
    return os.path.exists(paths.run(run, "events.jsonl"))
