from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator.topology.homelab import GIT, homelab, services

from saturn_orchestrator.app.validate import Validation, validate
from saturn_orchestrator.errors import InventoryError

TOPOLOGY = "version: 1\n" + GIT + "hosts: {vps: {services: [web]}, solaria: {services: [web]}}\n"


def findings(file: Path) -> list[tuple[str, int, str, str]]:
    with pytest.raises(InventoryError) as caught:
        validate(file)
    return [(Path(each.file).name, each.line, each.key, each.message) for each in caught.value.findings]


def with_compose(folder: Path, compose: str) -> Path:
    return homelab(folder, TOPOLOGY, {"services/web/docker-compose.yml": compose})


def test_validate_counts_a_shared_service_once(tmp_path: Path):
    file = homelab(tmp_path, TOPOLOGY, services("web"))
    assert validate(file) == Validation(file, hosts=2, services=1)


def test_validate_finds_the_sample_inventory_valid():
    file = Path(__file__).parents[3] / "inventory/topology.yaml"
    assert validate(file) == Validation(file, hosts=3, services=5)


@pytest.mark.parametrize(
    ("compose", "line", "key", "message"),
    [
        ("", 1, "", "is empty"),
        ("- web\n", 1, "", "should hold a mapping (key: value), found a list"),
        ("# head\nname: web\n", 2, "services", "should be a mapping with at least one service, found none"),
        ("name: web\nservices:\n", 2, "services", "should be a mapping with at least one service, found none"),
        ("services: [web]\n", 1, "services", "should be a mapping with at least one service, found a list"),
        ("services: {web: {image: [}}\n", 1, "", "is not valid YAML here: did not find expected node content"),
    ],
)
def test_validate_finds_a_compose_file_without_services(
    tmp_path: Path, compose: str, line: int, key: str, message: str
):
    assert findings(with_compose(tmp_path, compose)) == [("docker-compose.yml", line, key, message)]


@pytest.mark.parametrize(
    "compose",
    [
        "include: [other.yml]\n",
        "services: {web: {image: busybox, ports: !reset []}}\n",
        "x-base: &base {image: busybox}\nservices: {web: {<<: *base, 1: 2}}\n",
    ],
)
def test_validate_leaves_compose_its_own_yaml(tmp_path: Path, compose: str):
    assert validate(with_compose(tmp_path, compose)).services == 1


def test_validate_finds_a_health_check_that_cannot_be_run(tmp_path: Path):
    file = homelab(tmp_path, TOPOLOGY, services("web") | {"services/web/healthcheck.sh": "#!/bin/sh\n"})
    assert findings(file) == [("healthcheck.sh", 0, "", "should be executable")]


def test_warnings_keep_nothing_from_being_valid(tmp_path: Path):
    valid = validate(with_compose(tmp_path, "services:\n  web:\n    image: nginx\n    restart: always\n"))
    assert [(each.code, each.line, each.severity) for each in valid.warnings] == [
        ("image_unpinned", 3, "warning"),
        ("healthcheck_missing", 2, "warning"),
    ]


def test_errors_are_counted_and_warnings_listed_with_them(tmp_path: Path):
    file = with_compose(
        tmp_path, "services: {web: {image: nginx, restart: always, ports: ['80:80', '0.0.0.0:81:81']}}\n"
    )
    with pytest.raises(InventoryError) as caught:
        validate(file)
    assert caught.value.message == "the inventory has 2 errors"
    assert [(each.code, each.severity) for each in caught.value.findings] == [
        ("port_exposed", "error"),
        ("port_exposed", "error"),
        ("image_unpinned", "warning"),
        ("healthcheck_missing", "warning"),
    ]


def test_warning_that_the_topology_made_an_error_makes_it_invalid(tmp_path: Path):
    topology = TOPOLOGY + "policy: {severity: {image_unpinned: error}}\n"
    compose = "services: {web: {image: nginx, restart: always, healthcheck: {test: a}}}\n"
    file = homelab(tmp_path, topology, {"services/web/docker-compose.yml": compose})
    assert [each[2] for each in findings(file)] == ["services.web.image"]


def test_waived_error_is_a_warning(tmp_path: Path):
    each = "{{code: network_host, host: {}, reason: multicast, until: 2999-01-01}}"
    waivers = f"[{each.format('vps')}, {each.format('solaria')}]"
    compose = "services: {web: {image: 'a:1', restart: always, network_mode: host, healthcheck: {test: a}}}\n"
    files = {"services/web/docker-compose.yml": compose}
    valid = validate(homelab(tmp_path, f"{TOPOLOGY}policy: {{waivers: {waivers}}}\n", files))
    assert [(each.code, each.severity) for each in valid.warnings] == [("network_host", "waived")]


def test_validate_reports_the_services_of_all_hosts_at_once(tmp_path: Path):
    topology = "version: 1\n" + GIT + "hosts: {one: {services: [a]}, two: {services: [b]}}\n"
    empty = {"services/a/compose.yaml": "", "services/b/compose.yml": ""}
    assert [each[0] for each in findings(homelab(tmp_path, topology, empty))] == ["compose.yaml", "compose.yml"]


def test_validate_finds_what_should_not_be_in_the_repository(tmp_path: Path):
    file = homelab(tmp_path, TOPOLOGY, services("web") | {"services/web/.env": "A=1\n"})
    with pytest.raises(InventoryError) as caught:
        validate(file)
    assert [(each.code, Path(each.file).name) for each in caught.value.findings] == [("env_committed", ".env")]
