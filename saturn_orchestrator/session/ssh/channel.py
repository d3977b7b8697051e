"""A Channel over an SSH exec."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncssh
from asyncssh.connection import SSHConnection

from saturn_orchestrator.session.trip import Trip

TAIL = 4000
"""Characters kept of what the far side says beside its output."""

WINDOW = 256 * 1024
"""Bytes that a far side may send ahead. Twice as many may have to be kept, of each host, when more comes than is dealt
with; over a line on which an answer takes 100 ms, this is still 20 Mbit/s."""

_HIGH_WATER = 64 * 1024

_PIECE = 64 * 1024
"""Bytes that are handed on at once, about: the lines in them take more memory than they do."""


class SshChannel(asyncssh.SSHClientSession[bytes]):
    """A Channel to an SSH exec; asyncssh feeds it by callbacks, and it holds the peer back when it is full."""

    def __init__(self, trip: Trip) -> None:
        """The channel closes the connection with itself: one connection carries one session."""
        self._trip = trip
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._connection: SSHConnection | None = None
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._is_paused = False
        self._is_over = False
        self._arrived = asyncio.Event()
        self._words = b""
        self._begun = asyncio.Event()
        self._has_begun = False
        self._failure: Exception | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """asyncssh: the channel is open."""
        self._channel = chan
        self._connection = chan.get_connection()

    def session_started(self) -> None:
        """asyncssh: the command runs."""
        self._trip.reach("exec")
        self._has_begun = True
        self._begun.set()

    async def begun(self) -> None:
        """Wait until the command runs.

        Raises:
            OSError, asyncssh.Error: why it does not.
        """
        await self._begun.wait()
        if not self._has_begun:
            raise self._failure or asyncssh.ConnectionLost("Connection lost")

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """asyncssh: bytes came, of standard output or of standard error."""
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._words = (self._words + data)[-TAIL:]
            return
        self._chunks.append(data)
        self._waiting += len(data)
        self._hold_back()
        self._arrived.set()

    def eof_received(self) -> bool:
        """asyncssh: no more output will come."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncssh: the channel is gone, with or without an error."""
        self._failure = self._failure or exc
        if exc and not self._words:
            self._words = str(exc).encode()
        self._begun.set()
        self._end()

    def write(self, data: bytes) -> None:
        """See Channel.write."""
        if self._channel and not self._channel.is_closing():
            self._channel.write(data)

    async def read(self) -> bytes:
        """See Channel.read."""
        while not self._chunks and not self._is_over:
            self._arrived.clear()
            await self._arrived.wait()
        pieces, size = [], 0
        while self._chunks and size < _PIECE:
            pieces.append(self._chunks.popleft())
            size += len(pieces[-1])
        self._waiting -= size
        if self._is_paused and self._channel and not self._chunks:
            # Whatever asyncssh kept comes now, all of it: with each part that it hands over it opens its window wide
            # again, so that what it keeps would grow without end.
            self._channel.resume_reading()
            self._is_paused = False
            self._hold_back()
        return b"".join(pieces)

    @property
    def last_words(self) -> str:
        """See Channel.last_words."""
        return self._words.decode("utf-8", "replace")

    async def close(self) -> None:
        """See Channel.close."""
        if self._connection:
            self._connection.abort()
            await self._connection.wait_closed()

    def _hold_back(self) -> None:
        if self._waiting > _HIGH_WATER and self._channel and not self._is_paused:
            self._is_paused = True
            self._channel.pause_reading()

    def _end(self) -> None:
        self._is_over = True
        self._arrived.set()
