"""What is written and what comes of it are two classes, which must not drift apart. For refusals: test_load_refuses."""

from __future__ import annotations

import dataclasses

import pytest

from saturn_orchestrator.topology import entries, model
from saturn_orchestrator.topology.resolve import section

SECTIONS = [
    (getattr(entries, name), kind)
    for name, kind in vars(model).items()
    if dataclasses.is_dataclass(kind) and hasattr(entries, name)
]
ALSO = [(entries.HostEntry, model.Host), (entries.ServiceEntry, model.Service), (entries.TopologyEntry, model.Topology)]
BEYOND = {
    "Host": {"name", "policy", "strangers"},
    "Service": {"name", "folder"},
    "Topology": {"folder", "file"},
}
"""What no entry of that kind writes, because it is known from elsewhere."""
SPENT = {"Topology": {"defaults"}}
"""What is written and goes into every host."""


@pytest.mark.parametrize("written, kind", [*SECTIONS, *ALSO], ids=lambda each: each.__name__)
def test_an_entry_and_its_value_have_the_same_keys(written, kind):
    keys = {field.name for field in dataclasses.fields(kind)} - BEYOND.get(kind.__name__, set())

    assert keys == set(written.model_fields) - SPENT.get(kind.__name__, set())


@pytest.mark.parametrize("written, kind", SECTIONS, ids=lambda each: each.__name__)
def test_an_entry_and_its_value_have_the_same_defaults(written, kind):
    needed = {name for name, field in written.model_fields.items() if field.is_required()}
    blank = dict.fromkeys(needed, "x")

    made, plain = section(written.model_construct(**blank)), kind(**blank)

    assert made == plain
    assert needed == {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }


def test_every_section_becomes_a_value():
    assert len(SECTIONS) == 14
