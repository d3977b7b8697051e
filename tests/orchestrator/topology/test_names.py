from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from saturn_orchestrator.topology.names import HostNames, host_names


def inventory(folder: Path, topology: str, **hosts: str) -> Path:
    file = folder / "inventory" / "topology.yaml"
    file.parent.mkdir()
    file.write_text(topology)
    for name, text in hosts.items():
        (folder / "hosts" / name).mkdir(parents=True)
        (folder / "hosts" / name / "host.yaml").write_text(text)
    return file


def test_hosts_are_named_in_their_order_with_what_they_are_chosen_by(tmp_path):
    file = inventory(tmp_path, "hosts: {b: {address: b.lan, tags: [lte]}, a: {services: [web], roles: [edge]}, c: }")

    assert host_names(file) == (
        HostNames("b", "b.lan", tags=("lte",)), HostNames("a", services=("web",), roles=("edge",)), HostNames("c"),
    )  # fmt: skip


def test_a_host_file_is_laid_over_the_entry(tmp_path):
    file = inventory(tmp_path, "hosts: {a: {services: [web], tags: [x]}}", a="services: [db, proxy]")

    assert host_names(file) == (HostNames("a", tags=("x",), services=("db", "proxy")),)


@pytest.mark.parametrize(
    "topology, hosts",
    [
        ("", ()),
        ("hosts: [a]", ()),
        ("hosts: {'../x': {}, 'A B': {}, ok: {tags: [1, 'no blanks', fine]}}", (HostNames("ok", tags=("fine",)),)),
        ("unknown: 1\nhosts: {a: {nonsense: true}}", (HostNames("a"),)),
        ("layout: {host: 3}\nhosts: {a: 4}", (HostNames("a"),)),
        ("a: &a [x]\nb: [*a, *a", ()),
    ],
)
def test_of_what_is_wrong_the_rest_is_named(tmp_path, topology, hosts):
    assert host_names(inventory(tmp_path, topology)) == hosts


def test_a_file_that_is_not_there_names_nobody(tmp_path):
    assert host_names(tmp_path / "inventory" / "topology.yaml") == ()


def test_pydantic_stays_away():
    program = "import sys, saturn_orchestrator.topology.names; print('pydantic' in sys.modules)"

    assert subprocess.run((sys.executable, "-c", program), capture_output=True, text=True).stdout == "False\n"
