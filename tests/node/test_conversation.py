import json
import os
import signal
from dataclasses import replace

import pytest
from saturn_node.bytecode import compiled_name
from saturn_node.conversation import DIAGNOSTICS_MAX, parts
from support.node import Node, answer, kinds, order, until

FRESH_RUN = [
    "hello",
    "stage_started prepare",
    "checked_out prepare",
    "stage_finished prepare",
    "stage_started validate",
    "stage_finished validate",
    "stage_started deploy",
    "service_started deploy web",
    "service_finished deploy web changed",
    "service_started deploy db",
    "service_finished deploy db changed",
    "stage_finished deploy",
    "stage_started verify",
    "service_started verify web",
    "service_started verify db",
    "service_verified verify web running",
    "service_verified verify db running",
    "stage_finished verify",
    "stage_started complete",
    "stage_finished complete",
    "goodbye success",
]


def test_run_walks_every_stage_and_says_goodbye(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    events = node.deploy("r1", revision)
    assert kinds(events) == FRESH_RUN
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    assert events == node.events("r1")
    assert node.docker_services() == ["db", "web"]
    assert (node.state("current_stage"), node.state("last_service"), node.state("current_run")) == (
        "complete",
        "db",
        "r1",
    )


def test_run_without_changes_leaves_every_service_alone(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.deploy("r1", revision)
    events = node.deploy("r2", revision)
    assert [each["status"] for each in events if each["type"] == "service_finished"] == ["unchanged"]


def test_run_asked_again_replays_the_events_after_the_last_one_known(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    events = node.deploy("r1", revision)
    assert node.deploy("r1", revision, after=4) == events[4:]
    assert node.docker_calls("up") == ["web"]


def test_run_goes_on_when_the_line_breaks(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    node.control(sleep={"up": 0.5})
    process = node.start()
    order(process, node.request("run", "r1", revision))
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    events = node.deploy("r1", revision)
    assert kinds(events) == FRESH_RUN
    assert node.docker_calls("up") == ["web", "db"]


def test_follower_ends_quietly_at_the_end_of_stdin_and_the_worker_goes_on(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 0.5})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        process.stdin.close()
        assert process.wait(30) == 0
    until(lambda: kinds(node.events("r1"))[-1:] == ["goodbye success"], "the worker's goodbye")


def test_run_is_refused_while_another_one_holds_the_lock(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 3})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        refused = node.deploy("r2", revision)
        facts = node.ask(node.request("facts"))[1]
        process.stdin.close()
        process.stdout.read()
    assert kinds(refused) == ["hello", "refused locked", "goodbye refused"]
    assert (refused[1]["lock"]["run"], refused[1]["lock"]["by"], refused[1]["lock"]["service"]) == ("r1", "anna", "web")
    assert "run r1 of anna from saturn" in refused[1]["message"]
    assert (facts["lock"]["run"], facts["lock"]["stage"]) == ("r1", "deploy")
    until(lambda: kinds(node.events("r1"))[-1:] == ["goodbye success"], "the worker's goodbye")


def test_cancel_on_the_same_line_stops_before_the_next_service_and_resume_finishes(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    node.control(sleep={"up": 1})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        order(process, node.request("cancel", "r1"))
        events = answer(process.stdout)
        process.stdin.close()
    assert kinds(events)[-2:] == ["service_finished deploy web changed", "goodbye cancelled"]
    resumed = node.deploy("r2", revision, resume=True)
    assert "service_skipped deploy web" in kinds(resumed)
    assert node.docker_calls("up") == ["web", "db"]


def test_cancel_without_a_run_means_the_one_at_work(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", "db")
    node.control(sleep={"up": 1})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        assert kinds(node.ask(node.request("cancel", "")))[1:] == ["cancelling deploy web", "goodbye success"]
        assert kinds(answer(process.stdout))[-1] == "goodbye cancelled"
        process.stdin.close()


def test_cancel_of_a_run_that_is_not_at_work_is_refused(tmp_path):
    node = Node(tmp_path)
    assert kinds(node.ask(node.request("cancel", "r9"))) == ["hello", "refused not_running", "goodbye refused"]
    assert not os.path.exists(node.root)


def test_sigterm_stops_the_command_in_hand_at_once(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 50})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        os.kill(node.events("r1")[0]["pid"], signal.SIGTERM)
        assert kinds(answer(process.stdout))[-1] == "goodbye cancelled"
        process.stdin.close()


def test_killed_worker_ends_the_answer_without_a_goodbye_and_facts_call_it_lost(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 2})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(lambda: "service_started deploy web" in kinds(node.events("r1")), "deploy")
        node.kill_worker("r1")
        *_, last, vanished = answer(process.stdout)
        process.stdin.close()
    assert (vanished["type"], vanished["seq"], vanished["rebooted"]) == ("worker_vanished", last["seq"], False)
    assert (vanished["stage"], vanished["last"], vanished["last_at"]) == ("deploy", last["type"], last["at"])
    assert node.ask(node.request("facts"))[1]["last_run"]["outcome"] == "lost"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no json", "bad_request"),
        ('{"verb": "facts"}', "bad_request"),
        ("[1]", "bad_request"),
        ("x" * 2_000_000, "bad_request"),
    ],
)
def test_malformed_request_is_refused_and_the_next_one_answered(tmp_path, line, code):
    node = Node(tmp_path)
    events = node.ask(line, node.request("facts"))
    assert kinds(events) == ["hello", "refused " + code, "goodbye refused", "hello", "facts", "goodbye success"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol": 2}, "protocol_mismatch"),
        ({"verb": "dance"}, "bad_request"),
        ({"run": "../../etc"}, "bad_request"),
        ({"run": ""}, "bad_request"),
    ],
)
def test_request_that_cannot_be_obeyed_is_refused(tmp_path, change, code):
    node = Node(tmp_path)
    request = replace(node.request("run"), **change)
    assert kinds(node.ask(request)) == ["hello", "refused " + code, "goodbye refused"]
    assert not os.path.exists(node.root)


def test_run_below_a_file_is_refused_as_unwritable(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.write("root", "a file")
    events = node.deploy("r1", revision)
    assert kinds(events) == ["hello", "refused root_unwritable", "goodbye refused"]
    assert "sudo install -d" in events[1]["hint"]


def test_run_installs_the_executor_and_keeps_three(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    for age in range(5):
        path = node.write(f"root/bin/saturn-node-{age}.pyz", b"old")
        if age < 3:
            node.write(f"root/bin/saturn-node-{age}.cpython-38-30802f0.zip", b"old")
        os.utime(path, (age, age))
    node.deploy("r1", revision)
    current = f"saturn-node-{node.digest[:16]}.pyz"
    assert sorted(os.listdir(node.path("root/bin"))) == sorted(
        ["saturn-node", "saturn-node-3.pyz", "saturn-node-4.pyz", current, compiled_name(node.digest[:16])]
    )
    assert os.readlink(node.path("root/bin/saturn-node")) == current
    assert json.loads(node.read("root/state/deploy/runs/r1/result.json"))["outcome"] == "success"


def test_diagnose_sends_the_file_in_parts(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.env_file("web", "PASSWORD=hunter2hunter2\n")
    node.deploy("r1", revision)
    events = node.ask(node.request("diagnose"))
    text = "".join(each["text"] for each in events if each["type"] == "diagnostics_part")
    assert events[1]["type"] == "diagnostics_collected"
    assert text == node.read(events[1]["path"])
    assert "log of web" in text
    assert os.stat(events[1]["path"]).st_mode & 0o777 == 0o600


def test_parts_leave_the_middle_of_a_giant_text_out():
    text = "".join(parts("a" * DIAGNOSTICS_MAX + "b" * DIAGNOSTICS_MAX))
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert f"{DIAGNOSTICS_MAX} characters are left out" in text


def test_follow_hands_on_what_is_missing_and_never_starts_a_run(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    whole = node.deploy("r1", revision)
    assert node.ask(node.request("follow", "r1", after=whole[-2]["seq"])) == whole[-1:]
    assert kinds(node.ask(node.request("follow", "r2"))) == ["hello", "refused unknown_run", "goodbye refused"]
    assert not os.path.exists(node.path("root/state/deploy/runs/r2"))


def test_a_torn_last_line_of_a_dead_worker_is_no_event(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    whole = node.deploy("r1", revision)
    file = node.path("root/state/deploy/runs/r1/events.jsonl")
    with open(file, "rb+") as events:
        events.truncate(os.path.getsize(file) - 5)
    *followed, vanished = node.ask(node.request("follow", "r1"))
    assert followed == whole[:-1]
    assert (vanished["type"], vanished["seq"]) == ("worker_vanished", len(whole) - 1)


def test_a_run_of_an_earlier_boot_says_that_the_node_rebooted(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.deploy("r1", revision)
    file = "root/state/deploy/runs/r1/events.jsonl"
    hello, *rest = node.read(file).splitlines()
    hello = json.dumps({**json.loads(hello), "boot": "an earlier one"}, separators=(",", ":"))
    node.write(file, "\n".join([hello, *rest[:-1]]) + "\n")
    assert node.ask(node.request("follow", "r1"))[-1]["rebooted"]


def test_a_run_whose_worker_died_before_its_first_event_is_closed(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.deploy("r1", revision)
    node.write("root/state/deploy/runs/r2/events.jsonl", "")
    told = node.ask(node.request("run", "r2", revision))
    assert kinds(told) == ["refused worker_not_started", "goodbye refused"]
    assert node.events("r2") == told


def test_a_second_cancel_ends_the_command_in_hand(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 60})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(node.is_asleep, "up")
        first = node.ask(node.request("cancel", ""))[1]
        second = node.ask(node.request("cancel", ""))[1]
        events = answer(process.stdout)
        process.stdin.close()
    assert [(each["target"], each["now"], each["service"]) for each in (first, second)] == [
        ("r1", False, "web"), ("r1", True, "web"),
    ]  # fmt: skip
    assert kinds(events)[-1] == "goodbye cancelled"
    assert not node.is_working("up")
    node.control()
    assert kinds(node.deploy("r2", revision, resume=True))[-1] == "goodbye success"


def test_cancel_now_needs_no_second_word(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    node.control(sleep={"up": 60})
    with node.start() as process:
        order(process, node.request("run", "r1", revision))
        until(node.is_asleep, "up")
        assert node.person("cancel", "--now").stdout.startswith("run r1 stops now")
        assert kinds(answer(process.stdout))[-1] == "goodbye cancelled"
        process.stdin.close()
    assert node.person("cancel").returncode == 2


def test_a_run_that_cannot_even_begin_has_an_end_and_a_reason(tmp_path):
    node = Node(tmp_path)
    node.write("root/state/deploy/lock/a folder where the lock should be", "")
    events = node.deploy("r1", node.commit_services("web"))
    assert kinds(events) == ["hello", "stage_failed prepare internal_error", "goodbye failed"]
    assert "Is a directory" in events[1]["message"]
    assert kinds(node.ask(node.request("facts")))[-1] == "goodbye success"
