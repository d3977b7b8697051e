"""The one theme and the thin printing rim: consoles, symbols beside words, durations, revisions, counts.

Nothing here knows a plan, a summary or a table. Data reaches the screen through `verbatim` only, never as markup.
"""

from __future__ import annotations

import codecs
import io
import math
import os
import select
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.style import Style
from rich.text import Text

from saturn_orchestrator.events import neutral
from saturn_orchestrator.records import dataclass

# --- where text goes -------------------------------------------------------------------------------------------------

_ASCII = {"✔": "+", "✘": "x", "·": ".", "…": "."}
"""Stand-ins of the same width, so that columns stay columns on a terminal that cannot show the sign itself."""


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unfit = error.object[error.start : error.end]
    return "".join(_ASCII.get(char, "?" * cell_len(char)) for char in unfit), error.end


codecs.register_error("saturn", _plain_letters)


def tolerant(stream: IO[str]) -> IO[str]:
    """The stream itself, which from now on replaces what its encoding cannot hold instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="saturn")
    return stream


def silence(stream: IO[str]) -> None:
    """Let what is still buffered go nowhere: its reader left, and Python would complain about it at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file behind it
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def is_unread(stream: IO[str]) -> bool:
    """Whether whoever read the stream is gone. Told without writing: there may be nothing to write for hours."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):  # no file behind it
        return False


class Screen(Console):
    """A console that cuts nothing, and whose reader may leave (`saturn status | head -1`).

    Renderables fit themselves to the width; what is wider, a command or a path, is meant to be copied whole.
    """

    def print(self, *objects: object, crop: bool = False, **options: Any) -> None:
        """As rich does, but lines that are too long go on in the terminal's next row."""
        # Rich joins bare texts into a new one, which forgets that a command must not be wrapped; in a group they stay.
        super().print(*(Group(each) if isinstance(each, Text) else each for each in objects), crop=crop, **options)

    def on_broken_pipe(self) -> None:
        """Rich would end the program here; a run must not end with its screen."""
        self.quiet = True
        silence(self.file)


def console(
    stream: IO[str], *, environ: Mapping[str, str] = os.environ, width: int | None = None, height: int | None = None
) -> Screen:
    """A console on the stream: stdout for results, stderr for progress and questions. NO_COLOR and TERM are obeyed."""
    if environ.get("TERM") == "dumb":  # rich takes every dumb terminal for one of 80 columns
        import shutil

        size = shutil.get_terminal_size()
        width, height = width or size.columns, height or size.lines
    return Screen(
        file=tolerant(stream), width=width, height=height, markup=False, emoji=False, highlight=False,
        force_jupyter=False, _environ=environ,
    )  # fmt: skip


def can_redraw(screen: Console) -> bool:
    """Whether lines already printed can be replaced: a terminal, not a dumb one, and not a log that wants colour."""
    return screen.is_interactive and screen.file.isatty()


def show(screen: Console, *renderables: RenderableType) -> None:
    """Print the renderables below one another."""
    for renderable in renderables:
        screen.print(renderable)


@dataclass(frozen=True)
class Lines:
    """Many lines below one another. Those that need no wrapping are spared it: rich takes its time for each."""

    texts: Sequence[Text]

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Each as rich would show it."""
        for text in self.texts:
            is_whole = text.no_wrap and text.overflow == "ignore"
            if text.justify is None and (is_whole or text.cell_len <= options.max_width):
                yield from text.render(screen, end=text.end)
            else:
                yield text


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
