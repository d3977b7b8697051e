"""What makes a page of measurements: no number is lost on the way, and nothing that was not measured is touched."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import pytest
from ground import Sample, table
from ground.page import PLOTS, Plot, drawn, filled
from ground.plot import Axis, apart, chart

PAGE = (
    "before\n<!-- table: width -->\nold\n<!-- end -->\nbetween\n<!-- table: latency -->\nkept\n<!-- end -->\nbehind\n"
)
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_table_is_replaced_between_its_marks():
    page = filled(PAGE, {"width": "| new |\n"})
    assert page == PAGE.replace("\nold\n", "\n\n| new |\n\n")


def test_filling_in_twice_is_filling_in_once():
    once = filled(PAGE, {"width": "| new |"})
    assert filled(once, {"width": "| new |"}) == once


def test_a_table_that_was_not_measured_stays():
    assert filled(PAGE, {}) == PAGE


def test_every_row_has_its_name_in_the_plot():
    figures = {"0": {"a": [1.0, 3.0, 2.0], "b < c": [0.5]}, "600": {"a": [4.0], "b < c": [2.0]}}
    found = texts(drawn(PLOTS["latency"], figures))
    assert {"a", "b < c", "0", "600", PLOTS["latency"].x_label} <= set(found)


def test_a_point_is_the_median_of_its_rounds():
    plot = Plot("t", "x", "a", is_log=False)
    found = drawn(plot, {"0": {"a": [9.0, 2.0, 1.0]}, "1": {"a": [4.0]}})
    assert found == chart("t", "x", {"a": [(0.0, 2.0), (1.0, 4.0)]}, own="a")


@pytest.mark.parametrize("is_log", [False, True])
def test_all_of_a_plot_lies_within_it(is_log: bool):
    lines = {str(row): [(1.0, 0.1 * row), (20.0, 3.0 * row)] for row in range(1, 10)}
    svg = ET.fromstring(chart("t", "hosts", lines, own="1", is_log=is_log))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in svg.iter(f"{SVG}circle")]
    words = [(float(each.attrib["x"]), float(each.attrib["y"])) for each in svg.iter(f"{SVG}text")]
    assert len(dots) == 18
    assert all(0 <= x <= width and 0 <= y <= height for x, y in dots + words)


def test_labels_that_want_the_same_place_stand_apart():
    found = apart([100.0, 101.0, 99.0, 300.0], 17, 40, 400)
    ordered = sorted(found)
    assert all(later - earlier >= 17 for earlier, later in itertools.pairwise(ordered))
    assert found[3] == 300
    assert sorted(range(4), key=found.__getitem__) == [2, 0, 1, 3]


def test_labels_at_the_lower_end_move_up():
    assert apart([390.0, 395.0, 399.0], 17, 40, 400) == [366, 383, 400]


def test_ticks_are_round():
    assert Axis(0, 7.2, 100, 0).ticks() == [0, 2, 4, 6]
    assert Axis(0.13, 11, 100, 0, is_log=True).ticks() == [0.2, 0.5, 1, 2, 5, 10]


def test_fewer_rounds_than_usual_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ground.ROUNDS", 7)
    assert Sample([1.0] * 6 + [2.0]).words == "1.00 (1.00-2.00)"
    assert Sample([3.0, 1.0, 2.0]).words == "2.00 (1.00-3.00, 3 rounds)"
    assert Sample([3.0]).words == "3.00 (1 round)"


def test_how_many_times_as_long_a_row_takes():
    own = Sample([2.0])
    assert (own.times(Sample([1.0])), own.times(own)) == ("2.00 times as long", "")


def test_a_table_has_a_line_a_row():
    assert table(["seconds", "1 host"], [["a", "1"]]) == "| seconds | 1 host |\n| --- | --- |\n| a | 1 |"
