"""By which keys a host is known, and which key logs in there. Nothing is ever trusted on first use."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import asyncssh

from saturn_orchestrator.errors import Denied, HostKeyRejected, OffTailnet
from saturn_orchestrator.files import content
from saturn_orchestrator.records import dataclass, field
from saturn_orchestrator.session import known_hosts
from saturn_orchestrator.session.descriptors import spent
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host

_DEFAULT_IDENTITY = Path("~/.ssh/id_ed25519").expanduser()


def identities(route: Route) -> list[asyncssh.SSHKey] | tuple[()]:
    """The person's key; an empty tuple lets asyncssh ask the agent and the usual places.

    Raises:
        Denied: the key is not there, or cannot be read; Tailscale SSH asks for none, so there it is no matter.
    """
    try:
        return _identities(route.host.ssh.identity_file)
    except Denied:
        if route.is_tailscale_ssh:
            return ()
        raise


def _identities(file: Path | None) -> list[asyncssh.SSHKey] | tuple[()]:
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
        if without := spent(error):
            raise without from error
        # asyncssh has no class of its own for a key that would need a passphrase.
        if "assphrase" not in str(error):
            raise Denied(f"the identity {file} cannot be read: {error}", code="identity_unreadable") from error
        raise Denied(
            f"the identity {file} is protected by a passphrase",
            code="identity_locked",
            hint=f'eval "$(ssh-agent)" && ssh-add {shlex.quote(str(file))}   # the agent is asked then',
        ) from error


@dataclass(frozen=True)
class TrustedKeys:
    """By what a host is known: its keys, authorities that may vouch for it, and keys that are good no more.

    source: the known_hosts file, or the tailnet.
    """

    keys: list[asyncssh.SSHKey] = field(default_factory=list)
    authorities: list[asyncssh.SSHKey] = field(default_factory=list)
    revoked: list[asyncssh.SSHKey] = field(default_factory=list)
    source: str = ""

    @property
    def explicit(self) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """For asyncssh, which takes None for "do not verify" and an empty value for the user's own file."""
        return self.keys, self.authorities, self.revoked


def trusted_keys(route: Route) -> TrustedKeys:
    """The keys of a host: exactly those that the tailnet tells, where it tells any; else those in known_hosts.

    Raises:
        HostKeyRejected: no key is known.
    """
    if route.peer and route.is_tailscale_ssh:
        return _of_the_tailnet(route.host, route.peer)
    return _of_the_file(route)


def _of_the_tailnet(host: Host, peer: Peer) -> TrustedKeys:
    keys = []
    for line in peer.host_keys:
        with suppress(asyncssh.KeyImportError):  # of a kind that asyncssh does not know
            keys.append(asyncssh.import_public_key(line))
    if not keys:
        raise HostKeyRejected(
            f"no host key that the tailnet tells of {host.name} can be read, so it cannot be told from an impostor",
            code="host_key_unknown",
            place="the tailnet",
            hint="what does it tell? tailscale status --json",
        )
    return TrustedKeys(keys, [], [], "the tailnet")


def _of_the_file(route: Route) -> TrustedKeys:
    """By the host's address, its name, or the name and addresses that it has on the tailnet."""
    host, file = route.host, route.host.ssh.known_hosts
    try:
        found = known_hosts.known(known_hosts.text_of(content(file)), route.names, host.ssh.port)
    except (ValueError, OSError) as error:
        unreadable = HostKeyRejected(f"{file} cannot be read: {error}", code="known_hosts_unreadable")
        raise spent(error) or unreadable from error
    trusted, authorities, revoked = map(_imported, (found.keys, found.authorities, found.revoked))
    if trusted or authorities:
        return TrustedKeys(trusted, authorities, revoked, str(file))
    if route.trouble:  # there it would be known by the tailnet
        raise OffTailnet(
            f"no host key is known for {host.address} outside the tailnet, and {route.trouble.message}",
            code=route.trouble.code,
            hint=route.trouble.hint,
        )
    raise HostKeyRejected(
        f"no host key is known for {host.address}, so it cannot be told from an impostor",
        code="host_key_unknown",
        place=str(file),
        notes=("on the host, its fingerprint is told by: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",),
        hint=f"saturn trust {host.name}   # shows its key, and asks",
    )


def _imported(found: Sequence[known_hosts.Entry]) -> list[asyncssh.SSHKey]:
    keys = []
    for entry in found:
        with suppress(asyncssh.KeyImportError):  # of a kind that asyncssh does not know
            keys.append(asyncssh.import_public_key(entry.key.line))
    return keys


def fingerprint(key: asyncssh.SSHKey) -> str:
    """`ssh-ed25519 SHA256:…`."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def keyscan(host: Host) -> str:
    """The command that fetches the key of a machine that is no host of the topology, for a person to compare."""
    return shlex.join(("ssh-keyscan", "-t", "ed25519", "-p", str(host.ssh.port), host.address))
