"""`tailscale status --json` to a Tailnet. Pure.

Its shape has changed between releases and will again, and part of it comes from other machines: keys may be missing,
null, or of another type, and nothing here raises.

Source: ipn/ipnstate/ipnstate.go of tailscale, 1.60 to 1.102.
"""

from __future__ import annotations

from typing import Any

from saturn_orchestrator.ages import moment
from saturn_orchestrator.events import neutral
from saturn_orchestrator.tailnet.model import Path, Peer, Tailnet, ip_address

_MAX_TEXT = 1000
_MAX_KEYS = 16
_MAX_KEY = 8192
_MAX_REGION = 2**31
_ZERO_YEAR = 1
"""Go's zero time: year 1 stands for no time at all."""


def tailnet_of(document: object) -> Tailnet:
    """What the document says, as far as it can be read; the state is "" when it is no status at all."""
    status = _mapping(document)
    own = _mapping(status.get("Self"))
    peers = (_peer(each) for each in _mapping(status.get("Peer")).values())
    return Tailnet(
        state=_text(status.get("BackendState")),
        suffix=_suffix(status),
        is_userspace=status.get("TUN") is False,
        login_url=_text(status.get("AuthURL")),
        own=_peer(own, is_self=True) if own else None,
        peers=tuple(sorted((peer for peer in peers if peer), key=lambda peer: (peer.dns_name, peer.addresses))),
        health=tuple(filter(None, _texts(status.get("Health")))),
    )


def path_of_ping(document: object) -> Path:
    """The path that an answer to a ping came by. Source: PingResult in ipn/ipnstate/ipnstate.go."""
    answer = _mapping(document)
    region = _text(answer.get("DERPRegionCode")) or _number(answer.get("DERPRegionID"))
    return _path(_text(answer.get("Endpoint")), _text(answer.get("PeerRelay")), region)


def _peer(document: object, *, is_self: bool = False) -> Peer | None:
    peer = _mapping(document)
    dns_name = _text(peer.get("DNSName")).rstrip(".")
    addresses = tuple(each for each in _texts(peer.get("TailscaleIPs")) if ip_address(each) and "%" not in each)
    if peer.get("ShareeNode") is True or not (dns_name or addresses or is_self):
        return None  # somebody who only sees what we share, or a machine without a place on the tailnet
    return Peer(
        name=dns_name.partition(".")[0] or _text(peer.get("HostName")) if is_self else dns_name.partition(".")[0],
        dns_name=dns_name,
        addresses=tuple(sorted(addresses, key=lambda each: ":" in each)),
        is_online=is_self or peer.get("Online") is True,
        last_seen=_time(peer.get("LastSeen")),
        path=_known_path(peer),
        host_keys=tuple(_keys(peer.get("sshHostKeys"))),
        is_expired=peer.get("Expired") is True,
        key_expiry=_time(peer.get("KeyExpiry")),
        is_self=is_self,
    )


def _known_path(peer: dict[str, Any]) -> Path:
    """The path in use; Relay is only the peer's home region, and says nothing before something was sent."""
    relay = _text(peer.get("Relay")) if peer.get("Active") is True else ""
    return _path(_text(peer.get("CurAddr")), _text(peer.get("PeerRelay")), relay)


def _path(direct: str, relay: str, region: str) -> Path:
    if direct:
        return Path("direct", direct)
    if relay:
        return Path("peer_relay", relay)
    return Path("derp", region) if region else Path()


def _suffix(status: dict[str, Any]) -> str:
    current = _mapping(status.get("CurrentTailnet"))
    return (_text(current.get("MagicDNSSuffix")) or _text(status.get("MagicDNSSuffix"))).strip(".")


def _keys(value: object) -> list[str]:
    """Lines of keys; one that holds a line end, or is longer than any key, is none."""
    lines = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return [each for each in lines if each.isprintable() and 0 < len(each.strip()) < _MAX_KEY][:_MAX_KEYS]


def _time(value: object) -> str:
    text = _text(value)
    known = moment(text)
    return text if known and known.year > _ZERO_YEAR else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else []


def _text(value: object) -> str:
    return neutral(value[:_MAX_TEXT]) if isinstance(value, str) else ""


def _number(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_REGION else ""
