"""An SSH server that behaves as Tailscale's does: who may log in is its policy's word, said in banners.

The words are those that tests/cases/tailnet/README.md recorded, and Tailscale's own control server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.constants import MSG_USERAUTH_FAILURE
from asyncssh.packet import Boolean, NameList, String

from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host, Ssh
from support import build
from support.ssh_server import Connections, executing
from support.tailscaled import peer


class Login:
    """Somebody at the door. A policy that returns lets them in."""

    def __init__(self, connection: asyncssh.SSHServerConnection, user: str) -> None:
        self._connection = connection
        self.user = user

    def say(self, text: str) -> None:
        """A banner."""
        self._connection.send_packet(53, String(text), String(""))  # whatever the bytes of the text are

    async def hang_up(self) -> None:
        """The end of the stream, without a word of SSH, as since 1.82."""
        self._connection._transport.close()
        await asyncio.Event().wait()

    async def fail(self) -> None:
        """A failure with a method that nobody knows, as up to 1.80."""
        self._connection.send_packet(MSG_USERAUTH_FAILURE, NameList([b"tailscale"]), Boolean(False))
        await asyncio.Event().wait()


Policy = Callable[[Login], Awaitable[None]]


async def accepted(_: Login) -> None:
    """Anybody may come in."""


def welcomed(text: str) -> Policy:
    """Anybody may come in, and is told something."""

    async def policy(login: Login) -> None:
        login.say(text)

    return policy


def denied(text: str) -> Policy:
    """Nobody may come in."""

    async def policy(login: Login) -> None:
        login.say(text)
        await login.hang_up()

    return policy


def denied_as_of_old(text: str) -> Policy:
    """Nobody may come in, said as up to tailscale 1.80."""

    async def policy(login: Login) -> None:
        if text:
            login.say(text)
        await login.fail()

    return policy


class Check:
    """Check mode of a whole tailnet: a login shows an address of its own, and waits for somebody to open it.

    Only the address that was shown last is good. An approval lasts, unless is_always. shown: every address so far.
    """

    TEXT = "# Tailscale SSH requires an additional check.\n# To authenticate, visit: {url}\n"
    DONE = "# Authentication checked with Tailscale SSH.\n# Time since last authentication: 0s\n"

    def __init__(self, *, is_always: bool = False) -> None:
        self.shown: list[str] = []
        self._is_always = is_always
        self._is_approved = False
        self._decisions: dict[str, asyncio.Future[bool]] = {}

    async def __call__(self, login: Login) -> None:
        if self._is_approved and not self._is_always:
            return
        url = f"https://login.tailscale.com/a/l{len(self.shown):07x}"
        self.shown.append(url)
        decision = self._decisions[url] = asyncio.get_running_loop().create_future()
        login.say(self.TEXT.format(url=url))
        if not await decision:
            await login.hang_up()
        login.say(self.DONE)

    def approve(self, url: str) -> None:
        """A person opens the address, and says yes."""
        if url == self.shown[-1]:
            self._is_approved = True
            self._decisions[url].set_result(True)

    def let_end(self, url: str) -> None:
        """Nobody opened it, for half an hour."""
        self._decisions[url].set_result(False)


@dataclass(frozen=True)
class TailscaleSsh:
    """Where it listens, its keys, who came, and how to speak of it as a peer and as a host."""

    port: int
    folder: Path
    host_keys: tuple[asyncssh.SSHKey, ...]
    connections: Connections

    @property
    def end(self) -> tuple[str, int]:
        """Where tailscaled comes out when it dials this machine."""
        return "127.0.0.1", self.port

    def peer(self, name: str = "alpha", address: str = "100.64.0.2", **facts: object) -> Peer:
        """The machine as the tailnet knows it, with its keys."""
        lines = tuple(key.export_public_key().decode().strip() for key in self.host_keys)
        return peer(name, (address,), **{"host_keys": lines, **facts})

    def host(self, name: str = "alpha", **ssh: object) -> Host:
        """The machine as the topology has it: nothing that plain SSH would need is there."""
        absent = self.folder / "absent"
        options = {"user": "homelab", "identity_file": absent, "known_hosts": absent, "connect_timeout_s": 10.0, **ssh}
        return build.host(name, root=str(self.folder / "root"), ssh=Ssh(**options))


@asynccontextmanager
async def tailscale_ssh(
    folder: Path,
    policy: Policy = accepted,
    *,
    environ: Mapping[str, str] | None = None,
    rewritten: Callable[[str], str] = str,
) -> AsyncIterator[TailscaleSsh]:
    """The server, while the block lasts."""

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        async def begin_auth(self, username: str) -> bool:
            await policy(Login(self._connection, username))
            return False

    keys = tuple(asyncssh.generate_private_key(kind) for kind in ("ecdsa-sha2-nistp256", "ssh-ed25519"))
    options = {"server_version": "Tailscale", "login_timeout": 0}
    async with executing(Server, keys, environ=environ, rewritten=rewritten, **options) as (port, connections):
        yield TailscaleSsh(port, folder, keys, connections)
