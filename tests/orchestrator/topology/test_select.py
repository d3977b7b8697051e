from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.topology.model import Host, Topology
from saturn_orchestrator.topology.select import select


def a_topology() -> Topology:
    hosts = (
        Host(name="chelsty", address="chelsty", roles=("home",), tags=("lte", "old")),
        Host(name="solaria", address="solaria", roles=("home", "compute"), tags=("gpu",)),
        Host(name="vps", address="vps", roles=("edge",), tags=("old",)),
    )
    named = {host.name: host for host in hosts}
    return Topology(version=1, controller="saturn", hosts=named, folder=Path("/lab"), file=Path("/lab/topology.yaml"))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"everything": True}, ["chelsty", "solaria", "vps"]),
        ({"hosts": ["vps", "chelsty"]}, ["chelsty", "vps"]),
        ({"hosts": ["vps", "vps"]}, ["vps"]),
        ({"tags": ["old"]}, ["chelsty", "vps"]),
        ({"tags": ["lte", "gpu"]}, ["chelsty", "solaria"]),
        ({"roles": ["home"]}, ["chelsty", "solaria"]),
        ({"roles": ["home"], "tags": ["old"]}, ["chelsty"]),
        ({"hosts": ["solaria", "vps"], "tags": ["old"]}, ["vps"]),
        ({"everything": True, "tags": ["gpu"]}, ["solaria"]),
    ],
)
def test_select_unites_within_a_kind_and_intersects_across_kinds(asked: dict[str, Any], chosen: list[str]):
    assert [host.name for host in select(a_topology(), **asked)] == chosen


@pytest.mark.parametrize(
    ("asked", "code", "message", "notes", "hint"),
    [
        (
            {"hosts": ["chelsti"]},
            "unknown_host",
            "unknown host: chelsti",
            ("hosts in this inventory: chelsty, solaria, vps",),
            'did you mean "chelsty"?',
        ),
        (
            {"tags": ["rust"]},
            "unknown_tag",
            "unknown tag: rust",
            ("tags in this inventory: lte, old, gpu",),
            "",
        ),
        (
            {"roles": ["hom"]},
            "unknown_role",
            "unknown role: hom",
            ("roles in this inventory: home, compute, edge",),
            'did you mean "home"?',
        ),
        (
            {},
            "no_hosts_chosen",
            "no hosts were chosen",
            (),
            "--hosts chelsty,solaria   (or --tags, --roles, --all)",
        ),
        (
            {"hosts": ["vps"], "tags": ["gpu"]},
            "no_hosts_chosen",
            "no host answers to all that was asked",
            (),
            "--hosts chelsty,solaria   (or --tags, --roles, --all)",
        ),
    ],
)
def test_select_refuses_what_chooses_nothing(
    asked: dict[str, Any], code: str, message: str, notes: tuple[str, ...], hint: str
):
    with pytest.raises(UsageError) as caught:
        select(a_topology(), **asked)
    error = caught.value
    assert (error.code, error.message, error.notes, error.hint) == (code, message, notes, hint)
