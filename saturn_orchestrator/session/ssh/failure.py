"""The one table from what asyncssh and the system raise to what saturn says."""

from __future__ import annotations

import shlex
import socket

import asyncssh

from saturn_orchestrator.errors import Denied, HostKeyRejected, SessionError, Unreachable
from saturn_orchestrator.events import neutral
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.client import Client
from saturn_orchestrator.session.ssh.keys import TrustedKeys, fingerprint, keyscan

_POLICY = "mend the ssh rules of the tailnet's policy for this user and this host; docs/tailscale.md shows them"


def session_error(error: Exception, route: Route, client: Client, keys: TrustedKeys) -> SessionError:
    """Why there is no session."""
    host = route.host
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or "compatible server host key" in str(error):
        return _rejected(route, client, keys)
    if client.is_denied:
        said = _last_line(client.banner)
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
            hint=f"try: ssh -p {host.ssh.port} {host.ssh.user}@{route.address}; is your key in its authorized_keys?",
        )
    return _unanswered(error, route, client)


def _unanswered(error: Exception, route: Route, client: Client) -> SessionError:
    host, notes = route.host, _notes(client, route)
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{route.where} did not answer within {host.ssh.connect_timeout_s:g} s",
            notes=notes,
            hint=f"is it powered and online? try: {'tailscale ' if route.peer else ''}ping {route.address}",
        )
    if isinstance(error, socket.gaierror):
        hint = "mend its address in the topology, or DNS"
        return Unreachable(f"the name {host.address} does not resolve", notes=notes, hint=hint)
    if isinstance(error, ConnectionRefusedError):
        hint = "is sshd running there, on that port?"
        return Unreachable(f"{route.where} refused the connection", notes=notes, hint=hint)
    if isinstance(error, asyncssh.ChannelOpenError):
        return SessionError(f"{route.where} would not open a channel: {error.reason}", code="channel_refused")
    if isinstance(error, asyncssh.ConnectionLost) or not isinstance(error, asyncssh.Error):
        return Unreachable(f"{route.where} closed the connection: {error}", notes=notes)
    return SessionError(f"{route.where}: {error}", code="ssh_failed", notes=notes)


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
    if route.peer and route.peer.has_tailscale_ssh:
        return HostKeyRejected(
            f"{route.where} showed another host key than the tailnet tells",
            place=keys.source,
            notes=(f"tailnet: {known}", shown),
            hint=f"does another sshd answer there? tailscale status --json tells the key of {route.peer.dns_name}",
        )
    entry = host.address if host.ssh.port == 22 else f"[{host.address}]:{host.ssh.port}"
    forget = shlex.join(("ssh-keygen", "-R", entry, "-f", str(host.ssh.known_hosts)))
    return HostKeyRejected(
        f"{route.where} showed another host key than the one on file",
        place=keys.source,
        notes=(f"on file: {known}", shown),
        hint=f"only if the host was reinstalled: {forget}; then {keyscan(host)} >> {host.ssh.known_hosts}",
    )


def _notes(client: Client, route: Route) -> tuple[str, ...]:
    """What the server said, and what the tailnet has to do with it."""
    return tuple(note for note in (neutral(client.banner.strip()), route.note) if note)


def _last_line(banner: str) -> str:
    lines = [line.strip() for line in banner.splitlines() if line.strip()]
    return neutral(lines[-1]).removeprefix("tailscale: ")[:300] if lines else ""
