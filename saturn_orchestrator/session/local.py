"""`transport: local`: the executor on this machine, without SSH, over the same conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from saturn_orchestrator.errors import ExecutorRefused
from saturn_orchestrator.session.descriptors import spent
from saturn_orchestrator.session.payload import bootstrap_command, payload
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.topology.model import Host

_TAIL = 4000


class ProcessChannel:
    """A Channel to a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """The process has pipes for its three streams."""
        self._process = process
        self._words = ""
        self._reader = asyncio.create_task(self._keep_last_words())

    def write(self, data: bytes) -> None:
        """See Channel.write."""
        if self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(data)

    async def read(self) -> bytes:
        """See Channel.read."""
        assert self._process.stdout
        chunk = await self._process.stdout.read(65536)
        if not chunk:
            await self._reader
        return chunk

    @property
    def last_words(self) -> str:
        """See Channel.last_words."""
        return self._words

    async def close(self) -> None:
        """See Channel.close."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.returncode is None:
            with suppress(PermissionError):  # sudo is not ours to signal; the end of its input ends it
                self._process.terminate()
        while await self.read():
            pass  # to asyncio a process is not over before its output was read
        await self._process.wait()
        await self._reader

    async def _keep_last_words(self) -> None:
        assert self._process.stderr
        while chunk := await self._process.stderr.read(4096):
            self._words = (self._words + chunk.decode("utf-8", "replace"))[-_TAIL:]


async def open_local(host: Host, trip: Trip) -> Conversation:
    """A session with this machine itself.

    Raises:
        ExecutorRefused: there is no /bin/sh.
    """
    channel = await open_process(bootstrap_command(host.root, become=host.become))
    trip.reach("exec")
    return Conversation(host.name, channel, payload(), trip)


async def open_process(command: Sequence[str]) -> ProcessChannel:
    """A command that runs on this machine.

    Raises:
        ExecutorRefused: there is no such program.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for saturn; the run belongs to the node
        )
    except OSError as error:
        raise spent(error) or ExecutorRefused(f"cannot start {command[0]}: {error}", code="executor_failed") from error
    return ProcessChannel(process)
