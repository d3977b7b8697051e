from __future__ import annotations

from pathlib import Path

import pytest

from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.topology.location import find


def test_find_looks_upwards(tmp_path: Path):
    file = tmp_path / "inventory" / "topology.yaml"
    deep = tmp_path / "services" / "web"
    for folder in (file.parent, deep):
        folder.mkdir(parents=True)
    file.touch()

    assert [find(start) for start in (tmp_path, deep, tmp_path / "inventory")] == [file, file, file]


def test_find_without_an_inventory_says_how_to_begin(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        find(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("inventory_not_found", 2)
    assert caught.value.hint.startswith("saturn init")
