"""A run that is cut anywhere converges when it is resumed, and no completed service is brought up twice."""

import os
import tempfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.node import Node, kinds, order, until

EVENTS = 33
"""Events of an undisturbed run of two services; a test below keeps the number true."""


def cut_after(node, run, revision, count, resume):
    """Start a run and SIGKILL its worker as soon as it has written `count` events, or let it finish with fewer."""
    with node.start() as process:
        order(process, node.request("run", run, revision, resume=resume))
        until(lambda: len(node.events(run)) >= count or is_finished(node, run), f"event {count}")
        if not is_finished(node, run):
            node.kill_worker(run)
        process.stdin.close()
        process.stdout.read()


def is_finished(node, run):
    return any(each["type"] == "goodbye" for each in node.events(run))


def completed_services(node, runs):
    return [each["service"] for run in runs for each in node.events(run) if each["type"] == "service_finished"]


def test_undisturbed_run_has_no_more_events_than_the_cuts_assume(tmp_path):
    node = Node(tmp_path)
    events = node.deploy("r1", node.commit_services("web", "db"))
    assert len(events) == EVENTS


@pytest.mark.parametrize("count", range(1, EVENTS))
def test_run_cut_after_any_event_converges_when_resumed(tmp_path, count):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    cut_after(node, "r1", revision, count, resume=False)
    done = set(completed_services(node, ["r1"]))
    ups_before = Counter(node.docker_calls("up"))
    if is_finished(node, "r1"):
        return
    resumed = node.deploy("r2", revision, resume=True)
    assert kinds(resumed)[-1] == "goodbye success"
    ups = Counter(node.docker_calls("up"))
    assert {name: ups[name] - ups_before[name] for name in done} == dict.fromkeys(done, 0)
    assert (node.state("current_stage"), node.state("last_service")) == ("complete", "db")
    assert node.docker_services() == ["db", "web"]
    assert node.git("rev-parse", "HEAD", folder=node.checkout) == revision


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, EVENTS), min_size=2, max_size=3))
def test_run_cut_several_times_converges(counts):
    with tempfile.TemporaryDirectory() as folder:
        node = Node(folder)
        revision = node.commit_services("web", "db")
        for number, count in enumerate(counts):
            cut_after(node, f"r{number}", revision, count, resume=number > 0)
        events = node.deploy("last", revision, resume=True)
        assert kinds(events)[-1] == "goodbye success"
        assert (node.state("current_stage"), node.docker_services()) == ("complete", ["db", "web"])


def failed_at_db(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    node.control(up_fails=["db"])
    assert kinds(node.deploy("r1", revision))[-1] == "goodbye failed"
    node.control()
    return node, revision


def test_resume_continues_at_the_service_that_failed(tmp_path):
    node, revision = failed_at_db(tmp_path)
    events = kinds(node.deploy("r2", revision, resume=True))
    assert events[1:8] == [
        "stage_skipped prepare",
        "stage_skipped validate",
        "stage_started deploy",
        "service_skipped deploy web",
        "service_started deploy db",
        "service_finished deploy db changed",
        "stage_finished deploy",
    ]
    assert node.docker_calls("up") == ["web", "db", "db"]


def test_resume_at_a_new_revision_skips_a_service_whose_folder_is_the_same(tmp_path):
    node, _ = failed_at_db(tmp_path)
    fixed = node.commit(**{"services/db/docker-compose.yml": '{"services": {"db": {"image": "db:2"}}}'})
    events = kinds(node.deploy("r2", fixed, resume=True))
    assert "stage_finished prepare" in events
    assert "stage_finished validate" in events
    assert "service_skipped deploy web" in events
    assert events[-1] == "goodbye success"
    assert node.docker_calls("up") == ["web", "db", "db"]


def test_resume_at_a_new_revision_brings_up_a_service_whose_folder_moved(tmp_path):
    node, _ = failed_at_db(tmp_path)
    fixed = node.commit(**{"services/web/docker-compose.yml": '{"services": {"web": {"image": "web:2"}}}'})
    assert kinds(node.deploy("r2", fixed, resume=True))[-1] == "goodbye success"
    assert node.docker_calls("up") == ["web", "db", "web", "db"]


def test_resume_brings_up_a_completed_service_whose_env_a_person_edited(tmp_path):
    node, revision = failed_at_db(tmp_path)
    node.env_file("web", "NAME=value\n")
    assert kinds(node.deploy("r2", revision, resume=True))[-1] == "goodbye success"
    assert node.docker_calls("up") == ["web", "db", "web", "db"]


@pytest.mark.parametrize("is_deployed", [False, True])
def test_resume_with_nothing_to_resume_is_a_fresh_run_and_says_so(tmp_path, is_deployed):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    if is_deployed:
        node.deploy("r1", revision)
    events = node.deploy("r2", revision, resume=True)
    assert "nothing to resume: this is a fresh run" in [each.get("text") for each in events]
    assert "stage_skipped" not in " ".join(kinds(events))
    assert kinds(events)[-1] == "goodbye success"


def test_fresh_run_forgets_what_an_earlier_one_completed(tmp_path):
    node, revision = failed_at_db(tmp_path)
    assert "skipped" not in " ".join(kinds(node.deploy("r2", revision)))
    assert node.docker_calls("up") == ["web", "db", "db"], "web stands as it should, and is left alone"


def test_deploy_resume_works_on_the_node_without_the_controller(tmp_path):
    node, _ = failed_at_db(tmp_path)
    os.rename(node.origin, node.origin + ".gone")
    done = node.person("deploy", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert "deploy web skipped" in done.stdout


def test_command_that_outlived_its_worker_is_ended_before_the_next_run_works(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 60})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        until(node.is_asleep, "the up command")
        node.kill_worker("r1")
        process.stdin.close()
        process.stdout.read()
    assert node.is_working("up")
    node.control()
    events = node.deploy("r2", revision, resume=True)
    assert any("left over from a worker that was killed" in each.get("text", "") for each in events)
    assert kinds(events)[-1] == "goodbye success"
    assert not node.is_working("up")
