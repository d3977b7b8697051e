"""A Channel over an SSH exec."""

from __future__ import annotations

import asyncio

import asyncssh
from asyncssh.connection import SSHConnection

from saturn_orchestrator.session.trip import Trip

TAIL = 4000
"""Characters kept of what the far side says beside its output."""

WINDOW = 512 * 1024
"""Bytes that a far side may send ahead. All of them may have to be kept, of each host, when they come faster than they
are dealt with; over a line on which an answer takes 100 ms, this is still 40 Mbit/s."""

_HIGH_WATER = 64 * 1024


class SshChannel(asyncssh.SSHClientSession[bytes]):
    """A Channel to an SSH exec; asyncssh feeds it by callbacks, and it holds the peer back when it is full."""

    def __init__(self, trip: Trip) -> None:
        """The channel closes the connection with itself: one connection carries one session."""
        self._trip = trip
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._connection: SSHConnection | None = None
        self._chunks: list[bytes] = []
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
        if self._waiting > _HIGH_WATER and self._channel and not self._is_paused:
            self._is_paused = True
            self._channel.pause_reading()
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
        chunk, self._chunks, self._waiting = b"".join(self._chunks), [], 0
        if self._is_paused and self._channel:
            self._is_paused = False
            self._channel.resume_reading()
        return chunk

    @property
    def last_words(self) -> str:
        """See Channel.last_words."""
        return self._words.decode("utf-8", "replace")

    async def close(self) -> None:
        """See Channel.close."""
        if self._connection:
            self._connection.abort()
            await self._connection.wait_closed()

    def _end(self) -> None:
        self._is_over = True
        self._arrived.set()
