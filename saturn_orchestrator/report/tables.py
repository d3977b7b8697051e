"""Tables that fit their screen by saying less, never by cutting what matters. No column is chosen here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.style import verbatim

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

    @cached_property
    def _cells(self) -> tuple[tuple[Text, ...], ...]:
        """Row by row."""
        found = (tuple(row[title] for title in self.titles) for row in self.rows)
        return tuple(tuple(verbatim(cell) if isinstance(cell, str) else cell for cell in row) for row in found)

    @cached_property
    def _natural(self) -> tuple[int, ...]:
        """What the columns take when nothing is folded."""
        columns = zip(*self._cells, strict=True) if self._cells else ((),) * len(self.titles)
        return tuple(
            max((cell_len(title), *(cell.cell_len for cell in column)))
            for title, column in zip(self.titles, columns, strict=True)
        )

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Its lines."""
        is_narrow = any(
            width > self.folded.get(title, width) for title, width in zip(self.titles, self._natural, strict=True)
        )
        if is_narrow or self.width > options.max_width:
            drawn = self._drawn(())
            for row in self._cells:
                drawn.add_row(*row)
            yield drawn
            return
        yield self._drawn(self._natural)
        for row in self._cells:
            yield from self._line(row, screen)

    def _drawn(self, widths: tuple[int, ...]) -> Table:
        """The head. widths: of the columns, where they are known."""
        drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        for position, title in enumerate(self.titles):
            drawn.add_column(
                title, overflow="fold", no_wrap=position == 1, max_width=self.folded.get(title),
                min_width=widths[position] if widths else None,
            )  # fmt: skip
        return drawn

    def _line(self, row: tuple[Text, ...], screen: Console) -> Iterator[Segment]:
        last = len(row) - 1
        for position, (cell, width) in enumerate(zip(row, self._natural, strict=True)):
            room = " " * (width - cell.cell_len)
            if cell.spans:
                padded = cell.copy()
                padded.pad_right(len(room))
                yield from padded.render(screen)
            else:
                yield Segment(cell.plain + room, screen.get_style(cell.style) if cell.style else None)
            if position < last:
                yield Segment(" " * _GAP)
        yield Segment.line()


@dataclass(frozen=True)
class FirstFitting:
    """Tables that say the same in ever fewer columns: the first that fits the screen is shown, else the last."""

    tables: tuple[Grid, ...]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Measured against what they take, not what they are given."""
        fitting = (each for each in self.tables if each.width <= options.max_width)
        yield next(fitting, self.tables[-1])
