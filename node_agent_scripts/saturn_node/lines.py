"""Bytes to bounded lines. No meaning of a line lives here, only where it begins and ends."""

from __future__ import annotations

import os
import select
import time


class LineSplitter:
    """Bytes in, whole lines out. A line of more than `limit` bytes is left out and said to be, so memory stays bounded.

    It is not cut: a cut could fall into a secret, and half a secret is found by no redactor.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, decoded, without their newline."""
        first, *others = data.split(b"\n")
        self._append(first)
        lines = []
        for piece in others:
            lines.append(self.rest())
            self._append(piece)
        return lines

    def rest(self) -> str:
        """What stands after the last newline; it is taken out."""
        is_whole = len(self._pending) <= self._limit
        text = self._pending.decode("utf-8", "replace") if is_whole else f"[a line of over {self._limit} bytes]"
        self._pending.clear()
        return text

    def _append(self, piece: bytes) -> None:
        self._pending += piece[: max(0, self._limit + 1 - len(self._pending))]


class LineReader:
    """Lines of a descriptor, with a time limit for each read. `ended` turns true at the end of the input.

    early: what was read from the descriptor before.
    """

    def __init__(self, descriptor: int, limit: int, early: bytes = b"") -> None:
        self.ended = False
        self._descriptor = descriptor
        self._splitter = LineSplitter(limit)
        self._ready = self._splitter.feed(early)

    def next_line(self, timeout_s: float | None = None) -> str | None:
        """The next line, or None when none came within `timeout_s` (None: no limit) or the input ended."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready and not self.ended:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([self._descriptor], [], [], left)
            if not readable:
                return None
            self._read()
        return self._ready.pop(0) if self._ready else None

    def _read(self) -> None:
        data = os.read(self._descriptor, 65536)
        self._ready += self._splitter.feed(data)
        if not data:
            self.ended = True
            last = self._splitter.rest()
            self._ready += [last] if last else []
