"""Prefetch: everything a deploy needs comes to the node, and nothing that stands or runs is touched."""

import os

from support.node import Node, carrying, kinds


def deployed(tmp_path, **definition):
    """A node after a deploy, and a newer revision with another image."""
    node = Node(tmp_path)
    first = node.commit_services("web")
    node.deploy("r1", first)
    return node, first, node.commit_services("web", image="app:2", **definition)


def prefetch(node, revision, run="f1"):
    return node.deploy(run, revision, prefetch=True)


def images(node):
    return node.docker("image", "inspect", "app:2")


def test_prefetch_brings_the_commit_and_the_images_and_touches_nothing(tmp_path):
    node, first, second = deployed(tmp_path)
    before = node.containers("web")
    files = node.read("root/repo/services/web/docker-compose.yml")
    assert kinds(prefetch(node, second)) == [
        "hello",
        "stage_started prepare",
        "stage_finished prepare",
        "stage_started validate",
        "stage_finished validate",
        "stage_started prefetch",
        "service_started prefetch web",
        "service_finished prefetch web fetched",
        "stage_finished prefetch",
        "goodbye success",
    ]
    facts = node.ask(node.request("facts", "", second))[1]
    assert (facts["revision"], facts["has_revision"], facts["dirty"], facts["stage"]) == (first, True, [], "complete")
    assert [each["run"] for each in facts["deployments"]] == ["r1"]
    assert node.containers("web") == before
    assert node.read("root/repo/services/web/docker-compose.yml") == files
    assert images(node).startswith("sha256:")


def test_a_deploy_after_a_prefetch_asks_neither_origin_nor_a_registry(tmp_path):
    node, _, second = deployed(tmp_path)
    prefetch(node, second)
    node.control(pull_fails=["app:2"])
    node.lose_origin()
    events = node.deploy("r2", second)
    [reached] = [each for each in events if each["type"] == "checked_out"]
    assert (reached["source"], reached["stale"], reached["message"]) == ("cache", False, "prefetched")
    assert not any("asking" in each.get("text", "") for each in events)
    assert kinds(events)[-1] == "goodbye success"


def test_a_deploy_of_another_revision_than_the_prefetched_one_asks_origin(tmp_path):
    node, first, second = deployed(tmp_path)
    prefetch(node, second)
    [reached] = [each for each in node.deploy("r2", first) if each["type"] == "checked_out"]
    assert reached["source"] == "origin"


def test_a_plan_after_a_prefetch_needs_no_bundle(tmp_path):
    node, _, second = deployed(tmp_path)
    prefetch(node, second)
    plan = node.ask(node.request("plan", "p", second))[2]
    assert (plan["is_foreseen"], plan["changes"][0]["action"]) == (True, "recreate")
    assert plan["changes"][0]["images"][0]["size"] == 0


def test_prefetch_takes_what_saturn_sent_when_origin_is_gone(tmp_path):
    node, first, second = deployed(tmp_path)
    data = node.bundle(second, first)
    node.lose_origin()
    events = node.ask(carrying(node.request("run", "f1", second, prefetch=True), data), data)
    assert kinds(events)[-1] == "goodbye success"
    assert node.ask(node.request("facts", "", second))[1]["has_revision"]
    assert not os.path.exists(node.path("root/state/deploy/runs/f1/bundle"))


def test_a_node_without_a_checkout_is_prefetched_and_deployed_later(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    assert kinds(prefetch(node, revision))[-1] == "goodbye success"
    assert os.listdir(node.checkout) == [".git"]
    facts = node.ask(node.request("facts", "", revision))[1]
    assert (facts["revision"], facts["dirty"], facts["has_revision"]) == ("", [], True)
    node.lose_origin()
    events = node.deploy("r1", revision)
    assert kinds(events)[-1] == "goodbye success"
    assert [each["revision_before"] for each in events if each["type"] == "checked_out"] == [""]
    assert node.docker_services() == ["web"]


def test_a_prefetch_that_cannot_pull_fails_and_is_not_believed(tmp_path):
    node, _, second = deployed(tmp_path)
    node.control(pull_fails=["app:2"])
    events = prefetch(node, second)
    assert "stage_failed prefetch web pull_failed" in kinds(events)
    assert kinds(events)[-1] == "goodbye failed"
    [reached] = [each for each in node.deploy("r2", second) if each["type"] == "checked_out"]
    assert reached["source"] == "origin"


def test_a_prefetch_of_files_that_compose_refuses_is_blocked(tmp_path):
    node, _, _ = deployed(tmp_path)
    broken = node.commit(**{"services/web/docker-compose.yml": "{broken"})
    events = prefetch(node, broken)
    assert "stage_failed validate web compose_invalid" in kinds(events)
    assert kinds(events)[-1] == "goodbye blocked"


def test_a_prefetch_leaves_what_a_failed_run_completed_to_be_resumed(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    node.control(up_fails=["db"])
    node.deploy("r1", revision)
    node.control()
    prefetch(node, node.commit_services("web", "db", image="app:2"))
    events = kinds(node.deploy("r2", revision, resume=True))
    assert ("service_skipped deploy web" in events, events[-1]) == (True, "goodbye success")
