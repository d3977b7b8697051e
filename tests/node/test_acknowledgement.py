"""A service that carries the connection stays changed only when somebody says that the node can still be reached."""

import json
import os
from dataclasses import replace

import pytest
from saturn_node import state
from saturn_node.state import Paths
from support.node import Node, answer, kinds, order, until

UP = {"restart": "unless-stopped"}
LONG_S = 60.0
SHORT_S = 0.3


def composed(image, **definition):
    return json.dumps({"services": {"vpn": {"image": image, **UP, **definition}}})


def carrying(node, timeout_s, names=("vpn",)):
    """Let these services carry the connection from now on."""
    services = tuple(replace(each, connectivity=each.name in names) for each in node.order.services)
    node.order = replace(node.order, services=services, ack_timeout_s=timeout_s)


def deployed(tmp_path, timeout_s=SHORT_S, *others):
    """A node with vpn, which carries the connection, and others, all of app:1; and a revision that gives it vpn:2."""
    node = Node(tmp_path)
    first = node.commit_services(*others, "vpn", **UP)
    assert kinds(node.deploy("r1", first))[-1] == "goodbye success"
    second = node.commit(**{"services/vpn/docker-compose.yml": composed("vpn:2")})
    carrying(node, timeout_s)
    return node, first, second


def image(node, service="vpn"):
    [container] = node.containers(service)
    return container.image


def has_asked(node, run):
    return "ack_needed deploy vpn" in kinds(node.events(run))


def is_open(node, service="vpn"):
    return state.is_unacknowledged(Paths(node.root), service)


def ack(node, run="r2", service="vpn"):
    return replace(node.request("ack", run), service=service)


def watched(node, run, revision, *words, **facts):
    """The events of a run to which these requests are told, on the line that follows it, once it asks."""
    with node.start() as process:
        order(process, node.request("run", run, revision, **facts))
        until(lambda: has_asked(node, run), "the question")
        for word in words:
            order(process, word)
        events = answer(process.stdout)
        process.stdin.close()
    return events


def killed_while_waiting(node, run, revision):
    with node.start() as process:
        order(process, node.request("run", run, revision))
        until(lambda: has_asked(node, run), "the question")
        node.kill_worker(run)
        process.stdin.close()
        process.stdout.read()


def test_a_carrier_that_is_acknowledged_stays(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    events = watched(node, "r2", second, ack(node))
    told = kinds(events)
    begin = told.index("service_started deploy vpn")
    assert told[begin : begin + 4] == [
        "service_started deploy vpn",
        "ack_needed deploy vpn",
        "acknowledged deploy vpn",
        "service_finished deploy vpn changed",
    ]
    assert [each["timeout_s"] for each in events if each["type"] == "ack_needed"] == [LONG_S]
    assert [each["by"] for each in events if each["type"] == "acknowledged"] == ["anna"]
    assert (told[-1], image(node), is_open(node)) == ("goodbye success", "vpn:2", False)


def test_a_carrier_that_nobody_acknowledges_goes_back_though_no_rollback_was_asked_for(tmp_path):
    node, first, second = deployed(tmp_path)
    events = node.deploy("r2", second)
    told = kinds(events)
    begin = told.index("ack_needed deploy vpn")
    assert told[begin:] == [
        "ack_needed deploy vpn",
        "service_failed deploy vpn unacknowledged",
        "stage_failed deploy vpn unacknowledged",
        "diagnostics_collected diagnose",
        "stage_started rollback",
        "checked_out rollback",
        "service_started rollback vpn",
        "service_finished rollback vpn restored",
        "service_started rollback vpn",
        "service_verified rollback vpn running",
        "stage_finished rollback",
        "goodbye rolled_back",
    ]
    [failure] = [each for each in events if each["type"] == "stage_failed"]
    assert failure["message"] == "vpn carries the connection, and nobody acknowledged it within 0.3 s"
    assert failure["hint"] == "saturn diagnose --hosts chelsty"
    assert (image(node), is_open(node)) == ("app:1", False)
    assert node.git("rev-parse", "HEAD", folder=node.checkout) == first


def test_nobody_is_asked_about_what_was_not_touched_or_carries_nothing(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web", "vpn", **UP))
    carrying(node, SHORT_S)
    second = node.commit(**{"services/web/docker-compose.yml": '{"services": {"web": {"image": "web:2"}}}'})
    told = kinds(node.deploy("r2", second))
    assert {"service_finished deploy web changed", "service_finished deploy vpn unchanged"} < set(told)
    assert ("ack_needed" in " ".join(told), told[-1], is_open(node)) == (False, "goodbye success", False)


def test_a_first_deploy_has_nothing_to_go_back_to_and_says_so(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("vpn", **UP)
    carrying(node, SHORT_S)
    events = node.deploy("r1", revision)
    [failure] = [each for each in events if each["type"] == "stage_failed"]
    assert failure["message"].endswith("here that it could go back to, so it stays as it is")
    assert failure["hint"] == "saturn deploy --hosts chelsty --resume"
    assert (kinds(events)[-1], node.docker_services(), is_open(node)) == ("goodbye failed", ["vpn"], True)
    resumed = watched(node, "r2", revision, ack(node), resume=True)
    assert (kinds(resumed)[-1], is_open(node)) == ("goodbye success", False)


def test_a_carrier_that_the_former_deployment_did_not_have_is_removed(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web", **UP))
    revision = node.commit_services("web", "vpn", **UP)
    carrying(node, SHORT_S)
    assert kinds(node.deploy("r2", revision))[-1] == "goodbye rolled_back"
    assert (node.docker_services(), is_open(node)) == (["web"], False)


@pytest.mark.parametrize("resume", [True, False])
def test_a_worker_that_is_killed_while_it_waits_leaves_nothing_that_counts_as_good(tmp_path, resume):
    node, _, second = deployed(tmp_path, LONG_S)
    killed_while_waiting(node, "r2", second)
    foreseen = node.ask(node.request("plan", "p", second))[2]
    assert [(each["action"], each["reasons"]) for each in foreseen["changes"] if each["service"] == "vpn"] == [
        ("unchanged", ["nobody has acknowledged its last change"])
    ]
    events = watched(node, "r3", second, ack(node, "r3"), resume=resume)
    told = kinds(events)
    assert told.index("ack_needed deploy vpn") < told.index("service_finished deploy vpn unchanged")
    assert (told[-1], image(node), is_open(node)) == ("goodbye success", "vpn:2", False)


@pytest.mark.parametrize("resume", [True, False])
def test_what_a_killed_worker_touched_goes_back_with_the_next_run(tmp_path, resume):
    node, first, _ = deployed(tmp_path, LONG_S, "web")
    second = node.commit(**{"services/web/docker-compose.yml": '{"services": {"web": {"image": "web:2"}}}'})
    killed_while_waiting(node, "r2", second)
    node.order = replace(node.order, ack_timeout_s=SHORT_S)
    assert kinds(node.deploy("r3", second, resume=resume))[-1] == "goodbye rolled_back"
    assert (image(node), is_open(node)) == ("app:1", False)
    assert image(node, "web") == ("app:1" if resume else "web:2")
    assert node.git("rev-parse", "HEAD", folder=node.checkout) == first


def test_an_acknowledgement_that_a_dead_worker_never_read_does_not_count_for_the_next_run(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    killed_while_waiting(node, "r2", second)
    node.ask(ack(node, "r2"))
    node.order = replace(node.order, ack_timeout_s=SHORT_S)
    assert kinds(node.deploy("r3", second, resume=True))[-1] == "goodbye rolled_back"


def test_a_cancel_while_it_waits_stops_the_run_once_it_is_acknowledged(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    events = watched(node, "r2", second, node.request("cancel", "r2"), ack(node))
    assert kinds(events)[-3:] == ["service_finished deploy vpn changed", "stage_finished deploy", "goodbye cancelled"]
    assert image(node) == "vpn:2"


def test_a_cancel_while_it_waits_does_not_disarm_the_switch(tmp_path):
    node, _, second = deployed(tmp_path, timeout_s=1.0)
    events = watched(node, "r2", second, node.request("cancel", "r2"))
    assert "stage_failed deploy vpn unacknowledged" in kinds(events)
    assert (kinds(events)[-1], image(node)) == ("goodbye rolled_back", "app:1")


def test_a_cancel_at_once_goes_back_at_once(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(lambda: has_asked(node, "r2"), "the question")
        assert kinds(node.ask(node.request("cancel", "r2", now=True)))[-1] == "goodbye success"
        events = answer(process.stdout)
        process.stdin.close()
    [failure] = [each for each in events if each["type"] == "stage_failed"]
    assert failure["code"] == "unacknowledged"
    assert failure["message"].endswith("nobody acknowledged it before the run was told to stop at once")
    assert (kinds(events)[-1], image(node)) == ("goodbye rolled_back", "app:1")


def test_a_cancel_at_once_of_a_first_deploy_ends_it_and_the_question_stays_open(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("vpn", **UP)
    carrying(node, LONG_S)
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: has_asked(node, "r1"), "the question")
        node.ask(node.request("cancel", "r1", now=True))
        assert kinds(answer(process.stdout))[-1] == "goodbye cancelled"
        process.stdin.close()
    assert is_open(node)


@pytest.mark.parametrize(("run", "service"), [("r2", "web"), ("r1", "vpn"), ("r2", ""), ("r2", "../r2/vpn")])
def test_an_acknowledgement_of_something_else_does_not_count(tmp_path, run, service):
    node, _, second = deployed(tmp_path, timeout_s=1.0)
    events = watched(node, "r2", second, ack(node, run, service))
    assert (kinds(events)[-1], image(node)) == ("goodbye rolled_back", "app:1")


def test_an_acknowledgement_of_before_the_change_does_not_count(tmp_path):
    node, _, second = deployed(tmp_path)
    node.control(sleep={"up": 1})
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(lambda: "service_started deploy vpn" in kinds(node.events("r2")), "the service")
        order(process, ack(node))
        events = answer(process.stdout)
        process.stdin.close()
    assert kinds(events)[-1] == "goodbye rolled_back"


def test_every_carrier_is_asked_about_by_itself(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("dns", "vpn", **UP)
    carrying(node, LONG_S, ("dns", "vpn"))
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        for name in ("dns", "vpn"):
            until(lambda name=name: f"ack_needed deploy {name}" in kinds(node.events("r1")), "the question")
            order(process, ack(node, "r1", "dns"))
            order(process, ack(node, "r1", name))
        told = kinds(answer(process.stdout))
        process.stdin.close()
    assert [each for each in told if each.startswith("ack")] == [
        "ack_needed deploy dns", "acknowledged deploy dns", "ack_needed deploy vpn", "acknowledged deploy vpn",
    ]  # fmt: skip
    assert told[-1] == "goodbye success"


# --- over which line --------------------------------------------------------------------------------------------------


def test_whoever_follows_behind_the_question_is_asked_again_and_may_answer(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(lambda: has_asked(node, "r2"), "the question")
        process.kill()
    asked = node.events("r2")[-1]
    with node.start() as process:
        order(process, node.request("follow", "r2", after=asked["seq"]))
        assert json.loads(process.stdout.readline().partition(b" ")[2]) == asked
        order(process, ack(node))
        told = answer(process.stdout)
        process.stdin.close()
    assert (told[0]["seq"], kinds(told)[0], kinds(told)[-1]) == (
        asked["seq"] + 1,
        "acknowledged deploy vpn",
        "goodbye success",
    )
    asked_after = node.ask(node.request("follow", "r2", after=asked["seq"]))
    assert asked_after == told


def test_an_acknowledgement_may_be_a_request_of_its_own(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(lambda: has_asked(node, "r2"), "the question")
        assert kinds(node.ask(ack(node))) == ["hello", "goodbye success"]
        assert kinds(answer(process.stdout))[-1] == "goodbye success"
        process.stdin.close()
    for run in ("r2", "r9"):
        assert kinds(node.ask(ack(node, run))) == ["hello", "refused not_running", "goodbye refused"]


@pytest.mark.parametrize("words", [("deploy",), ("deploy", "--resume")])
def test_a_person_on_the_node_acknowledges_by_giving_the_order(tmp_path, words):
    node, _, second = deployed(tmp_path, LONG_S)
    killed_while_waiting(node, "r2", second)
    done = node.person(*words)
    assert (done.returncode, is_open(node), image(node)) == (0, False, "vpn:2")
    assert "acknowledged by the order: it was given on this node itself" in done.stdout
    assert "acknowledged by tester" in done.stdout
    assert "acknowledge within" not in done.stdout


# --- what fails -------------------------------------------------------------------------------------------------------


def half_up(tmp_path, timeout_s):
    """A node whose `up` of vpn replaces one container and then fails."""
    node, first, _ = deployed(tmp_path, timeout_s)
    services = {"vpn": {"image": "vpn:2", **UP}, "zone": {"image": "zone:1", **UP}}
    second = node.commit(**{"services/vpn/docker-compose.yml": json.dumps({"services": services})})
    node.control(up_fails=["zone:1"])
    return node, first, second


def test_an_up_that_fails_half_way_is_left_as_it_is_when_the_node_can_be_reached(tmp_path):
    node, _, second = half_up(tmp_path, LONG_S)
    events = watched(node, "r2", second, ack(node))
    assert kinds(events)[-3:] == [
        "stage_failed deploy vpn up_failed", "diagnostics_collected diagnose", "goodbye failed",
    ]  # fmt: skip
    assert image(node) == "vpn:2"


def test_an_up_that_fails_half_way_goes_back_when_nobody_can_reach_the_node(tmp_path):
    node, _, second = half_up(tmp_path, SHORT_S)
    events = node.deploy("r2", second)
    [failure] = [each for each in events if each["type"] == "stage_failed"]
    assert failure["message"].startswith("`up` of vpn failed: ")
    assert failure["message"].endswith("; vpn carries the connection, and nobody acknowledged it within 0.3 s")
    assert (kinds(events)[-1], image(node)) == ("goodbye rolled_back", "app:1")


def test_an_up_that_touched_nothing_asks_nobody(tmp_path):
    node, _, second = deployed(tmp_path)
    node.control(up_fails=["vpn:2"])
    told = kinds(node.deploy("r2", second))
    assert ("ack_needed" in " ".join(told), told[-1], image(node), is_open(node)) == (
        False, "goodbye failed", "app:1", False,
    )  # fmt: skip


def test_what_lies_on_the_node_alone_cannot_go_back_and_that_is_no_success(tmp_path):
    node, _, _ = deployed(tmp_path, LONG_S)
    file = composed("app:1", environment={"MODE": "${MODE:-old}"})
    revision = node.commit(**{"services/vpn/docker-compose.yml": file})
    assert kinds(watched(node, "r2", revision, ack(node)))[-1] == "goodbye success"
    node.env_file("vpn", "MODE=something-new\n")
    node.order = replace(node.order, ack_timeout_s=SHORT_S)
    events = node.deploy("r3", revision)
    assert kinds(events)[-2:] == ["stage_failed rollback vpn rollback_failed", "goodbye failed"]
    assert "what changed lies in its .env or override on this node" in events[-2]["message"]
    assert is_open(node)


def test_the_way_back_outlives_a_cancel_that_is_told_on_the_way(tmp_path):
    node, _, _ = deployed(tmp_path)
    node.commit_services("extra", "vpn", **UP)
    carrying(node, SHORT_S)
    second = node.commit(**{"services/vpn/docker-compose.yml": composed("vpn:2")})
    node.control(sleep={"down": 1})
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(node.is_asleep, "the removal")
        order(process, node.request("cancel", "r2"))
        events = answer(process.stdout)
        process.stdin.close()
    assert (kinds(events)[-1], image(node)) == ("goodbye rolled_back", "app:1")
    assert node.docker_services() == ["vpn"]
    assert os.path.exists(node.path("root/state/deploy/runs/r2/cancel"))


def test_a_fault_of_saturn_itself_while_the_question_is_open_goes_back(tmp_path):
    node, _, second = deployed(tmp_path, LONG_S)
    node.control(sleep={"up": 1, "info": 1})
    record = node.path("root/state/deploy/services/vpn.json")
    with node.start() as process:
        order(process, node.request("run", "r2", second))
        until(node.is_asleep, "the up command")
        os.unlink(record)
        os.mkdir(record)
        until(lambda: "stage_failed deploy internal_error" in kinds(node.events("r2")), "the failure")
        os.rmdir(record)
        events = answer(process.stdout)
        process.stdin.close()
    assert (kinds(events)[-1], image(node), is_open(node)) == ("goodbye rolled_back", "app:1", False)
