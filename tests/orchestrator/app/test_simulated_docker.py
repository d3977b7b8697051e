"""The simulated docker as a program: YAML, variables, what makes a container unhealthy, and its honesty."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from saturn_orchestrator.app import simulated_docker
from saturn_orchestrator.app.simulated_docker import DockerError, filled, long_port

BROKER = """
services:
  broker:
    image: broker:1
    ports: ["127.0.0.1:1883:1883"]
"""
BRIDGE = """
services:
  bridge:
    image: bridge:1
    environment:
      SERVER: mqtt://${NAME:-broker}:1883
      ELSEWHERE: tcp://coordinator.lan:6638
    healthcheck: {test: ["CMD", "true"]}
"""


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit status, output and errors of one command."""
    argv = (sys.executable, simulated_docker.__file__, str(folder), *words)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def compose(folder: Path, project: str, text: str, *words: str, env: str = "") -> tuple[int, str, str]:
    (folder / f"{project}.yml").write_text(text)
    (folder / f"{project}.env").write_text(env)
    files = ("-f", str(folder / f"{project}.yml"), "--env-file", str(folder / f"{project}.env"))
    return run(folder, "compose", "-p", project, *files, *words)


def bring_up(folder: Path, project: str, text: str, env: str = "") -> list[str]:
    """What pull and up said; both succeeded."""
    done = [compose(folder, project, text, *words, env=env) for words in (("pull", project), ("up", "--detach"))]
    assert [status for status, _, _ in done] == [0, 0]
    return [line for _, out, err in done for line in (out + err).splitlines()]


def health(folder: Path, project: str) -> str:
    _, ids, _ = run(folder, "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}")
    _, records, _ = run(folder, "inspect", "--type", "container", *ids.split())
    return json.loads(records)[0]["State"]["Health"]["Status"]


def test_a_service_whose_broker_is_there_is_healthy(tmp_path):
    bring_up(tmp_path, "broker", BROKER)
    bring_up(tmp_path, "bridge", BRIDGE)
    assert health(tmp_path, "bridge") == "healthy"


def test_a_service_whose_broker_is_not_there_is_unhealthy_and_its_log_says_why(tmp_path):
    bring_up(tmp_path, "broker", BROKER)
    bring_up(tmp_path, "bridge", BRIDGE, env="NAME=brocker\n")
    ids = run(tmp_path, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=bridge")[1].split()
    assert health(tmp_path, "bridge") == "unhealthy"
    said = "simulated log of bridge: cannot reach mqtt://brocker:1883: no such host\n"
    assert run(tmp_path, "logs", "--tail", "40", *ids) == (0, said, "")
    assert compose(tmp_path, "bridge", BRIDGE, "exec", "-T", "bridge", "true")[0] == 1


def test_every_line_for_a_person_says_simulated(tmp_path):
    said = bring_up(tmp_path, "broker", BROKER)
    for words in (("ps", "--all"), ("exec", "-T", "broker", "true"), ("exec", "-T", "nobody", "true"), ("down",)):
        _, out, err = compose(tmp_path, "broker", BROKER, *words)
        said += (out + err).splitlines()
    for words in (("info",), ("version",), ("logs", "nobody"), ("image", "inspect", "nobody"), ("compose", "version")):
        _, out, err = run(tmp_path, *words)
        said += (out + err).splitlines()
    assert len(said) == 11
    assert [line for line in said if "simulated" not in line] == []


def test_config_is_json_with_long_ports_and_filled_variables(tmp_path):
    _, out, _ = compose(tmp_path, "broker", BROKER, "config", "--format", "json")
    port = {"mode": "ingress", "target": 1883, "protocol": "tcp", "published": "1883", "host_ip": "127.0.0.1"}
    assert json.loads(out) == {"name": "broker", "services": {"broker": {"image": "broker:1", "ports": [port]}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${SET}", "yes"),
        ("$SET/x", "yes/x"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${NONE-other}", "other"),
        ("${SET:?needed}", "yes"),
        ("$$SET", "$SET"),
        ("${NONE}", ""),
    ],
)
def test_filled_replaces_a_variable_as_compose_does(text, expected):
    assert filled({"a": [text, 1]}, {"SET": "yes", "EMPTY": ""}) == {"a": [expected, 1]}


def test_filled_refuses_a_required_variable_without_a_value():
    with pytest.raises(DockerError, match="required variable NONE is missing a value: set it"):
        filled("${NONE:?set it}", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", {"mode": "ingress", "target": 80, "protocol": "tcp"}),
        ("8080:80/udp", {"mode": "ingress", "target": 80, "protocol": "udp", "published": "8080"}),
        ("[::1]:1:2", {"mode": "ingress", "target": 2, "protocol": "tcp", "published": "1", "host_ip": "::1"}),
    ],
)
def test_long_port_writes_a_short_form_out(text, expected):
    assert long_port(text) == expected


SITE = """
services:
  site:
    build: ./src
    restart: unless-stopped
    labels: ["a=1"]
    volumes: ["./conf:/conf:ro", "kept:/kept"]
    secrets: [token]
secrets:
  token: {file: ./token}
"""


def test_config_writes_paths_of_builds_mounts_and_secrets_out(tmp_path):
    _, out, _ = compose(tmp_path, "site", SITE, "config", "--format", "json")
    config = json.loads(out)
    site = config["services"]["site"]
    assert (site["build"], site["labels"]) == ({"context": str(tmp_path / "src")}, {"a": "1"})
    assert site["volumes"] == [
        {"type": "bind", "source": str(tmp_path / "conf"), "target": "/conf", "read_only": True},
        {"type": "volume", "source": "kept", "target": "/kept"},
    ]
    assert config["secrets"] == {"token": {"file": str(tmp_path / "token")}}


def image_id(folder: Path, name: str) -> str:
    return run(folder, "image", "inspect", name)[1].split(" ")[0]


def test_a_registry_that_moved_gives_another_image_and_the_old_one_by_its_digest(tmp_path):
    run(tmp_path, "pull", "app:1")
    first = image_id(tmp_path, "app:1")
    (tmp_path / "control.json").write_text('{"registry": {"app:1": "moved"}}')
    run(tmp_path, "pull", "app:1")
    second = image_id(tmp_path, "app:1")
    run(tmp_path, "rmi", first)
    assert (first == second, run(tmp_path, "image", "inspect", first)[0]) == (False, 1)
    run(tmp_path, "pull", f"app@{first}")
    assert run(tmp_path, "image", "inspect", first)[1] == f'{first} ["app@{first}"]\n'
    assert image_id(tmp_path, "app:1") == second


@pytest.mark.parametrize("named", ["broker", "broker:1"])
def test_up_fails_for_a_service_or_for_an_image(tmp_path, named):
    (tmp_path / "control.json").write_text(json.dumps({"up_fails": [named]}))
    compose(tmp_path, "broker", BROKER, "pull", "broker")
    status, _, err = compose(tmp_path, "broker", BROKER, "up", "--detach")
    assert (status, "driver failed programming external connectivity on broker" in err) == (1, True)


def test_a_built_image_is_known_by_its_files_and_made_by_up_when_it_is_not_there(tmp_path):
    (tmp_path / "src").mkdir()
    ids = []
    for text in ("one", "two", "one"):
        (tmp_path / "src" / "main").write_text(text)
        assert compose(tmp_path, "site", SITE, *(("build", "site") if ids else ("up", "--detach")))[0] == 0
        ids.append(image_id(tmp_path, "site-site"))
    assert (ids[0] == ids[1], ids[0] == ids[2]) == (False, True)
