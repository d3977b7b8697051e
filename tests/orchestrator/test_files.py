"""Files of a person's repository: whole or not at all, and only on top of what was shown."""

from __future__ import annotations

import os

import pytest

from saturn_orchestrator import files
from saturn_orchestrator.errors import UsageError


def test_a_file_keeps_its_mode_and_a_link_leads_to_it_still(tmp_path):
    real = tmp_path / "real"
    real.write_bytes(b"old")
    real.chmod(0o640)
    (tmp_path / "link").symlink_to(real)

    files.write(tmp_path / "link", b"new", over=b"old")

    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"new", 0o640)
    assert (tmp_path / "link").is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "real"]


def test_a_new_file_comes_with_its_folder(tmp_path):
    files.write(tmp_path / "a" / "b", b"new", over=None)

    assert files.content(tmp_path / "a" / "b") == b"new"


@pytest.mark.parametrize("over", [None, b"older"])
def test_what_somebody_else_wrote_meanwhile_stays(tmp_path, over):
    file = tmp_path / "file"
    file.write_bytes(b"theirs")

    with pytest.raises(UsageError) as caught:
        files.write(file, b"mine", over=over)

    assert (caught.value.code, file.read_bytes()) == ("file_moved", b"theirs")


def test_a_file_that_cannot_be_written_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(UsageError) as caught:
        files.write(tmp_path / "file" / "below", b"mine", over=None)

    assert caught.value.code == "file_unwritable"


# --- files that a person named ----------------------------------------------------------------------------------------


def mode_of(file) -> int:
    return file.stat().st_mode & 0o777


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path):
    target = tmp_path / "a.md"
    target.write_text("old")

    files.put(target, "new ä".encode())

    assert (target.read_text(), mode_of(target)) == ("new ä", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["a.md"]


def test_a_link_is_followed_and_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert files.write_ordered(tmp_path / "link", "text", files.PUBLIC) == tmp_path / "real"

    assert (tmp_path / "link").is_symlink()
    assert ((tmp_path / "real").read_text(), mode_of(tmp_path / "real")) == ("text", 0o644)


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="no regular file") as raised:
            files.write_ordered(target, "text")
        assert raised.value.code == "output_unwritable"


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        files.write_ordered(tmp_path / "none" / "a.md", "text")
