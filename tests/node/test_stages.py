"""What goes wrong in each stage, seen from outside: real git, the simulated docker, the real executor."""

import json
import os
from dataclasses import replace

import pytest
from saturn_node import wire
from support.node import Node, compose_json, kinds


def ordered(tmp_path, *names, **definition):
    node = Node(tmp_path)
    return node, node.commit_services(*names, **definition)


def with_service(node, name, **facts):
    services = tuple(replace(each, **facts) if each.name == name else each for each in node.order.services)
    node.order = replace(node.order, services=services)


def failure(events):
    return next(each for each in events if each["type"] == "stage_failed")


def test_validate_tells_every_finding_at_once_and_touches_nothing(tmp_path):
    node, _ = ordered(tmp_path, "web", "db", "job")
    revision = node.commit(**{"services/db/docker-compose.yml": "{broken", "services/web/healthcheck.sh": "exit 0"})
    with_service(node, "web", required_env=("PASSWORD", "NAME"))
    with_service(node, "job", folder="services/none")
    node.env_file("web", "PASSWORD=\nNAME=x\n")
    events = node.deploy("r1", revision)
    assert [
        (each["code"], each["service"], each["severity"], each["key"]) for each in events if each["type"] == "finding"
    ] == [
        ("env_missing", "web", "error", "PASSWORD"),
        ("healthcheck_not_executable", "web", "warning", ""),
        ("restart_missing", "web", "warning", "services.web.restart"),
        ("compose_invalid", "db", "error", ""),
        ("service_missing", "job", "error", ""),
    ]
    assert kinds(events)[-3:] == [
        "stage_failed validate env_missing",
        "diagnostics_collected diagnose",
        "goodbye blocked",
    ]
    assert (node.docker_calls("up"), node.docker_calls("pull")) == ([], [])
    assert node.state("current_stage") == "validate"


def test_resume_after_the_env_was_written_goes_on(tmp_path):
    node, revision = ordered(tmp_path, "web")
    with_service(node, "web", required_env=("PASSWORD",))
    assert kinds(node.deploy("r1", revision))[-1] == "goodbye blocked"
    node.env_file("web", "PASSWORD=hunter2\n")
    events = kinds(node.deploy("r2", revision, resume=True))
    assert (events[1], events[-1]) == ("stage_skipped prepare", "goodbye success")


@pytest.mark.parametrize(("fault", "code"), [("down", "docker_down"), ("denied", "docker_denied")])
def test_docker_that_does_not_answer_is_named(tmp_path, fault, code):
    node, revision = ordered(tmp_path, "web")
    node.control(**{fault: True})
    events = node.deploy("r1", revision)
    assert (failure(events)["code"], kinds(events)[-1]) == (code, "goodbye failed")
    assert [each["code"] for each in node.ask(node.request("facts"))[1]["problems"]] == [code]


def test_deploy_pulls_everything_before_it_touches_anything(tmp_path):
    node, _ = ordered(tmp_path, "web", "db")
    revision = node.commit(**{"services/db/docker-compose.yml": compose_json("db", image="db:9")})
    node.control(pull_fails=["db:9"])
    events = node.deploy("r1", revision)
    assert (failure(events)["code"], failure(events)["service"]) == ("pull_failed", "db")
    assert "db:9" in failure(events)["message"]
    assert "manifest unknown" in " ".join(failure(events)["tail"])
    assert node.docker_calls("up") == []


def test_deploy_never_pulls_when_told_so(tmp_path):
    node, revision = ordered(tmp_path, "web")
    node.order = replace(node.order, pull="never")
    assert failure(node.deploy("r1", revision))["code"] == "image_missing"
    assert node.docker_calls("pull") == []


def test_deploy_keeps_the_order_of_dependencies(tmp_path):
    node, revision = ordered(tmp_path, "web", "db")
    with_service(node, "web", depends_on=("db",))
    node.deploy("r1", revision)
    assert node.docker_calls("up") == ["db", "web"]


def test_deploy_ends_an_up_that_takes_too_long(tmp_path):
    node, revision = ordered(tmp_path, "web")
    node.order = replace(node.order, up_timeout_s=0.5)
    node.control(sleep={"up": 30})
    assert failure(node.deploy("r1", revision))["code"] == "up_timeout"


def test_failed_up_shows_its_words_and_collects_diagnostics(tmp_path):
    node, revision = ordered(tmp_path, "web")
    node.control(up_fails=["web"])
    events = node.deploy("r1", revision)
    assert kinds(events)[-4:] == [
        "service_failed deploy web up_failed",
        "stage_failed deploy web up_failed",
        "diagnostics_collected diagnose",
        "goodbye failed",
    ]
    assert "driver failed programming external connectivity" in failure(events)["message"]
    assert node.state("current_stage") == "deploy"


def test_env_and_override_of_the_node_reach_compose(tmp_path):
    node, _ = ordered(tmp_path, "web")
    revision = node.commit(
        **{"services/web/docker-compose.yml": compose_json("web", environment={"A": "${NAME:?unset}"})}
    )
    node.env_file("web", "NAME=some-value\n")
    node.write("root/config/web/docker-compose.override.yml", compose_json("extra"))
    assert kinds(node.deploy("r1", revision))[-1] == "goodbye success"
    assert node.docker_services() == ["extra", "web"]


def test_verify_fails_a_sick_container_and_shows_its_log(tmp_path):
    node, revision = ordered(tmp_path, "web", "db", healthcheck={"test": "true"})
    with_service(node, "db", health_timeout_s=0.3)
    node.control(unhealthy=["db"])
    events = node.deploy("r1", revision)
    assert kinds(events)[-5:] == [
        "service_verified verify web healthy",
        "service_failed verify db unhealthy unhealthy",
        "stage_failed verify db unhealthy",
        "diagnostics_collected diagnose",
        "goodbye failed",
    ]
    tails = [each["tail"] for each in events if each["type"] == "service_failed"]
    assert tails == [["simulated log of db: its health check fails"]]


def test_verify_accepts_a_one_shot_that_exited_well_and_fails_one_that_did_not(tmp_path):
    node, revision = ordered(tmp_path, "job")
    node.control(exits={"job": 0})
    assert "service_verified verify job finished" in kinds(node.deploy("r1", revision))
    node.control(exits={"job": 3})
    assert "service_failed verify job not_running not_running" in kinds(node.deploy("r2", revision))


def test_verify_asks_healthcheck_sh_with_its_environment(tmp_path):
    node, _ = ordered(tmp_path, "web")
    wanted = ('"$COMPOSE_PROJECT_NAME" = web', '"$NAME" = value', '-f "$COMPOSE_FILE"', '"$SATURN_HOST" = chelsty')
    script = " && ".join("test " + each for each in wanted)
    revision = node.commit(**{"services/web/healthcheck.sh": script})
    node.env_file("web", "NAME=value\n")
    assert "service_verified verify web healthy" in kinds(node.deploy("r1", revision))


def test_verify_shows_the_words_of_a_failing_healthcheck_without_secrets(tmp_path):
    node, _ = ordered(tmp_path, "web")
    revision = node.commit(**{"services/web/healthcheck.sh": "echo token is $TOKEN; exit 1"})
    node.env_file("web", "TOKEN=hunter2hunter2\n")
    with_service(node, "web", health_timeout_s=0.2)
    events = node.deploy("r1", revision)
    assert "service_failed verify web healthcheck_failed unhealthy" in kinds(events)
    assert failure(events)["message"].endswith("token is [redacted]")
    folder = node.path("root/logs/deploy")
    written = [node.read(os.path.join(folder, name)) for name in os.listdir(folder)]
    assert not any("hunter2hunter2" in text for text in [*written, json.dumps(events)])


def test_facts_tell_what_moved_since_the_deploy(tmp_path):
    node, revision = ordered(tmp_path, "web")
    with_service(node, "web", required_env=("A",))
    node.env_file("web", "A=1\n")
    node.deploy("r1", revision)
    node.env_file("web", "B=1\n")
    node.write("root/repo/services/web/docker-compose.yml", "x")
    facts = node.ask(node.request("facts"))[1]
    service = facts["services"][0]
    assert (service["state"], service["deployed_revision"], service["local_changed"], service["missing_env"]) == (
        "running", revision, True, ["A"],
    )  # fmt: skip
    assert (facts["revision"], facts["dirty"], facts["completed"]) == (
        revision, ["services/web/docker-compose.yml"], list(wire.STAGES),
    )  # fmt: skip


def test_facts_without_docker_and_git_still_answer(tmp_path):
    node, _ = ordered(tmp_path, "web")
    node.env = {**node.env, "PATH": "/nowhere"}
    facts = node.ask(node.request("facts"))[1]
    assert [each["code"] for each in facts["problems"]] == ["no_git", "no_docker"]
    assert not os.path.exists(node.root)


def test_person_on_the_node_sees_status_and_wrong_usage(tmp_path):
    node, revision = ordered(tmp_path, "web")
    node.deploy("r1", revision)
    assert "web          running, none" in node.person("status").stdout
    assert "r1 success" in node.person("status").stdout
    assert node.person("follow").stdout.strip().endswith("success")
    usages = (("dance",), ("deploy", "--now"), ("follow", "r9"), ("--help",))
    assert [node.person(*words).returncode for words in usages] == [2, 2, 2, 0]
