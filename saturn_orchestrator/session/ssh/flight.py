"""Login, channel, command and first input in one flight behind the host-key check, to servers that bear it.

asyncssh asks for one thing after another, as every client does: service, `none`, whether the key would do, the login
itself, a channel, the command. Each costs a round trip, and on LTE a third of a second. None of them needs the answer
to the one before (RFC 4252, 5 and 7; RFC 4254, 5.1 and 6.5), so they leave together. Nothing leaves before the host key
was verified.

This is the one module that knows asyncssh from inside. It holds for the versions that pyproject.toml names, and the
tests hold it against real servers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import asyncssh
from asyncssh.auth import ClientAuth
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_USERAUTH_LAST, MSG_USERAUTH_REQUEST, OPEN_REQUEST_SESSION_FAILED
from asyncssh.packet import Boolean, SSHPacket, SSHPacketLogger, String, UInt32

from saturn_orchestrator.records import dataclass
from saturn_orchestrator.session.trip import Trip

if TYPE_CHECKING:
    from saturn_orchestrator.session.ssh.channel import SshChannel

Line = socket.socket | asyncssh.SSHClientConnection | None
"""What an SSH connection goes over: a socket that stands, a connection to the machine to go through, or nothing yet."""

_PATIENT = b"SSH-2.0-OpenSSH_"
"""Servers that read one packet after another and so find each in its turn. Others refuse what comes early."""

_FIRST_CHANNEL = 0
"""The number that OpenSSH gives to the first channel of a connection (channel_new in its channels.c)."""

_EARLY_BYTES = 32 * 1024
"""Input that may leave before the server told how much it takes: each takes a packet of that size (RFC 4253, 6.1)."""


@dataclass(frozen=True)
class Passenger:
    """What goes along with a login: a command, and who reads and writes its input and output."""

    command: str
    session: SshChannel


class Flight(asyncssh.SSHClientConnection):
    """A connection that does not wait to be asked."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHClientConnectionOptions,
        passenger: Passenger | None,
        trip: Trip,
        *,
        is_key_first: bool,
    ) -> None:
        """is_key_first: see connected."""
        super().__init__(loop, options, wait="auth")
        self._trip = trip
        self._passenger = passenger
        self._is_key_first = is_key_first and _is_ready(self._client_keys)
        self._is_login_sent = False
        self._outgoing: list[bytes] = []
        self.left: asyncio.Future[None] = loop.create_future()

    @property
    def has_left(self) -> bool:
        """Whether the passenger is on its way, though nobody answered yet."""
        return self.left.done()

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """asyncssh: the host key is verified, and whatever follows is encrypted."""
        is_first = not self._session_id
        super().send_newkeys(k, h)
        if is_first:
            self._trip.reach("key exchange")
        if is_first and self._passenger and self._is_key_first and self._server_version.startswith(_PATIENT):
            self.send_login()
            self.left.set_result(None)
            channel = _EarlyChannel(
                self, self._loop, self._utf8_decode_errors, None, "strict", self._options.window,
                self._options.max_pktsize,
            )  # fmt: skip
            self._update_recv_pktlen(self._options.max_pktsize)
            channel.leave(self._passenger)

    def send_login(self) -> None:
        """Send a signed request to log in by the one key."""
        self._is_login_sent = True
        key = self._client_keys.pop(0)
        request = (Boolean(True), String(key.algorithm), String(key.public_data))
        packet = self._get_userauth_request_packet(b"publickey", request)
        signature = key.sign(self.get_userauth_request_data(b"publickey", *request))
        self.send_userauth_packet(MSG_USERAUTH_REQUEST, packet[1:], String(signature), trivial=False)

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """asyncssh: it would hold back what belongs behind the login until that is answered."""
        is_early = self.has_left and not self._auth_complete and pkttype > MSG_USERAUTH_LAST
        if is_early:
            self._auth_complete = True
        try:
            super().send_packet(pkttype, *args, handler=handler)
        finally:
            if is_early:
                self._auth_complete = False

    def _send(self, data: bytes) -> None:
        """asyncssh: bytes for the line. What is said in one breath leaves as one, not packet by packet."""
        if not self._outgoing:
            self._loop.call_soon(self._depart)
        self._outgoing.append(data)

    def _force_close(self, exc: Exception | None) -> None:
        """asyncssh: the line is hung up at once; what was said before is said."""
        self._depart()
        super()._force_close(exc)

    def _depart(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        if data:
            super()._send(data)

    def try_next_auth(self, *, next_method: bool = False) -> None:
        """asyncssh: the service was accepted, or a login was not."""
        if self._is_key_first:
            self._is_key_first = False
            self._auth = _KeyAuth(self, is_sent=self._is_login_sent)
        elif self.has_left:  # the server read the rest of the flight as coming from somebody unknown
            self._force_close(asyncssh.PermissionDenied("the key was not accepted"))
        else:
            super().try_next_auth(next_method=next_method)


async def connected(
    address: str,
    port: int,
    line: Line,
    options: Mapping[str, Any],
    trip: Trip,
    passenger: Passenger | None = None,
    *,
    is_key_first: bool,
) -> Flight:
    """A connection that is logged in; or, when the passenger could go along, one that has left.

    is_key_first: the login begins with the one key in the options, and not with the question which logins there are.
    An agent is asked after it.

    Raises:
        OSError, asyncssh.Error: as asyncssh.connect.
    """
    loop = asyncio.get_running_loop()
    prepared = await asyncssh.SSHClientConnectionOptions.construct(host=address, port=port, **options)
    prepared.waiter = loop.create_future()
    flights: list[Flight] = []

    def made() -> Flight:
        flights.append(Flight(loop, prepared, passenger, trip, is_key_first=is_key_first))
        return flights[-1]

    try:
        if isinstance(line, socket.socket):
            await loop.create_connection(made, sock=line)
        elif line:
            await line.create_connection(made, address, port)  # type: ignore[arg-type]
        else:
            await loop.create_connection(made, address, port)
    except asyncio.CancelledError:
        prepared.waiter.cancel()
        raise
    flight = flights[-1]
    is_made = False
    try:
        await asyncio.wait((prepared.waiter, flight.left), return_when=asyncio.FIRST_COMPLETED)
        if prepared.waiter.done():
            await prepared.waiter
        prepared.waiter.add_done_callback(_look_at)
        is_made = True
    finally:
        if not is_made:
            flight.abort()
            await flight.wait_closed()
    return flight


def _is_ready(keys: list[asyncssh.SSHKeyPair]) -> bool:
    """Whether there is exactly one key, and no question how it signs."""
    return len(keys) == 1 and len(keys[0].sig_algorithms) == 1 and not keys[0].use_executor


def _look_at(answer: asyncio.Future[Any]) -> None:
    """An error is told by the session; asyncio would complain of each answer that nobody asked for after it."""
    if not answer.cancelled():
        answer.exception()


class _KeyAuth(ClientAuth):
    """A login by a key that is used without asking first whether it would do (RFC 4252, 7)."""

    def __init__(self, flight: Flight, *, is_sent: bool) -> None:
        self._flight = flight
        self._is_sent = is_sent
        super().__init__(flight, b"publickey")

    async def _start(self) -> None:
        if not self._is_sent:
            self._flight.send_login()


class _EarlyChannel(asyncssh.SSHClientChannel[bytes]):
    """A channel that is used before its opening was confirmed."""

    def leave(self, passenger: Passenger) -> None:
        """Send the opening and the command; from now on input may be written."""
        opened: asyncio.Future[SSHPacket] = self._loop.create_future()
        begun: asyncio.Future[bool] = self._loop.create_future()
        for answer in (opened, begun):
            answer.add_done_callback(_look_at)
        self._open_waiter = opened
        assert self._recv_chan is not None
        self._conn.send_packet(
            MSG_CHANNEL_OPEN, String(b"session"), UInt32(self._recv_chan), UInt32(self._recv_window),
            UInt32(self._recv_pktsize), handler=self,
        )  # fmt: skip
        self._send_chan, self._send_window, self._send_pktsize = _FIRST_CHANNEL, _EARLY_BYTES, _EARLY_BYTES
        self._send_state = self._recv_state = "open"
        self._request_waiters.append(begun)
        self._command = passenger.command
        self._send_request(b"exec", String(passenger.command), want_reply=True)
        self._session = passenger.session
        passenger.session.connection_made(self)
        self._conn.create_task(self._arrived(passenger.session, opened, begun), self.logger)

    def process_open_confirmation(self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket) -> None:
        """asyncssh: the server opened the channel."""
        if send_chan != _FIRST_CHANNEL:
            raise asyncssh.ProtocolError("the channel has another number than was expected")
        sent = _EARLY_BYTES - self._send_window
        super().process_open_confirmation(send_chan, max(send_window - sent, 0), send_pktsize, packet)
        self._flush_send_buf()

    async def _arrived(
        self, session: SshChannel, opened: asyncio.Future[SSHPacket], begun: asyncio.Future[bool]
    ) -> None:
        try:
            await opened
            is_begun = await begun
        except (OSError, asyncssh.ChannelOpenError) as error:
            session.connection_lost(error)
            return
        if is_begun:
            session.session_started()
            await self._start_reading()
        else:
            session.connection_lost(asyncssh.ChannelOpenError(OPEN_REQUEST_SESSION_FAILED, "Session request failed"))
