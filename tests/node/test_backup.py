"""Backups on the node: by order and before upgrades, listed, verified, sent, pruned; nothing is left stopped."""

import base64
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
from dataclasses import replace

import pytest
from saturn_node import archive, backup, wire
from saturn_node.errors import NodeError
from support.node import Node, kinds, until

KEPT_UP = {"restart": "unless-stopped", "healthcheck": {"test": ["CMD", "true"]}}
ORDER = wire.BackupOrder(("config", "data"), "stop", 2)


def with_backup(node, service="web", order=ORDER):
    services = [replace(each, backup=order) if each.name == service else each for each in node.order.services]
    node.order = replace(node.order, services=tuple(services))


def deployed(tmp_path, order=ORDER, **definition):
    """A node with a service that is up and has something to lose."""
    node = Node(tmp_path)
    revision = node.commit_services("web", **{**KEPT_UP, **definition})
    with_backup(node, order=order)
    assert kinds(node.deploy("r1", revision))[-1] == "goodbye success"
    node.write("root/data/web/state.json", "one")
    node.write("root/config/web/app.conf", "conf")
    node.env_file("web", "PASSWORD=hunter22\n")
    return node, revision


def save(node, run="b1", **facts):
    return node.ask(node.request("run", run, backup=True, **facts))


def names(node, service="web"):
    folder = node.path("root/backups", service)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def manifest(node, name):
    return json.loads(node.read(f"root/backups/web/{name}/manifest.json"))


def one(events, kind):
    (found,) = [each for each in events if each["type"] == kind]
    return found


def unpacked(node, name, part, folder):
    os.makedirs(node.path(folder))
    archive.extract(node.path("root/backups/web", name, part + archive.SUFFIX), node.path(folder))
    return sorted(os.listdir(node.path(folder)))


def policies(node):
    return [(each.state, each.policy) for each in node.containers("web")]


def test_an_ordered_backup_is_a_run_of_its_own(tmp_path):
    node, revision = deployed(tmp_path)
    before = node.containers("web")
    events = save(node)
    assert kinds(events) == [
        "hello",
        "stage_started backup",
        "service_started backup web",
        "backup_written backup web",
        "service_finished backup web saved",
        "stage_finished backup",
        "goodbye success",
    ]
    told = one(events, "backup_written")
    assert names(node) == [told["snapshot"]]
    assert told["path"] == node.path("root/backups/web", told["snapshot"])
    kept = manifest(node, told["snapshot"])
    assert (kept["service"], kept["reason"], kept["revision"], kept["run"]) == ("web", "ordered", revision, "b1")
    assert [each["part"] for each in kept["archives"]] == ["config", "local", "data"]
    assert unpacked(node, told["snapshot"], "data", "out") == ["state.json"]
    assert unpacked(node, told["snapshot"], "config", "out2") == ["app.conf"]
    assert unpacked(node, told["snapshot"], "local", "out3") == [".env"]
    assert [each.id for each in node.containers("web")] == [each.id for each in before]
    assert policies(node) == [("running", "unless-stopped")]


def test_only_this_user_may_read_a_backup(tmp_path):
    node, _ = deployed(tmp_path)
    save(node)
    folder = node.path("root/backups/web", *names(node))
    modes = {name: os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in (".", *os.listdir(folder))}
    assert set(modes.values()) == {0o700, 0o600}
    assert modes["."] == 0o700


def test_the_way_to_hold_it_still_is_the_orders(tmp_path):
    told = {}
    for how in ("stop", "pause", "none"):
        node, _ = deployed(tmp_path / how, replace(ORDER, quiesce=how))
        save(node)
        with open(node.path("docker/calls.jsonl"), encoding="utf-8") as file:
            calls = [json.loads(line) for line in file]
        told[how] = [call[0] for call in calls if call[0] in ("stop", "start", "pause", "unpause", "update")]
        assert policies(node) == [("running", "unless-stopped")]
    assert told == {"stop": ["update", "stop", "start", "update"], "pause": ["pause", "unpause"], "none": []}


def test_a_backup_run_leaves_what_a_deploy_left(tmp_path):
    node, revision = deployed(tmp_path)
    before = {name: node.state(name) for name in ("deployed.json", "progress.json", "last_service")}
    save(node)
    assert {name: node.state(name) for name in before} == before
    facts = node.ask(node.request("facts"))[1]
    assert (facts["last_run"]["run"], facts["last_run"]["is_prefetch"], facts["stage"]) == ("b1", True, "complete")
    assert node.person("deploy").returncode == 0
    assert node.ask(node.request("facts"))[1]["revision"] == revision


def test_a_service_without_an_order_is_passed_over_and_one_without_folders_too(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web", "db"))
    with_backup(node, "db", wire.BackupOrder(("logs",)))
    os.rmdir(node.path("root/logs/db"))
    said = [each["reason"] for each in save(node) if each["type"] == "service_skipped"]
    assert said == ["it has no backup in its service.yaml", "it has no folders on this node yet"]


def test_a_database_is_saved_bit_for_bit(tmp_path):
    node, _ = deployed(tmp_path)
    path = node.path("root/data/web/home.db")
    with sqlite3.connect(path) as base:
        base.execute("create table t (x)")
        base.executemany("insert into t values (?)", [(str(n) * 50,) for n in range(2000)])
    with open(path, "rb") as file:
        before = file.read()
    events = save(node)
    unpacked(node, one(events, "backup_written")["snapshot"], "data", "out")
    with open(node.path("out/home.db"), "rb") as file:
        assert file.read() == before


def test_no_more_than_wanted_are_kept(tmp_path):
    node, _ = deployed(tmp_path)
    told = [one(save(node, f"b{number}"), "backup_written") for number in range(4)]
    assert names(node) == sorted(each["snapshot"] for each in told[-2:])
    assert [each["removed"] for each in told] == [[], [], [told[0]["snapshot"]], [told[1]["snapshot"]]]


def test_a_half_backup_is_none_and_the_next_one_sweeps_it(tmp_path):
    node, _ = deployed(tmp_path)
    node.write("root/backups/web/20200101T000000Z.partial/data.tar.gz", "half")
    node.write("root/backups/web/20200102T000000Z/data.tar.gz", "no manifest")
    assert node.ask(node.request("backups"))[1]["snapshots"] == []
    save(node)
    assert "20200101T000000Z.partial" not in names(node)


def test_a_deploy_writes_one_before_it_changes_image_or_configuration(tmp_path):
    node, first = deployed(tmp_path)
    assert names(node) == []
    second = node.commit_services("web", image="app:2", **KEPT_UP)
    with_backup(node)
    events = node.deploy("r2", second)
    written = one(events, "backup_written")
    kinds_of = ("service_started", "backup_written", "service_finished")
    story = [each["type"] for each in events if each["type"] in kinds_of and each["stage"] == "deploy"]
    assert story == ["service_started", "backup_written", "service_finished"]
    kept = manifest(node, written["snapshot"])
    assert (kept["reason"], kept["revision"], written["stage"]) == ("deploy", first, "deploy")


def test_a_deploy_that_changes_nothing_writes_none(tmp_path):
    node, revision = deployed(tmp_path)
    node.deploy("r2", revision)
    node.commit(**{"README.md": "words"})
    node.docker("stop", node.containers("web")[0].id)
    node.deploy("r3", revision)
    assert names(node) == []


def test_a_changed_env_is_a_changed_configuration(tmp_path):
    node, revision = deployed(tmp_path, environment={"A": "${PASSWORD:-none}"})
    node.deploy("r2", revision)
    node.env_file("web", "PASSWORD=another1\n")
    node.deploy("r3", revision)
    assert [manifest(node, name)["run"] for name in names(node)] == ["r2", "r3"]


def test_a_failed_backup_leaves_the_service_untouched_and_running(tmp_path):
    node, _ = deployed(tmp_path)
    before = node.containers("web")
    second = node.commit_services("web", image="app:2", **KEPT_UP)
    with_backup(node)
    node.write("root/backups/web", "a file where the folder should be")
    events = node.deploy("r2", second)
    assert (kinds(events)[-1], one(events, "service_failed")["code"]) == ("goodbye failed", "backup_failed")
    assert node.containers("web") == before


def test_a_service_that_does_not_start_again_is_a_failure_that_the_next_run_mends(tmp_path):
    node, _ = deployed(tmp_path)
    node.control(start_fails=["web"])
    events = save(node)
    assert one(events, "service_failed")["code"] == "backup_left_stopped"
    assert policies(node) == [("exited", "always")]
    assert "held still" in node.ask(node.request("facts"))[1]["services"][0]["drift"][0]
    node.control()
    assert kinds(save(node, "b2"))[-1] == "goodbye success"
    assert policies(node) == [("running", "unless-stopped")]


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_what_a_killed_worker_held_still_is_let_go_by_the_next(tmp_path, verb):
    node, revision = deployed(tmp_path)
    node.control(sleep={verb: 30})
    with node.start() as process:
        process.stdin.write((wire.encode(node.request("run", "b1", backup=True)) + "\n").encode())
        process.stdin.flush()
        until(node.is_asleep, f"docker {verb}")
        os.kill(node.events("b1")[0]["pid"], signal.SIGKILL)
        process.kill()
    node.control()
    events = node.deploy("r2", revision)
    assert kinds(events)[-1] == "goodbye success"
    assert policies(node) == [("running", "unless-stopped")]
    assert not os.path.exists(node.path("root/state/deploy/services/web.quiesced"))


def test_a_cancelled_backup_lets_go_and_leaves_nothing_half(tmp_path):
    node, _ = deployed(tmp_path)
    node.control(sleep={"stop": 2})
    with node.start() as process:
        process.stdin.write((wire.encode(node.request("run", "b1", backup=True)) + "\n").encode())
        process.stdin.flush()
        until(node.is_asleep, "docker stop")
        node.ask(node.request("cancel", "b1"))
        until(lambda: node.events("b1")[-1]["type"] == "goodbye", "the end")
        process.kill()
    assert node.events("b1")[-1]["outcome"] == "cancelled"
    assert (names(node), policies(node)) == ([], [("running", "unless-stopped")])


def test_backups_are_listed_newest_first_and_local_archives_marked(tmp_path):
    node, _ = deployed(tmp_path)
    newest = [one(save(node, run), "backup_written")["snapshot"] for run in ("b1", "b2")][::-1]
    listed = node.ask(node.request("backups"))[1]["snapshots"]
    assert [each["name"] for each in listed] == newest
    assert [(each["name"].split(".")[0], each["is_local"]) for each in listed[0]["archives"]] == [
        ("config", False), ("local", True), ("data", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"archives": 7, "files": "x"}', '{"archives": [{"name": "../x"}, 7]}']
)
def test_a_manifest_may_hold_anything(tmp_path, text):
    node, _ = deployed(tmp_path)
    node.write("root/backups/web/20200101T000000Z/manifest.json", text)
    events = node.ask(node.request("backups"), node.request("verify"))
    assert kinds(events)[-1] == "goodbye success"


def test_verify_reads_every_byte(tmp_path):
    node, _ = deployed(tmp_path)
    good, bad = (one(save(node, run), "backup_written") for run in ("b1", "b2"))
    path = os.path.join(bad["path"], "data" + archive.SUFFIX)
    with open(path, "r+b") as file:
        file.seek(20)
        file.write(b"\0\1\2")
    judged = {each["snapshot"]: each for each in node.ask(node.request("verify")) if each["type"] == "backup_verified"}
    assert (judged[good["snapshot"]]["is_sound"], judged[bad["snapshot"]]["is_sound"]) == (True, False)
    assert "is not what was written" in judged[bad["snapshot"]]["message"]


def fetched(node, name, file, offset=0):
    order = replace(node.order, services=node.order.services[:1])
    request = wire.Request("fetch", "f1", order, snapshot=name, file=file, offset=offset)
    return node.ask(request)


def test_a_file_is_sent_from_any_offset_on(tmp_path):
    node, _ = deployed(tmp_path)
    node.write("root/data/web/big", os.urandom(200_000))
    told = one(save(node), "backup_written")
    file = "data" + archive.SUFFIX
    with open(os.path.join(told["path"], file), "rb") as stream:
        content = stream.read()
    for offset in (0, 1, 50_000, len(content)):
        parts = [each for each in fetched(node, told["snapshot"], file, offset) if each["type"] == "backup_part"]
        assert b"".join(base64.b64decode(each["data"]) for each in parts) == content[offset:]
        assert [each["offset"] for each in parts] == list(range(offset, len(content), backup_piece()))
    assert hashlib.sha256(content).hexdigest() in json.dumps(manifest(node, told["snapshot"]))


def backup_piece():
    from saturn_node.conversation import BACKUP_PIECE

    return BACKUP_PIECE


@pytest.mark.parametrize(
    "file", ["local" + archive.SUFFIX, "../../../config/web/.env", "/etc/passwd", ".env", "", "none.tar.gz"]
)
def test_what_belongs_to_the_node_alone_is_never_sent(tmp_path, file):
    node, _ = deployed(tmp_path)
    told = one(save(node), "backup_written")
    events = fetched(node, told["snapshot"], file)
    assert one(events, "refused")["code"] == "backup_missing"
    assert not [each for each in events if each["type"] == "backup_part"]


def test_a_secret_is_in_no_event_and_no_manifest(tmp_path):
    node, _ = deployed(tmp_path)
    events = save(node)
    told = one(events, "backup_written")
    everything = json.dumps(events) + node.read(f"root/backups/web/{told['snapshot']}/manifest.json")
    assert "hunter22" not in everything


def test_without_room_nothing_is_begun(tmp_path):
    with pytest.raises(NodeError) as refused:
        backup.check_room(str(tmp_path), 10**18)
    assert (refused.value.code, str(tmp_path) in refused.value.message) == ("backup_no_room", True)
    backup.check_room(str(tmp_path), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_fills_up_in_the_middle_harms_nothing(tmp_path):
    node, _ = deployed(tmp_path)
    node.write("root/data/web/big", os.urandom(5_000_000))
    disk = node.path("root/backups/web")
    os.makedirs(disk)
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", disk), check=True)
    try:
        node.control(sleep={"stop": 2})
        with node.start() as process:
            process.stdin.write((wire.encode(node.request("run", "b1", backup=True)) + "\n").encode())
            process.stdin.flush()
            until(node.is_asleep, "docker stop")
            with open(os.path.join(disk, "filler"), "wb") as file:
                file.write(b"x" * 79_000_000)
            until(lambda: node.events("b1")[-1]["type"] == "goodbye", "the end")
            process.kill()
        assert one(node.events("b1"), "stage_failed")["code"] == "backup_no_room"
        assert (os.listdir(disk), policies(node)) == (["filler"], [("running", "unless-stopped")])
    finally:
        subprocess.run(("umount", disk), check=True)


def test_a_person_on_the_node_writes_and_lists_backups(tmp_path):
    node, _ = deployed(tmp_path)
    done = node.person("backup", "web")
    listed = node.person("backups")
    assert (done.returncode, listed.returncode) == (0, 0), done.stderr
    assert names(node)[0] in listed.stdout
    assert "unknown_service" in node.person("backup", "none").stderr
