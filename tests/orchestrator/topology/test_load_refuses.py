"""Every bad file of tests/cases/topology/bad is refused with exactly the findings that stand beside it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestrator.topology.homelab import GIT, homelab, services

from saturn_orchestrator.errors import InventoryError, InventoryFinding
from saturn_orchestrator.topology.load import load

BAD = Path(__file__).parents[2] / "cases" / "topology" / "bad"

FILES = services(
    "mosquitto",
    "caddy",
    **{
        "zigbee": "depends_on: [mosquitto, caddi]\n",
        "circle-a": "depends_on: [circle-b]\n",
        "circle-b": "depends_on: [circle-c]\n",
        "circle-c": "depends_on: [circle-a]\n",
        "website": "description: a page\nexposure: public\n",
        "broken": (
            "exposure: everyone\nrequired_env: [1A, OK]\nbackup: {keep: 0, pats: []}\nhealthcheck: soon\n"
            "connectivity: maybe\n"
        ),
    },
) | {
    "services/hollow/README.md": "no compose file here\n",
    "hosts/broken/host.yaml": "ssh:\n  port: ssh\nname: broken\nservices: [mosquitto, cady]\n",
}


def findings(file: Path) -> tuple[InventoryFinding, ...]:
    with pytest.raises(InventoryError) as caught:
        load(file)
    return caught.value.findings


def rendered(each: InventoryFinding, folder: Path) -> str:
    hint = f" ({each.hint})" if each.hint else ""
    return f"{each.place}: {each.message}{hint}".replace(f"{folder}/", "")


@pytest.mark.parametrize("bad", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_bad_file_is_refused_with_its_findings(bad: Path, tmp_path: Path):
    file = homelab(tmp_path, bad.read_bytes(), FILES)
    text = "".join(f"{rendered(each, tmp_path)}\n" for each in findings(file))
    assert text == bad.with_suffix(".expected").read_text(encoding="utf-8")


def test_expected_findings_all_belong_to_a_bad_file():
    assert {each.stem for each in BAD.glob("*.expected")} == {each.stem for each in BAD.glob("*.yaml")}


def test_missing_file_is_refused(tmp_path: Path):
    file = tmp_path / "topology.yaml"
    assert findings(file) == (InventoryFinding(str(file), 0, "", "there is no such file"),)


def test_folder_is_refused_with_the_name_to_type(tmp_path: Path):
    hint = f"name the file: {tmp_path}/topology.yaml"
    assert findings(tmp_path) == (InventoryFinding(str(tmp_path), 0, "", "is a folder, a file was expected", hint),)


def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path):
    os.mkfifo(tmp_path / "topology.yaml")
    assert [each.message for each in findings(tmp_path / "topology.yaml")] == ["is no regular file"]


def test_large_file_is_refused_before_it_is_read(tmp_path: Path):
    file = tmp_path / "topology.yaml"
    with file.open("wb") as stream:
        stream.truncate(100_000_000)
    assert [each.message for each in findings(file)] == ["should be 1 MiB at most, it has 100,000,000 bytes"]


def test_findings_name_the_file_as_a_person_would_type_it_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = homelab(tmp_path, "version: 1\n" + GIT + "hosts: {vps: {link: x}}\n")
    monkeypatch.chdir(tmp_path)
    assert [each.file for each in findings(file)] == ["inventory/topology.yaml"]


def test_findings_of_several_files_come_at_once_and_topology_first(tmp_path: Path):
    topology = "version: 1\n" + GIT + "hosts:\n  a: {services: [one]}\n  b: {port: 1, services: [two]}\n"
    files = services(one="exposre: public\n", two="backup: 3\n") | {"hosts/a/host.yaml": "[]\n"}
    found = [(each.file, each.line) for each in findings(homelab(tmp_path, topology, files))]
    assert found == [
        (str(tmp_path / "inventory/topology.yaml"), 5),
        (str(tmp_path / "hosts/a/host.yaml"), 1),
        (str(tmp_path / "services/one/service.yaml"), 1),
        (str(tmp_path / "services/two/service.yaml"), 1),
    ]


def test_wrong_layout_does_not_make_every_service_unknown(tmp_path: Path):
    topology = "version: 1\n" + GIT + "layout: {service: x}\nhosts: {vps: {services: [web]}}\n"
    assert [each.key for each in findings(homelab(tmp_path, topology, services("web")))] == ["layout.service"]


def test_unknown_service_hides_no_relation_between_the_others(tmp_path: Path):
    topology = "version: 1\n" + GIT + "hosts: {vps: {services: [strange, web], ingress: {public: [wob]}}}\n"
    keys = [each.key for each in findings(homelab(tmp_path, topology, services("web")))]
    assert keys == ["hosts.vps.services[0]", "hosts.vps.ingress.public[0]"]


def test_wrong_services_do_not_make_the_ingress_look_wrong(tmp_path: Path):
    topology = "version: 1\n" + GIT + "hosts: {vps: {services: web, ingress: {public: [web]}}}\n"
    assert [each.key for each in findings(homelab(tmp_path, topology, services("web")))] == ["hosts.vps.services"]


def test_name_too_long_for_the_file_system_is_a_finding(tmp_path: Path):
    layout = f"layout: {{host: '{'x' * 300}{{host}}'}}\n"
    found = findings(homelab(tmp_path, "version: 1\n" + GIT + layout + "hosts: {vps: }\n"))
    assert [each.message for each in found] == ["cannot be read: File name too long"]


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
keys = st.sampled_from(
    ["version", "hosts", "vps", "defaults", "ssh", "port", "git", "url", "services", "layout", "ingress", "public"]
)
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(keys | st.text(max_size=5), inner))


def loads_or_says_why(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = homelab(Path(folder), content)
        try:
            said = [f"{len(load(file).hosts)} hosts"]
        except InventoryError as error:
            said = [f"{each.place}: {each.message}" for each in error.findings]
    assert said
    assert all(line.isprintable() for line in said)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_load_or_are_inventory_errors(content: bytes):
    loads_or_says_why(content)


@settings(max_examples=200, deadline=None)
@given(values, st.booleans())
def test_arbitrary_yaml_loads_or_is_an_inventory_error(value: object, flow: bool):
    loads_or_says_why(yaml.safe_dump(value, default_flow_style=flow).encode())
