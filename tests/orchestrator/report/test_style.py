from __future__ import annotations

import io
import os

import pytest
from support.report_values import shown

from saturn_orchestrator.plan.model import Action
from saturn_orchestrator.report.style import (
    LOOKS,
    console,
    counted,
    duration_text,
    revision_move,
    short_revision,
    show,
    size_text,
    tally,
    unbroken,
    verbatim,
    word_text,
)
from saturn_orchestrator.state.model import Status

HOSTILE = "[red]x[/red] :smile: \x1b[31m\u202eabc\r\n[/]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (9.84, "9.8 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (192, "3 min 12 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (-3.0, "0.0 s"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_duration_text_names_the_unit(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3449, "3.4 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (82_000_000, "82 MB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2 * 10**15, "2000 TB"),
    ],
)
def test_size_text_is_decimal_and_short(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("", "", "-"),
        ("", "8be02d44ff", "8be02d44"),
        ("3f2a91c0ff", "", "3f2a91c0"),
        ("8be02d44ff", "8be02d44ff", "8be02d44"),
        ("3f2a91c0ff", "8be02d44ff", "3f2a91c0 -> 8be02d44"),
    ],
)
def test_revision_move_shows_two_only_when_it_moved(before, after, text):
    assert revision_move(before, after) == text


def test_words_are_counted():
    assert [counted(0, "host"), counted(1, "host"), counted(3, "host")] == ["0 hosts", "1 host", "3 hosts"]
    assert tally(["b", "a", "b", "odd_one"], ["a", "b", "c"]) == "1 a, 2 b, 1 odd one"
    assert tally([], ["a"]) == ""
    assert short_revision("") == "-"


def test_every_status_has_a_look():
    assert {status for status in Status if status not in LOOKS} == set()


def test_a_word_stands_beside_every_symbol():
    words = [word_text(status).plain.split(" ", 1)[1] for status in Status]

    assert words == [str(status).replace("_", " ") for status in Status]


def test_every_action_of_a_plan_has_a_look():
    assert {action for action in Action if action not in LOOKS} == set()


@pytest.mark.parametrize("made", [verbatim, unbroken])
def test_hostile_text_is_shown_as_typed_without_controls(made):
    assert shown(made(HOSTILE)) == "[red]x[/red] :smile: [31mabc  [/]\n"


def test_a_command_is_never_broken_by_a_narrow_screen():
    command = "saturn deploy --hosts chelsty,solaria,vps --resume"
    assert shown(unbroken(command), width=20) == command + "\n"


def test_a_console_falls_silent_when_its_reader_leaves():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        screen = console(stream, environ={}, width=80)
        show(screen, "first")
        show(screen, "second")
        assert screen.quiet


def test_a_page_is_as_wide_as_the_environment_says():
    assert (console(io.StringIO(), environ={"COLUMNS": "132", "LINES": "x"}).width) == 132
    assert console(io.StringIO(), environ={"COLUMNS": "0"}).width == 80
