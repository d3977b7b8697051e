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
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.document import Document, dotted, read
from saturn_orchestrator.topology.load import compose_file
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Topology

_DIGITS = 100
_LAST_STEP = re.compile(r"(?:\.[^.\[]+|\[\d+\])$")


class _Loader(yaml.SafeLoader):
    """Compose's own tags (`!reset`, `!override`) and merge keys mean something to it: they are read, not refused."""


def _untagged(loader: _Loader, suffix: str, node: yaml.Node) -> object:
    if suffix == "reset":
        return None  # whatever stands behind it: it is not there
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value  # `!override true`: the rules know numbers and flags as texts, too


def _number(loader: _Loader, node: yaml.ScalarNode) -> object:
    """A number as compose reads it: to YAML 1.1 `22:22` is one as well. One without measure is left a text."""
    if ":" in node.value or len(node.value) > _DIGITS:
        return node.value
    return loader.construct_yaml_int(node) if node.tag.endswith(":int") else loader.construct_yaml_float(node)


_Loader.add_multi_constructor("!", _untagged)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def convention_findings(topology: Topology) -> tuple[InventoryFinding, ...]:
    """What the rules say of every service on every host, each sentence once, in the order of the topology."""
    known: dict[str, _Read | None] = {}
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
            definition = Definition(
                service=service,
                compose_file=read_in.document.file,
                config=read_in.config,
                is_resolved=False,
                healthcheck_exists=(folder / "healthcheck.sh").exists(),
                checkout=order.checkout,
            )
            for each in violations(order, (definition,)):
                found[_placed(each, read_in)] = None
    return tuple(found)


@dataclass(frozen=True)
class _Read:
    """A compose file: where its parts stand, what they are, and the line of each by its dotted key."""

    document: Document
    config: Mapping[str, Any]
    lines: Mapping[str, int]


def _compose(folder: Path) -> _Read | None:
    """The compose file of the folder; None when it cannot be read: that is told."""
    file = compose_file(folder)
    assert file is not None  # load has found it
    try:
        document = read(file, shown(file))
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader of our own
    except (InventoryError, yaml.YAMLError, ValueError, OSError, RecursionError):
        return None
    lines = {dotted(path): place.line for path, place in document.places.items()}
    return _Read(document, content, lines) if isinstance(content, dict) else None


def _placed(found: Violation, read_in: _Read) -> InventoryFinding:
    """The finding with the line of its key, or of the nearest thing that holds it."""
    key = found.key
    while key and key not in read_in.lines:
        shorter = _LAST_STEP.sub("", key)
        key = shorter if shorter != key else ""
    file, line = read_in.document.file, read_in.lines[key] if key else 0
    return InventoryFinding(file, line, found.key, found.message, found.hint, found.code, found.severity)
