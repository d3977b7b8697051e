"""The one table from what asyncssh and the system raise to what saturn says."""

from __future__ import annotations

import shlex

import asyncssh

from saturn_orchestrator.errors import Denied, HostKeyRejected, SessionError, TooManyFiles, Unreachable
from saturn_orchestrator.events import neutral
from saturn_orchestrator.session.descriptors import spent
from saturn_orchestrator.session.line import MAX_WORDS, by_hand, unreached
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.client import Client
from saturn_orchestrator.session.ssh.keys import TrustedKeys, fingerprint

_OWN_WORDS = "SSH connection closed"
"""What asyncssh says of a channel when the line is gone, also in the moment before it tells the client so."""

_POLICY = "mend the ssh rules of the tailnet's policy for this user and this host; docs/tailscale.md shows them"


def session_error(error: Exception, route: Route, client: Client, keys: TrustedKeys) -> SessionError | TooManyFiles:
    """Why there is no session."""
    if without := spent(error):
        return without
    host = route.host
    if client.is_let_in:
        return _unanswered(error, route, client)
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or "compatible server host key" in str(error):
        return _rejected(route, client, keys)
    if client.is_denied or (client.is_of_tailscale and isinstance(error, asyncssh.PermissionDenied)):
        said = _last_line(client.banner) or "its policy does not say why"
        return Denied(
            f"{route.where} denied the login of {host.ssh.user}: {said}", code="denied_by_policy", hint=_POLICY
        )
    if client.is_asked:
        return Denied(
            f"{route.where} was not approved: the connection ended before anybody opened the address",
            code="approval_missing",
            notes=_notes(client, route),
            hint="run it again, and open the address that it shows",
        )
    if client.is_stalled:
        return Unreachable(
            f"{route.where} stalled in the key exchange, twice",
            code="key_exchange_stalled",
            notes=("small packets arrive and large ones do not: an MTU on the way that is too small is a suspect",),
            hint=f"what arrives? tailscale ping --size 1200 {shlex.quote(route.address)}"
            if route.peer
            else f"what arrives? ping -M do -s 1300 {shlex.quote(route.address)}",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return Denied(
            f"{route.where} denied the login of {host.ssh.user}",
            notes=_notes(client, route),
            hint=f"try: {by_hand(route)}; is your key in its authorized_keys?",
        )
    return _unanswered(error, route, client)


def _unanswered(error: Exception, route: Route, client: Client) -> SessionError:
    notes, words = _notes(client, route), neutral(str(error))[:MAX_WORDS]
    if isinstance(error, asyncssh.ChannelOpenError):
        return _unopened(error, route, client)
    if isinstance(error, OSError):
        return unreached(error, route, notes)
    if isinstance(error, asyncssh.ConnectionLost):
        return Unreachable(f"{route.where} closed the connection: {words}", notes=notes)
    return SessionError(f"{route.where}: {words}", code="ssh_failed", notes=notes)


def _unopened(error: asyncssh.ChannelOpenError, route: Route, client: Client) -> SessionError:
    """Of the host itself once it let us in; before that, of the machine that it is reached through."""
    reason = neutral(error.reason)[:MAX_WORDS]
    if client.is_let_in and (client.is_lost or error.reason == _OWN_WORDS):
        return Unreachable(f"{route.where} closed the connection: {reason}", notes=_notes(client, route))
    if client.is_let_in:
        return SessionError(f"{route.where} would not open a channel: {reason}", code="channel_refused")
    jump = route.host.ssh.jump
    if error.code == asyncssh.OPEN_CONNECT_FAILED:
        return Unreachable(
            f"{route.where} cannot be reached from {jump}: {reason}", hint=f"is it powered? try: {by_hand(route)}"
        )
    return SessionError(
        f"{jump} would not lead on to {route.where}: {reason}",
        code="channel_refused",
        hint=f"allow it on {jump}: AllowTcpForwarding of its sshd, or with Tailscale SSH the tailnet's policy",
    )


def _rejected(route: Route, client: Client, keys: TrustedKeys) -> HostKeyRejected:
    host = route.host
    revoked = {fingerprint(key) for key in keys.revoked}
    if client.shown in revoked or (revoked and not client.shown):
        return HostKeyRejected(
            f"{route.where} showed a host key that is revoked",
            code="host_key_revoked",
            place=keys.source,
            notes=(f"shown:   {client.shown or ', '.join(sorted(revoked))}",),
            hint="do not log in there: whoever holds a revoked key may be an impostor",
        )
    known = ", ".join(dict.fromkeys(map(fingerprint, keys.keys)))
    shown = f"shown:   {client.shown or 'a key of another type'}"
    if route.peer and route.is_tailscale_ssh:
        return HostKeyRejected(
            f"{route.where} showed another host key than the tailnet tells",
            place=keys.source,
            notes=(f"tailnet: {known}", shown),
            hint=f"does another sshd answer there? tailscale status --json tells the key of {route.peer.dns_name}",
        )
    return HostKeyRejected(
        f"{route.where} showed another host key than the one on file",
        place=keys.source,
        notes=(f"on file: {known}", shown),
        hint=f"only if the host was reinstalled: saturn trust {host.name}",
    )


def _notes(client: Client, route: Route) -> tuple[str, ...]:
    """What the server said, and what the tailnet has to do with it."""
    return tuple(note for note in (neutral(client.banner.strip()), route.note) if note)


def _last_line(banner: str) -> str:
    lines = [line.strip() for line in banner.splitlines() if line.strip()]
    return neutral(lines[-1]).removeprefix("tailscale: ")[:MAX_WORDS] if lines else ""
