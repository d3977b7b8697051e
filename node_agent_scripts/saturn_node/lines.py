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

    A line longer than `limit` is left out and said to be. early: what was read from the descriptor before.
    """

    def __init__(self, descriptor: int, limit: int, early: bytes = b"") -> None:
        self.ended = False
        self._descriptor = descriptor
        self._limit = limit
        self._pending = bytearray(early)
        self._is_over = False

    def next_line(self, timeout_s: float | None = None) -> str | None:
        """The next line, or None when none came within `timeout_s` (None: no limit) or the input ended."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._pending and not self.ended:
            self._bound()
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._read(left):
                return None
        line, newline, rest = bytes(self._pending).partition(b"\n")
        self._pending[:] = rest
        was_over, self._is_over = self._is_over or len(line) > self._limit, False
        if was_over:
            return f"[a line of over {self._limit} bytes]"
        return line.decode("utf-8", "replace") if line or newline else None

    def next_bytes(self, size: int, timeout_s: float) -> bytes:
        """Up to `size` bytes that follow the last line as they are; b"" when none came in time or the input ended."""
        if not self._pending and not self.ended:
            self._read(timeout_s)
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data

    def _bound(self) -> None:
        if len(self._pending) > self._limit:
            self._is_over = True
            self._pending.clear()

    def _read(self, timeout_s: float | None) -> bool:
        """Whether something came, if only the end."""
        readable, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if readable:
            data = os.read(self._descriptor, 65536)
            self._pending += data
            self.ended = not data
        return bool(readable)
