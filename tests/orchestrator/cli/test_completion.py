"""Completion as shells ask for it: a real bash with the printed script, zsh and fish by click's protocol."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from orchestrator.journals import journalled
from support.build import RUN, node_event, own_event, run_state, run_story
from support.repository import GitFolder

from saturn_orchestrator import events
from saturn_orchestrator.cli.completion import VARIABLE, Fish

SATURN = Path(sys.executable).with_name("saturn")
TOPOLOGY = """
version: 1
hosts:
  chelsty: {address: 10.0.0.2, tags: [lte], roles: [home-automation], services: [mosquitto, zigbee2mqtt]}
  solaria: {tags: [gpu], roles: [llm], services: [ollama]}
  south: {services: [mosquitto]}
"""
HEAVY = ("asyncssh", "pydantic", "rich", "tenacity")


def environ(home: Path) -> dict[str, str]:
    path = f"{SATURN.parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {**kept, "PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(home / "state")}


@pytest.fixture
def homelab(tmp_path: Path) -> Path:
    folder = tmp_path / "homelab"
    (folder / "inventory").mkdir(parents=True)
    (folder / "inventory" / "topology.yaml").write_text(TOPOLOGY)
    return folder


def asked(shell: str, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What saturn answers a shell whose last word is not finished. Words stand as the shell hands them over."""
    *_, last = words
    typed = shlex.join(("saturn", *words)) if last else shlex.join(("saturn", *words[:-1]))
    told = {"COMP_WORDS": typed, "COMP_CWORD": last if shell == "fish" else str(len(words))}
    return subprocess.run(
        (SATURN,), cwd=folder, env={**environ(folder.parent), VARIABLE: f"{shell}_complete", **told, **more},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def offered(folder: Path, *words: str, **more: str) -> list[str]:
    done = asked("zsh", folder, *words, **more)
    assert done.stderr == ""
    return done.stdout.strip("\n").split("\n")[1::3]


# --- shells -----------------------------------------------------------------------------------------------------------


def in_bash(folder: Path, *words: str) -> list[str]:
    """What a real bash has in COMPREPLY with the script that saturn prints."""
    script = 'source <(saturn completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
    script += "_saturn_completion saturn; printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(
        ("bash", "--norc", "-c", script, "bash", "saturn", *words), cwd=folder, env=environ(folder.parent),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    "words, replies",
    [
        (("de",), ["deploy", "demo"]),
        (("status", "--ho"), ["--hosts"]),
        (("status", "--hosts", ""), ["chelsty", "solaria", "south"]),
        (("status", "--hosts", "chelsty,so"), ["chelsty,solaria", "chelsty,south"]),
        (("status", "--hosts", "=", "chelsty,so"), ["chelsty,solaria", "chelsty,south"]),
        (("backup", "f"), ["fetch"]),
        (("restore", "so"), ["solaria", "south"]),
        (("restore", "chelsty", ""), ["mosquitto", "zigbee2mqtt"]),
    ],
)
def test_bash_completes(homelab, words, replies):
    assert in_bash(homelab, *words) == replies


def test_bash_keeps_still_where_nothing_can_be_known(tmp_path):
    assert in_bash(tmp_path, "status", "--hosts", "") == []


@pytest.mark.parametrize(
    "typed, replies",
    [
        ("saturn status --hosts chelsty,so", ["chelsty,solaria\tllm, gpu", "chelsty,south"]),
        ("saturn status --hosts=ch", ["--hosts=chelsty\t10.0.0.2, home-automation, lte"]),
        ("saturn restore chelsty z", ["zigbee2mqtt\tchelsty"]),
        ("saturn dep", ["deploy\tShow what would change on each host, ask, and deploy."]),
    ],
)
def test_fish_completes(homelab, typed, replies):
    if not shutil.which("fish"):
        pytest.skip("there is no fish on this machine")
    script = "saturn completion fish | source; complete --do-complete $argv[1]"
    done = subprocess.run(
        ("fish", "--no-config", "-c", script, typed), cwd=homelab, env=environ(homelab.parent),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (done.stderr, done.stdout.splitlines()) == ("", replies)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_is_one_that_its_shell_understands(tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} on this machine")
    file = tmp_path / "script"
    file.write_text(subprocess.run((SATURN, "completion", shell), capture_output=True, text=True, check=True).stdout)

    assert subprocess.run((shell, "-n", file), capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_saturn_by_its_variable(tmp_path, shell):
    done = subprocess.run((SATURN, "completion", shell), env=environ(tmp_path), capture_output=True, text=True)

    assert (done.returncode, done.stderr, f"{VARIABLE}={shell}_complete" in done.stdout) == (0, "", True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_word_that_holds_the_option_is_answered_whole(homelab, shell):
    said = asked(shell, homelab, "status", "--hosts=chelsty,sol").stdout

    assert "--hosts=chelsty,solaria" in said


def test_fish_cuts_an_answer_once():
    """A list that is completed has commas of its own."""
    assert Fish.source_template.count('string split --max 1 ","') == 1


def test_zsh_and_fish_are_told_what_a_name_is(homelab):
    assert asked("zsh", homelab, "status", "--hosts", "ch").stdout.split("\n")[:3] == [
        "plain", "chelsty", "10.0.0.2, home-automation, lte",
    ]  # fmt: skip
    assert asked("fish", homelab, "status", "--tags", "l").stdout == "plain,lte\tchelsty\n"
    assert asked("fish", homelab, "dep").stdout.startswith("plain,deploy\tShow what would change")


# --- what is offered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, names",
    [
        (("plan", "--tags", ""), ["gpu", "lte"]),
        (("plan", "--roles", "h"), ["home-automation"]),
        (("plan", "--services", ""), ["mosquitto", "ollama", "zigbee2mqtt"]),
        (("plan", "--hosts", "south", "--services", ""), ["mosquitto"]),
        (("plan", "--services", "ollama,m"), ["ollama,mosquitto"]),
        (("plan", "--hosts", "chelsty,chelsty,ch"), []),
        (("backup", "list", "--hosts", "sou"), ["south"]),
        (("backup", "fetch", "chelsty", "z"), ["zigbee2mqtt"]),
        (("logs", "ch"), ["chelsty"]),
        (("history", "--hosts", "ch"), ["chelsty"]),
        (("help", "backup", ""), ["fetch", "list", "verify"]),
        (("help", "nonsense", ""), []),
        (("help", "cat"), ["catch-up"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
)
def test_names_of_the_inventory_are_offered(homelab, words, names):
    assert [name for name in offered(homelab, *words) if name] == names


def test_the_inventory_that_is_named_counts(homelab, tmp_path):
    other = tmp_path / "other" / "inventory" / "topology.yaml"
    other.parent.mkdir(parents=True)
    other.write_text("hosts: {omega: {}}")

    assert offered(homelab, "--inventory", str(other), "status", "--hosts", "") == ["omega"]
    assert offered(homelab, "status", "--hosts", "", SATURN_INVENTORY=str(other)) == ["omega"]
    assert offered(homelab, "--inventory", "~/other/inventory/topology.yaml", "status", "--hosts", "") == ["omega"]


def test_revisions_are_those_of_git_here(homelab):
    git = GitFolder(homelab)
    git.commit("a bell: \x07")
    git.git("tag", "v1")

    names = offered(homelab, "deploy", "--revision", "")

    assert {"main", "v1"} <= set(names)
    assert offered(homelab, "rollback", "--to", "v") == ["v1"]
    assert "\x07" not in asked("zsh", homelab, "deploy", "--revision", "").stdout


@pytest.mark.parametrize("text", ["hosts: [", "hosts: {a: 1}\n" * 3, "\x00", "hosts: 3", "- a", "hosts: {'../x': }"])
@pytest.mark.parametrize("option", ["--hosts", "--services", "--tags"])
def test_a_broken_inventory_offers_nothing_and_says_nothing(homelab, text, option):
    (homelab / "inventory" / "topology.yaml").write_text(text)

    done = asked("bash", homelab, "status" if option != "--services" else "plan", option, "")

    assert (done.stderr, [line for line in done.stdout.split() if line != "plain,a"]) == ("", [])


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--hosts", ""), ("deploy", "--revision", ""), ("show", ""), ("restore", "a", "b", "--from", ""),
        ("deploy", "--nonsense", ""), ("--inventory", "/nowhere", "status", "--hosts", ""),
        ("backup", "nonsense", "--hosts", ""), ("status", "--hosts", "'", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_nothing_is_said_outside_a_repository(tmp_path, shell, words):
    done = asked(shell, tmp_path, *words)

    assert (done.stderr, done.stdout.strip()) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_runs_and_backups_are_those_of_the_journal(homelab, tmp_path):
    order = (own_event(kind) for kind in (events.SessionOpened, events.HostPlanned, events.HostConfirmed))
    told = [("chelsty", event) for event in (*order, *run_story("chelsty")[:-1])]
    for seq, (service, snapshot) in enumerate((("mosquitto", "20261125T0310"), ("zigbee2mqtt", "20261125T0311")), 6):
        kept = node_event(events.BackupWritten, seq, "chelsty", stage="deploy", service=service, snapshot=snapshot)
        told.append(("chelsty", kept))
    journalled(tmp_path / "state" / "saturn" / "journal.db", run_state("chelsty"), told)

    assert offered(homelab, "show", "") == [RUN, "last"]
    assert offered(homelab, "deploy", "--retry-failed", "2026") == [RUN]
    assert offered(homelab, "restore", "chelsty", "zigbee2mqtt", "--from", "") == ["20261125T0311"]
    assert offered(homelab, "restore", "chelsty", "--from", "") == ["20261125T0311", "20261125T0310"]
    assert offered(homelab, "backup", "fetch", "south", "--from", "") == []


def test_a_damaged_journal_is_left_alone(homelab, tmp_path):
    journal = tmp_path / "state" / "saturn" / "journal.db"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"no database")

    assert asked("zsh", homelab, "show", "").stderr == ""
    assert [file.name for file in journal.parent.iterdir()] == ["journal.db"]


@pytest.mark.parametrize("words", [("",), ("status", "--hosts", ""), ("demo", "-"), ("deploy", "--")])
def test_a_person_who_pressed_a_key_waits_for_nothing_heavy(homelab, words):
    program = (
        "import atexit, sys; from saturn_orchestrator.cli.main import main;"
        f"atexit.register(lambda: print('imported:', [n for n in {HEAVY} if n in sys.modules], file=sys.stderr));"
        "main([])"
    )
    told = {VARIABLE: "bash_complete", "COMP_WORDS": shlex.join(("saturn", *words)), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        (sys.executable, "-c", program), cwd=homelab, env={**environ(homelab.parent), **told},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "imported: []\n")
