"""Bring what was measured into docs/performance.md: `python -m ground.page` draws the plots and fills in the tables.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`, and comes from results/NAME.md; all other words are
written by hand. What was not measured stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from . import RESULTS, ROOT
from .plot import chart

PAGE = ROOT / "docs" / "performance.md"
_TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Plot(NamedTuple):
    """What is drawn of a measurement."""

    title: str
    x_label: str
    own: str
    is_log: bool


PLOTS = {
    "latency": Plot("One fact of one host, seconds", "round trip, ms", "saturn status", is_log=False),
    "width": Plot("One fact of many hosts, seconds", "hosts", "saturn status", is_log=True),
    "job-latency": Plot("The job on one host, seconds", "round trip, ms", "saturn deploy", is_log=False),
    "job-width": Plot("The job on many hosts, seconds", "hosts", "saturn deploy", is_log=True),
}


def filled(page: str, contents: Mapping[str, str]) -> str:
    """The page with these tables, by their names. One without content stays as it is."""

    def replaced(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        return f"{begin}\n{contents[name].strip()}\n\n{end}" if name in contents else found[0]

    return _TABLE.sub(replaced, page)


def drawn(plot: Plot, figures: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The SVG of a measurement. figures: seconds of each round, by horizontal value and by row."""
    medians: dict[str, list[tuple[float, float]]] = {}
    for column, rows in figures.items():
        for row, seconds in rows.items():
            medians.setdefault(row, []).append((float(column), median(seconds)))
    return chart(plot.title, plot.x_label, medians, own=plot.own, is_log=plot.is_log)


def main() -> None:
    """Draw and fill in whatever there is in results."""
    contents = {}
    for file in sorted(RESULTS.glob("*.md")):
        name, parts = file.stem, file.read_text().partition("\n\n")
        if name in PLOTS:
            figures = json.loads(file.with_suffix(".json").read_text())["figures"]
            file.with_suffix(".svg").write_text(drawn(PLOTS[name], figures))
            picture = f"![{PLOTS[name].title}](../benchmarks/results/{name}.svg)\n\n"
            parts = (parts[0], parts[1], picture + parts[2])
        contents[name] = "".join(parts)
    PAGE.write_text(filled(PAGE.read_text(), contents))


if __name__ == "__main__":
    main()
