"""The one theme and the thin printing rim: consoles, symbols beside words, durations, revisions, counts.

Nothing here knows a plan, a summary or a table. Data reaches the screen through `verbatim` only, never as markup.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Protocol, TypeGuard

from saturn_orchestrator.events import neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.streams import silence, tolerant
from saturn_orchestrator.report.text import Drawable, Text

if TYPE_CHECKING:
    from saturn_orchestrator.report.terminal import Terminal

# --- where text goes -------------------------------------------------------------------------------------------------


class Screen(Protocol):
    """Where things are shown. Nothing is cut: what is wider, a command or a path, is meant to be copied whole.

    quiet: nothing more is shown. A reader may leave (`saturn status | head -1`): then it is quiet from there on.
    """

    quiet: bool

    @property
    def width(self) -> int:
        """The cells of a line."""

    @property
    def height(self) -> int:
        """Its lines."""

    def print(self, *things: Drawable | str) -> None:
        """Show them below one another."""


class Page:
    """A Screen without colour, a cursor and rich: a file, a pipe, a mail."""

    def __init__(self, stream: IO[str], width: int, height: int) -> None:
        """As wide as a terminal somewhere around would be."""
        self.quiet = False
        self.width = width
        self.height = height
        self._stream = stream

    def print(self, *things: Drawable | str) -> None:
        """See Screen."""
        if self.quiet:
            return
        shown = (Text(each) if isinstance(each, str) else each for each in things)
        try:
            self._stream.write("".join(f"{line}\n" for each in shown for line in each.lines(self.width)))
            self._stream.flush()
        except BrokenPipeError:
            self.quiet = True
            silence(self._stream)


def console(
    stream: IO[str], *, environ: Mapping[str, str] = os.environ, width: int | None = None, height: int | None = None
) -> Screen:
    """A screen on the stream: stdout for results, stderr for progress and questions. NO_COLOR and TERM are obeyed."""
    if stream.isatty() or environ.get("FORCE_COLOR") or environ.get("TTY_COMPATIBLE"):
        from saturn_orchestrator.report.terminal import Terminal

        if environ.get("TERM") == "dumb":  # rich takes every dumb terminal for one of 80 columns
            import shutil

            size = shutil.get_terminal_size()
            width, height = width or size.columns, height or size.lines
        return Terminal.of(tolerant(stream), environ, width, height)
    columns, lines = _size_around(environ)
    return Page(tolerant(stream), width or columns, height or lines)


def _size_around(environ: Mapping[str, str]) -> tuple[int, int]:
    """The size of the terminal that this process has, if any; as the environment says, where it does."""
    size = (0, 0)
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            size = os.get_terminal_size(descriptor)
            break
    said = (environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, lines = (int(word) if word.isdigit() else each for word, each in zip(said, size, strict=True))
    return columns or 80, lines or 25


def can_redraw(screen: Screen) -> TypeGuard[Terminal]:
    """Whether lines already printed can be replaced: a terminal, not a dumb one, and not a log that wants colour."""
    if isinstance(screen, Page):
        return False
    from saturn_orchestrator.report.terminal import Terminal

    return isinstance(screen, Terminal) and screen.is_interactive and screen.file.isatty()


def show(screen: Screen, *things: Drawable | str) -> None:
    """Print the things below one another."""
    for each in things:
        screen.print(each)


def verbatim(text: str, style: str = "") -> Text:
    """Text that may hold anything, shown as typed: no markup, no emoji codes, no control characters."""
    return Text(neutral(text), style)


def unbroken(text: str, style: str = "") -> Text:
    """A line that is never wrapped: a command or a path that a person copies."""
    return Text(neutral(text), style, no_wrap=True, overflow="ignore")


def linked(text: Text, url: str) -> Text:
    """The text, where it names the URL a link to it; only web addresses are linked."""
    start = text.plain.find(url)
    if url.startswith(("https://", "http://")) and start >= 0:
        from rich.style import Style

        text.stylize(Style(link=url), start, start + len(url))
    return text


# --- words and symbols -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """How a word is shown: the symbol before it, and its colour for those who see it."""

    symbol: str
    style: str


_PLAIN = Look("·", "")

LOOKS: Mapping[str, Look] = {
    # statuses of a host, and of a service in a run
    "pending": Look("·", "dim"),
    "connecting": Look("·", "cyan"),
    "connected": Look("·", "cyan"),
    "planned": Look("?", "cyan"),
    "confirmed": Look(">", "cyan"),
    "running": Look(">", "cyan"),
    "changed": Look("✔", "green"),
    "unchanged": Look("=", "green"),
    "failed": Look("✘", "bold red"),
    "blocked": Look("✘", "bold red"),
    "unreachable": Look("!", "yellow"),
    "lost": Look("?", "bold magenta"),
    "declined": Look("-", "dim"),
    "cancelled": Look("-", "yellow"),
    "skipped": Look("-", "dim"),
    "deferred": Look("!", "yellow"),
    "rolled_back": Look("✘", "bold yellow"),
    "restored": Look("<", "yellow"),
    "fetched": Look("+", "green"),
    "saved": Look("+", "green"),
    "removed": Look("-", "red"),
    # outcomes of a run
    "success": Look("✔", "green"),
    "partial": Look("!", "yellow"),
    "failure": Look("✘", "bold red"),
    # reachability
    "online": Look("✔", "green"),
    "offline": Look("!", "yellow"),
    "denied": Look("✘", "bold red"),
    # what a plan would do
    "create": Look("+", "green"),
    "recreate": Look("~", "yellow"),
    "start": Look(">", "cyan"),
    "remove": Look("-", "red"),
    "invalid": Look("✘", "bold red"),
    "unknown": Look("?", "yellow"),
    "completed": Look("-", "dim"),
    "backup": Look("+", "green"),
    "restore": Look("<", "yellow"),
    # a backup that was read to its end
    "sound": Look("✔", "green"),
    "damaged": Look("✘", "bold red"),
    # what became of a check
    "ok": Look("✔", "green"),
    "warn": Look("!", "bold yellow"),
    "fail": Look("✘", "bold red"),
    "skip": Look("-", "dim"),
    # a notice
    "sent": Look("✔", "green"),
    # how loud a line is
    "error": Look("✘", "bold red"),
    "warning": Look("!", "bold yellow"),
    "note": Look("·", "bold cyan"),
}


def look(word: str) -> Look:
    """How a word is shown; a word that nobody drew is shown plainly."""
    return LOOKS.get(word, _PLAIN)


def word_text(word: str) -> Text:
    """The symbol and the word, coloured: `✔ changed`. It never depends on the colour alone."""
    return verbatim(f"{look(word).symbol} {word.replace('_', ' ')}", look(word).style)


def short_revision(revision: str) -> str:
    """The first 8 characters of a commit; `-` for none."""
    return revision[:8] or "-"


def revision_move(before: str, after: str) -> str:
    """`3f2a91c0 -> 8be02d44`, or the one revision when it stayed or there was none before."""
    if before and after and before != after:
        return f"{short_revision(before)} -> {short_revision(after)}"
    return short_revision(after or before)


def counted(count: int, word: str) -> str:
    """`1 host`, `3 hosts`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def tally(words: Iterable[str], order: Sequence[str]) -> str:
    """`1 changed, 2 failed`: how often each word occurs, in the order given, others behind by name; "" for no words."""
    found = list(words)
    rest = sorted(set(found) - set(order))
    counts = ((word, found.count(word)) for word in (*order, *rest))
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in counts if count)


def duration_text(seconds: float | None) -> str:
    """`9.8 s`, `3 min 12 s`, `2 h 05 min`; `-` for no duration."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    tenths = round(max(seconds, 0.0), 1)
    if tenths < 60:
        return f"{tenths:.1f} s"
    whole = round(tenths)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size_text(size: int) -> str:
    """`740 B`, `3.4 kB`, `82 MB`: decimal units, as docker shows them."""
    amount, power = float(size), 0
    while round(amount) >= 1000 and power < 4:
        amount, power = amount / 1000, power + 1
    digits = 1 if power and amount < 9.95 else 0
    return f"{amount:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
