"""The rules for services applied to the files in the repository: what the nodes would find, as far as it shows here.

A compose file is judged as it is written. What only a node knows (`.env`, overrides, what variables mean) is left to
the node's own stage `validate`, and so is whatever other files say: `include`, `extends`, `env_file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saturn_orchestrator.errors import InventoryError, InventoryFinding
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.policy import Definition, Violation, violations
from saturn_orchestrator.topology.document import Document, KeyPath, dotted, read
from saturn_orchestrator.topology.load import compose_file, shown
from saturn_orchestrator.topology.model import Topology

_LAST_STEP = re.compile(r"(?:\.[^.\[]+|\[\d+\])$")


class _Loader(yaml.SafeLoader):
    """Compose's own tags (`!reset`, `!override`) and merge keys mean something to it: they are read, not refused."""


def _untagged(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None  # `!reset null`: it is not there


_Loader.add_multi_constructor("!", _untagged)


def convention_findings(topology: Topology) -> tuple[InventoryFinding, ...]:
    """What the rules say of every service on every host, each sentence once, in the order of the topology."""
    known: dict[str, tuple[Document, Mapping[str, Any]] | None] = {}
    found: dict[InventoryFinding, None] = {}
    for host in topology.hosts.values():
        order = node_order(host)
        for service in order.services:
            folder = topology.folder / service.folder
            if service.folder not in known:
                known[service.folder] = _compose(folder)
            read_in = known[service.folder]
            if read_in is None:
                continue
            document, config = read_in
            definition = Definition(
                service=service,
                compose_file=document.file,
                config=config,
                is_resolved=False,
                healthcheck_exists=(folder / "healthcheck.sh").exists(),
            )
            for each in violations(order, (definition,)):
                found[_placed(each, document)] = None
    return tuple(found)


def _compose(folder: Path) -> tuple[Document, Mapping[str, Any]] | None:
    """The compose file of the folder with its places and its content; None when it cannot be read: that is told."""
    file = compose_file(folder)
    assert file is not None  # load has found it
    try:
        document = read(file, shown(file))
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader of our own
    except (InventoryError, yaml.YAMLError, ValueError, OSError, RecursionError):
        return None
    return (document, content) if isinstance(content, dict) else None


def _placed(found: Violation, document: Document) -> InventoryFinding:
    paths: dict[str, KeyPath] = {dotted(path): path for path in document.places}
    key = found.key
    while key and key not in paths:
        shorter = _LAST_STEP.sub("", key)
        key = shorter if shorter != key else ""
    line = document.place(paths[key]).line if key else 0
    return InventoryFinding(document.file, line, found.key, found.message, found.hint, found.code, found.severity)
