"""Manual pages: of every command, well-formed, and with what the documents say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from saturn_orchestrator.report.manual import ENVIRONMENT, EXIT_CODES, FILES, Entry, Manual, manual_page

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)

PLAIN = Manual(
    "saturn try", "1.2", "Try something", "[OPTIONS] HOST",
    paragraphs=("First, with a \\ and `code`.", ".begins like a request", "'begins like another"),
    examples=("saturn try --all", ".x"),
    options=(Entry("--all", 'Every "host".'),),
)  # fmt: skip


def rendered(page: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("groff"):
        pytest.skip("there is no groff on this machine")
    argv = ("groff", "-man", "-Tutf8", "-ww", "-P-cbou")
    return subprocess.run(argv, input=page, capture_output=True, text=True, timeout=60)


def is_well_formed(page: str) -> bool:
    """Every line is a request of man(7) or text that is none, and no hyphen may become a dash."""
    requests = re.compile(r"\.(TH|SH|PP|TP|EX|EE)( .*)?")
    lines = page.splitlines()
    return all(requests.fullmatch(each) if each.startswith((".", "'")) else True for each in lines) and not re.search(
        r"(?<!\\)-", page
    )


def test_words_stay_what_they_are():
    done = rendered(manual_page(PLAIN))

    assert done.stderr == ""
    for words in (
        "saturn-try - Try something", "saturn try [OPTIONS] HOST", "with a \\ and code.", ".begins like a request",
        "'begins like another", "--all", 'Every "host".', "SEE ALSO",
    ):  # fmt: skip
        assert words in done.stdout


def test_a_page_is_well_formed_whatever_is_in_it():
    assert is_well_formed(manual_page(PLAIN))
    assert not is_well_formed("text\n.nonsense")
    assert not is_well_formed("--all")


@pytest.mark.parametrize(
    "entries, document, heading",
    [
        (EXIT_CODES, "exit-codes.md", "# Exit codes"),
        (FILES, "cli.md", "## Files on SATURN"),
        (ENVIRONMENT, "cli.md", "## Environment"),
    ],
)
def test_the_manual_says_what_the_documents_say(entries, document, heading):
    text = (REFERENCE / document).read_text(encoding="utf-8")
    table = re.search(rf"^{heading}$\n\n((?:\|.*\n)+)", text, re.MULTILINE)

    assert table, heading
    assert [Entry(*row) for row in ROW.findall(table[1])] == list(entries)
