"""What an autonomous host must do without: the names and addresses of every machine outside its LAN. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network

from saturn_orchestrator.topology.model import Host

_LAN = tuple(
    ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fe80::/10",
        "::1/128",
    )
)
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?(\[[^\]]+\]|[^/:]+)", re.IGNORECASE)
_SCP = re.compile(r"^(?:[^/@:]+@)?([^/:]+):(?!//)")


def strangers(host: Host, hosts: Iterable[Host], controller: str) -> tuple[str, ...]:
    """Every name and address by which something on the host could ask for a machine that may be out of reach.

    Another host with a private address counts as a neighbour on the LAN; SATURN is a stranger wherever it is.
    """
    found = [controller] if controller != host.name else []
    for other in hosts:
        if other.name != host.name and not (is_local(other.address) and other.name != controller):
            found += [other.name, other.address]
    found.append(forge(host.git.url))
    own = {host.name, host.address, ""}
    return tuple(dict.fromkeys(each for each in found if each not in own and not is_local(each)))


def forge(url: str) -> str:
    """The machine in the url of a git repository, "" for a path."""
    found = _URL.match(url) or _SCP.match(url)
    return found.group(1).strip("[]") if found else ""


def is_local(address: str) -> bool:
    """Whether it is an address of a LAN or of the machine itself, not of the tailnet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address == "localhost"
    return any(parsed in each for each in _LAN if parsed.version == each.version)


def by_host(hosts: Mapping[str, Host], controller: str) -> dict[str, Host]:
    """The hosts, each with its strangers."""
    return {
        name: host.model_copy(update={"strangers": strangers(host, hosts.values(), controller)})
        for name, host in hosts.items()
    }
