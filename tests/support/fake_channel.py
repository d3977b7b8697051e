"""A Channel whose far side is a list: what it says, piece by piece, and then nothing, or for ever nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class FakeChannel:
    """Says the chunks in turn. hangs: it then neither ends nor says anything."""

    def __init__(self, chunks: Iterable[bytes] = (), *, last_words: str = "", hangs: bool = False) -> None:
        self.chunks = list(chunks)
        self.last_words = last_words
        self.hangs = hangs
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    async def read(self) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if self.hangs:
            await asyncio.Event().wait()
        return b""

    async def close(self) -> None:
        self.is_closed = True
