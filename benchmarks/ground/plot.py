"""Lines over an axis as SVG, without any library. Pure.

There is no background, and everything has colours that can be read on white as on black. Each line has its name at its
end, so that nobody must compare colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Series = Mapping[str, Sequence[tuple[float, float]]]

WIDTH, HEIGHT = 820, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 260, 44, 56
LINE_PX = 17
GREY = "#7d8691"
OWN = "#e5601a"
COLOURS = ("#2f8fd0", "#2ba06a", "#b06fd0", "#c98a1b", "#1fa3a3", "#d0608f", "#7f8fe0", "#8f9b3a", "#a8765c")


@dataclass(frozen=True)
class Axis:
    """From values to pixels. low and high: the values at its ends; from_px and to_px: where those are."""

    low: float
    high: float
    from_px: float
    to_px: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Where a value is."""
        low, high, here = (
            (map(math.log10, (self.low, self.high, value))) if self.is_log else (self.low, self.high, value)
        )
        return self.from_px + (here - low) / ((high - low) or 1) * (self.to_px - self.from_px)

    def ticks(self) -> list[float]:
        """Round values between its ends."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / 5 or 1
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough)
            values = [step * number for number in range(math.ceil(self.high / step) + 1)]
        return [each for each in values if self.low <= each <= self.high]


def chart(title: str, x_label: str, series: Series, *, own: str, is_log: bool = False) -> str:
    """A whole SVG file.

    Args:
        title: what is shown, with the unit of the vertical axis.
        x_label: what the horizontal axis is, with its unit.
        series: a line each, as points of horizontal and vertical value; above 0 for logarithmic axes.
        own: the line that stands out.
        is_log: both axes are logarithmic.
    """
    points = [point for line in series.values() for point in line]
    xs = sorted({x for x, _ in points})
    ys = [y for _, y in points]
    across = Axis(xs[0], xs[-1], LEFT, WIDTH - RIGHT, is_log)
    low = min(ys) / 1.3 if is_log else 0.0
    upwards = Axis(low, max(ys) * (1.15 if is_log else 1.05), HEIGHT - BOTTOM, TOP, is_log)
    parts = [*_grid(across, upwards, xs), *_words(title, x_label), *_lines(series, across, upwards, own)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    font = 'font-family="system-ui, sans-serif" font-size="13" role="img"'
    return "\n".join((f"{head} {font}>", f"<title>{escape(title)}</title>", *parts, "</svg>", ""))


def _grid(across: Axis, upwards: Axis, xs: Sequence[float]) -> Iterator[str]:
    left, right, bottom = across.from_px, across.to_px, upwards.from_px
    for value in upwards.ticks():
        y = upwards.at(value)
        yield f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{GREY}" stroke-opacity=".3"/>'
        yield _text(left - 8, y + 4, f"{value:g}", "end")
    for value in xs:
        x = across.at(value)
        yield f'<path d="M{x:.1f} {bottom:.1f}v6" stroke="{GREY}"/>'
        yield _text(x, bottom + 21, f"{value:g}", "middle")
    yield f'<path d="M{left:.1f} {bottom:.1f}H{right:.1f}" stroke="{GREY}"/>'


def _words(title: str, x_label: str) -> Iterator[str]:
    yield _text(LEFT, 20, title, "start", weight="600")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle")


def _text(x: float, y: float, words: str, anchor: str, *, colour: str = GREY, weight: str = "400") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-weight="{weight}">{escape(words)}</text>'


def _lines(series: Series, across: Axis, upwards: Axis, own: str) -> Iterator[str]:
    ends = [upwards.at(line[-1][1]) for line in series.values()]
    labels = apart(ends, LINE_PX, TOP, HEIGHT - BOTTOM)
    colours = iter(COLOURS * len(series))
    for (name, line), end, label in zip(series.items(), ends, labels, strict=True):
        colour, wide = (OWN, 3.5) if name == own else (next(colours), 1.8)
        dots = [(across.at(x), upwards.at(y)) for x, y in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{wide}" stroke-linejoin="round"/>'
        for x, y in dots:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{wide + 0.7:.1f}" fill="{colour}"/>'
        x = dots[-1][0]
        yield f'<path d="M{x + 6:.1f} {end:.1f}L{x + 20:.1f} {label:.1f}" stroke="{colour}" stroke-opacity=".7"/>'
        yield _text(x + 24, label + 4, name, "start", colour=colour, weight="700" if name == own else "400")


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near as may be to those wanted, and at least `gap` from each other; from low to high if they fit."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    found = list(wanted)
    floor = low
    for index in order:
        found[index] = floor = max(found[index], floor)
        floor += gap
    ceiling = high
    for index in reversed(order):
        found[index] = ceiling = min(found[index], ceiling)
        ceiling -= gap
    return found
