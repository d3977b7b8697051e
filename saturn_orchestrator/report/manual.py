"""A manual page in roff, as `man -l -` shows it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.outcome import MEANINGS


@dataclass(frozen=True)
class Entry:
    """A word that may be typed, and what it means."""

    word: str
    meaning: str


@dataclass(frozen=True)
class Manual:
    """What a manual page tells of one command. name: `saturn deploy`. usage: what stands behind the name."""

    name: str
    version: str
    summary: str
    usage: str
    paragraphs: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    options: tuple[Entry, ...] = ()
    verbs: tuple[Entry, ...] = ()

    @property
    def page(self) -> str:
        """What `man` calls it: `saturn-deploy`."""
        return self.name.replace(" ", "-")


EXIT_CODES = tuple(Entry(str(code), meaning) for code, meaning in sorted(MEANINGS.items()))

FILES = (
    Entry("$XDG_STATE_HOME/saturn/journal.db",
          "The journal: every run with its events. SQLite; `~/.local/state` when the variable is not set."),
    Entry("$XDG_STATE_HOME/saturn/notices.json",
          "Which failures were told, so that the same is not told again within an hour."),
    Entry("$XDG_STATE_HOME/saturn/diagnostics/HOST/", "What `saturn diagnose` brought home."),
    Entry("$XDG_STATE_HOME/saturn/recovery/HOST/", "What `saturn recover` gathered."),
    Entry("$XDG_STATE_HOME/saturn/backups/HOST/SERVICE/NAME/", "What `saturn backup fetch` brought home."),
    Entry("$XDG_CACHE_HOME/saturn/", "The topology as it was last resolved. It may be removed at any time."),
)  # fmt: skip

ENVIRONMENT = (
    Entry("SATURN_INVENTORY", "The topology file, where `--inventory` names none."),
    Entry("SATURN_TRACE", "With `1`, a command ends with what each step of the way to each host took."),
    Entry("XDG_STATE_HOME", "Below which folder saturn keeps its files. Default: `~/.local/state`."),
    Entry("XDG_CACHE_HOME", "Below which folder saturn keeps what it can make again. Default: `~/.cache`."),
    Entry("SSH_AUTH_SOCK", "The agent that holds keys for SSH."),
    Entry("NO_COLOR", "When it is set, nothing is coloured."),
    Entry("TERM", "With `dumb`, nothing is redrawn."),
)


def manual_page(manual: Manual) -> str:
    """The page of a command."""
    return "\n".join(_lines(manual)) + "\n"


def _lines(manual: Manual) -> Iterator[str]:
    title, source = _text(manual.page.upper()), _text(f"saturn {manual.version}")
    yield f'.TH "{title}" "1" "" "{source}" "saturn"'
    yield ".SH NAME"
    yield f"{_text(manual.page)} \\- {_text(manual.summary)}"
    yield ".SH SYNOPSIS"
    yield f"\\fB{_text(manual.name)}\\fR {_text(manual.usage)}"
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(manual.paragraphs):
        yield from ([".PP"] if number else [])
        yield _text(paragraph)
    yield from _section("VERBS", manual.verbs)
    yield from _section("OPTIONS", manual.options)
    if manual.examples:
        yield from (".SH EXAMPLES", ".EX", *(_text(line) for line in manual.examples), ".EE")
    yield from _section("EXIT STATUS", EXIT_CODES)
    yield from _section("FILES", FILES)
    yield from _section("ENVIRONMENT", ENVIRONMENT)
    yield from _see_also(manual)


def _section(heading: str, entries: Sequence[Entry]) -> Iterator[str]:
    if entries:
        yield f".SH {heading}"
    for entry in entries:
        yield ".TP"
        yield f"\\fB{_text(entry.word)}\\fR"
        yield _text(entry.meaning)


def _see_also(manual: Manual) -> Iterator[str]:
    """The pages above it and below."""
    above = [manual.page.rpartition("-")[0]] if " " in manual.name else []
    pages = [*above, *(f"{manual.page}-{each.word}" for each in manual.verbs)]
    if pages:
        yield ".SH SEE ALSO"
        yield ", ".join(f"\\fB{_text(page)}\\fR(1)" for page in pages)


def _text(words: str) -> str:
    """Words as they are: no request, no escape, hyphens that can be copied; what stands in backticks is bold."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    plain = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in escaped)
    bold = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", plain)
    return f"\\&{bold}" if bold.startswith((".", "'")) else bold
