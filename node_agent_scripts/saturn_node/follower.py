"""Tail a run's event file. The worker does not know that anybody reads; the follower never changes what it reads.

But for one case: a run that no worker ever took is closed by whoever waited for it, so that none can take it later.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Callable, Dict, Mapping

from . import lock, state, wire
from .log import Sink, now_at, write_all
from .redaction import node_redactor
from .state import Paths
from .wire import Goodbye, Heartbeat, Refused, Request, WorkerVanished

POLL_S = 0.02
OUTPUT_S = 0.05
IDLE_S = 0.2
"""A file that moved is looked at again after POLL_S, one that rests ever later, up to this: a run may take hours.

After a line of output it is OUTPUT_S: such lines come by the hundred, and those that leave together cost SATURN less.
"""
HEARTBEAT_S = 10.0
BEGIN_S = 20.0
"""How long a worker may take to begin. One that is killed before its first event is missed after TAKEN_S already."""
TAKEN_S = 3.0
CHUNK = 65536
_OUTPUT = (b'"type":"log"}', b'"type":"progress"}')


class Follower:
    """One reader of one run. `write` gets each complete event line as bytes, without a prefix.

    request.after: the last seq that the reader has; lines are numbered like the events in them. A last line without
    its end is what a worker's death cut off: it is no event.
    """

    def __init__(self, paths: Paths, request: Request, write: Callable[[bytes], None]) -> None:
        self._paths = paths
        self._request = request
        self._write = write
        self._file = paths.run(request.run, "events.jsonl")
        self._pending = b""
        self._offset = 0
        self._boot = ""
        self._last = b"{}"
        self._question = b""
        self._stage = ""
        self._spoke_at = time.monotonic()
        self.seq = 0
        self.ended = False

    def follow(self, wait: Callable[[float], bool]) -> None:
        """Hand on events until the goodbye, the worker's death, or until `wait` says that nobody listens any more."""
        began, pause_s = time.monotonic(), POLL_S
        while not self.ended:
            if self._step():
                pause_s = OUTPUT_S if self._last.endswith(_OUTPUT) else POLL_S
                continue
            self._ask_again()
            if not self._offset and time.monotonic() - began > self._begin_s():
                self._close_unbegun()
            elif self._offset and not lock.is_held(self._file):
                self._drain()
                return
            if not wait(pause_s):
                return
            pause_s = min(pause_s * 1.5, IDLE_S)
            self._beat()

    def _drain(self) -> None:
        """The worker is gone: whatever it wrote in its last moment still counts, and then its silence is told."""
        while self._step():
            continue
        if not self.ended:
            self._write(wire.encode(self._vanished()).encode())

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
        self._last = line
        if self.seq > self._request.after:
            self._spoke_at = time.monotonic()
            self._write(line)
        if self.seq == 1:
            self._boot = str(_object(line).get("boot", ""))
        if b'"type":"stage_started"' in line:
            self._stage = str(_object(line).get("stage", ""))
        if line.endswith(b'"type":"ack_needed"}'):
            self._question = line if self.seq <= self._request.after else b""
        elif line.endswith((b'"type":"acknowledged"}', b'"type":"stage_failed"}')):
            self._question = b""
        if line.endswith(b'"type":"goodbye"}'):
            self.ended = True

    def _ask_again(self) -> None:
        """Repeat an `ack_needed` that the reader has had and nobody answered: the answer must come over this line."""
        line, self._question = self._question, b""
        if line and lock.is_held(self._file):
            self._write(line)

    def _beat(self) -> None:
        if time.monotonic() - self._spoke_at >= HEARTBEAT_S:
            self._spoke_at = time.monotonic()
            request = self._request
            beat = Heartbeat(self.seq, now_at(), request.run, request.node.host, self._stage)
            self._write(wire.encode(beat).encode())

    def _vanished(self) -> WorkerVanished:
        last = _object(self._last)
        return WorkerVanished(
            self.seq,
            now_at(),
            self._request.run,
            self._request.node.host,
            stage=self._stage,
            service=str(last.get("service", "")),
            last=str(last.get("type", "")),
            last_at=str(last.get("at", "")),
            rebooted=bool(self._boot) and self._boot != lock.boot_id(),
        )

    def _begin_s(self) -> float:
        """How long to wait for the first event: a file that nobody holds is what a killed worker leaves."""
        return TAKEN_S if os.path.exists(self._file) and not lock.is_held(self._file) else BEGIN_S

    def _close_unbegun(self) -> None:
        """Take the run that no worker took, and write its end, so that one that comes too late finds it taken."""
        events = lock.take(self._file)
        if events is None:
            return  # it has begun after all
        try:
            if not os.fstat(events).st_size:
                self._write_refusal(events)
        finally:
            os.close(events)

    def _write_refusal(self, events: int) -> None:
        request, log = self._request, self._paths.run(self._request.run, "worker.log")
        said = " ".join(state.read_text(log).splitlines()[-5:]) or "it said nothing"

        def write(record: Mapping[str, Any]) -> None:
            write_all(events, (wire.encode(dict(record)) + "\n").encode())

        sink = Sink(request.run, request.node.host, node_redactor(self._paths.config), write)
        sink.send(Refused, code="worker_not_started", message=f"the worker did not begin: {said}", hint=f"cat {log}")
        sink.send(Goodbye, outcome="refused")


def _object(line: bytes) -> Dict[str, Any]:
    """The JSON object in the line; an empty one when a damaged disk left something else there."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def is_begun(paths: Paths, run: str) -> bool:
    """Whether a worker has ever taken the run."""
    return os.path.exists(paths.run(run, "events.jsonl"))
