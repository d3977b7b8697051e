"""The keys that a host offers, looked at and not believed: no login is made, and nothing follows the key exchange."""

from __future__ import annotations

import socket

import asyncssh

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Tell, nobody, patient
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.client import Client
from saturn_orchestrator.session.ssh.failure import session_error
from saturn_orchestrator.session.ssh.keys import TrustedKeys
from saturn_orchestrator.session.ssh.opening import KEX, Dial, hang_up

_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""Each is asked for on a connection of its own, the one to prefer first: a server shows one key to each."""


async def offered_keys(route: Route, dial: Dial, tell: Tell) -> tuple[Key, ...]:
    """Every key that the host offers, the one to prefer first; at least one.

    Raises:
        SessionError: it cannot be reached, or offers none that is understood here.
    """
    found: list[Key] = []
    refused: Exception | None = None
    try:
        async with patient(route.host.ssh.connect_timeout_s, tell) as told:
            for kinds in _KINDS:
                try:
                    found.append(await _offered(route, dial, told, kinds))
                except asyncssh.KeyExchangeFailed as error:  # it has no key of this kind
                    refused = error
    except (OSError, asyncssh.Error) as error:
        raise _failure(route, error) from error
    if not found:
        raise _failure(route, refused or asyncssh.KeyExchangeFailed("no host key is offered")) from refused
    return tuple(found)


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


def _failure(route: Route, error: Exception) -> SessionError:
    return session_error(error, route, Client(route, nobody, Approvals(), None), TrustedKeys())
