"""Files of a person's repository: whole or not at all, and only on top of what was shown."""

from __future__ import annotations

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
