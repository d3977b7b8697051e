"""The corpus of compose files with the findings that the rules shall have: tests/cases/policy/*.yaml.

A file holds `cases`, `host` (what all of its hosts have) and `ignored` (codes that it is not about). A case:

    name, compose       what it is about, and the compose file as a person writes it
    service, exposure   of the service.yaml; `web` and `local-only` by default. healthcheck: there is a healthcheck.sh
    host                public, autonomous, strangers, own, forbidden_devices, severity, waivers of the host
    env, override       the `.env` and the docker-compose.override.yml on the node
    files               other files beside the compose file, by name
    disk                what the node's disk tells: owners, real, coordinator, env_mode
    expect              the findings, each as `code key`, with `(waived)`, `(error)` or `(warning)` where that is not
                        what it usually is. `file` and `node` stand for SATURN's view and the node's where they differ

What the real compose makes of each case stands in tests/cases/policy/resolved. It is written anew by

    SATURN_RECORD=1 pytest tests/e2e/test_policy_corpus.py
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from saturn_node import compose
from saturn_node.errors import NodeError
from saturn_node.state import Paths
from saturn_node.wire import Conventions, NodeOrder, ServiceOrder, Waiver

from saturn_orchestrator.app import conventions
from saturn_orchestrator.policy import CODES, Definition, Violation, violations

FOLDER = Path(__file__).parents[1] / "cases" / "policy"
RESOLVED = FOLDER / "resolved"
ROOT = "/opt/homelab"
"""The root of the node in every case."""

HOME = "/home/anna"


@dataclass(frozen=True)
class Case:
    """One compose file and what the rules shall say of it. facts: the case as it is written."""

    topic: str
    facts: Mapping[str, Any]
    host: Mapping[str, Any]
    ignored: frozenset[str]

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    def expected(self, view: str) -> list[str]:
        """The findings in this view, `file` or `node`."""
        return sorted(self.facts[view] if view in self.facts else self.facts["expect"])

    def service(self) -> ServiceOrder:
        name = self.facts.get("service", "web")
        return ServiceOrder(name, f"services/{name}", exposure=self.facts.get("exposure", "local-only"))

    def order(self, root: str = ROOT, command: tuple[str, ...] = ("docker", "compose")) -> NodeOrder:
        waivers = tuple(
            Waiver(each["code"], each.get("service", ""), "it must", "2027-06-30", each.get("is_expired", False))
            for each in self.host.get("waivers", ())
        )
        words = {
            name: tuple(self.host.get(name, ())) for name in ("public", "strangers", "own", "forbidden_devices")
        }  # fmt: skip
        severity = dict(self.host.get("severity", {}))
        told = Conventions(**words, autonomous=self.host.get("autonomous", False), severity=severity, waivers=waivers)
        checkout = f"{root}/repo"
        return NodeOrder("chelsty", root, checkout, "", "main", command, "missing", 300.0, (self.service(),),
                         conventions=told)  # fmt: skip

    def write(self, root: Path) -> Path:
        """Write the case's files as they lie on a node with this root; the folder of the service."""
        service = self.service()
        folder, config = root / "repo" / service.folder, root / "config" / service.name
        texts = {folder / name: text for name, text in self.facts.get("files", {}).items()}
        texts[folder / "docker-compose.yml"] = self.facts["compose"]
        if "override" in self.facts:
            texts[config / "docker-compose.override.yml"] = self.facts["override"]
        if "env" in self.facts:
            texts[config / ".env"] = "".join(f"{name}={value}\n" for name, value in self.facts["env"].items())
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    def file_findings(self) -> list[str]:
        """What SATURN says of the compose file as it is written."""
        with tempfile.TemporaryDirectory() as root:
            read_in = conventions._compose(self.write(Path(root)))
        config = read_in.config if read_in else None
        return self._judged(Definition(self.service(), config=config, is_resolved=False))

    def node_findings(self, resolved: Mapping[str, Any]) -> list[str]:
        """What the node says, given what compose made of the case."""
        disk = self.facts.get("disk", {})
        return self._judged(Definition(self.service(), **resolved, **disk, env_file=f"{ROOT}/config/web/.env"))

    def _judged(self, definition: Definition) -> list[str]:
        order = self.order()
        is_checked = bool(self.facts.get("healthcheck"))
        definition = definition._replace(
            compose_file="docker-compose.yml", checkout=order.checkout, healthcheck_exists=is_checked,
            healthcheck_executable=is_checked,
        )  # fmt: skip
        found = violations(order, (definition,))
        return sorted(_told(each) for each in found if each.code not in self.ignored)


def _told(found: Violation) -> str:
    severity = "" if found.severity == CODES[found.code] else f" ({found.severity})"
    return f"{found.code} {found.key}".strip() + severity


def cases() -> Iterator[Case]:
    """Every case of every topic."""
    for file in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for facts in document["cases"]:
            host = {**document.get("host", {}), **facts.get("host", {})}
            yield Case(file.stem, facts, host, frozenset(document.get("ignored", ())))


def recorded(topic: str) -> dict[str, Any]:
    """What was recorded of a topic: the version of compose, and by the name of a case its config or the complaint."""
    data: dict[str, Any] = json.loads((RESOLVED / f"{topic}.json").read_text(encoding="utf-8"))
    return data


def resolved(case: Case, command: tuple[str, ...], root: Path) -> dict[str, Any]:
    """What the real compose makes of the case, as if its files lay below ROOT."""
    case.write(root)
    order = case.order(str(root), command)
    try:
        found = {"config": compose.resolved(compose.project_of(order, case.service(), Paths(str(root))))}
    except NodeError as error:
        if error.code != "compose_invalid":
            raise
        found = {"complaint": error.message}
    moved: dict[str, Any] = json.loads(json.dumps(found).replace(str(root), ROOT))
    return moved
