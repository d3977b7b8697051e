"""Tables that fit their screen by saying less, never by cutting what matters. No column is chosen here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from saturn_orchestrator.events import neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.style import verbatim
from saturn_orchestrator.report.text import Text, cells, drawn

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text as RichText

_GAP = 2
"""Blanks between two columns."""

Row = Mapping[str, Text | str]
"""The cells of a row by the titles of their columns."""


def table(titles: Sequence[str], rows: Iterable[Row], folded: Mapping[str, int] | None = None) -> Grid:
    """The columns with these titles, without lines around them. The second one, the state, is never cut nor folded.

    folded: the widths at which long cells of some columns go on in the next line.
    """
    return Grid(tuple(titles), tuple(rows), folded or {})


@dataclass(frozen=True)
class Grid:
    """A table. Where every cell has its room its lines are put together here; only where some must fold, by rich.

    rich measures, wraps and pads each cell several times: for some hundred hosts that took longer than to ask them.
    """

    titles: tuple[str, ...]
    rows: tuple[Row, ...]
    folded: Mapping[str, int]

    @property
    def width(self) -> int:
        """What it takes."""
        widths = zip(self.titles, self._natural, strict=True)
        return sum(min(width, self.folded.get(title, width)) for title, width in widths) + _GAP * (len(self.titles) - 1)

    def lines(self, width: int) -> Iterator[str]:
        """See Drawable."""
        if not self._fits(width):
            yield from drawn(self, width)
            return
        for row in (self.titles, *self._words):
            padded = (f"{word}{self._room(word, column)}" for column, word in enumerate(row))
            yield (" " * _GAP).join(padded)

    @cached_property
    def _words(self) -> tuple[tuple[str, ...], ...]:
        """The cells, row by row, without their styles."""
        found = (tuple(row[title] for title in self.titles) for row in self.rows)
        return tuple(tuple(neutral(cell) if isinstance(cell, str) else cell.plain for cell in row) for row in found)

    @cached_property
    def _natural(self) -> tuple[int, ...]:
        """What the columns take when nothing is folded."""
        return tuple(max(map(cells, column)) for column in zip(self.titles, *self._words, strict=True))

    def _fits(self, width: int) -> bool:
        """Whether every cell has its room."""
        widths = zip(self.titles, self._natural, strict=True)
        return self.width <= width and all(natural <= self.folded.get(title, natural) for title, natural in widths)

    def _room(self, word: str, column: int) -> str:
        """What is left of a cell."""
        return " " * (self._natural[column] - cells(word))

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> Iterator[Any]:
        """Its lines on a terminal, or where it is too narrow."""
        is_whole = self._fits(options.max_width)
        drawn = self._drawn(self._natural if is_whole else ())
        for row in () if is_whole else self.rows:
            drawn.add_row(*(_styled(row[title]) for title in self.titles))
        yield drawn
        for row in self.rows if is_whole else ():
            yield from self._line(row).render(screen, end="\n")

    def _drawn(self, widths: tuple[int, ...]) -> Table:
        """The head. widths: of the columns, where they are known."""
        from rich.table import Table

        drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        for position, title in enumerate(self.titles):
            drawn.add_column(
                title, overflow="fold", no_wrap=position == 1, max_width=self.folded.get(title),
                min_width=widths[position] if widths else None,
            )  # fmt: skip
        return drawn

    def _line(self, row: Row) -> RichText:
        gap = Text(" " * _GAP)
        return gap.join(
            self._padded(_styled(row[title]), column) for column, title in enumerate(self.titles)
        ).__rich__()

    def _padded(self, cell: Text, column: int) -> Text:
        padded = Text(cell.plain + self._room(cell.plain, column), cell.style)
        padded.spans += cell.spans
        return padded


def _styled(cell: Text | str) -> Text:
    return verbatim(cell) if isinstance(cell, str) else cell


@dataclass(frozen=True)
class FirstFitting:
    """Tables that say the same in ever fewer columns: the first that fits the screen is shown, else the last."""

    tables: tuple[Grid, ...]

    def lines(self, width: int) -> Iterator[str]:
        """See Drawable."""
        return self._chosen(width).lines(width)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Any]:
        """See rich."""
        yield self._chosen(options.max_width)

    def _chosen(self, width: int) -> Grid:
        """Measured against what they take, not what they are given."""
        return next((each for each in self.tables if each.width <= width), self.tables[-1])
