"""Which docker the demo takes, and what it clears up, asked of a `docker` that is a script."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from saturn_orchestrator.app.demo_docker import DemoDocker, chosen_docker, clear


def docker_script(folder: Path, script: str) -> dict[str, str]:
    """An environment whose `docker` is that script."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def cleared(folder: Path, docker: DemoDocker) -> list[str]:
    """What clearing two projects asked of docker."""
    said = folder / "said"
    asyncio.run(clear(docker, ["demo-a", "demo-b"], docker_script(folder, f'echo "$*" >>{said}')))
    return said.read_text().splitlines() if said.exists() else []


def test_without_docker_the_simulated_one_is_chosen_and_says_why(tmp_path):
    chosen = asyncio.run(chosen_docker(["demo-web"], {"PATH": str(tmp_path)}))
    assert chosen == DemoDocker("no docker answers on this machine")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("[ $1 != compose ]", DemoDocker("docker is here, but not its compose plugin")),
        ("echo 1", DemoDocker("a project demo-web is on this machine's docker already")),
        ("[ $1 != image ] && [ $1 != pull ]", DemoDocker("busybox:1.36 is not here and cannot be pulled")),
        ("[ $1 != image ]", DemoDocker(is_image_ours=True)),
        ("true", DemoDocker()),
    ],
)
def test_chosen_docker_is_the_real_one_only_when_it_can_be_used_without_a_trace(tmp_path, answers, expected):
    assert asyncio.run(chosen_docker(["demo-web"], docker_script(tmp_path, answers))) == expected


def test_clear_removes_the_demos_projects_and_the_image_it_pulled(tmp_path):
    down = "compose -p {} down --volumes --remove-orphans --timeout 1"
    projects = [down.format("demo-b"), down.format("demo-a")]
    assert cleared(tmp_path, DemoDocker()) == projects
    (tmp_path / "said").unlink()
    assert cleared(tmp_path, DemoDocker(is_image_ours=True)) == [*projects, "image rm busybox:1.36"]


def test_clear_asks_the_real_docker_for_nothing_after_a_simulated_demo(tmp_path):
    assert cleared(tmp_path, DemoDocker("no docker answers on this machine")) == []
