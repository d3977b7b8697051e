"""The simulated docker and a real one give the same answers to everything that saturn_node.compose asks.

The real one is asked when SATURN_TEST_DOCKER names its socket (unix:///...); DOCKER_CONFIG may name the folder of the
compose plugin. It needs an image `saturn-contract:1` with a `sleep` in it.
"""

import json
import os
import sys
from dataclasses import replace

import pytest
from saturn_node import compose, proc
from saturn_node.compose import Project
from saturn_node.errors import NodeError
from saturn_node.wire import NodeOrder
from support.node import SIMULATED_DOCKER, compose_json, until

IMAGE = "saturn-contract:1"
REAL = os.environ.get("SATURN_TEST_DOCKER", "")
KINDS = ["simulated", pytest.param("real", marks=pytest.mark.e2e)] if REAL else ["simulated"]


@pytest.fixture(params=KINDS)
def order(request, tmp_path):
    """An order whose compose command is the simulated or the real docker; the projects are taken down at the end."""
    if request.param == "simulated":
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "state.json").write_text(json.dumps({"images": [IMAGE]}))
        docker = (sys.executable, SIMULATED_DOCKER, str(tmp_path / "docker"))
    else:
        docker = ("docker", "--host", REAL)
    made = NodeOrder("h", str(tmp_path), str(tmp_path), "", "main", (*docker, "compose"))
    yield made
    (tmp_path / "docker" / "control.json").unlink(missing_ok=True)
    for name in ("saturn-contract-a", "saturn-contract-b"):
        proc.run(project(made, tmp_path, name).argv("down", "--timeout", "0"), cwd=str(tmp_path))


def project(order, folder, name="saturn-contract-a", *services, **definition):
    path = folder / (name + ".json")
    facts = {"image": IMAGE, "command": ["sleep", "1000"], "init": True, **definition}
    if services or not path.exists():
        path.write_text(compose_json(*services, **facts))
    return Project(name, str(folder), (str(path),), "", order.compose)


def up(made):
    finished = compose.up(made, "missing", 60.0, lambda _line: None)
    assert finished.ok, finished.tail


def test_require_tells_both_versions(order):
    versions = compose.require(order)
    assert all(compose.parsed_version(versions[name]) >= (2,) for name in ("docker", "compose"))


def test_resolved_config_names_services_and_images(order, tmp_path):
    config = compose.resolved(project(order, tmp_path, "saturn-contract-a", "web", "db"))
    assert compose.images(config) == {"web": IMAGE, "db": IMAGE}


def test_config_that_compose_refuses_is_invalid(order, tmp_path):
    made = project(order, tmp_path)
    (tmp_path / "saturn-contract-a.json").write_text("{broken")
    with pytest.raises(NodeError) as failure:
        compose.resolved(made)
    assert failure.value.code == "compose_invalid"


def test_image_is_here_or_not(order):
    assert (compose.is_image_here(order, IMAGE), compose.is_image_here(order, "saturn-none:9")) == (True, False)


def test_containers_of_a_project_are_told_after_up_and_only_those(order, tmp_path):
    assert compose.containers(order, "saturn-contract-a") == ()
    up(project(order, tmp_path, "saturn-contract-a", "web", "db"))
    up(project(order, tmp_path, "saturn-contract-b", "web"))
    found = compose.containers(order, "saturn-contract-a")
    assert [
        (each.name, each.service, each.image, each.state, each.health, each.restarts, each.policy) for each in found
    ] == [
        ("saturn-contract-a-db-1", "db", IMAGE, "running", "", 0, "no"),
        ("saturn-contract-a-web-1", "web", IMAGE, "running", "", 0, "no"),
    ]
    assert {each.project for each in compose.containers(order)} >= {"saturn-contract-a", "saturn-contract-b"}


def test_signature_stands_still_without_a_change_and_moves_with_one(order, tmp_path):
    made = project(order, tmp_path, "saturn-contract-a", "web")
    up(made)
    first = compose.signature(compose.containers(order, made.name))
    up(made)
    assert compose.signature(compose.containers(order, made.name)) == first
    up(project(order, tmp_path, "saturn-contract-a", "web", environment={"A": "1"}))
    assert compose.signature(compose.containers(order, made.name)) != first


def test_up_removes_a_service_that_left_the_file(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web", "db"))
    up(project(order, tmp_path, "saturn-contract-a", "web"))
    assert [each.service for each in compose.containers(order, "saturn-contract-a")] == ["web"]


def test_up_without_the_image_fails(order, tmp_path):
    made = project(order, tmp_path, "saturn-contract-a", "web", image="saturn-none:9")
    assert not compose.up(made, "never", 60.0, lambda _line: None).ok


def test_daemon_that_is_not_there_is_down(order, tmp_path):
    if order.compose[0] == "docker":
        order = replace(order, compose=("docker", "--host", "unix:///nowhere.sock", "compose"))
    else:
        (tmp_path / "docker" / "control.json").write_text('{"down": true}')
    with pytest.raises(NodeError) as failure:
        compose.containers(order)
    assert failure.value.code == "docker_down"


def test_container_that_ends_is_told_with_its_status(order, tmp_path):
    if order.compose[0] == "docker":
        up(project(order, tmp_path, "saturn-contract-a", "web", command=["sh", "-c", "exit 3"]))
    else:
        up(project(order, tmp_path, "saturn-contract-a", "web"))
        (tmp_path / "docker" / "control.json").write_text('{"exits": {"web": 3}}')
    until(lambda: compose.containers(order, "saturn-contract-a")[0].state == "exited", "the container's end")
    assert compose.containers(order, "saturn-contract-a")[0].exit_code == 3
