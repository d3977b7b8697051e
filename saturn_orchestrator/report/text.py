"""Texts with their colours, and how they stand on a page that has none. Pure.

What goes into a file, a pipe or a mail is put together here. Terminals are drawn by rich, which takes longer to import
than most commands have to do: it is imported where there is one, and for lines that are not worth a second way.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.style import Style
    from rich.text import Text as RichText

_NARROW = re.compile(r"[ -~✔✘·…]*")
"""Signs that take one cell each; nearly every line has no others."""

_WORD = re.compile(r"\s*\S+\s*")
_CONTROLS = dict.fromkeys((7, 8, 11, 12, 13))
"""Rich takes these out of every text."""


class Drawable(Protocol):
    """What a screen shows: lines on a page of some width, and on a terminal what rich makes of it."""

    def lines(self, width: int) -> Iterator[str]:
        """As they stand where there is no colour: byte for byte what rich would write there."""


class Span(NamedTuple):
    """Characters of a text that have a style of their own, on top of the whole text's."""

    start: int
    end: int
    style: str | Style


class Text:
    """A text with its styles, as rich names them."""

    def __init__(self, plain: str = "", style: str = "", *, no_wrap: bool = False, overflow: str = "") -> None:
        """no_wrap: each of its lines stays one. overflow: `ellipsis` or `ignore`, what becomes of one too long then."""
        self.plain = plain if plain.isprintable() else plain.translate(_CONTROLS)
        self.style = style
        self.no_wrap = no_wrap
        self.overflow = overflow
        self.spans: list[Span] = []

    def append_text(self, other: Text) -> Self:
        """Put the other behind, in its own styles on top of this one's."""
        start = len(self.plain)
        self.plain += other.plain
        if other.style:
            self.spans.append(Span(start, len(self.plain), other.style))
        self.spans += (Span(start + each.start, start + each.end, each.style) for each in other.spans)
        return self

    def join(self, texts: Iterable[Text]) -> Text:
        """All of them in one, with this one between every two."""
        made = Text("", self.style, no_wrap=self.no_wrap, overflow=self.overflow)
        for number, text in enumerate(texts):
            (made.append_text(self) if number else made).append_text(text)
        return made

    def stylize(self, style: str | Style, start: int, end: int) -> None:
        """Give some of its characters a style."""
        self.spans.append(Span(start, end, style))

    def lines(self, width: int) -> Iterator[str]:
        """See Drawable."""
        for line in self.plain.split("\n"):
            if "\t" not in line and (self.overflow == "ignore" or cells(line) <= width):
                yield line
            elif not _NARROW.fullmatch(line):
                yield from drawn(Text(line, no_wrap=self.no_wrap, overflow=self.overflow), width)
            elif self.no_wrap:
                yield f"{line[: width - 1]}…" if self.overflow == "ellipsis" else line[:width]
            else:
                yield from _wrapped(line, width, self.overflow)

    def is_whole(self, width: int) -> bool:
        """Whether it is a line that is not broken."""
        return self.plain.isprintable() and (self.overflow == "ignore" or cells(self.plain) <= width)

    def __rich__(self) -> RichText:
        """What it is to rich."""
        from rich.text import Span as RichSpan
        from rich.text import Text as RichText

        spans = [RichSpan(*each) for each in self.spans]
        overflow: Any = self.overflow or None
        return RichText(self.plain, self.style, no_wrap=self.no_wrap or None, overflow=overflow, spans=spans)


class Group:
    """Things that stand below one another."""

    def __init__(self, *parts: Drawable) -> None:
        """From above to below."""
        self.parts = parts

    def lines(self, width: int) -> Iterator[str]:
        """See Drawable."""
        for part in self.parts:
            yield from part.lines(width)

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> Iterator[Any]:
        """See rich. Texts that need no wrapping are spared it: rich takes its time for each."""
        for part in self.parts:
            if isinstance(part, Text) and part.is_whole(options.max_width):
                yield from Text().join((part,)).__rich__().render(screen, end="\n")  # its style becomes a span
            else:
                yield part


def drawn(each: Drawable, width: int) -> Iterator[str]:
    """The lines that rich makes of it where there is no colour."""
    from rich.console import Console
    from rich.console import Group as RichGroup

    page = io.StringIO()
    screen = Console(file=page, width=width, height=25, color_system=None, force_terminal=False, force_jupyter=False)
    screen.print(RichGroup(each), crop=False)  # type: ignore[arg-type] # whatever rich can draw, too
    yield from page.getvalue().removesuffix("\n").split("\n")


def cells(line: str) -> int:
    """The cells that a line takes on a screen."""
    if _NARROW.fullmatch(line):
        return len(line)
    from rich.cells import cell_len

    return cell_len(line)


def _wrapped(line: str, width: int, overflow: str) -> Iterator[str]:
    """The line in several, broken between words; blanks stay behind the word before them, as far as there is room."""
    begin = filled = 0
    pieces = []
    for word in _WORD.finditer(line):
        if (size := len(word[0].rstrip())) > width:  # it must be broken itself
            return drawn(Text(line, overflow=overflow), width)
        if size > width - filled:
            pieces.append(line[begin : word.start()])
            begin, filled = word.start(), 0
        filled += len(word[0])
    return (_fitting(each, width) for each in (*pieces, line[begin:]))


def _fitting(piece: str, width: int) -> str:
    blanks = len(piece) - len(piece.rstrip())
    return piece[: len(piece) - max(min(blanks, len(piece) - width), 0)]
