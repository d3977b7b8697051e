"""Completion in the shells themselves. bash is everywhere, and tried with the other tests of completion."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.fleet.requirements import are_required
from support.saturn import SATURN, Saturn

TOPOLOGY = """
version: 1
defaults: {git: {url: "ssh://git@forge/homelab.git"}}
hosts:
  chelsty: {address: 10.0.0.2, roles: [home-automation], tags: [lte]}
  solaria: {roles: [llm], tags: [gpu]}
  south:
"""


def program(name: str) -> str:
    found = shutil.which(name)
    if not found and are_required():
        pytest.fail(f"there is no {name} on this machine", pytrace=False)
    if not found:
        pytest.skip(f"there is no {name} on this machine")
    return found


@pytest.fixture
def saturn(tmp_path: Path) -> Saturn:
    """A person's shell beside an inventory of three hosts."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "topology.yaml").write_text(TOPOLOGY)
    return Saturn(tmp_path, tmp_path / "home")


def script(saturn: Saturn, shell: str) -> Path:
    file = saturn.folder / "script"
    file.write_text(saturn.run("completion", shell).out)
    return file


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_is_one_that_its_shell_understands(saturn: Saturn, shell: str) -> None:
    done = subprocess.run((program(shell), "-n", script(saturn, shell)), capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "replies"),
    [
        ("saturn status --hosts chelsty,so", ["chelsty,solaria\tllm, gpu", "chelsty,south"]),
        ("saturn status --hosts=ch", ["--hosts=chelsty\t10.0.0.2, home-automation, lte"]),
        ("saturn dep", ["deploy\tShow what would change on each host, ask, and deploy."]),
    ],
)
def test_fish_completes(saturn: Saturn, typed: str, replies: list[str]) -> None:
    told = "saturn completion fish | source; complete --do-complete $argv[1]"
    environ = {**saturn.environ, "PATH": f"{SATURN.parent}:{saturn.environ['PATH']}"}

    done = subprocess.run(
        (program("fish"), "--no-config", "-c", told, typed), cwd=saturn.folder, env=environ,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip

    assert (done.stderr, done.stdout.splitlines()) == ("", replies)
