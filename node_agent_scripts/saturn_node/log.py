"""The one sink: nothing else writes an event or a line of the deploy log.

Here an event gets its number and its time, loses control characters and secret values, and is bounded.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import defaultdict
from typing import Any, Callable, Mapping

from . import wire
from .errors import NodeError
from .records import field_names
from .redaction import Redactor

LINE_MAX = 60_000
"""Bytes of one event's line: a controller takes no more than 64 KiB."""

CHATTER_MAX = 20_000
CHATTER_BYTES = 8 * 1024 * 1024
"""What a run may keep of its commands' output; events that move its state are never left out."""

_DURABLE = frozenset({"hello", "goodbye", "service_finished", "ack_needed", "acknowledged"})
"""What is on the disk before the run goes on, beside the edges of a stage."""

_CHATTER = frozenset({"log", "progress"})

RESERVE = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)

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
    "plan": "plan {digest}",
    "service_verified": "{health}",
    "service_failed": "FAILED ({code}): {message}",
    "ack_needed": "carries the connection: acknowledge within {timeout_s:g} s",
    "acknowledged": "acknowledged by {by}",
    "backup_written": "backup {snapshot} written, {size} bytes in {duration_s} s",
    "backup_restored": "backup {snapshot} restored; what stood before is kept as {kept}",
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

    stage is the stage in hand; events that have a stage and are sent without one get it. `check` is called after each
    event that was written, and may end the run. Of a run's chatter (`log` and `progress`) no more than CHATTER_MAX
    events and CHATTER_BYTES are kept; the rest is counted, and the count is told before the goodbye.
    """

    def __init__(
        self,
        run: str,
        host: str,
        redactor: Redactor,
        write: Callable[[Mapping[str, Any]], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.stage = ""
        self.redactor = redactor
        self.seq = 0
        self._run = run
        self._host = host
        self._write = write
        self._check = check
        self._chatter = 0
        self._chatter_bytes = 0
        self._left_out = 0
        self._turn = threading.RLock()

    def send(self, kind: Callable[..., wire.Event], **facts: object) -> None:
        """Make the next event of this kind and write it. The number counts only once the event is written.

        Safe to be called by several threads: one event at a time.
        """
        with self._turn:
            self._send(kind, facts)

    def _send(self, kind: Callable[..., wire.Event], facts: dict[str, object]) -> None:
        if kind is wire.Goodbye and self._left_out:
            self._emit(wire.Progress(self.seq + 1, now_at(), self._run, self._host, self.stage, self._left_out_text()))
        if "stage" in field_names(kind):
            facts.setdefault("stage", self.stage)
        event = kind(seq=self.seq + 1, at=now_at(), run=self._run, host=self._host, **facts)
        if isinstance(event, (wire.Log, wire.Progress)) and self._is_too_much(event.text):
            self._left_out += 1
            return
        self._emit(event)

    def failed(self, kind: Callable[..., wire.Event], error: NodeError, **facts: object) -> None:
        """Send a failure event of a NodeError: its code, message, way out and evidence."""
        self.send(kind, code=error.code, message=error.message, hint=error.hint, **facts)

    def _emit(self, event: wire.Event) -> None:
        self._write(_bounded(_clean(wire.plain(event), self.redactor)))
        self.seq += 1
        self._check()

    def _is_too_much(self, text: str) -> bool:
        self._chatter += 1
        self._chatter_bytes += min(len(text), wire.MAX_TEXT)
        return self._chatter > CHATTER_MAX or self._chatter_bytes > CHATTER_BYTES

    def _left_out_text(self) -> str:
        return f"{self._left_out} lines of output were left out: this run had more than it may keep"


_OWN_WORDS = frozenset({"hint", "fix", "file", "key"})
_OWN = Redactor()
"""Commands to type, paths and names of keys are saturn's own words: a value such as `solaria` must not deface them."""


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
        redactor = _OWN if key in _OWN_WORDS else redactor
        return cut_in_the_middle(redactor.redacted(value).replace("\n", " ").strip(), wire.MAX_TEXT)
    return value


def _bounded(record: dict[str, Any]) -> dict[str, Any]:
    """The record so that its line fits a reader: evidence goes first, oldest lines first, then texts are cut."""
    if record.get("type") in _CHATTER:
        return record  # one text, which is bounded already
    limit = wire.MAX_TEXT
    while len(wire.encode(record)) > LINE_MAX and limit > 1:
        if record.get("tail"):
            record["tail"] = record["tail"][len(record["tail"]) // 2 + 1 :]
            continue
        limit //= 2
        record = {
            key: cut_in_the_middle(value, limit) if isinstance(value, str) and key in wire.FREE_TEXT else value
            for key, value in record.items()
        }
    return record


class RunLog:
    """Where a worker's sink writes: events.jsonl, and the deploy log with the same events and their human lines.

    On a full disk the events use a reserve, so that the run can tell its end; the deploy log then loses lines, and
    `check` ends the run.
    """

    def __init__(self, events: int, log_path: str, reserve: Reserve) -> None:
        self._events = events
        self._reserve = reserve
        self._log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._is_told = False

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one event to both files; on the disk at the edges of a stage, at the end, and see _DURABLE.

        The log, which says the same to a person, is there for good with the end of the run.
        """
        line = wire.encode(dict(record))
        human = "\n".join(human_lines(record))
        self._append(self._events, (line + "\n").encode())
        self._append_log(f"{human}\n{wire.PREFIX}{line}\n")
        if str(record["type"]).startswith("stage_") or record["type"] in _DURABLE:
            os.fsync(self._events)
        if record["type"] == wire.Goodbye.type:
            os.fsync(self._log)

    def check(self) -> None:
        """Raise ENOSPC, once, after the reserve had to be used."""
        if self._reserve.is_used and not self._is_told:
            self._is_told = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def end(self) -> None:
        """What comes now is the run's end: it may use the reserve, and nothing ends it any more."""
        self._is_told = True
        self._reserve.free()

    def note(self, text: str, redactor: Redactor) -> None:
        """Lines for the log alone, such as a traceback."""
        self._append_log(redactor.redacted(text).rstrip() + "\n")

    def _append_log(self, text: str) -> None:
        try:
            self._append(self._log, text.encode("utf-8", "replace"))
        except OSError:
            return  # the events are the run's memory; its log may lose a line when not even the reserve is enough

    def _append(self, descriptor: int, data: bytes) -> None:
        """All of it or nothing; the reserve is given away for it."""
        size = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, data)
        except OSError as error:
            os.ftruncate(descriptor, size)  # a full disk must not leave half an event
            if error.errno not in _FULL or self._reserve.is_used:
                raise
            self._reserve.free()
            self._append(descriptor, data)


class Reserve:
    """A file that keeps some room on the disk for a run's last words."""

    def __init__(self, path: str) -> None:
        """Really written, since a file of holes keeps no room. An OSError when even that does not fit."""
        self._path = path
        self.is_used = False
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, b"\xa5" * RESERVE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room away; once."""
        if not self.is_used:
            self.is_used = True
            os.unlink(self._path)


def answer_to(descriptor: int) -> Callable[[Mapping[str, Any]], None]:
    """A write for a sink that answers the controller straight away, without a worker."""

    def write(record: Mapping[str, Any]) -> None:
        write_all(descriptor, (wire.PREFIX + wire.encode(dict(record)) + "\n").encode())

    return write
