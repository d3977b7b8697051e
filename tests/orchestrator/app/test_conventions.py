"""The rules applied to files of the repository: places, YAML of compose's own, hosts that share a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestrator.topology.homelab import GIT, homelab

from saturn_orchestrator.app.conventions import convention_findings
from saturn_orchestrator.errors import InventoryFinding
from saturn_orchestrator.topology.load import load

HEAD = "version: 1\n" + GIT
ONE_HOST = HEAD + "hosts: {vps: {services: [web]}}\n"
TWO_HOSTS = HEAD + "hosts: {vps: {services: [web]}, solaria: {services: [web]}}\n"
OPEN = """\
services:
  web:
    image: app:1
    restart: always
    healthcheck: {test: "true"}
    ports:
      - 127.0.0.1:81:81
      - 80:80
"""
TODAY = datetime.now(UTC).date()


def findings(folder: Path, compose: str, topology: str = ONE_HOST, **files: str) -> tuple[InventoryFinding, ...]:
    paths = {f"services/web/{name.replace('__', '.')}": text for name, text in files.items()}
    return convention_findings(load(homelab(folder, topology, {"services/web/docker-compose.yml": compose, **paths})))


def places(found: tuple[InventoryFinding, ...]) -> list[tuple[str, str, int]]:
    return [(each.code, each.key, each.line) for each in found]


def waived_on(host: str, until: str) -> str:
    waiver = f"{{code: port_exposed, host: {host}, service: web, reason: a kiosk, until: {until}}}"
    return f"{TWO_HOSTS}policy: {{waivers: [{waiver}]}}\n"


def test_finding_stands_on_the_line_of_its_key(tmp_path: Path):
    (found,) = findings(tmp_path, OPEN)
    assert places((found,)) == [("port_exposed", "services.web.ports[1]", 8)]
    assert (found.file, found.severity) == (str(tmp_path / "services/web/docker-compose.yml"), "error")
    assert found.hint


def test_finding_of_a_key_that_is_missing_stands_on_the_line_of_its_service(tmp_path: Path):
    compose = (
        "x-a: 1\nservices:\n  db: {image: db:1, restart: always, healthcheck: {test: a}}\n  web:\n    image: app:1\n"
    )
    assert places(findings(tmp_path, compose)) == [
        ("restart_missing", "services.web.restart", 4),
        ("healthcheck_missing", "services.web.healthcheck", 4),
    ]


def test_finding_in_a_merged_key_stands_on_the_line_of_its_service(tmp_path: Path):
    compose = (
        "x-base: &base\n  image: nginx\n  restart: always\n  healthcheck: {test: a}\n  ports: ['80:80']\n"
        "services:\n  web:\n    <<: *base\n  db:\n    <<: [*base]\n    image: db:1\n    ports: &none []\n"
        "  job:\n    <<: *base\n    image: job:1\n    ports: *none\n"
    )
    assert places(findings(tmp_path, compose)) == [
        ("port_exposed", "services.web.ports[0]", 7),
        ("image_unpinned", "services.web.image", 7),
    ]


def test_names_with_dots_have_their_lines(tmp_path: Path):
    compose = "services:\n  my.app:\n    image: app:1\n    restart: always\n    network_mode: host\n"
    assert places(findings(tmp_path, compose)) == [
        ("network_host", "services.my.app.network_mode", 5),
        ("healthcheck_missing", "services.my.app.healthcheck", 2),
    ]


@pytest.mark.parametrize(
    ("ports", "lines"),
    [
        ("!reset ['80:80']", []),
        ("!reset null", []),
        ("!override ['80:80']", [4]),
        ("!override []", []),
        ("!other ['80:80']", [4]),
        ("[22:22]", [4]),
        ("['22:22']", [4]),
        ("[!!str 80]", [4]),
        ("[0x" + "f" * 5000 + "]", [4]),
        ("!override host", []),
    ],
)
def test_yaml_of_composes_own_is_understood(tmp_path: Path, ports: str, lines: list[int]):
    compose = (
        f"services:\n  web:\n    image: app:1\n    ports: {ports}\n    restart: no\n    healthcheck: {{test: a}}\n"
    )
    assert [each.line for each in findings(tmp_path, compose) if each.code == "port_exposed"] == lines


def test_number_that_yaml_takes_for_one_of_base_sixty_is_told_as_it_is_written(tmp_path: Path):
    (found,) = (each for each in findings(tmp_path, OPEN.replace("80:80", "22:22")))
    assert found.message.startswith("port 22 answers")


@pytest.mark.parametrize("flag", ["true", "!override true", '"true"', "!override 'true'"])
def test_flag_counts_however_it_is_written(tmp_path: Path, flag: str):
    compose = OPEN.replace("80:80", "127.0.0.1:80:80") + f"    privileged: {flag}\n"
    assert [each.code for each in findings(tmp_path, compose)] == ["privileged"]


@pytest.mark.parametrize(
    "compose",
    [
        "services: {web: &a [*a]}\n",
        "services: {web: {<<: 3, image: nginx}}\n",
        "services: {web: !!python/object:os.system {}}\n",
        "- web\n",
        "",
        "services: [\n",
        "services: {web: {? [a]: b}}\n",
        "services: {web: {image: !!int x}}\n",
    ],
)
def test_file_that_cannot_be_read_has_no_findings_here(tmp_path: Path, compose: str):
    assert findings(tmp_path, compose) == ()


def test_finding_of_a_service_that_two_hosts_share_is_told_once(tmp_path: Path):
    assert places(findings(tmp_path, OPEN, TWO_HOSTS)) == [("port_exposed", "services.web.ports[1]", 8)]


def test_waiver_allows_it_on_its_own_host_alone(tmp_path: Path):
    found = findings(tmp_path, OPEN, waived_on("vps", TODAY.isoformat()))
    assert [each.severity for each in found] == ["waived", "error"]
    assert "allowed until" in found[0].message
    assert "waiver" not in found[1].message


def test_waiver_that_ended_yesterday_allows_nothing_and_is_named(tmp_path: Path):
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    found = findings(tmp_path, OPEN, waived_on("solaria", yesterday))
    assert [each.severity for each in found] == ["error", "error"]
    assert f"its waiver ended on {yesterday}: a kiosk" in found[1].message


def test_what_is_an_error_on_an_autonomous_host_is_told_with_its_name(tmp_path: Path):
    topology = HEAD + "hosts: {vps: {services: [web]}, solaria: {services: [web], autonomous: true}}\n"
    compose = OPEN.replace("80:80", "127.0.0.1:80:80") + "    environment: {SERVER: vps}\n"
    (found,) = findings(tmp_path, compose, topology)
    assert (found.code, found.key) == ("autonomy_dependency", "services.web.environment.SERVER")
    assert found.message.startswith("solaria must work by itself, and this needs vps")


def test_health_check_of_a_script_counts(tmp_path: Path):
    compose = "services: {web: {image: 'app:1', restart: always}}\n"
    assert findings(tmp_path, compose, healthcheck__sh="exit 0\n") == ()


def test_path_into_the_repository_of_the_node_is_no_mount_outside(tmp_path: Path):
    mounts = "    volumes: ['/opt/homelab/repo/services/web/a:/a', './b:/b', '/opt/homelab/repos:/c']\n"
    found = findings(tmp_path, OPEN.replace("80:80", "127.0.0.1:80:80") + mounts)
    assert [each.key for each in found] == ["services.web.volumes[2]"]


def test_many_findings_are_placed(tmp_path: Path):
    compose = "services:\n" + "".join(f"  s{each}: {{image: nginx}}\n" for each in range(2000))
    found = findings(tmp_path, compose)
    assert len(found) == 3 * 2000
    assert {each.line for each in found} == set(range(2, 2002))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.sampled_from(("ports", "volumes", "environment", "healthcheck", "deploy", "image")))
def test_any_text_may_stand_in_a_file(tmp_path_factory: pytest.TempPathFactory, text: str, key: str):
    folder = tmp_path_factory.mktemp("any")
    for each in findings(folder, f"services:\n  web:\n    image: app:1\n    {key}: {text}\n"):
        assert each.code
        assert each.line
