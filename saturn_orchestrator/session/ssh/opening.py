"""From a route to a session: whose turn it is, the login, the one exec, and what is tried twice."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncssh

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import SessionWaiting, now
from saturn_orchestrator.session.approval import Approvals, Turn
from saturn_orchestrator.session.base import Sighting, Tell, patient
from saturn_orchestrator.session.payload import bootstrap_command, payload
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.channel import SshChannel
from saturn_orchestrator.session.ssh.client import APPROVAL_S, Client
from saturn_orchestrator.session.ssh.failure import session_error
from saturn_orchestrator.session.ssh.keys import TrustedKeys, identities, trusted_keys
from saturn_orchestrator.session.stream import Conversation

KEEPALIVE_S = 15
KEEPALIVE_COUNT = 3
"""A silent link is given up after 45 s; asyncssh's own default is never."""

# curve25519 first: its exchange fits one MTU, which mlkem768's does not.
_NARROW_KEX: tuple[str, ...] = ("curve25519-sha256", "curve25519-sha256@libssh.org")
KEX: tuple[str, ...] = (*_NARROW_KEX, "ecdh-sha2-nistp256", "mlkem768x25519-sha256")
_CIPHERS = ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")

Line = socket.socket | asyncssh.SSHClientConnection | None
"""What an SSH connection goes over: a socket that stands, a connection to the machine to go through, or nothing yet."""

Dial = Callable[[Tell], Awaitable[Line]]
"""Makes the line. Raises OSError or SessionError."""


async def open_ssh(
    route: Route, approvals: Approvals, dial: Dial, tell: Tell, sighting: Sighting | None = None
) -> Conversation:
    """A session with a host over SSH. sighting: of its peer, for whoever asks the session.

    Raises:
        SessionError: see errors.py; the connection is closed then.
    """
    host = route.host
    channel = await open_channel(route, approvals, dial, tell, bootstrap_command(host.root, become=host.become))
    return Conversation(host.name, channel, payload(), sighting)


async def open_channel(
    route: Route, approvals: Approvals, dial: Dial, tell: Tell, command: Sequence[str]
) -> SshChannel:
    """A command that runs on a host, over a connection of its own.

    Raises:
        SessionError: see errors.py; the connection is closed then.
    """
    host = route.host
    login = Login(route, approvals, dial)
    connection: asyncssh.SSHClientConnection | None = None
    is_open = False
    try:
        async with patient(host.ssh.connect_timeout_s, tell) as told:
            connection = await login.connection(told)
            channel = SshChannel(connection)
            await connection.create_session(lambda: channel, shlex.join(command), encoding=None)
            is_open = True
    except (OSError, asyncssh.Error) as error:
        raise login.failure(error) from error
    finally:
        if connection and not is_open:  # also when the caller's own deadline cancelled us here
            connection.abort()
    return channel


class Login:
    """One host's way in."""

    def __init__(self, route: Route, approvals: Approvals, dial: Dial) -> None:
        """Nothing is dialled yet."""
        self._route = route
        self._approvals = approvals
        self._dial = dial
        self._keys = TrustedKeys()
        self._identities: Sequence[asyncssh.SSHKey] = ()
        self._client: Client | None = None

    async def connection(self, tell: Tell) -> asyncssh.SSHClientConnection:
        """A connection that is logged in.

        Raises:
            OSError, asyncssh.Error: see `failure`.
            SessionError: what the dialling found out.
        """
        kex = KEX
        while True:
            line, turn = await self._begun(tell)
            is_let_in = False
            try:
                # The time that a turn took is no part of the login's.
                async with patient(self._route.host.ssh.connect_timeout_s, tell) as told:
                    client = self._client = Client(self._route, told, self._approvals, turn)
                    connection = await _connected(line, self._route, self._options(client, kex))
                if not client.is_let_in:  # to asyncssh a connection that we abort ourselves is no failure
                    raise asyncssh.ConnectionLost("Connection aborted")
                is_let_in = True
            except (OSError, asyncssh.Error):
                if turn and turn.is_void:
                    continue
                if not client.is_stalled or kex == _NARROW_KEX:
                    raise
                kex = _NARROW_KEX
                words = "the key exchange stalled; once more with a smaller one (is an MTU on the way too small?)"
                tell(SessionWaiting(now(), "key_exchange", words, patience_s=self._route.host.ssh.connect_timeout_s))
            else:
                return connection
            finally:
                if turn:
                    self._approvals.over(turn, is_let_in=is_let_in)

    def failure(self, error: Exception) -> SessionError:
        """Why there is no session."""
        client = self._client or Client(self._route, lambda _: None, self._approvals, None)
        return session_error(error, self._route, client, self._keys)

    async def _begun(self, tell: Tell) -> tuple[Line, Turn | None]:
        """A line, and the turn to log in over it."""
        # Nobody is dialled whose key is not known; but of a machine that is away that is no matter.
        is_away = bool(self._route.peer and not self._route.peer.is_online)
        if not is_away:
            self._look_up_keys()
        line = await self._dial(tell)
        try:
            if is_away:
                self._look_up_keys()
            return line, await self._turn(tell)
        except BaseException:
            hang_up(line)
            raise

    def _look_up_keys(self) -> None:
        self._keys, self._identities = trusted_keys(self._route), identities(self._route)

    async def _turn(self, tell: Tell) -> Turn | None:
        """Only Tailscale SSH asks for approvals."""
        if not self._route.is_tailscale_ssh:
            return None

        def waits(first: Turn) -> None:
            words = f"waits: {first.host} {'needs approval' if first.is_asked else 'logs in'} first"
            patience_s = APPROVAL_S if first.is_asked else self._route.host.ssh.connect_timeout_s
            tell(SessionWaiting(now(), "turn", words, patience_s=patience_s))

        return await self._approvals.turn(self._route.host.name, waits)

    def _options(self, client: Client, kex: tuple[str, ...]) -> dict[str, Any]:
        return {
            "client_factory": lambda: client,
            "username": self._route.host.ssh.user,
            "client_keys": self._identities,
            "known_hosts": self._keys.explicit,
            "host_key_alias": self._route.peer.dns_name or None if self._route.peer else None,
            "config": None,
            "agent_path": os.environ.get("SSH_AUTH_SOCK"),
            "kex_algs": kex,
            "encryption_algs": _CIPHERS,
            "compression_algs": None,
            "preferred_auth": "publickey",
            "password_auth": False,
            "kbdint_auth": False,
            "gss_auth": False,
            "gss_kex": False,
            "x509_trusted_certs": None,
            "keepalive_interval": KEEPALIVE_S,
            "keepalive_count_max": KEEPALIVE_COUNT,
            "login_timeout": 0,  # the deadline is ours, so that an approval may take its time
            "connect_timeout": None,
        }


async def _connected(line: Line, route: Route, options: dict[str, Any]) -> asyncssh.SSHClientConnection:
    over = {"sock": line} if isinstance(line, socket.socket) else {"tunnel": line} if line else {}
    try:
        return await asyncssh.connect(route.address, route.host.ssh.port, **over, **options)
    except BaseException:
        hang_up(line)
        raise


def hang_up(line: Line) -> None:
    """A socket is ours until asyncssh has it; a connection to go through is shared, and stays."""
    if isinstance(line, socket.socket):
        line.close()
