from __future__ import annotations

import os
from pathlib import Path

import pytest

from saturn_orchestrator.app.init import Initialised, initialise
from saturn_orchestrator.app.validate import Validation, validate
from saturn_orchestrator.errors import UsageError

FILES = (
    ".gitignore",
    "hosts/README.md",
    "inventory/known_hosts",
    "inventory/topology.yaml",
    "services/hello/docker-compose.yml",
    "services/hello/healthcheck.sh",
    "services/hello/service.yaml",
    "inventory/topology.example.yaml",
    "inventory/templates/how_to_add_new_node.yaml",
)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_initialise_writes_a_starter_that_is_valid(tmp_path: Path):
    folder = tmp_path / "new" / "lab"
    assert initialise(folder) == Initialised(folder, created=FILES, kept=())
    assert files_in(folder) == set(FILES)
    file = folder / "inventory/topology.yaml"
    assert validate(file) == Validation(file, hosts=1, services=1)
    assert os.access(folder / "services/hello/healthcheck.sh", os.X_OK)
    assert not os.access(folder / "services/hello/service.yaml", os.X_OK)


def test_initialise_keeps_secrets_out_of_git(tmp_path: Path):
    initialise(tmp_path)
    assert ".env" in (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_initialise_overwrites_nothing(tmp_path: Path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/topology.yaml").write_text("mine\n", encoding="utf-8")
    (tmp_path / ".gitignore").symlink_to("nowhere")
    done = initialise(tmp_path)
    assert done.kept == (".gitignore", "inventory/topology.yaml")
    assert set(done.created) == set(FILES) - set(done.kept)
    assert (tmp_path / "inventory/topology.yaml").read_text(encoding="utf-8") == "mine\n"
    assert not (tmp_path / "nowhere").exists()


def test_initialise_twice_creates_nothing_more(tmp_path: Path):
    initialise(tmp_path)
    assert initialise(tmp_path) == Initialised(tmp_path, created=(), kept=FILES)


@pytest.mark.parametrize("where", ["lab", "lab/below"])
def test_initialise_refuses_a_file_where_a_folder_should_be(tmp_path: Path, where: str):
    (tmp_path / "lab").write_text("", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        initialise(tmp_path / where)
    assert caught.value.code == "folder_unusable"
    assert caught.value.message == f"{tmp_path / where} is a file, a folder was expected"


def test_initialise_refuses_a_folder_that_cannot_be_written():
    with pytest.raises(UsageError) as caught:  # nobody, not even root, makes folders there
        initialise(Path("/proc/homelab"))
    assert caught.value.code == "folder_unusable"
    assert caught.value.message.startswith("cannot write /proc/homelab")
