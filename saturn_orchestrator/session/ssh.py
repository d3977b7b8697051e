"""SSH by asyncssh, and the only place that knows it: strict host keys, one connection, one exec.

Foreign errors are translated here, once, into the session errors; nothing of asyncssh leaves this module.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh

from saturn_orchestrator.errors import Denied, HostKeyRejected, SessionError, Unreachable
from saturn_orchestrator.session.payload import bootstrap_command, payload
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.topology.model import Host

KEEPALIVE_S = 15
KEEPALIVE_COUNT = 3
"""A silent link is given up after 45 s; asyncssh's own default is never."""

_HIGH_WATER = 1024 * 1024
_TAIL = 4000

# curve25519 first: its exchange fits one MTU, which mlkem768's does not.
_KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "mlkem768x25519-sha256")
_CIPHERS = ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr")


class _Client(asyncssh.SSHClient):
    """Remembers the key that a host showed when it was not among the known ones, and the banner it sent."""

    shown = ""
    banner = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Never accepts: only notes the fingerprint for the error."""
        self.shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002
        """Keep what the server says before the login."""
        self.banner = (self.banner + msg)[-_TAIL:]


class SshChannel(asyncssh.SSHClientSession[bytes]):
    """A Channel to an SSH exec; asyncssh feeds it by callbacks, and it holds the peer back when it is full."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        """The channel closes the connection with itself: one connection carries one session."""
        self._connection = connection
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._is_paused = False
        self._is_over = False
        self._arrived = asyncio.Event()
        self._words = b""

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """asyncssh: the channel is open."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """asyncssh: bytes came, of standard output or of standard error."""
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._words = (self._words + data)[-_TAIL:]
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
        if exc and not self._words:
            self._words = str(exc).encode()
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
        self._connection.abort()
        await self._connection.wait_closed()

    def _end(self) -> None:
        self._is_over = True
        self._arrived.set()


async def open_ssh(host: Host) -> Conversation:
    """A session with a host over SSH.

    Raises:
        Unreachable, Denied, HostKeyRejected, SessionError: see errors.py; the connection is closed then.
    """
    if host.ssh.jump:
        raise SessionError(
            "ssh.jump is not supported yet", code="jump_unsupported", hint="give the host an address you can reach"
        )
    client = _Client()
    connection: asyncssh.SSHClientConnection | None = None
    is_open = False
    try:
        async with asyncio.timeout(host.ssh.connect_timeout_s):
            connection = await asyncssh.connect(host.address, host.ssh.port, **_options(host, client))
            command = shlex.join(bootstrap_command(host.root, become=host.become))
            channel = SshChannel(connection)
            await connection.create_session(lambda: channel, command, encoding=None)
            is_open = True
    except (OSError, asyncssh.Error) as error:
        raise _translated(error, host, client) from error
    finally:
        if connection and not is_open:  # also when the caller's own deadline cancelled us here
            connection.abort()
    return Conversation(host.name, channel, payload())


def _options(host: Host, client: _Client) -> dict[str, Any]:
    return {
        "client_factory": lambda: client,
        "username": host.ssh.user,
        "client_keys": _identities(host.ssh.identity_file),
        "known_hosts": _known_keys(host),
        "config": None,
        "agent_path": os.environ.get("SSH_AUTH_SOCK"),
        "kex_algs": _KEX,
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
        "login_timeout": 0,  # the deadline is ours, so that an approval may take its time later
        "connect_timeout": None,
    }


# --- identity and host keys -------------------------------------------------------------------------------------------


_DEFAULT_IDENTITY = Path("~/.ssh/id_ed25519").expanduser()


def _identities(file: Path | None) -> list[asyncssh.SSHKey] | tuple[()]:
    """The person's key; an empty tuple lets asyncssh ask the agent and the usual places."""
    if file is None:
        return ()
    if not file.exists():
        if file.expanduser() == _DEFAULT_IDENTITY or os.environ.get("SSH_AUTH_SOCK"):
            return ()
        raise Denied(
            f"the identity {file} is not there",
            code="identity_missing",
            hint=f"mend ssh.identity_file in the topology, or: ssh-keygen -t ed25519 -f {shlex.quote(str(file))}",
        )
    try:
        return [_private_key(file, file.stat().st_mtime_ns)]
    except Denied as error:
        if error.code == "identity_locked" and os.environ.get("SSH_AUTH_SOCK"):
            return ()
        raise


@lru_cache
def _private_key(file: Path, _: int) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(file)
    except (asyncssh.KeyImportError, OSError) as error:
        # asyncssh has no class of its own for a key that would need a passphrase.
        if "assphrase" not in str(error):
            raise Denied(f"the identity {file} cannot be read: {error}", code="identity_unreadable") from error
        raise Denied(
            f"the identity {file} is protected by a passphrase",
            code="identity_locked",
            hint=f'eval "$(ssh-agent)" && ssh-add {shlex.quote(str(file))}   # the agent is asked then',
        ) from error


def _known_keys(host: Host) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
    """Trusted host keys, trusted authorities and revoked keys for this host, by its address or its own name.

    Always an explicit tuple: asyncssh takes None for "do not verify" and an empty value for the user's own file.
    """
    file = host.ssh.known_hosts
    try:
        known = _known_hosts(file, file.stat().st_mtime_ns) if file.exists() else None
    except (ValueError, OSError) as error:
        raise HostKeyRejected(f"{file} cannot be read: {error}", code="known_hosts_unreadable") from error
    trusted: list[asyncssh.SSHKey] = []
    authorities: list[asyncssh.SSHKey] = []
    revoked: list[asyncssh.SSHKey] = []
    for name in dict.fromkeys((host.address, host.name)):
        if known:
            found = asyncssh.match_known_hosts(known, name, name if _is_address(name) else "", host.ssh.port)
            trusted += found[0]
            authorities += found[1]
            revoked += found[2]
    if not trusted and not authorities:
        raise HostKeyRejected(
            f"no host key is known for {host.address}, so it cannot be told from an impostor",
            code="host_key_unknown",
            place=str(file),
            notes=("on the host, its fingerprint is told by: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",),
            hint=f"{_keyscan(host)} >> {file}   # then compare the fingerprint",
        )
    return trusted, authorities, revoked


@lru_cache
def _known_hosts(file: Path, _: int) -> asyncssh.SSHKnownHosts:
    return asyncssh.read_known_hosts(str(file))


def _is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except OSError:
            continue
        return True
    return False


def _keyscan(host: Host) -> str:
    return shlex.join(("ssh-keyscan", "-t", "ed25519", "-p", str(host.ssh.port), host.address))


# --- foreign errors ---------------------------------------------------------------------------------------------------


def _translated(error: Exception, host: Host, client: _Client) -> SessionError:
    """The one table from what asyncssh and the system raise to what saturn says."""
    where = f"{host.address} port {host.ssh.port}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or "compatible server host key" in str(error):
        return _rejected(host, client, where)
    if isinstance(error, asyncssh.PermissionDenied):
        return Denied(
            f"{where} denied the login of {host.ssh.user}",
            notes=_banner(client),
            hint=f"try: ssh -p {host.ssh.port} {host.ssh.user}@{host.address}; is your key in its authorized_keys?",
        )
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{where} did not answer within {host.ssh.connect_timeout_s:g} s",
            hint=f"is it powered and online? try: ping {host.address}",
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(f"the name {host.address} does not resolve", hint="mend its address in the topology, or DNS")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{where} refused the connection", hint="is sshd running there, on that port?")
    if isinstance(error, asyncssh.ChannelOpenError):
        return SessionError(f"{where} would not open a channel: {error.reason}", code="channel_refused")
    if isinstance(error, asyncssh.ConnectionLost) or not isinstance(error, asyncssh.Error):
        return Unreachable(f"{where} closed the connection: {error}", notes=_banner(client))
    return SessionError(f"{where}: {error}", code="ssh_failed", notes=_banner(client))


def _rejected(host: Host, client: _Client, where: str) -> HostKeyRejected:
    revoked = {f"{key.get_algorithm()} {key.get_fingerprint()}" for key in _known_keys(host)[2]}
    if client.shown in revoked or (revoked and not client.shown):
        return HostKeyRejected(
            f"{where} showed a host key that is revoked",
            code="host_key_revoked",
            place=str(host.ssh.known_hosts),
            notes=(f"shown:   {client.shown or ', '.join(sorted(revoked))}",),
            hint="do not log in there: whoever holds a revoked key may be an impostor",
        )
    known = ", ".join(dict.fromkeys(f"{key.get_algorithm()} {key.get_fingerprint()}" for key in _known_keys(host)[0]))
    entry = host.address if host.ssh.port == 22 else f"[{host.address}]:{host.ssh.port}"
    forget = shlex.join(("ssh-keygen", "-R", entry, "-f", str(host.ssh.known_hosts)))
    return HostKeyRejected(
        f"{where} showed another host key than the one on file",
        place=str(host.ssh.known_hosts),
        notes=(f"on file: {known}", f"shown:   {client.shown or 'a key of another type'}"),
        hint=f"only if the host was reinstalled: {forget}; then {_keyscan(host)} >> {host.ssh.known_hosts}",
    )


def _banner(client: _Client) -> tuple[str, ...]:
    return (client.banner.strip(),) if client.banner.strip() else ()
