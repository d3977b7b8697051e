"""A real SSH server on a port of its own: its host key, one authorised key, and an exec that runs the command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import asyncssh

from saturn_orchestrator.session.base import Session, Tell, nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host, Ssh
from support import build
from support.tailscaled import NoTailnet

Connections = list[asyncssh.SSHServerConnection]


@dataclass(frozen=True)
class SshServer:
    """Where the server listens, its keys as files, who came, and how to speak of it as a host."""

    port: int
    folder: Path
    host_key: asyncssh.SSHKey
    connections: Connections = field(default_factory=list)

    @property
    def known_line(self) -> bytes:
        """Its line in a known_hosts file."""
        return f"[127.0.0.1]:{self.port} ".encode() + self.host_key.export_public_key()

    def host(self, name: str = "alpha", **ssh: object) -> Host:
        """A host that trusts this server's key and owns the authorised one."""
        known_hosts = self.folder / "known_hosts"
        known_hosts.write_bytes(self.known_line)
        options = {
            "user": "homelab", "port": self.port, "identity_file": self.folder / "id_ed25519",
            "known_hosts": known_hosts, "connect_timeout_s": 10.0, **ssh,
        }  # fmt: skip
        root = self.folder / "root"
        return build.host(name, address="127.0.0.1", root=str(root), ssh=Ssh(**options))


def new_identity(file: Path) -> asyncssh.SSHKey:
    """A fresh key, with its private half in the file."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(file)
    return key


class Forwarding(asyncssh.SSHServer):
    """A server that leads on to other machines, as sshd does unless AllowTcpForwarding forbids it."""

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


@asynccontextmanager
async def ssh_server(
    folder: Path, *, environ: Mapping[str, str] | None = None, rewritten: Callable[[str], str] = str,
    server: type[asyncssh.SSHServer] = asyncssh.SSHServer, **more: object,
) -> AsyncIterator[SshServer]:  # fmt: skip
    """The server, while the block lasts. `rewritten` may put another command in place of the one that was sent.

    more: for asyncssh.create_server. Two servers of one folder authorise the same key.
    """
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    identity, authorised = folder / "id_ed25519", folder / "authorized_keys"
    mine = asyncssh.read_private_key(identity) if identity.exists() else new_identity(identity)
    authorised.write_bytes(mine.export_public_key())
    options = {"authorized_client_keys": str(authorised), **more}
    async with executing(server, [host_key], environ=environ, rewritten=rewritten, **options) as (port, connections):
        yield SshServer(port, folder, host_key, connections)


@asynccontextmanager
async def executing(
    server: type[asyncssh.SSHServer], host_keys: Sequence[asyncssh.SSHKey],
    *, environ: Mapping[str, str] | None = None, rewritten: Callable[[str], str] = str, **options: object,
) -> AsyncIterator[tuple[int, Connections]]:  # fmt: skip
    """The port of an SSH server whose exec runs the command, and the connections that were made to it."""
    children: list[subprocess.Popen[bytes]] = []
    connections: Connections = []

    class Counting(server):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)
            super().connection_made(conn)

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

    listener = await asyncssh.create_server(
        Counting, "127.0.0.1", 0, server_host_keys=list(host_keys), process_factory=execute, encoding=None, **options
    )
    try:
        yield listener.get_port(), connections
    finally:
        listener.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        for child in children:
            _end(child)
        await listener.wait_closed()


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
async def stalling_server(proposals: list[bytes]) -> AsyncIterator[tuple[str, int]]:
    """A server that introduces itself and then says nothing, as one whose large packets are lost; what it was sent."""
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-Tailscale\r\n")
        while data := await reader.read(65536):
            proposals[number] += data

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proposals.append(b"")
        serving[asyncio.create_task(serve(len(proposals) - 1, reader, writer))] = writer

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        await end_serving(server, serving)


async def end_serving(server: asyncio.Server, serving: Mapping[asyncio.Task[None], asyncio.StreamWriter]) -> None:
    """Hang up on whoever is served, and stop listening."""
    server.close()
    for task, writer in serving.items():
        task.cancel()
        writer.close()
    await asyncio.gather(*serving, return_exceptions=True)
    await server.wait_closed()


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
