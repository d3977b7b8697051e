"""Programs of a person that run on SATURN: bounded in time and in what they print, ended with all that they started."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from saturn_orchestrator.records import dataclass

MAX_BYTES = 64 * 1024
"""What is kept of each of the two streams; the rest is read and thrown away."""

LINE_BYTES = 4096
"""What is heard of one line."""

_END_S = 2.0
"""How long a program may take to end once it was told to, and its pipes to close once it has ended."""


@dataclass(frozen=True)
class Ended:
    """How a program ended. status: below 0 the signal that ended it. out, err: MAX_BYTES and one more at most."""

    status: int
    out: bytes
    err: bytes


async def run_program(
    argv: Sequence[str],
    folder: Path,
    timeout_s: float,
    *,
    given: bytes = b"",
    environ: Mapping[str, str] | None = None,
    heard: Callable[[str], None] | None = None,
) -> Ended:
    """Run a command line in the folder. Nobody can type into it, and no shell reads it.

    Cancelled, it ends the program before it lets go.

    Args:
        argv: the program and its arguments.
        folder: where it runs.
        timeout_s: how long it may take.
        given: what stands on its standard input.
        environ: its environment, that of saturn if None.
        heard: told each line that it prints, on either stream, as it comes.

    Raises:
        TimeoutError: it did not end in time, and was ended.
        OSError: it cannot be run.
    """
    loop = asyncio.get_running_loop()
    with _standing_ready(given) as stdin:
        transport, listener = await loop.subprocess_exec(
            lambda: _Listener(heard), *argv, stdin=stdin, cwd=folder, env=environ, start_new_session=True
        )
    try:
        async with asyncio.timeout(timeout_s):
            await listener.exited.wait()
    except (TimeoutError, asyncio.CancelledError):
        await _told_to_end(transport.get_pid(), listener)
        raise
    finally:
        _signal(transport.get_pid(), signal.SIGKILL)
        await _within(listener.closed, _END_S)  # not for ever: a child that left the group may hold the pipes
        listener.finish()
        transport.close()
    status = transport.get_returncode()
    assert status is not None
    return Ended(status, listener.kept(1), listener.kept(2))


@contextmanager
def _standing_ready(given: bytes) -> Iterator[IO[bytes] | int]:
    """Standard input with all of it: a file that has no name, so that nobody waits for a program that does not read."""
    if not given:
        yield asyncio.subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        yield file


async def _told_to_end(pid: int, listener: _Listener) -> None:
    _signal(pid, signal.SIGTERM)
    await _within(listener.exited, _END_S)


async def _within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the second of a group that has only a zombie
        os.killpg(group, number)


class _Listener(asyncio.SubprocessProtocol):
    """What a program prints, and when it ends: itself, and then its pipes."""

    def __init__(self, heard: Callable[[str], None] | None) -> None:
        """Nothing has come yet."""
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._kept = {1: b"", 2: b""}
        self._lines = {fd: _Lines(heard) for fd in self._kept} if heard else {}

    def kept(self, fd: int) -> bytes:
        """What is kept of a stream."""
        return self._kept[fd]

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what there is room for, and hand on its lines."""
        self._kept[fd] = (self._kept[fd] + data[: MAX_BYTES + 1])[: MAX_BYTES + 1]
        if fd in self._lines:
            self._lines[fd].add(data)

    def process_exited(self) -> None:
        """The program itself ended; what it started may still hold its pipes."""
        self.exited.set()

    def connection_lost(self, _: Exception | None) -> None:
        """It ended, and its pipes are closed."""
        self.closed.set()

    def finish(self) -> None:
        """Nothing more is listened to: what has no line's end is a line, too."""
        for lines in self._lines.values():
            lines.finish()


class _Lines:
    """The lines of a stream as they become whole; what a line has beyond LINE_BYTES is left out."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._begun = b""

    def add(self, data: bytes) -> None:
        """The next bytes."""
        *whole, last = data.split(b"\n")
        for each in whole:
            self._grow(each)
            self._tell()
        self._grow(last)

    def finish(self) -> None:
        """The stream is at its end."""
        if self._begun:
            self._tell()

    def _grow(self, data: bytes) -> None:
        self._begun += data[: LINE_BYTES - len(self._begun)]

    def _tell(self) -> None:
        self._heard(self._begun.decode("utf-8", "replace"))
        self._begun = b""
