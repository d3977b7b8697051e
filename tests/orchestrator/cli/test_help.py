from __future__ import annotations

import pytest
from click.testing import CliRunner

from saturn_orchestrator.cli.main import saturn


def said(*words: str) -> str:
    result = CliRunner().invoke(saturn, words, prog_name="saturn")
    return str(result.output)


@pytest.mark.parametrize("words", [(), ("deploy",), ("backup",), ("backup", "list"), ("catch-up",)])
def test_help_of_a_word_is_what_the_word_says_of_itself(words):
    assert said("help", *words) == said(*words, "--help")


def test_a_manual_page_is_printed():
    page = said("help", "--man", "backup", "list")

    assert page.startswith('.TH "SATURN\\-BACKUP\\-LIST" "1"')
    assert "saturn\\-backup\\fR(1)" in page


@pytest.mark.parametrize(
    "words, answer",
    [
        (("help", "delpoy"), "No such verb 'delpoy'. Did you mean 'deploy'?"),
        (("help", "backup", "lsit"), "No such verb 'lsit'. Did you mean 'list'?"),
        (("help", "deploy", "now"), "'saturn deploy' has no verbs of its own."),
        (("delpoy",), "No such verb 'delpoy'. Did you mean 'deploy'?"),
        (("backup", "lsit"), "No such verb 'lsit'. Did you mean 'list'?"),
        (("qqq",), "No such verb 'qqq'.\n"),
        (("deploy", "--hsots", "a"), "--hosts"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(words, answer):
    assert answer in said(*words)
