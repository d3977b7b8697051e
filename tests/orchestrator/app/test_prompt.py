from __future__ import annotations

import pytest

from saturn_orchestrator.app.prompt import MAX_BYTES, recover_prompt
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.report.prompts import PLACEHOLDERS


def write(folder, data: bytes) -> None:
    (folder / "docs/prompts").mkdir(parents=True)
    (folder / "docs/prompts/recover-node.md").write_bytes(data)


def test_saturn_brings_a_prompt_with_every_placeholder(tmp_path):
    text = recover_prompt(tmp_path)

    assert [name for name in PLACEHOLDERS if f"{{{name}}}" not in text] == []


def test_a_persons_own_prompt_wins(tmp_path):
    write(tmp_path, b"\xef\xbb\xbfmine: {bundle}")

    assert recover_prompt(tmp_path) == "mine: {bundle}"


@pytest.mark.parametrize(
    "data, place, hint",
    [
        (b"a\nb {bundel}\n", "docs/prompts/recover-node.md:2", 'did you mean "bundle"?'),
        (b"a\nb {host}\n", "docs/prompts/recover-node.md:2", "put {bundle} on a line of its own"),
        (b"", "docs/prompts/recover-node.md:1", "put {bundle} on a line of its own"),
        (b"a\n\xff {bundle}", "docs/prompts/recover-node.md:2", "save the file as UTF-8"),
        (b"{bundle}" + b"x" * MAX_BYTES, "docs/prompts/recover-node.md", "remove the file"),
    ],
)
def test_a_prompt_that_is_of_no_use_is_refused_with_its_line(tmp_path, data, place, hint):
    write(tmp_path, data)

    with pytest.raises(UsageError) as raised:
        recover_prompt(tmp_path)

    assert (raised.value.code, raised.value.place) == ("prompt_unusable", place)
    assert hint in raised.value.hint


def test_a_folder_in_place_of_the_prompt_is_a_sentence(tmp_path):
    (tmp_path / "docs/prompts/recover-node.md").mkdir(parents=True)

    with pytest.raises(UsageError, match="Is a directory"):
        recover_prompt(tmp_path)
