from __future__ import annotations

import os

import pytest

from saturn_orchestrator.app.whole_file import PUBLIC, write_ordered, write_whole
from saturn_orchestrator.errors import UsageError


def mode_of(file) -> int:
    return file.stat().st_mode & 0o777


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path):
    target = tmp_path / "a.md"
    target.write_text("old")

    write_whole(target, "new ä")

    assert (target.read_text(), mode_of(target)) == ("new ä", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["a.md"]


def test_what_cannot_be_written_leaves_what_stood_there(tmp_path):
    target = tmp_path / "a.md"
    target.write_text("old")

    with pytest.raises(ValueError):
        write_whole(target, "\ud800")

    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.md", "old")]


def test_a_link_is_followed_and_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert write_ordered(tmp_path / "link", "text", PUBLIC) == tmp_path / "real"

    assert (tmp_path / "link").is_symlink()
    assert ((tmp_path / "real").read_text(), mode_of(tmp_path / "real")) == ("text", 0o644)


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="no regular file") as raised:
            write_ordered(target, "text")
        assert raised.value.code == "output_unwritable"


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        write_ordered(tmp_path / "none" / "a.md", "text")
