"""What a node remembers of its deployments: the way back to their images, and what is assigned no more."""

import json
import os
from dataclasses import replace

from saturn_node import state
from saturn_node.state import Deployment, Paths
from support.node import Node, kinds

UP = {"restart": "unless-stopped"}


def facts(node):
    return node.ask(node.request("facts"))[1]


def image_ids(node, *projects):
    return [each.image_id for project in projects for each in node.containers(project)]


def moved_under_its_name(tmp_path):
    """A node that was deployed twice with `app:1`, which meant another image the second time; what it meant first."""
    node = Node(tmp_path)
    first = node.commit_services("web", **UP)
    node.deploy("r1", first)
    [before] = image_ids(node, "web")
    node.control(registry={"app:1": "another"})
    node.docker("pull", "app:1")
    second = node.commit(README="2")
    node.deploy("r2", second)
    assert image_ids(node, "web") != [before]
    return node, first, before


def returned(node, revision):
    """What the plan says of a return to r1, and the events of it."""
    wish = {"restore": "r1", "rollback": True}
    told = node.ask(node.request("plan", "p", revision, **wish))[2]
    return told["changes"][0], node.deploy("r3", revision, plan=told["digest"], **wish)


def test_a_return_to_a_deployment_brings_back_what_its_images_were(tmp_path):
    node, first, before = moved_under_its_name(tmp_path)
    change, events = returned(node, first)
    assert (change["action"], change["reasons"]) == ("recreate", ["the image of web goes back"])
    assert [(each["after_id"], each["size"]) for each in change["images"]] == [(before, 0)]
    assert (kinds(events)[-1], image_ids(node, "web")) == ("goodbye success", [before])
    assert any(each.get("text") == "app:1 is again what it was then" for each in events)


def test_an_image_that_is_gone_is_fetched_again_by_its_digest(tmp_path):
    node, first, before = moved_under_its_name(tmp_path)
    node.docker("rmi", before)
    change, events = returned(node, first)
    assert (change["action"], change["images"][0]["size"]) == ("recreate", -1)
    assert (kinds(events)[-1], image_ids(node, "web")) == ("goodbye success", [before])


def test_an_image_that_nobody_has_any_more_makes_way_for_the_one_of_now_and_that_is_said(tmp_path):
    node, first, before = moved_under_its_name(tmp_path)
    node.docker("rmi", before)
    node.control(pull_fails=[f"app@{before}"])
    _, events = returned(node, first)
    assert kinds(events)[-1] == "goodbye success"
    assert any("the app:1 of now is used" in each.get("text", "") for each in events)
    assert image_ids(node, "web") != [before]


def test_a_return_to_a_deployment_that_nobody_remembers_uses_the_images_of_now(tmp_path):
    node, first, before = moved_under_its_name(tmp_path)
    assert kinds(node.deploy("r3", first, restore="r9"))[-1] == "goodbye success"
    assert image_ids(node, "web") != [before]


def test_a_return_is_told_as_a_deployment_of_its_own(tmp_path):
    node, first, _ = moved_under_its_name(tmp_path)
    returned(node, first)
    told = [(each["run"], each["revision"], each["services"]) for each in facts(node)["deployments"]]
    assert told[0] == ("r3", first, ["web"])
    assert [run for run, _, _ in told] == ["r3", "r2", "r1"]


def test_a_deployment_remembers_the_images_of_every_assigned_service(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db", **UP)
    node.deploy("r1", revision)
    node.order = replace(node.order, services=node.order.services[:1], assigned=("web", "db"))
    node.deploy("r2", revision)
    [second, first] = state.deployments(Paths(node.root))
    [identity] = set(image_ids(node, "web", "db"))
    known = {"hash": node.containers("db")[0].hash, "image": "app:1", "image_id": identity, "digest": f"app@{identity}"}
    known["networks"] = ""
    assert second.images["db"] == {"db": known}
    assert (set(second.images), second.images) == ({"web", "db"}, first.images)


def test_a_failed_run_is_no_deployment(tmp_path):
    node = Node(tmp_path)
    node.control(up_fails=["web"])
    node.deploy("r1", node.commit_services("web"))
    assert (facts(node)["deployments"], state.deployments(Paths(node.root))) == ([], ())


def remembered(tmp_path, count):
    paths = Paths(str(tmp_path))
    os.makedirs(paths.state)
    made = [Deployment(f"r{number}", "a" * 40, "", {"web": {"web": {"image_id": "i"}}}) for number in range(count)]
    for each in made:
        state.remember_deployment(paths, each)
    return paths, made


def test_the_newest_twenty_deployments_are_remembered_and_only_for_their_owner(tmp_path):
    paths, made = remembered(tmp_path, 25)
    assert state.deployments(paths) == tuple(reversed(made))[:20]
    assert os.stat(os.path.join(paths.state, "deployments.json")).st_mode & 0o777 == 0o600


def test_a_run_that_completes_twice_is_one_deployment(tmp_path):
    paths, made = remembered(tmp_path, 3)
    state.remember_deployment(paths, made[0])
    assert state.deployments(paths) == (made[0], made[2], made[1])


def deployed_then_reduced(tmp_path):
    """A node with two services, of which the topology assigns one no more; a foreign project runs beside them."""
    node = Node(tmp_path)
    revision = node.commit_services("web", "db", **UP)
    node.deploy("r1", revision)
    file = node.write("elsewhere/compose.json", json.dumps({"services": {"own": {"image": "app:1"}}}))
    node.docker("compose", "-p", "own", "-f", file, "up", "--detach")
    node.order = replace(node.order, services=node.order.services[:1], assigned=("web",))
    return node, revision


def test_prune_removes_what_is_assigned_no_more_and_nothing_foreign(tmp_path):
    node, revision = deployed_then_reduced(tmp_path)
    node.write("root/data/db/precious", "x")
    assert facts(node)["orphans"] == ["db"]
    events = node.deploy("r2", revision, prune=True)
    assert "service_finished deploy db removed" in kinds(events)
    assert (kinds(events)[-1], node.docker_services()) == ("goodbye success", ["own", "web"])
    assert (facts(node)["orphans"], node.read("root/data/db/precious")) == ([], "x")
    assert list(state.deployments(Paths(node.root))[0].images) == ["web"]


def test_without_prune_what_is_assigned_no_more_stays(tmp_path):
    node, revision = deployed_then_reduced(tmp_path)
    node.deploy("r2", revision)
    assert (node.docker_services(), facts(node)["orphans"]) == (["db", "own", "web"], ["db"])


def test_a_run_of_some_services_prunes_none_of_the_others(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db", **UP)
    node.deploy("r1", revision)
    node.order = replace(node.order, services=node.order.services[:1], assigned=("web", "db"))
    node.deploy("r2", revision, prune=True)
    assert node.docker_services() == ["db", "web"]


def test_a_removal_that_fails_fails_the_run(tmp_path):
    node, revision = deployed_then_reduced(tmp_path)
    node.order = replace(node.order, up_timeout_s=0.5)
    node.control(sleep={"down": 30})
    events = node.deploy("r2", revision, prune=True)
    assert "service_failed deploy db remove_failed" in kinds(events)
    assert (kinds(events)[-1], node.docker_services()) == ("goodbye failed", ["db", "own", "web"])


def test_facts_tell_drift_by_hand_and_none_after_the_next_deploy(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", **UP)
    node.deploy("r1", revision)
    file = node.write("by-hand.json", json.dumps({"services": {"web": {"image": "app:1", "command": ["x"]}}}))
    node.docker("compose", "-p", "web", "-f", file, "up", "--detach")
    assert facts(node)["services"][0]["drift"] == ["container web-web-1 was changed by hand"]
    node.deploy("r2", revision)
    assert facts(node)["services"][0]["drift"] == []
