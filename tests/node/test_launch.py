"""How a worker leaves the session that ordered it. The real systemd is met in tests/e2e/test_systemd.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from saturn_node import launch
from saturn_node.launch import FORKED, SYSTEMD, SYSTEMD_USER, Node, unit_command, way_of

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


WORKER = """
import json, os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
fds = sorted(os.readlink(link) for link in links if os.path.exists(link))
said = {"argv": sys.argv[2:], "sid": os.getsid(0), "pid": os.getpid(), "cwd": os.getcwd(), "fds": fds}
with open(sys.argv[1] + ".tmp", "w") as file:
    json.dump(said, file)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
print("begun", flush=True)
time.sleep(60)
"""
LAUNCHER = """
import sys
from saturn_node import launch
print(launch.start(tuple(sys.argv[2:]), sys.argv[1], "saturn-test"), flush=True)
"""


def test_a_forked_worker_keeps_nothing_of_its_session(tmp_path):
    """The launcher's session is killed, and its pipe ends, though the worker lives on."""
    said, log = tmp_path / "said", tmp_path / "worker.log"
    argv = (sys.executable, "-c", WORKER, str(said), "$")  # which keeps a systemd of this machine out of it
    with subprocess.Popen(
        (sys.executable, "-c", LAUNCHER, str(log), *argv),
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path(launch.__file__).parents[1])},
        start_new_session=True,
    ) as launcher:  # fmt: skip
        out, _ = launcher.communicate(timeout=30)  # ends only when nobody holds the pipe any more

    deadline = time.monotonic() + 30
    while not said.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    worker = json.loads(said.read_text())
    try:
        os.kill(worker["pid"], 0)
        assert out == b"forked\n"
        assert worker["argv"] == ["$", "--launch", "forked"]
        assert worker["sid"] not in {worker["pid"], launcher.pid}
        assert worker["cwd"] == "/"
        assert {name for name in worker["fds"] if not name.startswith("/proc")} == {"/dev/null", str(log)}
    finally:
        os.kill(worker["pid"], 9)


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
