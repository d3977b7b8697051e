"""Tables that fit their screen by saying less, never by cutting what matters. No column is chosen here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from saturn_orchestrator.report.style import verbatim

Row = Mapping[str, Text | str]
"""The cells of a row by the titles of their columns."""


def table(titles: Sequence[str], rows: Iterable[Row], folded: Mapping[str, int] | None = None) -> Table:
    """The columns with these titles, without lines around them. The second one, the state, is never cut nor folded.

    folded: the widths at which long cells of some columns go on in the next line.
    """
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    widths = folded or {}
    for position, title in enumerate(titles):
        drawn.add_column(title, overflow="fold", no_wrap=position == 1, max_width=widths.get(title))
    for row in rows:
        cells = (row[title] for title in titles)
        drawn.add_row(*(verbatim(cell) if isinstance(cell, str) else cell for cell in cells))
    return drawn


@dataclass(frozen=True)
class FirstFitting:
    """Tables that say the same in ever fewer columns: the first that fits the screen is shown, else the last."""

    tables: tuple[Table, ...]

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Measure against a screen without edges, since a measure is else cut to the width."""
        endless = options.update(max_width=10_000)
        widths = (Measurement.get(screen, endless, each).maximum for each in self.tables)
        fitting = (each for each, width in zip(self.tables, widths, strict=True) if width <= options.max_width)
        yield next(fitting, self.tables[-1])
