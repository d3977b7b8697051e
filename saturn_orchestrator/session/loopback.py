"""A node on this machine: a real SSH server on 127.0.0.1 whose exec really runs the command, for `saturn demo`.

Beside ssh.py the only place that knows asyncssh. What lies in the node's folder and on its PATH is the caller's work;
the runs that a command leaves behind belong to the node, not to this server.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncssh

_CHUNK = 65536


def new_identity(file: Path) -> str:
    """Write a fresh private key that only its owner may read; the public half, as one line without its end."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    file.touch(mode=0o600)
    file.write_bytes(key.export_private_key())
    return _public_line(key)


def _public_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


class LoopbackNode:
    """The server, from `start` to `close`. port: where it listens. host_key: the line that a known_hosts file needs."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Nothing listens yet: see `start`. folder: where commands run. environ: all that they find in theirs."""
        self.port = 0
        self._folder = folder
        self._environ = dict(environ)
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._commands: set[asyncio.Task[None]] = set()

    async def start(self, user: str, authorised: str) -> None:
        """Listen, and let one user in with one key: authorised is its public half, as one line."""
        key = asyncssh.import_public_key(authorised)
        self._acceptor = await asyncssh.create_server(
            lambda: _Doorkeeper(user, key, self._connections),
            "127.0.0.1",
            0,
            server_host_keys=[self._key],
            process_factory=self._begin,
            encoding=None,
            allow_pty=False,
        )
        self.port = self._acceptor.get_port()

    @property
    def host_key(self) -> str:
        """The node's line for a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {_public_line(self._key)}"

    async def close(self) -> None:
        """Hang up, and end every command with its process group."""
        if self._acceptor:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for connection in tuple(self._connections):
            connection.abort()
            await connection.wait_closed()
        for command in self._commands:
            command.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)

    def _begin(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = asyncio.create_task(self._execute(process))
        self._commands.add(command)
        command.add_done_callback(self._commands.discard)

    async def _execute(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command or "exit 1",
            cwd=self._folder, env=self._environ, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdin
        assert child.stdout
        assert child.stderr
        feeding = asyncio.create_task(_fed(process.stdin, child.stdin))
        try:
            await asyncio.gather(_pumped(child.stdout, process.stdout), _pumped(child.stderr, process.stderr))
            status = await child.wait()
            process.exit(status if status >= 0 else 128 - status)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await _ended(child)


class _Doorkeeper(asyncssh.SSHServer):
    """Lets one user in, with one key, and keeps the list of connections."""

    def __init__(self, user: str, key: asyncssh.SSHKey, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._user = user
        self._key = key.public_data
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """asyncssh: somebody dialled."""
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """asyncssh: they are gone."""
        self._connections.discard(self._connection)

    def public_key_auth_supported(self) -> bool:
        """asyncssh: the only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """asyncssh: whether this user may come in with this key."""
        return username == self._user and key.public_data == self._key


async def _fed(source: asyncssh.SSHReader[bytes], pipe: asyncio.StreamWriter) -> None:
    """What the client says, to the command. A broken line is an end of input like any other."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            pipe.write(data)
            await pipe.drain()
    pipe.close()


async def _pumped(pipe: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    """What the command says, to the client, to the last byte; nobody's when the client hung up."""
    while data := await pipe.read(_CHUNK):
        with suppress(OSError, asyncssh.Error):
            target.write(data)
            await target.drain()


async def _ended(child: asyncio.subprocess.Process) -> None:
    """The command and what it started in its own group are gone."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
