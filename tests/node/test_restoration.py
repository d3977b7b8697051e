"""Restores: all of a backup or nothing of it; what stood before is kept; a kill at any moment is ended by the next."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from node.test_backup import KEPT_UP, ORDER, deployed, names, one, policies, save, with_backup
from saturn_node import archive, backup, exchange, state, wire
from support.node import Node, kinds, until


def restore(node, name, run="s1", **facts):
    return node.ask(node.request("run", run, snapshot=name, **facts))


def saved(tmp_path, **definition):
    """A node with a backup of `one`, and `two` on its disk since."""
    node, revision = deployed(tmp_path, **definition)
    name = one(save(node), "backup_written")["snapshot"]
    change(node)
    return node, revision, name


def change(node):
    node.write("root/data/web/state.json", "two")
    node.write("root/data/web/new", "new")
    node.write("root/config/web/app.conf", "conf two")
    node.env_file("web", "PASSWORD=of today\n")


def standing(node):
    """What the service's folders hold."""
    return {**standing_part(node, "config"), **standing_part(node, "data")}


def standing_part(node, part):
    folder = node.path("root", part, "web")
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found[f"{part}/{name}"] = file.read()
    return found


OLD = {"config/.env": "PASSWORD=of today\n", "config/app.conf": "conf", "data/state.json": "one"}
KEPT = "20261126T000000Z"
NEW = {**OLD, "config/app.conf": "conf two", "data/new": "new", "data/state.json": "two"}


def litter(node):
    """What a restore must not leave behind."""
    parents = [node.path("root", each) for each in ("config", "data", "logs")]
    hidden = [name for each in parents for name in os.listdir(each) if name.startswith(".")]
    marks = [name for name in os.listdir(node.path("root/state/deploy/services")) if not name.endswith(".json")]
    return hidden + marks + [name for name in names(node) if name.endswith(backup.PARTIAL)]


def test_a_restore_is_a_run_of_its_own_and_keeps_what_it_replaced(tmp_path):
    node, revision, name = saved(tmp_path)
    before = node.containers("web")
    events = restore(node, name)
    assert kinds(events) == [
        "hello",
        "stage_started restore",
        "service_started restore web",
        "backup_restored restore web",
        "service_started restore web",
        "service_verified restore web healthy",
        "service_finished restore web changed",
        "stage_finished restore",
        "goodbye success",
    ]
    assert standing(node) == OLD
    assert (litter(node), policies(node)) == ([], [("running", "unless-stopped")])
    assert [each.id for each in node.containers("web")] == [each.id for each in before]
    kept = one(events, "backup_restored")["kept"]
    facts = {each["name"]: each for each in node.ask(node.request("backups"))[1]["snapshots"]}
    assert (facts[kept]["reason"], facts[kept]["revision"]) == ("replaced", revision)


def test_docker_would_not_start_the_service_in_the_middle_of_a_swap(tmp_path):
    node, _, name = saved(tmp_path, restart="always")
    node.control(start_fails=["web"])
    restore(node, name)
    assert policies(node) == [("exited", "no")]
    node.control()
    restore(node, name, "s2")
    assert policies(node) == [("running", "always")]


def test_what_a_restore_replaced_can_be_restored(tmp_path):
    node, _, name = saved(tmp_path)
    kept = one(restore(node, name), "backup_restored")["kept"]
    events = restore(node, kept, "s2")
    assert kinds(events)[-1] == "goodbye success"
    assert standing(node) == NEW
    restore(node, one(events, "backup_restored")["kept"], "s3")
    assert standing(node) == OLD


def test_local_files_come_back_only_where_none_stand(tmp_path):
    node, _, name = saved(tmp_path)
    os.unlink(node.path("root/config/web/.env"))
    restore(node, name)
    assert standing(node) == {**OLD, "config/.env": "PASSWORD=hunter22\n"}
    assert os.stat(node.path("root/config/web/.env")).st_mode & 0o777 == 0o600


def test_a_folder_that_is_gone_comes_back(tmp_path):
    node, _, name = saved(tmp_path)
    subprocess.run(("rm", "-r", node.path("root/data/web")), check=True)
    assert kinds(restore(node, name))[-1] == "goodbye success"
    assert standing(node) == OLD


def test_a_part_that_a_backup_lacks_is_left_alone(tmp_path):
    node, _ = deployed(tmp_path, replace(ORDER, paths=("data",)))
    name = one(save(node), "backup_written")["snapshot"]
    change(node)
    restore(node, name)
    found = standing(node)
    assert (found["config/app.conf"], found["data/state.json"], "data/new" in found) == ("conf two", "one", False)


def test_a_restore_leaves_what_a_deploy_left(tmp_path):
    node, revision, name = saved(tmp_path)
    before = {each: node.state(each) for each in ("deployed.json", "progress.json", "last_service")}
    restore(node, name)
    assert {each: node.state(each) for each in before} == before
    assert [each["status"] for each in node.deploy("r2", revision) if each["type"] == "service_finished"] == [
        "unchanged"
    ]


def damage(node, name):
    path = node.path("root/backups/web", name, "data" + archive.SUFFIX)
    with open(path, "r+b") as file:
        file.seek(12)
        file.write(b"\0\1\2\3")


@pytest.mark.parametrize("case", ["missing", "damaged", "torn"])
def test_a_backup_that_is_not_whole_touches_nothing(tmp_path, case):
    node, _, name = saved(tmp_path)
    before = node.containers("web")
    if case == "damaged":
        damage(node, name)
    if case == "torn":
        os.truncate(node.path("root/backups/web", name, "config" + archive.SUFFIX), 5)
    events = restore(node, "20200101T000000Z" if case == "missing" else name)
    code = "backup_missing" if case == "missing" else "backup_damaged"
    assert (one(events, "stage_failed")["code"], kinds(events)[-1]) == (code, "goodbye failed")
    assert (standing(node), node.containers("web"), litter(node)) == (NEW, before, [])
    with open(node.path("docker/calls.jsonl"), encoding="utf-8") as file:
        assert not [line for line in file if line.startswith('["stop"')][1:]


def test_a_service_that_is_not_well_afterwards_says_how_to_go_back(tmp_path):
    node, _, name = saved(tmp_path)
    node.control(unhealthy=["web"])
    events = restore(node, name)
    failed = one(events, "stage_failed")
    kept = one(events, "backup_restored")["kept"]
    assert failed["code"] == "unhealthy"
    assert failed["hint"].startswith(f"saturn restore chelsty web --from {kept}")


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".hidden", "..", "-x/.."])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    node, _, _ = saved(tmp_path)
    assert one(restore(node, name), "refused")["code"] == "bad_request"


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_a_worker_killed_around_the_swap_leaves_old_or_new(tmp_path, verb):
    node, revision, name = saved(tmp_path)
    node.control(sleep={verb: 30})
    with node.start() as process:
        process.stdin.write((wire.encode(node.request("run", "s1", snapshot=name)) + "\n").encode())
        process.stdin.flush()
        until(node.is_asleep, f"docker {verb}")
        os.kill(node.events("s1")[0]["pid"], signal.SIGKILL)
        process.kill()
    wanted = NEW if verb == "stop" else OLD
    assert standing(node) == wanted
    node.control()
    assert kinds(node.deploy("r2", revision))[-1] == "goodbye success"
    assert (standing(node), policies(node), litter(node)) == (wanted, [("running", "unless-stopped")], [])


CHILD = """
import os, signal, sys
from saturn_node import backup, exchange, restoration, state

root, limit, plain = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "plain"
count = 0

def counted(work):
    def step(*arguments, **keys):
        global count
        count += 1
        if count > limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*arguments, **keys)
    return step

for module, name in ((os, "rename"), (os, "replace"), (os, "unlink"), (os, "mkdir")):
    setattr(module, name, counted(getattr(module, name)))
if plain:
    exchange._exchanged = lambda folder, other: False
else:
    exchange._exchanged = counted(exchange._exchanged)
paths = state.Paths(root)
record = state.read_json(paths.restoring("web"))
restoration._settled(paths, "web", record)
print(count)
"""


class Bare:
    """The folders of a node, without any program."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.root = os.path.join(self.folder, "root")
        self.env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(backup.__file__))}

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def half(tmp_path):
    """A node on whose disk a swap is written down and nothing of it done."""
    node = Bare(tmp_path)
    for place, found in (("{}/web", NEW), ("{}/.web.restoring", OLD)):
        for name, text in found.items():
            part, file = name.split("/")
            node.write(os.path.join("root", place.format(part), file), text)
    for folder in ("logs", "backups/web", "state/deploy/services"):
        os.makedirs(node.path("root", folder))
    paths = state.Paths(node.root)
    parts = {part: exchange.identity(node.path("root", part, ".web.restoring")) for part in ("config", "data")}
    manifest = {"version": 1, "service": "web", "name": KEPT, "reason": "replaced", "archives": []}
    record = {"snapshot": "s", "kept": KEPT, "parts": parts, "manifest": manifest, "keep": 5}
    state.write_json(paths.restoring("web"), record)
    return node


def settle(node, limit, way):
    argv = (sys.executable, "-c", CHILD, node.root, str(limit), way)
    return subprocess.run(argv, env=node.env, capture_output=True, text=True)


@pytest.mark.parametrize("way", ["exchange", "plain"])
def test_a_swap_that_is_killed_at_any_step_is_ended_by_the_next(tmp_path, way):
    node = half(tmp_path / "whole")
    steps = int(settle(node, 10_000, way).stdout)
    assert steps > 6
    for limit in range(steps):
        node = half(tmp_path / str(limit))
        assert settle(node, limit, way).returncode == -signal.SIGKILL
        for part in ("config", "data"):
            folder = os.path.join(node.root, part, "web")
            if os.path.isdir(folder):  # with plain renames there is a moment without
                assert standing_part(node, part) in (only(OLD, part), only(NEW, part)), (limit, part)
        assert settle(node, 10_000, way).returncode == 0
        assert standing(node) == OLD
        assert litter(node) == []
        assert sorted(os.listdir(node.path("root/backups/web", KEPT))) == ["config", "data", "manifest.json"]
        with open(node.path("root/backups/web", KEPT, "data", "state.json"), encoding="utf-8") as file:
            assert file.read() == "two"


def only(found, part):
    return {name: text for name, text in found.items() if name.startswith(part)}


def test_a_person_on_the_node_restores(tmp_path):
    node, _, name = saved(tmp_path)
    unasked = node.person("restore", "web", name)
    assert (unasked.returncode, standing(node)) == (2, NEW)
    assert "--yes" in unasked.stderr
    done = node.person("restore", "web", name, "--yes")
    assert (done.returncode, standing(node)) == (0, OLD), done.stderr


def test_a_service_that_was_never_deployed_here_gets_its_folders(tmp_path):
    node, _, name = saved(tmp_path)
    other = Node(tmp_path / "other")
    revision = other.commit_services("web", **KEPT_UP)
    with_backup(other)
    subprocess.run(("mkdir", "-p", other.path("root/backups")), check=True)
    subprocess.run(("cp", "-a", node.path("root/backups/web"), other.path("root/backups/web")), check=True)
    events = restore(other, name)
    assert kinds(events)[-1] == "goodbye success"
    assert any("saturn deploy" in each.get("text", "") for each in events)
    assert standing(other)["data/state.json"] == "one"
    assert kinds(other.deploy("r1", revision))[-1] == "goodbye success"
