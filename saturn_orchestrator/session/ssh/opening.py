"""From a route to a session: whose turn it is, the login, the one exec, and what is tried twice."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncssh

from saturn_orchestrator.errors import SessionError, TooManyFiles
from saturn_orchestrator.events import SessionWaiting, now
from saturn_orchestrator.session.approval import Approvals, Turn
from saturn_orchestrator.session.base import Patience, Sighting, Tell
from saturn_orchestrator.session.payload import bootstrap_command, payload
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.channel import WINDOW, SshChannel
from saturn_orchestrator.session.ssh.client import APPROVAL_S, Client
from saturn_orchestrator.session.ssh.failure import session_error
from saturn_orchestrator.session.ssh.flight import Flight, Line, Passenger, connected
from saturn_orchestrator.session.ssh.keys import TrustedKeys, identities, trusted_keys
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.session.trip import Trip

KEEPALIVE_S = 15
KEEPALIVE_COUNT = 3
"""A silent link is given up after 45 s; asyncssh's own default is never."""

# curve25519 first: its exchange fits one MTU, which mlkem768's does not.
_NARROW_KEX: tuple[str, ...] = ("curve25519-sha256", "curve25519-sha256@libssh.org")
KEX: tuple[str, ...] = (*_NARROW_KEX, "ecdh-sha2-nistp256", "mlkem768x25519-sha256")
_CIPHERS = ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")

Dial = Callable[[Tell], Awaitable[Line]]
"""Makes the line. Raises OSError or SessionError."""


async def open_ssh(
    route: Route,
    approvals: Approvals,
    dial: Dial,
    tell: Tell,
    trip: Trip,
    sighting: Sighting | None = None,
    spent_s: float = 0.0,
) -> Conversation:
    """A session with a host over SSH. sighting: of its peer, for whoever asks the session.

    spent_s: what dialling has taken of the host's patience already.

    With a server that bears it the session is there once the host key was verified: what the login comes to is told by
    the first answer.

    Raises:
        SessionError: see errors.py; the connection is closed then.
    """
    host = route.host
    command = bootstrap_command(host.root, become=host.become)
    login = Login(route, approvals, dial, trip)
    channel = SshChannel(trip)
    flight = await _opened(login, channel, command, tell, Passenger(shlex.join(command), channel), spent_s)

    async def again() -> SshChannel:
        plain = SshChannel(trip)
        await _opened(login, plain, command, tell, None)
        return plain

    carried = Arriving(channel, login, again) if flight.has_left else channel
    return Conversation(host.name, carried, payload(), trip, sighting)


async def _opened(
    login: Login,
    channel: SshChannel,
    command: Sequence[str],
    tell: Tell,
    passenger: Passenger | None,
    spent_s: float = 0.0,
) -> Flight:
    connection: Flight | None = None
    is_open = False
    try:
        async with Patience(max(login.patience_s - spent_s, 0.0), tell) as told:
            connection = await login.connection(told, passenger)
            if not connection.has_left:
                await connection.create_session(lambda: channel, shlex.join(command), encoding=None)
            is_open = True
            return connection
    except (OSError, asyncssh.Error) as error:
        raise login.failure(error) from error
    finally:
        if connection and not is_open:  # also when the caller's own deadline cancelled us here
            connection.abort()


async def open_channel(
    route: Route, approvals: Approvals, dial: Dial, tell: Tell, command: Sequence[str]
) -> SshChannel:
    """A command that runs on a host, over a connection of its own.

    Raises:
        SessionError: see errors.py; the connection is closed then.
    """
    trip = Trip()
    channel = SshChannel(trip)
    await _opened(Login(route, approvals, dial, trip), channel, command, tell, None)
    return channel


class Arriving:
    """A Channel whose login nobody answered yet.

    A server that does not bear what was sent ahead is asked for one thing after another, and is told again what was
    written until then.
    """

    def __init__(self, channel: SshChannel, login: Login, again: Callable[[], Awaitable[SshChannel]]) -> None:
        """again: the same, one thing after another."""
        self._channel = channel
        self._login = login
        self._again = again
        self._said = b""
        self._is_there = False

    def write(self, data: bytes) -> None:
        """See Channel.write."""
        if not self._is_there:
            self._said += data
        self._channel.write(data)

    async def read(self) -> bytes:
        """See Channel.read.

        Raises:
            SessionError: the login came to nothing.
        """
        if not self._is_there:
            await self._arrive()
            self._is_there, self._said = True, b""
        return await self._channel.read()

    @property
    def last_words(self) -> str:
        """See Channel.last_words."""
        return self._channel.last_words

    async def close(self) -> None:
        """See Channel.close."""
        await self._channel.close()

    async def _arrive(self) -> None:
        try:
            async with asyncio.timeout(self._login.patience_s):
                await self._channel.begun()
        except (OSError, asyncssh.Error) as error:
            await self._channel.close()
            if not self._login.is_worth_asking(error):
                raise self._login.failure(error) from error
            self._channel = await self._again()
            self._channel.write(self._said)


class Login:
    """One host's way in."""

    def __init__(self, route: Route, approvals: Approvals, dial: Dial, trip: Trip) -> None:
        """Nothing is dialled yet."""
        self._trip = trip
        self._route = route
        self._approvals = approvals
        self._dial = dial
        self._keys = TrustedKeys()
        self._identities: Sequence[asyncssh.SSHKey] = ()
        self._agent = os.environ.get("SSH_AUTH_SOCK")
        self._client: Client | None = None

    @property
    def patience_s(self) -> float:
        """How long one step of it may take."""
        return self._route.host.ssh.connect_timeout_s

    def is_worth_asking(self, error: Exception) -> bool:
        """Whether a login that was sent ahead, and failed so, may come to more when one thing is asked after another.

        Not when the line broke after the login: nothing is said twice to a server that may have heeded it.
        """
        if isinstance(error, asyncssh.PermissionDenied):
            return bool(self._agent)
        if isinstance(error, asyncssh.ConnectionLost):
            return not (self._client and self._client.is_let_in)
        return isinstance(error, asyncssh.Error)

    async def connection(self, tell: Tell, passenger: Passenger | None = None) -> Flight:
        """A connection that is logged in; or, when the passenger could go along, one that has left.

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
                async with Patience(self._route.host.ssh.connect_timeout_s, tell) as told:
                    client = self._client = Client(self._route, told, self._approvals, turn, self._trip)
                    connection = await self._connected(line, client, kex, passenger)
                if not (
                    client.is_let_in or connection.has_left
                ):  # to asyncssh a connection that we abort ourselves is no failure
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

    def failure(self, error: Exception) -> SessionError | TooManyFiles:
        """Why there is no session."""
        client = self._client or Client(self._route, lambda _: None, self._approvals, None, self._trip)
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

    async def _connected(self, line: Line, client: Client, kex: tuple[str, ...], passenger: Passenger | None) -> Flight:
        route, options = self._route, self._options(client, kex)
        # Tailscale SSH lets people in by who they are: there the question is the whole login.
        is_key_first = not route.is_tailscale_ssh
        try:
            return await connected(
                route.address, route.host.ssh.port, line, options, self._trip, passenger, is_key_first=is_key_first
            )
        except BaseException:
            hang_up(line)
            raise

    def _options(self, client: Client, kex: tuple[str, ...]) -> dict[str, Any]:
        return {
            "client_factory": lambda: client,
            "username": self._route.host.ssh.user,
            "client_keys": self._identities,
            "known_hosts": self._keys.explicit,
            "host_key_alias": self._route.peer.dns_name or None if self._route.peer else None,
            "config": None,
            "agent_path": self._agent,
            "kex_algs": kex,
            "encryption_algs": _CIPHERS,
            "compression_algs": None,
            "preferred_auth": "publickey",
            "password_auth": False,
            "kbdint_auth": False,
            "gss_auth": False,
            "gss_kex": False,
            "x509_trusted_certs": None,
            "window": WINDOW,
            "keepalive_interval": KEEPALIVE_S,
            "keepalive_count_max": KEEPALIVE_COUNT,
            "login_timeout": 0,  # the deadline is ours, so that an approval may take its time
            "connect_timeout": None,
        }


def hang_up(line: Line) -> None:
    """A socket is ours until asyncssh has it; a connection to go through is shared, and stays."""
    if isinstance(line, socket.socket):
        line.close()
