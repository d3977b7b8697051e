"""A host that the topology has not yet: its entry, and the files of the repository that change by it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from saturn_orchestrator import files
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.addition import with_host
from saturn_orchestrator.topology.document import parsed
from saturn_orchestrator.topology.load import load
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Host, Topology

_STARTER = """# What is true of {host} alone. It is laid over its entry in topology.yaml, and has the same keys:
#
#   become: false               # true: the executor runs through sudo -n
#   ingress: {{public: []}}       # services that may be open to the world
#   rollback_on_failure: true
#
# inventory/topology.example.yaml explains every key.
"""


@dataclass(frozen=True)
class Change:
    """A file of the repository that is to be written. before: what it holds, None when it is not there."""

    file: Path
    before: files.Content
    after: bytes

    @property
    def diff(self) -> str:
        """As git shows it."""
        old, new = (data.decode("utf-8", "replace").splitlines() for data in (self.before or b"", self.after))
        name = shown(self.file)
        return "\n".join(
            difflib.unified_diff(old, new, name if self.before is not None else "/dev/null", name, lineterm="")
        )


@dataclass(frozen=True)
class Enrolment:
    """A host as the topology has it, or will once the changes are written."""

    topology: Topology
    host: Host
    changes: tuple[Change, ...] = ()

    def write(self) -> None:
        """Write the changes. Raises UsageError."""
        for change in self.changes:
            files.write(change.file, change.after, over=change.before)


def enrolment(file: Path, name: str, entry: Mapping[str, object]) -> Enrolment:
    """The host of that name; with this entry when the topology at file has none.

    entry: keys as they stand in a topology, only those that a person named.

    Raises:
        InventoryError: the topology is invalid, or would be with the entry, or cannot be added to.
        UsageError: the topology has the host, and not so (`host_known`).
    """
    before = files.content(file)
    text = (before or b"").decode("utf-8", "replace")
    known = parsed(text.removeprefix("\ufeff"), shown(file)).value if before is not None else None
    hosts = known.get("hosts") if isinstance(known, dict) else None
    if before is None or (isinstance(hosts, dict) and name in hosts):
        topology = load(file)
        _check_same(topology.hosts[name], entry)
        return Enrolment(topology, topology.hosts[name])
    after = with_host(text, name, _spared(name, entry, known), shown(file))
    topology = load(file, after.removeprefix("\ufeff"))
    own = topology.folder / topology.layout.host.replace("{host}", name) / "host.yaml"
    starter = () if own.exists() else (Change(own, None, _STARTER.format(host=name).encode()),)
    return Enrolment(topology, topology.hosts[name], (Change(file, before, after.encode()), *starter))


def _spared(name: str, entry: Mapping[str, object], known: object) -> dict[str, object]:
    """The entry without what would be so anyway."""
    defaults = known.get("defaults") if isinstance(known, dict) else None
    said = defaults if isinstance(defaults, dict) else {}
    spared: dict[str, object] = {}
    for key, value in entry.items():
        if isinstance(value, Mapping) and isinstance(said.get(key), dict):
            value = {inner: each for inner, each in value.items() if said[key].get(inner) != each}
        if value not in ({}, said.get(key)) and (key, value) != ("address", name):
            spared[key] = value
    return spared


def _check_same(host: Host, entry: Mapping[str, object]) -> None:
    """A person who names something else than the topology has means to change it, and that is for an editor."""
    own: dict[str, Any] = {key: getattr(host, key) for key in ("address", "root", "link")}
    own |= {key: list(getattr(host, key)) for key in ("roles", "tags")}
    own["services"] = [service.name for service in host.services]
    own["ssh"] = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(host.ssh).items()}
    for key, value in entry.items():
        has = {inner: own[key][inner] for inner in value} if isinstance(value, Mapping) else own[key]
        is_same = sorted(has) == sorted(value) if isinstance(value, list) else has == value
        if not is_same:
            raise UsageError(
                f"the topology has {host.name}, and its {key} is {_words(has)}",
                code="host_known",
                hint=f"leave that option out, or change the entry of {host.name} by hand",
            )


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
