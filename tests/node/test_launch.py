"""How a worker leaves the session that ordered it. The real systemd is met in tests/e2e/test_systemd.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from saturn_node import launch
from saturn_node.launch import FORKED, SYSTEMD, SYSTEMD_USER, Node, unit_command, way_of
from support.node import until

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(launch.__file__).parents[1])}
ARGV = ("/usr/bin/python3", "-I", "/opt/homelab/bin/saturn-node.pyz", "worker", "20261123T161002Z-7f3a")


def node(folder: Path, uid: int = 1000, *, systemd: bool = True, linger: bool = True, manager: bool = True) -> Node:
    for name, is_there in (("running", systemd), ("linger", True), ("linger/ada", linger), ("runtime", manager)):
        if is_there:
            (folder / name).mkdir()
    environ = {"XDG_RUNTIME_DIR": str(folder / "runtime"), "PATH": "/bin", "SECRET": "s3cret", "HOME": "/home/ada"}
    return Node(uid, "ada", environ, str(folder / "running"), str(folder / "linger"))


@pytest.mark.parametrize(
    "uid, absent, way",
    [
        (0, "", SYSTEMD),
        (0, "linger manager", SYSTEMD),
        (1000, "", SYSTEMD_USER),
        (1000, "linger", FORKED),
        (1000, "manager", FORKED),
        (0, "systemd", FORKED),
        (1000, "systemd", FORKED),
    ],
)
def test_the_way_depends_on_who_asks_and_what_outlives_the_login(tmp_path, uid, absent, way):
    there = {name: name not in absent.split() for name in ("systemd", "linger", "manager")}

    assert way_of(node(tmp_path, uid, **there), ARGV) == way


@pytest.mark.parametrize("char", "$%")
def test_a_command_that_systemd_would_expand_is_forked(tmp_path, char):
    assert way_of(node(tmp_path, 0), (*ARGV, f"/srv/{char}HOME")) == FORKED


def test_a_unit_of_the_system_is_collected_and_gets_no_secret(tmp_path):
    assert unit_command(node(tmp_path, 0), SYSTEMD, ARGV, "saturn-r1") == (
        "systemd-run", "--collect", "--quiet", "--unit=saturn-r1", "--property=KillMode=process",
        "--setenv=PATH=/bin", "--setenv=HOME=/home/ada", f"--setenv=XDG_RUNTIME_DIR={tmp_path / 'runtime'}",
        "--", *ARGV,
    )  # fmt: skip


def test_a_unit_of_the_user_is_asked_of_the_users_own_manager(tmp_path):
    bare = Node(1000, "ada", {}, "", "")

    assert unit_command(bare, SYSTEMD_USER, ARGV, "u")[:2] == ("systemd-run", "--user")
    assert "--setenv=XDG_RUNTIME_DIR=/run/user/1000" in unit_command(bare, SYSTEMD_USER, ARGV, "u")


LAUNCHER = """
import json, os, signal, sys, time
from saturn_node import launch

log, place = sys.argv[1:3]
program, bundle = os.memfd_create("saturn-node"), os.memfd_create("bundle")

def work(way):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    fds = sorted(os.readlink(link) for link in links if os.path.exists(link))
    with open("/proc/self/comm") as comm, open("/proc/self/cmdline") as words:
        said = {"way": way, "sid": os.getsid(0), "pid": os.getpid(), "cwd": os.getcwd(), "fds": fds}
        said.update(name=comm.read().strip(), words=words.read().rstrip("\\0").split("\\0"))
    with open(place + ".tmp", "w") as file:
        json.dump(said, file)
    os.rename(place + ".tmp", place)
    if "fails" in sys.argv:
        raise ValueError("by a fault of its own")
    time.sleep(60)

job = launch.Job(("python3", "$"), work, ("saturn-node", "worker", "r1"))  # the $ keeps a systemd of this machine out
print(launch.start(job, log, "saturn-test"), flush=True)
"""


def launched(folder: Path, *words: str) -> tuple[int, bytes, dict[str, object]]:
    """The launcher's pid, what it said, and what its worker found."""
    said = folder / "said"
    with subprocess.Popen(
        (sys.executable, "-c", LAUNCHER, str(folder / "worker.log"), str(said), *words),
        stdout=subprocess.PIPE, env=ENVIRONMENT,
        start_new_session=True,
    ) as launcher:  # fmt: skip
        out, _ = launcher.communicate(timeout=30)  # ends only when nobody holds the pipe any more
    until(said.exists, "the worker's word")
    return launcher.pid, out, json.loads(said.read_text())


def test_a_forked_worker_keeps_nothing_of_its_session(tmp_path):
    """The launcher's session is killed, and its pipe ends, though the worker lives on."""
    launcher, out, worker = launched(tmp_path)
    try:
        os.kill(worker["pid"], 0)
        assert out == b"forked\n"
        assert worker["way"] == "forked"
        assert worker["sid"] not in {worker["pid"], launcher}
        assert worker["cwd"] == "/"
        assert {name for name in worker["fds"] if not name.startswith("/proc")} == {
            "/dev/null", str(tmp_path / "worker.log"), "/memfd:saturn-node (deleted)",
        }  # fmt: skip
    finally:
        os.kill(worker["pid"], 9)


def test_a_forked_worker_is_found_by_its_own_name(tmp_path):
    _, _, worker = launched(tmp_path)
    try:
        found = subprocess.run(("pgrep", "-f", "saturn-node.* worker "), capture_output=True, text=True, check=False)

        assert (worker["name"], worker["words"]) == ("saturn-node", ["saturn-node", "worker", "r1"])
        assert str(worker["pid"]) in found.stdout.split()
    finally:
        os.kill(worker["pid"], 9)


def test_what_a_forked_worker_dies_of_stands_in_its_log_and_is_no_answer(tmp_path):
    _, out, worker = launched(tmp_path, "fails")
    until(lambda: not Path(f"/proc/{worker['pid']}").exists(), "its death")

    assert out == b"forked\n"
    assert "ValueError: by a fault of its own" in (tmp_path / "worker.log").read_text()


def test_a_name_is_cut_where_there_is_no_room_for_it():
    script = (
        "from saturn_node import launch; launch.entitle(('y' * 9000, 'z')); "
        "print(open('/proc/self/cmdline').read(), end='')"
    )
    argv = (sys.executable, "-c", script)

    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=True)

    assert done.stdout == "y" * len(" ".join(argv)) + "\0"


def test_a_systemd_that_refuses_or_hangs_is_not_waited_for(tmp_path, monkeypatch):
    for name, script in (("refuses", "exit 1"), ("hangs", "exec sleep 60")):
        program = tmp_path / name / "systemd-run"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setattr(launch, "PATIENCE_S", 0.2)

    for name in ("refuses", "hangs", "is missing"):
        command = (str(tmp_path / name / "systemd-run"), "--collect")
        assert not launch._is_accepted(command, Node(1000, "ada", dict(os.environ)))
