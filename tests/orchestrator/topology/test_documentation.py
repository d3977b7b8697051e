"""Every key of the models is shown in topology.example.yaml or a service.yaml, and explained in the reference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from saturn_orchestrator.topology.entries import ServiceEntry, TopologyEntry

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "topology.md").read_text(encoding="utf-8")


def keys_of(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key path of a model; `*` stands for a name that the person gives."""
    found: list[str] = []
    for name, field in kind.model_fields.items():
        found.append(f"{prefix}{name}")
        for inner in models_in(field.annotation):
            step = f"{name}.*" if name == "hosts" else name
            found += keys_of(inner, f"{prefix}{step}.")
    return found


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The models that an annotation like `dict[str, Annotated[Model, ...]]` or `Model | None` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for each in get_args(annotation) for found in models_in(each)]


def written(value: object, prefix: str = "") -> set[str]:
    """Every key path that stands in a document, names of hosts as `*`."""
    if isinstance(value, list):
        return {path for part in value for path in written(part, prefix)}
    if not isinstance(value, dict):
        return set()
    steps = {key: "*" if prefix == "hosts." else key for key in value}
    return {f"{prefix}{step}" for step in steps.values()} | {
        path for key, part in value.items() for path in written(part, f"{prefix}{steps[key]}.")
    }


def shown() -> set[str]:
    example = yaml.safe_load((ROOT / "inventory/topology.example.yaml").read_text(encoding="utf-8"))
    return written(example)


def blocks(document: str) -> list[str]:
    """The yaml of a document."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


TOPOLOGY_KEYS = keys_of(TopologyEntry)
SERVICE_KEYS = keys_of(ServiceEntry)


def test_models_are_walked_to_their_leaves():
    assert {"defaults.ssh.port", "hosts.*.ingress.public", "rollout.batches"} < set(TOPOLOGY_KEYS)
    assert {"backup.keep", "healthcheck.timeout_s"} < set(SERVICE_KEYS)


@pytest.mark.parametrize("key", TOPOLOGY_KEYS)
def test_topology_key_stands_in_the_example(key: str):
    a_default = f"defaults.{key.removeprefix('hosts.*.')}"
    assert {key, a_default} & shown()


def test_service_keys_stand_in_the_sample_service():
    text = (ROOT / "inventory/services/zigbee2mqtt/service.yaml").read_text(encoding="utf-8")
    shown = {key for key in SERVICE_KEYS if not key.startswith("secrets.")}  # a vault that a newcomer does not have
    assert written(yaml.safe_load(text)) == shown


@pytest.mark.parametrize("block", blocks("backups.md"), ids=lambda block: block.partition("\n")[0])
def test_services_in_the_document_on_backups_may_be_taken_as_they_are(block: str):
    assert block.startswith("# services/")
    assert ServiceEntry.model_validate(yaml.safe_load(block)).backup


def test_the_document_on_backups_has_the_services_that_it_recommends():
    named = {block.partition("\n")[0].split("/")[1] for block in blocks("backups.md")}
    assert {"homeassistant", "zigbee2mqtt", "mosquitto"} <= named


@pytest.mark.parametrize("key", TOPOLOGY_KEYS + SERVICE_KEYS)
def test_key_stands_in_the_reference(key: str):
    short = key.removeprefix("hosts.*.").removeprefix("defaults.")
    assert f"| `{short}` |" in REFERENCE or f"## `{short}`" in REFERENCE
