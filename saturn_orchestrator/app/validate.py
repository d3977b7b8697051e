"""`saturn validate`: what files on SATURN can tell about the inventory. No host is asked, nothing is changed.

What needs a node (secrets, overrides, the resolved compose config) is judged there, in the stage `validate`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from saturn_orchestrator.app.conventions import convention_findings
from saturn_orchestrator.app.hooks import hook_findings
from saturn_orchestrator.app.notices import target_findings
from saturn_orchestrator.errors import InventoryError, InventoryFinding
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.repository.leaks import leaks
from saturn_orchestrator.topology.document import kind_of, read
from saturn_orchestrator.topology.load import compose_file, load
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Topology


@dataclass(frozen=True)
class Validation:
    """A valid inventory. hosts, services: how many; a service that several hosts share counts once.

    warnings: what keeps nothing from being deployed, and what would if no waiver allowed it.
    """

    file: Path
    hosts: int
    services: int
    warnings: tuple[InventoryFinding, ...] = ()


def validate(inventory: Path) -> Validation:
    """The inventory at this path, found valid.

    Raises:
        InventoryError: with everything that is wrong in it, or in the files of its services.
    """
    topology = load(inventory)
    folders = dict.fromkeys(service.folder for host in topology.hosts.values() for service in host.services)
    findings = [finding for folder in folders for finding in _service_findings(topology.folder / folder)]
    findings += convention_findings(topology)
    findings += [*hook_findings(topology.folder), *target_findings(topology)]
    findings += leaks(topology.folder, _own_folders(topology), shown)
    if any(each.severity == "error" for each in findings):
        raise InventoryError(findings)
    return Validation(topology.file, len(topology.hosts), len(folders), tuple(findings))


def _own_folders(topology: Topology) -> tuple[str, ...]:
    """Where the inventory lies in the repository, its services and hosts included."""
    services = (service.folder for host in topology.hosts.values() for service in host.services)
    hosts = (topology.layout.host.replace("{host}", name) for name in topology.hosts)
    return (topology.file.parent.name, *services, *hosts)


def _service_findings(folder: Path) -> Iterator[InventoryFinding]:
    """What is wrong with the service in folder, as far as its files can tell."""
    compose = compose_file(folder)
    assert compose is not None  # load has found it
    yield from _compose_findings(compose)
    healthcheck = folder / "healthcheck.sh"
    if healthcheck.exists() and not os.access(healthcheck, os.X_OK):
        hint = f"chmod +x {shown(healthcheck)} && git update-index --chmod=+x {shown(healthcheck)}"
        yield InventoryFinding(shown(healthcheck), 0, "", "should be executable", hint)


def _compose_findings(compose: Path) -> Iterator[InventoryFinding]:
    """What keeps compose from finding services in the file.

    The findings of `read` itself are passed over: tags, merge keys and keys that are numbers mean something to compose.
    """
    try:
        document = read(compose, shown(compose))
    except InventoryError as error:
        yield from error.findings
        return
    if document.value is None:
        yield document.finding((), "is empty", "name its services under services:")
    elif not isinstance(document.value, dict):
        yield document.finding((), f"should hold a mapping (key: value), found {kind_of(document.value)}")
    elif "include" not in document.value:
        services = document.value.get("services")
        if not isinstance(services, dict) or not services:
            found = kind_of(services) if services else "none"
            yield document.finding(("services",), f"should be a mapping with at least one service, found {found}")
