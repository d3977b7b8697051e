"""The names that stand in an inventory, right or wrong as a whole: for whoever offers them while a person types.

Nothing is validated, and pydantic stays away: it takes longer to import than a person waits for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from saturn_orchestrator.errors import InventoryError
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.document import read

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST_FOLDER = "hosts/{host}"


@dataclass(frozen=True)
class HostNames:
    """A host as it is called, and what it is chosen by. address: where it is, "" when its own name says so."""

    name: str
    address: str = ""
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


def host_names(file: Path) -> tuple[HostNames, ...]:
    """The hosts of the inventory whose topology.yaml is at file, in its order; those that can be read."""
    topology = _mapping(file)
    folder = file.absolute().parent.parent
    layout = _within(topology, "layout").get("host")
    where = layout if isinstance(layout, str) else _HOST_FOLDER
    return tuple(
        _host(name, {**_within(hosts, name), **_mapping(folder / where.replace("{host}", name) / "host.yaml")})
        for hosts in (_within(topology, "hosts"),)
        for name in hosts
        if _NAME.fullmatch(name)
    )


def _host(name: str, entry: dict[str, object]) -> HostNames:
    address = entry.get("address")
    return HostNames(
        name,
        address if isinstance(address, str) else "",
        tuple(_names(entry.get("tags"))),
        tuple(_names(entry.get("roles"))),
        tuple(_names(entry.get("services"))),
    )


def _names(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, str) and _NAME.fullmatch(each):
            yield each


def _within(mapping: dict[str, object], key: str) -> dict[str, object]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _mapping(file: Path) -> dict[str, object]:
    """What the file holds; nothing when it is not there, or no mapping."""
    try:
        value = read(file, str(file)).value
    except InventoryError:
        return {}
    return value if isinstance(value, dict) else {}
