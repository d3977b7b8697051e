"""What an autonomous host must do without: the names and addresses of every machine outside its LAN. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from saturn_orchestrator.policy import is_local
from saturn_orchestrator.records import replace
from saturn_orchestrator.topology.model import Host

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


def by_host(hosts: Mapping[str, Host], controller: str) -> dict[str, Host]:
    """The hosts, the autonomous ones with their strangers: nobody asks for those of the others."""
    return {
        name: replace(host, strangers=strangers(host, hosts.values(), controller)) if host.autonomous else host
        for name, host in hosts.items()
    }
