"""The console script as a person runs it: another process, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saturn_orchestrator import __version__
from saturn_orchestrator.cli.main import VERBS

TOPOLOGY = """
version: 1
hosts:
  alpha:
    address: 127.0.0.1
    transport: ssh
    ssh: {port: 9, connect_timeout_s: 0.5}
    git: {url: "ssh://git@forge/homelab.git"}
    services: []
"""

START = "import sys; from saturn_orchestrator.cli.main import main; main(sys.argv[1:])"


def saturn(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # so that a worktree tries its own words
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        (sys.executable, "-c", START, *words), cwd=folder, env=environ, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def inventory(folder: Path, text: str = TOPOLOGY) -> Path:
    (folder / "inventory").mkdir()
    (folder / "inventory" / "topology.yaml").write_text(text)
    return folder


def test_help_names_every_verb_and_imports_none_of_them(tmp_path):
    heavy = {"asyncssh", "pydantic", "yaml", "rich", "rich.live", "sqlite3", "asyncio", "tenacity"}
    program = (
        "import atexit, sys; from saturn_orchestrator.cli.main import main;"
        "executor = lambda: {each for each in sys.modules if each.startswith('saturn_node.')};"
        f"loaded = lambda: sorted({heavy} & set(sys.modules) | executor() - {{'saturn_node.records'}});"
        "atexit.register(lambda: print('imported:', loaded())); main(['--help'])"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "imported: []")
    assert [verb for verb in VERBS if f"\n  {verb} " not in done.stdout] == []


def test_status_of_hosts_that_refuse_loads_neither_ssh_nor_what_reads_an_inventory(tmp_path):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkFJcBGqBqMWnwdRyOwuYjSCeOYLmXbRmdCUYGDTcXv"
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:1 {key}\n")
    ssh = f"{{user: ada, port: 1, identity_file: null, known_hosts: {tmp_path}/known_hosts}}"
    inventory(
        tmp_path,
        f"version: 1\ndefaults: {{git: {{url: u}}, ssh: {ssh}}}\n"
        "hosts: {alpha: {address: 127.0.0.1, transport: ssh}}\n",
    )
    heavy = "{'asyncssh', 'pydantic', 'yaml', 'rich'}"
    program = (
        "import atexit, sys; from saturn_orchestrator.cli.main import main;"
        f"atexit.register(lambda: print('imported:', sorted({heavy} & set(sys.modules)))); main(['status'])"
    )
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    cold, warm = (
        subprocess.run(
            (sys.executable, "-c", program), capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environ
        )
        for _ in range(2)
    )

    assert (cold.returncode, cold.stdout.splitlines()[-1]) == (3, "imported: ['pydantic', 'yaml']")
    assert (warm.returncode, warm.stdout.splitlines()[-1]) == (3, "imported: []")
    assert warm.stdout.splitlines()[:-1] == cold.stdout.splitlines()[:-1]


def test_a_deploy_loads_neither_ssh_nor_what_reads_an_inventory_nor_rich_before_it_needs_them():
    program = (
        "import sys, saturn_orchestrator.cli.wiring, saturn_orchestrator.app.deferral;"
        "print(sorted({'asyncssh', 'pydantic', 'yaml', 'rich', 'tenacity'} & set(sys.modules)))"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60)

    assert done.stdout == "[]\n"


def test_version_is_that_of_the_package(tmp_path):
    assert saturn(tmp_path, "--version").stdout == f"saturn, version {__version__}\n"


@pytest.mark.parametrize("words", [("dploy",), ("--nonsense",), ("deploy", "--nonsense"), ("deploy", "surplus")])
def test_a_command_line_that_nobody_understands_is_a_usage_error(tmp_path, words):
    done = saturn(tmp_path, *words)

    assert (done.returncode, done.stdout, "Error: " in done.stderr, "Traceback" in done.stderr) == (2, "", True, False)


@pytest.mark.parametrize(
    "words, code",
    [
        (("deploy",), "no hosts were chosen"),
        (("deploy", "--yes"), "no hosts were chosen"),
        (("deploy", "--hosts", "omega"), "unknown host: omega"),
        (("deploy", "--all"), "nobody can be asked"),
        (("deploy", "--all", "--json"), "nobody can be asked"),
        (("status", "--tags", "none"), "unknown tag: none"),
        (("status", "--watch", "0.5"), "0.5 is not in the range"),
        (("status", "--watch", "--hosts", "omega"), "unknown host: omega"),
        (("backup",), "no hosts were chosen"),
        (("backup", "--all", "--yes"), "no service of these hosts has a backup in its service.yaml"),
        (("backup", "--all", "list"), "options stand behind the word list"),
        (("backup", "list", "--hosts", "omega"), "unknown host: omega"),
        (("backup", "fetch", "alpha", "web"), "unknown service: web"),
        (("restore", "omega", "web"), "unknown host: omega"),
        (("restore", "alpha", "web"), "unknown service: web"),
    ],
)
def test_what_cannot_be_obeyed_is_said_before_anything_is_touched(tmp_path, words, code):
    done = saturn(inventory(tmp_path), *words)

    assert (done.returncode, done.stdout, code in done.stderr, "Traceback" in done.stderr) == (2, "", True, False)
    assert not (tmp_path / "state").exists()


def test_an_invalid_inventory_is_told_with_its_place(tmp_path):
    done = saturn(inventory(tmp_path, TOPOLOGY.replace("services:", "servces:")), "deploy", "--all", "--yes")

    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert "topology.yaml:9 hosts.alpha.servces" in done.stderr


def test_an_error_shows_its_traceback_only_when_it_is_asked_for(tmp_path):
    quiet, loud = (saturn(tmp_path, *words) for words in (("deploy", "--all"), ("--verbose", "deploy", "--all")))

    assert (quiet.returncode, loud.returncode) == (2, 2)
    assert ("Traceback" in quiet.stderr, "Traceback" in loud.stderr) == (False, True)


def test_an_unreachable_host_has_an_exit_code_of_its_own(tmp_path):
    inventory(tmp_path)
    (tmp_path / "inventory" / "known_hosts").write_text(
        "[127.0.0.1]:9 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n"
    )

    done = saturn(tmp_path, "status", "--json")

    assert (done.returncode, '"reachability": "unreachable"' in done.stdout) == (3, True), done.stdout + done.stderr


def test_the_inventory_may_be_named_by_the_environment_or_an_option(tmp_path):
    file = inventory(tmp_path) / "inventory" / "topology.yaml"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert saturn(elsewhere, "--inventory", str(file), "validate").returncode == 0
    assert saturn(elsewhere, "--inventory", str(file) + "x", "validate").returncode == 2
