"""Which way leads to a host: what is dialled, and by whose word it is known. Pure."""

from __future__ import annotations

from saturn_orchestrator.errors import OffTailnet, SessionError
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.tailnet.model import Peer, Tailnet, ip_address, is_of_a_tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, Trouble, usable
from saturn_orchestrator.topology.model import Host

_MAX_NAMES = 5


@dataclass(frozen=True)
class Route:
    """The way to a host.

    address: what is dialled. peer: the host on the tailnet, None for one that is reached without it. is_userspace: the
    system has no route there, tailscaled dials. trouble: what keeps SATURN off its tailnet, where the host may be.
    """

    host: Host
    address: str
    peer: Peer | None = None
    is_userspace: bool = False
    trouble: Trouble | None = None

    @property
    def is_local(self) -> bool:
        """Whether the host is SATURN itself."""
        return self.host.transport == "local" or bool(self.peer and self.peer.is_self)

    @property
    def is_tailscale_ssh(self) -> bool:
        """Whether the host is held to the keys that the tailnet tells, and may let us in without one of ours.

        Whatever the port: as root tailscaled uses the keys of the machine's own sshd.
        """
        return bool(self.peer and self.peer.has_tailscale_ssh)

    @property
    def names(self) -> tuple[str, ...]:
        """Under which a known_hosts file may have its key, the one to write first."""
        own = (self.peer.dns_name, *self.peer.addresses) if self.peer else ()
        return tuple(dict.fromkeys(filter(None, (self.host.address, self.host.name, *own))))

    @property
    def note(self) -> str:
        """What a person should know when nobody answers."""
        return f"{self.trouble.message}: {self.trouble.hint}" if self.trouble else ""

    @property
    def where(self) -> str:
        """`chelsty (100.64.0.3) port 22`, as an error names it."""
        name = f"{self.host.name} ({self.address})" if self.peer else self.address
        return f"{name} port {self.host.ssh.port}"


def is_tailnet_wanted(host: Host) -> bool:
    """Whether the tailnet is asked for the host at all: by its transport, unless it is reached through another one."""
    return host.transport == "tailscale" or (host.transport == "auto" and not host.ssh.jump)


def route_of(host: Host, known: Tailnet | Trouble | None, now: str) -> Route:
    """The way to the host. known: what tailscaled said, None when it was not asked. now: RFC 3339.

    Raises:
        OffTailnet: it can only be reached over the tailnet, and is not on it, or SATURN is not.
        SessionError: two machines of the tailnet have its name.
    """
    if known is None:
        return Route(host, host.address)
    must = host.transport == "tailscale" or is_of_a_tailnet(host.address)
    tailnet = usable(known, now)
    if isinstance(tailnet, Trouble):
        return _without(host, tailnet, must)
    found = tailnet.called(host.address)
    if not found and not must:
        return Route(host, host.address)
    peer = _only(host, found, tailnet)
    if peer.is_expired:
        raise OffTailnet(
            f"{host.name}'s key for the tailnet has expired, so nothing can reach it there",
            code="tailnet_key_expired",
            hint="on it: sudo tailscale up --force-reauth   # or renew it under Machines in the admin console",
        )
    address = host.address if ip_address(host.address) else next(iter(peer.addresses), "")
    if not address:
        raise OffTailnet(f"{host.name} has no address on the tailnet yet", code="not_on_tailnet", hint=_LOOK)
    return Route(host, address, peer, tailnet.is_userspace)


_LOOK = "tailscale status   # is it there under another name?"


def _without(host: Host, trouble: Trouble, must: bool) -> Route:
    if must:
        raise OffTailnet(
            f"{host.name} is reached over the tailnet, and {trouble.message}", code=trouble.code, hint=trouble.hint
        )
    return Route(host, host.address, trouble=None if trouble == NOT_INSTALLED else trouble)


def _only(host: Host, found: tuple[Peer, ...], tailnet: Tailnet) -> Peer:
    if len(found) == 1:
        return found[0]
    if not found:
        raise OffTailnet(
            f"{host.address} is not on the tailnet{f' {tailnet.suffix}' if tailnet.suffix else ''}",
            code="not_on_tailnet",
            hint=_LOOK,
        )
    names = [peer.dns_name or ", ".join(peer.addresses) for peer in found]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    raise SessionError(
        f"{host.address} means {len(found)} machines of the tailnet: {', '.join(names[:_MAX_NAMES])}{more}",
        code="tailnet_ambiguous",
        hint=f"give {host.name} the whole name, or the Tailscale IP, as its address in the topology",
    )
