"""The one sink: nothing else writes an event or a line of the deploy log.

Here an event gets its number and its time, loses control characters and secret values, and is bounded.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from typing import Any, Callable, Mapping

from . import wire
from .errors import NodeError
from .redaction import Redactor

_SENTENCES = {
    "hello": "run {run} on {host}, executor {executor}",
    "stage_started": "stage {stage} started",
    "stage_finished": "stage {stage} finished in {duration_s} s",
    "stage_skipped": "stage {stage} skipped: {reason}",
    "stage_failed": "stage {stage} FAILED ({code}): {message}",
    "checked_out": "checked out {revision_after} from {source} {message}",
    "service_started": "started",
    "service_finished": "{status} in {duration_s} s",
    "service_skipped": "skipped: {reason}",
    "service_verified": "{health}",
    "service_failed": "FAILED ({code}): {message}",
    "finding": "{severity} {code}: {message}",
    "progress": "{text}",
    "log": "{text}",
    "diagnostics_collected": "diagnostics in {path}",
    "worker_vanished": "the worker is gone; its last event was {last} at {last_at}",
    "cancelling": "run {target} was told to stop",
    "refused": "refused ({code}): {message}",
    "goodbye": "{outcome}",
}


def now_at() -> str:
    """The time now, UTC, RFC 3339 with milliseconds."""
    now = time.time()
    return "{}.{:03d}Z".format(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)), int(now * 1000) % 1000)


def human_lines(record: Mapping[str, Any]) -> list[str]:
    """An event as a person reads it: `HH:MM:SS stage service text`, its evidence and its way out below it."""
    known = defaultdict(str, record)
    sentence = _SENTENCES.get(str(record.get("type")), "{type}").format_map(known)
    words = (str(known["at"])[11:19], known["stage"], known["service"], sentence)
    lines = [" ".join(str(word) for word in words if word)]
    lines += [f"         | {each}" for each in record.get("tail", ())]
    return lines + (["         next: {}".format(known["hint"])] if known["hint"] else [])


def cut_in_the_middle(text: str, limit: int) -> str:
    """The text, or its beginning and end when it is longer than `limit`."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a full disk or a broken pipe is an OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Sink:
    """Numbers, stamps, cleans and bounds events, and hands each to `write` as a plain record.

    stage is the stage in hand; events that have a stage and are sent without one get it.
    """

    def __init__(self, run: str, host: str, redactor: Redactor, write: Callable[[Mapping[str, Any]], None]) -> None:
        self.stage = ""
        self.redactor = redactor
        self.seq = 0
        self._run = run
        self._host = host
        self._write = write

    def send(self, kind: Callable[..., wire.Event], **facts: object) -> None:
        """Make the next event of this kind and write it. The number counts only once the event is written."""
        fields: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
        if "stage" in fields:
            facts.setdefault("stage", self.stage)
        event = kind(seq=self.seq + 1, at=now_at(), run=self._run, host=self._host, **facts)
        self._write(_clean(json.loads(wire.encode(event)), self.redactor))
        self.seq += 1

    def failed(self, kind: Callable[..., wire.Event], error: NodeError, **facts: object) -> None:
        """Send a failure event of a NodeError: its code, message, way out and evidence."""
        self.send(kind, code=error.code, message=error.message, hint=error.hint, **facts)


def _clean(record: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    whole = record.get("type") == "diagnostics_part"  # already redacted as one text, and cut to its own size
    return record if whole else {key: _clean_value(key, value, redactor) for key, value in record.items()}


def _clean_value(key: str, value: object, redactor: Redactor) -> object:
    if isinstance(value, dict):
        return {inner: _clean_value(inner, each, redactor) for inner, each in value.items()}
    if isinstance(value, list):
        kept = value[-wire.MAX_TAIL :] if key == "tail" else value
        return [_clean_value(key, each, redactor) for each in kept]
    if isinstance(value, str) and key in wire.FREE_TEXT:
        return cut_in_the_middle(redactor.redacted(value).replace("\n", " ").strip(), wire.MAX_TEXT)
    return value


class RunLog:
    """Where a worker's sink writes: events.jsonl, and the deploy log with the same events and their human lines."""

    def __init__(self, events: int, log_path: str) -> None:
        self._events = events
        self._log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one event to both files; on the disk at the edges of a stage and at the end."""
        line = wire.encode(dict(record))
        human = "\n".join(human_lines(record))
        self._append_event((line + "\n").encode())
        write_all(self._log, f"{human}\n{wire.PREFIX}{line}\n".encode("utf-8", "replace"))
        if str(record["type"]).startswith("stage_") or record["type"] in ("hello", "goodbye", "service_finished"):
            os.fsync(self._events)
            os.fsync(self._log)

    def note(self, text: str, redactor: Redactor) -> None:
        """Lines for the log alone, such as a traceback."""
        write_all(self._log, (redactor.redacted(text).rstrip() + "\n").encode("utf-8", "replace"))

    def _append_event(self, data: bytes) -> None:
        size = os.fstat(self._events).st_size
        try:
            write_all(self._events, data)
        except OSError:
            os.ftruncate(self._events, size)  # a full disk must not leave half an event
            raise


def answer_to(descriptor: int) -> Callable[[Mapping[str, Any]], None]:
    """A write for a sink that answers the controller straight away, without a worker."""

    def write(record: Mapping[str, Any]) -> None:
        write_all(descriptor, (wire.PREFIX + wire.encode(dict(record)) + "\n").encode())

    return write
