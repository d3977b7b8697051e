"""Who could reach a service by what it publishes. Pure.

A port is read in compose's short and long syntax (https://docs.docker.com/reference/compose-file/services/#ports).
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, NamedTuple

from .late import ipaddress

EVERYWHERE = "everywhere"
LOOPBACK = "loopback"
LAN = "lan"
TAILNET = "tailnet"
WORLD = "world"
VARIABLE = "variable"
UNKNOWN = "unknown"

ALLOWED: Mapping[str, frozenset[str]] = {
    "local-only": frozenset((LOOPBACK, LAN)),
    "tailscale-internal": frozenset((LOOPBACK, TAILNET)),
    "public": frozenset((LOOPBACK, LAN, TAILNET, WORLD, EVERYWHERE)),
}
"""For each class of exposure, where its ports may answer."""

_TAILNET = ("100.64.0.0/10", "fd7a:115c:a1e0::/48")
_LAN = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
_REFERENCE = r"\$\{[^}]{0,200}\}|\$\w+"


class Port(NamedTuple):
    """One published port, or range of them. address: "" for every address of the node. position: its place in the list.

    published: "" when docker chooses one. Texts may hold a `$` where a variable stands that was not filled in.
    """

    address: str
    published: str
    target: str
    protocol: str
    position: int

    @property
    def words(self) -> str:
        """How a person speaks of it: the published port, else the one inside."""
        number = self.published or f"a free port for {self.target}"
        return number if self.protocol == "tcp" else f"{number}/{self.protocol}"


def published_ports(service: Mapping[str, Any]) -> tuple[Port, ...]:
    """Every port that a compose service publishes. What is no port at all is left to compose's own judgement."""
    ports = service.get("ports")
    found = (_port(each, index) for index, each in enumerate(ports if isinstance(ports, (list, tuple)) else ()))
    return tuple(each for each in found if each)


def _port(port: Any, index: int) -> Port | None:
    if isinstance(port, dict):
        published = port.get("published")
        return Port(
            _plain(port.get("host_ip")), _plain(published), _plain(port.get("target")),
            _plain(port.get("protocol")) or "tcp", index,
        )  # fmt: skip
    return _short(_plain(port), index)


def _plain(value: object) -> str:
    """A text with `$` for each variable in it: what stands inside may hold colons of its own."""
    return "" if value is None else unfilled(str(value).strip())


def unfilled(text: str) -> str:
    """The text with a bare `$` for each variable of compose in it."""
    return re.sub(_REFERENCE, "$", text)


def _short(text: str, index: int) -> Port | None:
    """`[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`; a target alone is published at a port that docker chooses."""
    if not text:
        return None
    front, _, protocol = text.partition("/")
    before, _, target = front.rpartition(":")
    address, _, published = before.rpartition(":")
    if front == "$":  # one variable for all of it: it may hold an address
        address = front
    return Port(address.strip("[]"), published, target, protocol or "tcp", index)


def reach(address: str) -> str:
    """Where a port bound to this address answers: one of the words above."""
    if not address:
        return EVERYWHERE
    if "$" in address:
        return VARIABLE
    try:
        parsed = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return LOOPBACK if address == "localhost" else UNKNOWN
    return network_of(getattr(parsed, "ipv4_mapped", None) or parsed)


def is_local(address: str) -> bool:
    """Whether an address is one of the machine itself or of its LAN, and none of the tailnet."""
    return reach(address) in (LOOPBACK, LAN)


def network_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Where an address lies."""
    if address.is_unspecified:
        return EVERYWHERE
    if address.is_loopback:
        return LOOPBACK
    if _is_in(address, _TAILNET):
        return TAILNET
    return LAN if _is_in(address, _LAN) else WORLD


def _is_in(address: Any, networks: Iterable[str]) -> bool:
    return any(address in ipaddress.ip_network(each) for each in networks)


def shares_the_hosts_network(service: Mapping[str, Any]) -> bool:
    """Whether compose cannot tell what it publishes: it binds whatever it likes."""
    return service.get("network_mode") == "host"
