"""The simulated docker and a real one give the same answers to everything that saturn_node.compose asks.

The real one is asked when SATURN_TEST_DOCKER names its socket (unix:///...); DOCKER_CONFIG may name the folder of the
compose plugin. It needs an image `saturn-contract:1` with a `sleep` in it, and builds upon that.
"""

import json
import os
import re
import sys
from dataclasses import replace

import pytest
from saturn_node import compose, proc
from saturn_node.compose import Project
from saturn_node.errors import NodeError
from saturn_node.wire import NodeOrder
from support.node import SIMULATED_DOCKER, until

IMAGE = "saturn-contract:1"
REAL = os.environ.get("SATURN_TEST_DOCKER", "")
KINDS = ["simulated", pytest.param("real", marks=pytest.mark.e2e)] if REAL else ["simulated"]


@pytest.fixture(params=KINDS)
def order(request, tmp_path):
    """An order whose compose command is the simulated or the real docker; the projects are taken down at the end."""
    if request.param == "simulated":
        (tmp_path / "docker").mkdir()
        docker = (sys.executable, SIMULATED_DOCKER, str(tmp_path / "docker"))
        proc.run((*docker, "pull", IMAGE))
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
    facts = {key: value for key, value in facts.items() if value is not None}
    if services or not path.exists():
        path.write_text(json.dumps({"services": dict.fromkeys(services or ("app",), facts)}))
    return Project(name, str(folder), (str(path),), "", order.compose)


def well(finished):
    assert finished.ok, finished.tail


def up(made):
    well(compose.up(made, "missing", 60.0, lambda _line: None))


def control(order, folder, **faults):
    """Let the simulated docker fail as the real one does by itself."""
    if order.compose[0] != "docker":
        (folder / "docker" / "control.json").write_text(json.dumps(faults))


def by_hand(order, *words):
    """What a person does with docker."""
    well(proc.run((*compose.docker_of(order.compose), *words)))


def built(order, folder, text):
    """The project of a service `made` that is built from a folder with this text in it, and its image."""
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY text /text\n")
    (folder / "src" / "text").write_text(text)
    made = project(order, folder, "saturn-contract-a", "made", image=None, build={"context": "./src"})
    well(compose.build(made, ("made",), lambda _line: None))
    return made, compose.image_here(order, "saturn-contract-a-made")


def found(order, name="saturn-contract-a"):
    """The containers of a project by compose service and number."""
    return {each.name[len(name) + 1 :]: each for each in compose.containers(order, name)}


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


def test_image_is_here_with_its_id_and_digest_or_not(order):
    here = compose.image_here(order, IMAGE)
    assert re.fullmatch("sha256:[0-9a-f]{64}", here.id)
    assert here.digest == "" or re.fullmatch("saturn-contract@sha256:[0-9a-f]{64}", here.digest)
    assert compose.image_here(order, here.id) == here
    assert compose.image_here(order, "saturn-none:9") is None


def test_tag_lets_another_name_mean_the_same_image(order):
    well(compose.tag(order, IMAGE, "saturn-contract:again"))
    assert compose.image_here(order, "saturn-contract:again").id == compose.image_here(order, IMAGE).id


def test_tag_of_an_image_that_is_not_here_fails(order):
    assert not compose.tag(order, "saturn-none:9", "saturn-contract:again").ok


def test_image_that_no_registry_has_cannot_be_pulled(order, tmp_path):
    control(order, tmp_path, pull_fails=["saturn-none:9"])
    assert not compose.pull_image(order, "saturn-none:9", lambda _line: None).ok
    assert compose.image_here(order, "saturn-none:9") is None


def test_build_makes_another_image_of_other_files_and_the_same_of_the_same(order, tmp_path):
    first, second, again = (built(order, tmp_path, text)[1] for text in ("one", "two", "two"))
    assert first.id != second.id
    assert second == again
    assert second.digest == ""


def test_built_service_runs_the_image_that_has_its_name(order, tmp_path):
    made, image = built(order, tmp_path, "one")
    up(made)
    [container] = compose.containers(order, made.name)
    assert (container.image, container.image_id) == ("saturn-contract-a-made", image.id)


def test_up_replaces_a_container_whose_image_moved_under_its_name(order, tmp_path):
    well(compose.tag(order, IMAGE, "saturn-contract:moving"))
    made = project(order, tmp_path, "saturn-contract-b", "web", image="saturn-contract:moving")
    up(made)
    before = found(order, made.name)["web-1"]
    _, other = built(order, tmp_path, "other")
    well(compose.tag(order, other.id, "saturn-contract:moving"))
    up(made)
    after = found(order, made.name)["web-1"]
    assert (after.image, after.image_id, after.hash) == (before.image, other.id, before.hash)
    assert after.id != before.id


def test_up_leaves_what_only_orders_the_work_alone(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web"))
    before = compose.containers(order, "saturn-contract-a")
    up(project(order, tmp_path, "saturn-contract-a", "web", pull_policy="never", scale=1))
    assert compose.containers(order, "saturn-contract-a") == before


def test_up_replaces_a_container_that_is_given_a_deploy_section_and_not_for_its_replicas(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web"))
    first = found(order)["web-1"]
    up(project(order, tmp_path, "saturn-contract-a", "web", deploy={"replicas": 1}))
    second = found(order)["web-1"]
    up(project(order, tmp_path, "saturn-contract-a", "web", deploy={"replicas": 2}))
    assert (second.id == first.id, found(order)["web-1"]) == (False, second)


def test_renew_replaces_the_named_services_alone(order, tmp_path):
    made = project(order, tmp_path, "saturn-contract-a", "web", "db")
    up(made)
    before = found(order)
    well(compose.renew(made, ("web",), 60.0, lambda _line: None))
    after = found(order)
    assert set(after) == {"web-1", "db-1"}
    assert after["db-1"] == before["db-1"]
    assert (after["web-1"].id == before["web-1"].id, after["web-1"].hash) == (False, before["web-1"].hash)


def test_down_removes_a_project_by_its_name_alone(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web", "db"))
    up(project(order, tmp_path, "saturn-contract-b", "web"))
    (tmp_path / "saturn-contract-a.json").unlink()
    well(compose.down(order, "saturn-contract-a", 60.0, lambda _line: None))
    assert compose.containers(order, "saturn-contract-a") == ()
    assert list(found(order, "saturn-contract-b")) == ["web-1"]


def test_labels_tell_the_config_and_the_folder_of_a_container(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web"))
    first = found(order)["web-1"]
    up(project(order, tmp_path, "saturn-contract-a", "web", environment={"A": "1"}))
    second = found(order)["web-1"]
    assert first.folder == second.folder == str(tmp_path)
    assert "" not in (first.hash, second.hash)
    assert first.hash != second.hash


def test_scale_makes_and_removes_containers_and_leaves_the_others(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web"))
    first = found(order)["web-1"]
    up(project(order, tmp_path, "saturn-contract-a", "web", scale=2))
    assert (set(found(order)), found(order)["web-1"]) == ({"web-1", "web-2"}, first)
    up(project(order, tmp_path, "saturn-contract-a", "web", scale=1))
    assert len(found(order)) == 1


def test_up_starts_a_container_that_a_person_stopped_and_makes_one_that_was_removed(order, tmp_path):
    made = project(order, tmp_path, "saturn-contract-a", "web", "db")
    up(made)
    before = found(order)
    by_hand(order, "stop", before["web-1"].id)
    by_hand(order, "rm", "--force", before["db-1"].id)
    assert {name: each.state for name, each in found(order).items()} == {"web-1": "exited"}
    up(made)
    after = found(order)
    assert {name: each.state for name, each in after.items()} == {"web-1": "running", "db-1": "running"}
    assert (after["web-1"].id == before["web-1"].id, after["db-1"].id == before["db-1"].id) == (True, False)
    assert after["web-1"].started_at != before["web-1"].started_at


def test_config_writes_out_what_is_mounted_and_built(order, tmp_path):
    definition = {"build": "./src", "volumes": ["./conf:/conf:ro", "kept:/kept"], "ports": ["127.0.0.1:8080:80"]}
    path = tmp_path / "saturn-contract-a.json"
    path.write_text(json.dumps({"services": {"web": {"image": IMAGE, **definition}}, "volumes": {"kept": {}}}))
    web = compose.resolved(project(order, tmp_path))["services"]["web"]
    mounts = [(each["type"], each["source"], each["target"]) for each in web["volumes"]]
    assert mounts == [("bind", str(tmp_path / "conf"), "/conf"), ("volume", "kept", "/kept")]
    assert web["build"]["context"] == str(tmp_path / "src")
    assert {name: str(web["ports"][0][name]) for name in ("host_ip", "published", "target", "protocol")} == {
        "host_ip": "127.0.0.1", "published": "8080", "target": "80", "protocol": "tcp",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "digests"),
    [('["a@sha256:1","b@sha256:2"]', ["a@sha256:1", "b@sha256:2"]), ("[]", []), ("null", []), ("", []), ("?", [])],
)
def test_digests_are_read_in_every_form_that_docker_gives_them(text, digests):
    assert compose._texts(text) == digests


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
    control(order, tmp_path, down=True)
    if order.compose[0] == "docker":
        order = replace(order, compose=("docker", "--host", "unix:///nowhere.sock", "compose"))
    with pytest.raises(NodeError) as failure:
        compose.containers(order)
    assert failure.value.code == "docker_down"


def test_container_that_ends_is_told_with_its_status(order, tmp_path):
    up(project(order, tmp_path, "saturn-contract-a", "web", command=["sh", "-c", "exit 3"]))
    control(order, tmp_path, exits={"web": 3})
    until(lambda: compose.containers(order, "saturn-contract-a")[0].state == "exited", "the container's end")
    assert compose.containers(order, "saturn-contract-a")[0].exit_code == 3


def standing(order):
    return [(each.state, each.policy) for each in compose.containers(order, "saturn-contract-a")]


@pytest.mark.parametrize(("hold", "let_go", "state"), [("stop", "start", "exited"), ("pause", "unpause", "paused")])
def test_a_container_is_held_still_and_let_go(order, tmp_path, hold, let_go, state):
    up(project(order, tmp_path, restart="unless-stopped"))
    [container] = compose.containers(order, "saturn-contract-a")
    by_hand(order, hold, container.id)
    assert standing(order) == [(state, "unless-stopped")]
    by_hand(order, let_go, container.id)
    assert standing(order) == [("running", "unless-stopped")]


def test_a_restart_policy_is_changed_without_a_new_container(order, tmp_path):
    up(project(order, tmp_path, restart="unless-stopped"))
    [before] = compose.containers(order, "saturn-contract-a")
    by_hand(order, "update", "--restart", "always", before.id)
    [after] = compose.containers(order, "saturn-contract-a")
    assert (after.policy, after.id, after.hash) == ("always", before.id, before.hash)
    up(project(order, tmp_path, restart="unless-stopped"))
    assert [each.id for each in compose.containers(order, "saturn-contract-a")] == [before.id]
