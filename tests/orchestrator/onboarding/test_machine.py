"""The probe on real shells, and its answer read as what it is: text of a machine that nobody trusts."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.onboarding.machine import FOLDERS, machine, probe

ANSWER = {
    "user": "deploy", "uid": "1000", "group": "deploy", "in_group": "no", "listed": "yes", "sudo": "yes",
    "os": "debian", "manager": "apt", "init": "systemd", "lingers": "no", "python": "Python 3.11.2",
    "git": "git version 2.39.5", "docker": "Docker version 20.10.24+dfsg1, build 297e128", "compose": "v2.26.1-4",
    "becomes": "yes", "socket": "denied", "root": "folder", "writable": "yes", "empty": "no", "parent_writable": "no",
    "checkout": "no",
    "deployed": "no", "free_kb": "1234", "end": "yes",
}  # fmt: skip
SHELLS = [("dash",), ("busybox", "sh"), ("bash", "--posix"), ("bash",)]


def lines(**other: str) -> list[str]:
    return [f"saturn-fact {key}={value}" for key, value in {**ANSWER, **other}.items()]


def run(shell: tuple[str, ...], script: str, **environ: str) -> list[str]:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    done = subprocess.run(
        (*shell, "-s"), input=script, capture_output=True, text=True, env={**os.environ, **environ}, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_probe_runs_on_every_shell_and_is_understood(shell, tmp_path):
    root = tmp_path / "it's a root"
    (root / "data").mkdir(parents=True)
    (root / "state" / "deploy").mkdir(parents=True)
    (root / "state" / "deploy" / "stage_complete_complete").touch()

    found = machine(run(shell, probe(build.host(root=str(root)))), "alpha")

    assert (found.uid, found.root, found.writable, found.empty) == (os.getuid(), "folder", True, False)
    assert (found.missing, found.is_deployed, found.has_checkout) == (("bin", "config", "logs"), True, False)
    assert found.python >= (3, 8)
    assert found.free_kb > 0


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_probe_says_what_is_missing_where_nothing_is(shell, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("id", "sed", "head", "tail", "tr", "cut", "df", "ls", "dirname"):
        (folder / name).symlink_to(shutil.which(name) or "")
    (folder / shell[0]).symlink_to(shutil.which(shell[0]) or "/bin/false")

    found = machine(
        run((str(folder / shell[0]), *shell[1:]), probe(build.host(root="/nowhere/at/all")), PATH=str(folder)), "a"
    )

    # A busybox brings its applets along wherever PATH leads, and so may have a package manager.
    assert (found.python, found.git, found.docker, found.compose, found.socket) == ((), "", "", "", "none")
    assert (found.root, found.missing, found.parent_writable) == ("none", FOLDERS, False)


def test_what_the_probe_writes_is_nothing(tmp_path):
    before = sorted(tmp_path.rglob("*"))

    run(("dash",), probe(build.host(root=str(tmp_path / "root"))))

    assert sorted(tmp_path.rglob("*")) == before


def test_an_answer_between_the_noise_of_a_login_is_read():
    noise = [
        "Welcome!",
        "saturn-fact",
        "saturn-fact nothing",
        "saturn-fact unknown=1",
        "  saturn-fact uid=7",
        "\x1b[2J",
    ]

    found = machine([*noise, *lines(), "saturn-fact missing=data", "saturn-fact missing=../../etc", *noise], "pi")

    assert (found.user, found.uid, found.python, found.git) == ("deploy", 1000, (3, 11), "2.39.5")
    assert (found.docker, found.compose, found.missing, found.free_kb) == ("20.10.24", "2.26.1", ("data",), 1234)


def test_what_is_told_first_counts():
    assert machine([*lines(), "saturn-fact uid=0"], "pi").uid == 1000


@pytest.mark.parametrize(
    "other",
    [
        {"user": "root; reboot"}, {"user": "-x"}, {"user": ""}, {"uid": "-1"}, {"uid": "9" * 30}, {"group": "a b"},
        {"sudo": "maybe"}, {"python": "Python 3; rm"}, {"manager": "brew"}, {"free_kb": "1e9"}, {"uid": "١"},
        {"os": "x" * 41}, {"docker": "x" * 300}, {"end": "no"},
    ],
)  # fmt: skip
def test_a_fact_that_is_none_is_an_error_and_never_believed(other):
    with pytest.raises(SessionError) as caught:
        machine(lines(**other), "pi")

    assert caught.value.code == "probe_unreadable"


@pytest.mark.parametrize("key", ["user", "end", "root"])
def test_half_an_answer_is_an_error(key):
    with pytest.raises(SessionError, match=key):
        machine([line for line in lines() if f" {key}=" not in line], "pi")


def test_docker_of_another_maker_is_none():
    assert machine(lines(docker="podman version 4.3.1"), "pi").docker == ""


@given(st.lists(st.text() | st.sampled_from(lines()) | st.text().map("saturn-fact user={}".format)))
def test_no_text_breaks_it(text):
    try:
        found = machine(text, "pi")
    except SessionError:
        return
    assert found.user.isascii()
