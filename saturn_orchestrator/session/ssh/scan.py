"""The keys that a host offers, looked at and not believed: no login is made, and nothing follows the key exchange."""

from __future__ import annotations

import socket
from contextlib import suppress

import asyncssh

from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Patience, Tell, nobody
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.client import Client
from saturn_orchestrator.session.ssh.failure import session_error
from saturn_orchestrator.session.ssh.keys import TrustedKeys
from saturn_orchestrator.session.ssh.opening import KEX, Dial, hang_up
from saturn_orchestrator.session.trip import Trip

_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""The one to prefer first. A server shows one key a connection, so each kind is asked for on one of its own."""


async def offered_keys(route: Route, dial: Dial, tell: Tell) -> tuple[Key, ...]:
    """Every key that the host offers, the one to prefer first; at least one.

    Raises:
        SessionError: it cannot be reached, or offers none that is understood here.
    """
    try:
        async with Patience(route.host.ssh.connect_timeout_s, tell) as told:
            found = [await _offered(route, dial, told, sum(_KINDS, ()))]
            for kinds in _KINDS:
                if not any(kind.startswith(_family(found[0])) for kind in kinds):
                    # Asked for a kind that it has not, a server hangs up; some say why.
                    with suppress(asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionError):
                        found.append(await _offered(route, dial, told, kinds))
    except (OSError, asyncssh.Error) as error:
        raise session_error(error, route, Client(route, nobody, Approvals(), None, Trip()), TrustedKeys()) from error
    return tuple(found)


def _family(key: Key) -> str:
    """How the names of the algorithms begin that a key goes with."""
    return "rsa-" if key.kind == "ssh-rsa" else key.kind


async def _offered(route: Route, dial: Dial, tell: Tell, kinds: tuple[str, ...]) -> Key:
    line = await dial(tell)
    over = {"sock": line} if isinstance(line, socket.socket) else {"tunnel": line}
    try:
        key = await asyncssh.get_server_host_key(
            route.address, route.host.ssh.port, **over, config=None, kex_algs=KEX, server_host_key_algs=kinds
        )
    except BaseException:
        hang_up(line)
        raise
    if key is None:
        raise asyncssh.KeyExchangeFailed("no host key was shown")
    return Key.of(key.export_public_key().decode())
