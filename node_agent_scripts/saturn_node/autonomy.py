"""What an autonomous node would need of machines that may be out of reach, as far as its compose config tells. Pure.

Only places where a machine can be meant are read, and only the machine's name is told: what stands around it may be
a secret.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from . import claims, exposure

_BREAKS = re.compile(r"[\s,;|<>\"'()\[\]{}=]+")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PORT = re.compile(r":\d+$")
_NAME = re.compile(r"^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$", re.IGNORECASE)
_NEAR = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".localhost", ".docker")
_TAILNET = ".ts.net"
_REFERENCE = re.compile(r"\$\{[^}]*\}|\$\w+")
_NETWORK_TYPES = frozenset(("nfs", "nfs4", "cifs", "smb3", "sshfs", "glusterfs", "ceph"))


class Reference(NamedTuple):
    """A machine that is asked for. key: where, dotted. machine: its name or address."""

    key: str
    machine: str


class Neighbourhood(NamedTuple):
    """own: the node's names and addresses. strangers: those of machines that are known to be elsewhere."""

    own: frozenset[str]
    strangers: frozenset[str]

    @classmethod
    def of(cls, own: Sequence[str], strangers: Sequence[str]) -> Neighbourhood:
        """Names are compared without regard to case."""
        return cls(frozenset(each.lower() for each in own), frozenset(each.lower() for each in strangers))

    def is_outside(self, machine: str, *, is_address: bool) -> bool:
        """Whether the machine is none of the LAN. is_address: it surely names a machine, since a URL does."""
        name = machine.lower().rstrip(".")
        if not name or name in self.own or name.split(".", 1)[0] in self.own:
            return False
        if name in self.strangers or name.endswith(_TAILNET):
            return True
        try:
            return exposure.network_of(ipaddress.ip_address(name)) in (
                exposure.TAILNET,
                exposure.WORLD,
            ) and not _is_many(name)
        except ValueError:
            return is_address and "." in name and not name.endswith(_NEAR)


def _is_many(address: str) -> bool:
    """Whether it names no single machine: a group, a broadcast, or a net mask."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_multicast or address.startswith(("255.", "0."))


def references(config: Mapping[str, Any], near: Neighbourhood) -> Iterator[Reference]:
    """Every place of a compose config that asks for a machine outside the LAN, once each."""
    for name, service in sorted((config.get("services") or {}).items()):
        if isinstance(service, dict):
            yield from _of_service(f"services.{name}", service, near)
    for name, volume in sorted((config.get("volumes") or {}).items()):
        options = (volume or {}).get("driver_opts") if isinstance(volume, dict) else None
        if isinstance(options, dict) and _is_remote(options):
            texts = [str(options.get(key) or "") for key in ("o", "device")]
            yield from _found(f"volumes.{name}.driver_opts", texts, near, is_address=True)
    for name, each in sorted((config.get("configs") or {}).items()):
        if isinstance(each, dict) and each.get("content"):
            yield from _found(f"configs.{name}.content", [str(each["content"])], near)


def _is_remote(options: Mapping[str, Any]) -> bool:
    return str(options.get("type") or "").lower() in _NETWORK_TYPES or "addr=" in str(options.get("o") or "")


def _of_service(place: str, service: Mapping[str, Any], near: Neighbourhood) -> Iterator[Reference]:
    for name, value in claims.pairs(service.get("environment")):
        yield from _found(f"{place}.environment.{name}", [value], near)
    for key in ("command", "entrypoint"):
        yield from _found(f"{place}.{key}", _texts(service.get(key)), near)
    check = service.get("healthcheck")
    if isinstance(check, dict):
        yield from _found(f"{place}.healthcheck.test", _texts(check.get("test")), near)
    for key in ("extra_hosts", "dns", "dns_search", "external_links"):
        yield from _found(f"{place}.{key}", _texts(service.get(key)), near, is_address=key != "dns_search")
    logging = service.get("logging")
    if isinstance(logging, dict):
        for name, value in claims.pairs(logging.get("options")):
            yield from _found(f"{place}.logging.options.{name}", [value], near)
    for name, value in claims.pairs(service.get("labels")):
        # Labels are for people and proxies: only machines that are known to be elsewhere count.
        yield from (each for each in _found(f"{place}.labels.{name}", [value], near) if _is_known(each.machine, near))


def _is_known(machine: str, near: Neighbourhood) -> bool:
    name = machine.lower().rstrip(".")
    return name in near.strangers or name.endswith(_TAILNET) or exposure.reach(name) == exposure.TAILNET


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [str(each) for each in value]
    return [] if value is None else [str(value)]


def _found(key: str, texts: Sequence[str], near: Neighbourhood, *, is_address: bool = False) -> Iterator[Reference]:
    machines: dict[str, None] = {}
    for text in texts:
        for machine, is_named in machines_of(text):
            if near.is_outside(machine, is_address=is_named or is_address):
                machines[machine] = None
    yield from (Reference(key, each) for each in machines)


def machines_of(text: str) -> Iterator[tuple[str, bool]]:
    """What may be a machine in a text: `name`, `name:port`, `user@name`, `name:/export`, `//name/share`, a URL's.

    With each stands whether it surely is one, since it stands in a URL. Variables that were not filled in are none.
    """
    for word in _BREAKS.split(_REFERENCE.sub("$", text)):
        is_url = bool(_URL.match(word))
        rest = _URL.sub("", word)
        if rest.startswith("//"):
            rest, is_url = rest[2:], True
        machine = re.split(r"[?#]" if not is_url else r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        if not is_url:
            machine = machine.partition(":/")[0]
            if "/" in machine:  # a path, a topic, an image: not a machine
                continue
        machine = machine if _is_bare_v6(machine) else _PORT.sub("", machine)
        if machine and (_NAME.match(machine) or _is_bare_v6(machine)):
            yield machine, is_url


def _is_bare_v6(text: str) -> bool:
    if text.count(":") < 2:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
