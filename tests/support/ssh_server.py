"""A real SSH server on a port of its own: its host key, one authorised key, and an exec that runs the command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asyncssh

from saturn_orchestrator.session.base import Session, Tell, nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host, Ssh
from support import build
from support.tailscaled import NoTailnet


@dataclass(frozen=True)
class SshServer:
    """Where the server listens, its keys as files, and how to speak of it as a host."""

    port: int
    folder: Path
    host_key: asyncssh.SSHKey

    def host(self, **ssh: object) -> Host:
        """A host that trusts this server's key and owns the authorised one."""
        known_hosts = self.folder / "known_hosts"
        known_hosts.write_bytes(f"[127.0.0.1]:{self.port} ".encode() + self.host_key.export_public_key())
        options = {
            "user": "homelab", "port": self.port, "identity_file": self.folder / "id_ed25519",
            "known_hosts": known_hosts, "connect_timeout_s": 10.0, **ssh,
        }  # fmt: skip
        root = self.folder / "root"
        return build.host(address="127.0.0.1", root=str(root), ssh=Ssh(**options))


def new_identity(file: Path) -> asyncssh.SSHKey:
    """A fresh key, with its private half in the file."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(file)
    return key


@asynccontextmanager
async def ssh_server(
    folder: Path, *, environ: Mapping[str, str] | None = None, rewritten: Callable[[str], str] = str
) -> AsyncIterator[SshServer]:
    """The server, while the block lasts. `rewritten` may put another command in place of the one that was sent."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    authorised = folder / "authorized_keys"
    authorised.write_bytes(new_identity(folder / "id_ed25519").export_public_key())
    children: list[subprocess.Popen[bytes]] = []
    connections: list[asyncssh.SSHServerConnection] = []

    async def execute(process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = subprocess.Popen(  # noqa: ASYNC220 - asyncio's own child is never over while its output is held back
            ("/bin/sh", "-c", rewritten(process.command or "")), bufsize=0, env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        children.append(child)
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        try:
            await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
            process.exit(max(await asyncio.to_thread(child.wait), 0))
        except OSError:
            pass  # the client hung up; what it started is ended with the server
        finally:
            feeding.cancel()

    server = await asyncssh.create_server(
        asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=str(authorised),
        process_factory=execute, encoding=None, acceptor=connections.append,
    )  # fmt: skip
    try:
        yield SshServer(server.get_port(), folder, host_key)
    finally:
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        for child in children:
            _end(child)
        await server.wait_closed()


async def _feed(reader: asyncssh.SSHReader[bytes], pipe: IO[bytes]) -> None:
    """What the client says, to the child. A broken connection is an end of input like any other."""
    with suppress(OSError, asyncssh.Error), pipe:
        while data := await reader.read(65536):
            await asyncio.to_thread(pipe.write, data)


async def _pump(pipe: IO[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
    """What the child says, to the client."""
    while data := await asyncio.to_thread(pipe.read, 65536):
        writer.write(data)
        await writer.drain()


def _end(child: subprocess.Popen[bytes]) -> None:
    """The child and whatever it started are gone, and so are its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe and not pipe.closed:
            pipe.close()


async def opened_ssh(host: Host, tell: Tell = nobody) -> Session:
    """A session over SSH with a host outside the tailnet."""
    return await Switchboard({host.name: host}, book=AddressBook(NoTailnet()))(host, tell)


@asynccontextmanager
async def tcp_server(answer: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[int]:
    """The port of something that accepts a connection and is no SSH server: `answer` does with it what it likes."""
    writers: list[asyncio.StreamWriter] = []

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        answer(writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()
