"""What an autonomous node would need of machines that may be out of reach, as far as its compose config tells. Pure.

Only places where a machine can be meant are read, and only the machine's name is told: what stands around it may be
a secret.
"""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from . import claims, exposure
from .late import ipaddress

_BREAKS = r"[\s,;|<>\"'()\[\]{}=]+"
_URL = r"(?i)^(?:[a-z]+:)?([a-z][a-z0-9+.-]*)://"
_FILES = frozenset(("file", "sqlite", "sqlite3", "unix"))
"""Schemes of URLs that name no machine."""
_PORT = r":\d+$"
_NAME = r"(?i)^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$"
_NEAR = (
    ".local", ".lan", ".home", ".home.arpa", ".internal", ".intranet", ".localdomain", ".localhost", ".docker",
    ".fritz.box",
)  # fmt: skip
_TAILNET = ".ts.net"
_IMAGE_LABELS = ("org.opencontainers.", "org.label-schema.")
"""Labels that tell where something comes from, which nobody asks while it runs."""
_NETWORK_TYPES = frozenset(("nfs", "nfs4", "cifs", "smb3", "sshfs", "glusterfs", "ceph"))


class Reference(NamedTuple):
    """A machine that is asked for. key: where, dotted. machine: its name or address."""

    key: str
    machine: str


class Neighbourhood(NamedTuple):
    """own: the node's names and addresses. strangers: those of machines that are known to be elsewhere.

    containers: names that the engine, or a line of `extra_hosts`, answers for.
    """

    own: frozenset[str]
    strangers: frozenset[str]
    containers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: Sequence[str], strangers: Sequence[str]) -> Neighbourhood:
        """Names are compared without regard to case."""
        return cls(frozenset(each.lower() for each in own), frozenset(each.lower() for each in strangers))

    def is_outside(self, machine: str, *, is_address: bool) -> bool:
        """Whether the machine is none of the LAN. is_address: it surely names a machine, since a URL does."""
        name = machine.lower().rstrip(".")
        if not name or name in self.own or name in self.containers or name.split(".", 1)[0] in self.own:
            return False
        if name in self.strangers or name.endswith(_TAILNET):
            return True
        try:
            return exposure.network_of(ipaddress.ip_address(name)) in (
                exposure.TAILNET,
                exposure.WORLD,
            ) and not _is_many(name)
        except ValueError:  # no address, and a name only when its last part is more than digits: 4.1 is a version
            is_name = "." in name and not name.rpartition(".")[2].isdecimal()
            return is_address and is_name and not f".{name}".endswith(_NEAR)


def _is_many(address: str) -> bool:
    """Whether it names no single machine: a group, a broadcast, or a net mask."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_multicast or address.startswith(("255.", "0."))


def references(config: Mapping[str, Any], near: Neighbourhood) -> Iterator[Reference]:
    """Every place of a compose config that asks for a machine outside the LAN, once each."""
    services = _section(config, "services")
    near = near._replace(containers=frozenset(each for pair in services for each in _names(*pair)))
    for name, service in services:
        yield from _of_service(f"services.{name}", service, near)
    for name, volume in _section(config, "volumes"):
        options = volume.get("driver_opts")
        if isinstance(options, dict) and _is_remote(options):
            yield from _found(f"volumes.{name}.driver_opts", _shares(options), near, is_address=True)
    for name, each in _section(config, "configs"):
        yield from _found(f"configs.{name}.content", _lines(each.get("content")), near)


def _section(config: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The entries of a section by name; what is no mapping says nothing."""
    section = config.get(key)
    found = section.items() if isinstance(section, dict) else ()
    return sorted(((str(name), each) for name, each in found if isinstance(each, dict)), key=lambda pair: pair[0])


def _names(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    """What the other containers of the network call this one, and whom it knows by an address of its own."""
    yield name.lower()
    yield from (str(service[key]).lower() for key in ("container_name", "hostname") if service.get(key))
    networks = service.get("networks")
    for each in networks.values() if isinstance(networks, dict) else ():
        aliases = each.get("aliases") if isinstance(each, dict) else None
        yield from (str(alias).lower() for alias in claims.as_list(aliases))
    yield from (known.lower() for known, _ in _extra_hosts(service))


def _extra_hosts(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and addresses of `extra_hosts`, which is a mapping, or a list of `NAME:ADDRESS` or `NAME=ADDRESS`."""
    value = service.get("extra_hosts")
    if isinstance(value, dict):
        yield from ((str(name), text) for name, each in value.items() for text in _texts(each))
    for each in claims.as_list(value):
        name, _, address = re.sub("[:=]", " ", str(each), count=1).partition(" ")
        yield name, address


def _is_remote(options: Mapping[str, Any]) -> bool:
    return str(options.get("type") or "").lower() in _NETWORK_TYPES or "addr=" in str(options.get("o") or "")


def _shares(options: Mapping[str, Any]) -> list[str]:
    """Where a volume lies. Of the mount options only the address is looked at: a password may stand beside it."""
    told = (each.partition("=") for each in str(options.get("o") or "").split(","))
    return [*(value for key, _, value in told if key.strip() == "addr"), str(options.get("device") or "")]


def _lines(content: object) -> list[str]:
    """The lines of a configuration without its comments, where people link to manuals."""
    lines = str(content or "").splitlines()
    return [each for each in lines if not each.lstrip().startswith(("#", ";", "//"))]


def _of_service(place: str, service: Mapping[str, Any], near: Neighbourhood) -> Iterator[Reference]:
    for name, value in claims.pairs(service.get("environment")):
        yield from _found(f"{place}.environment.{name}", [value], near)
    for key in ("command", "entrypoint"):
        yield from _found(f"{place}.{key}", _texts(service.get(key)), near)
    check = service.get("healthcheck")
    if isinstance(check, dict):
        yield from _found(f"{place}.healthcheck.test", _texts(check.get("test")), near)
    yield from _found(f"{place}.extra_hosts", [address for _, address in _extra_hosts(service)], near, is_address=True)
    yield from _found(f"{place}.dns", _texts(service.get("dns")), near, is_address=True)
    yield from _found(f"{place}.dns_search", _texts(service.get("dns_search")), near)
    logging = service.get("logging")
    if isinstance(logging, dict):
        for name, value in claims.pairs(logging.get("options")):
            yield from _found(f"{place}.logging.options.{name}", [value], near)
    for name, value in claims.pairs(service.get("labels")):
        if not name.startswith(_IMAGE_LABELS):
            yield from _of_label(f"{place}.labels.{name}", value, near)


def _of_label(key: str, value: str, near: Neighbourhood) -> Iterator[Reference]:
    """Labels are for people and proxies: only machines known to be elsewhere count, and no word that is like a name."""
    for machine, is_url in dict.fromkeys(machines_of(value)):
        is_machine = is_url or "." in machine or ":" in machine
        if is_machine and _is_known(machine, near) and near.is_outside(machine, is_address=is_url):
            yield Reference(key, machine)


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
    for word in re.split(_BREAKS, exposure.unfilled(text)):
        scheme = re.match(_URL, word)
        if scheme and scheme.group(1).lower() in _FILES:
            continue
        is_url = bool(scheme) or word.startswith("//")
        rest = word[scheme.end() :] if scheme else word[2 * is_url :]
        machine = re.split(r"[?#]" if not is_url else r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        if not is_url:
            machine = machine.partition(":/")[0]
            if "/" in machine:  # a path, a topic, an image: not a machine
                continue
        machine = machine if _is_bare_v6(machine) else re.sub(_PORT, "", machine)
        if machine and (re.match(_NAME, machine) or _is_bare_v6(machine)):
            yield machine, is_url


def _is_bare_v6(text: str) -> bool:
    if text.count(":") < 2:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
