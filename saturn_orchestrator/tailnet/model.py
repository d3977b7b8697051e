"""A tailnet as it stands at one moment, seen from SATURN. Pure."""

from __future__ import annotations

import ipaddress

from saturn_orchestrator.ages import age_text, seconds_between
from saturn_orchestrator.records import dataclass

RUNNING = "Running"
"""The one state of tailscaled in which its answers are about a tailnet it is part of."""

_RANGES = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("fd7a:115c:a1e0::/48"))
"""Where tailnets have their addresses: https://tailscale.com/kb/1015/100.x-addresses."""


@dataclass(frozen=True)
class Path:
    """How packets reach a peer. kind: direct | peer_relay | derp | "" (not known: nothing was sent to it lately).

    via: the address, the relay's address, or the DERP region's code.
    """

    kind: str = ""
    via: str = ""

    @property
    def words(self) -> str:
        """`direct`, `peer relay`, `DERP fra`; "" when it is not known."""
        if self.kind == "derp":
            return f"DERP {self.via}".rstrip()
        return self.kind.replace("_", " ")


@dataclass(frozen=True)
class Peer:
    """A machine on the tailnet.

    name: the first label of dns_name. dns_name: without a dot at its end. addresses: IPv4 first. last_seen: RFC 3339,
    "" while it is online. host_keys: lines as in an authorized_keys file; a peer that has any runs Tailscale SSH.
    key_expiry: RFC 3339, "" for never. is_self: SATURN itself.
    """

    name: str
    dns_name: str = ""
    addresses: tuple[str, ...] = ()
    is_online: bool = True
    last_seen: str = ""
    path: Path = Path()
    host_keys: tuple[str, ...] = ()
    is_expired: bool = False
    key_expiry: str = ""
    is_self: bool = False

    @property
    def has_tailscale_ssh(self) -> bool:
        """Whether tailscaled itself answers on its port 22, and tells the keys it answers with."""
        return bool(self.host_keys)

    def absence(self, now: str) -> str:
        """`offline, last seen 3 h ago`."""
        seconds = seconds_between(self.last_seen, now)
        return f"offline, last seen {age_text(seconds)}" if seconds is not None else "offline"


@dataclass(frozen=True)
class Tailnet:
    """What tailscaled on SATURN says. state: its BackendState. is_userspace: the system has no route to the peers.

    suffix: of the peers' names, without dots around. login_url: where a login waits for a person, "" for nowhere.
    own: SATURN itself. peers: everybody else, in the order of their names. health: what tailscaled complains about.
    """

    state: str
    suffix: str = ""
    is_userspace: bool = False
    login_url: str = ""
    own: Peer | None = None
    peers: tuple[Peer, ...] = ()
    health: tuple[str, ...] = ()

    @property
    def is_starting(self) -> bool:
        """Whether tailscaled will say something else in a moment."""
        return self.state in {"NoState", "Starting"}

    def called(self, address: str) -> tuple[Peer, ...]:
        """Those that an address means: a Tailscale IP, a whole DNS name, or its first label; two are a doubt."""
        wanted = address.rstrip(".").lower()
        everybody = (*((self.own,) if self.own else ()), *self.peers)
        return tuple(peer for peer in everybody if _is_called(peer, wanted))


def _is_called(peer: Peer, wanted: str) -> bool:
    address = ip_address(wanted)
    if address:
        return address in map(ip_address, peer.addresses)
    return wanted in {peer.dns_name.lower(), peer.name.lower()} - {""}


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text is; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_of_a_tailnet(address: str) -> bool:
    """Whether an address can only be meant on a tailnet: of its ranges, or below ts.net."""
    known = ip_address(address)
    if known:
        return any(known in network for network in _RANGES)
    return address.rstrip(".").lower().endswith(".ts.net")
