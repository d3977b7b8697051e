from __future__ import annotations

import io
import os

import pytest
from support.report_values import screen_of

from saturn_orchestrator.report.style import can_redraw, console, show, unbroken, word_text
from saturn_orchestrator.report.terminal import Terminal as DrawnByRich


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "output"),
    [
        ({"TERM": "xterm-256color"}, "\x1b[32m✔ changed\x1b[0m\n"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "✔ changed\n"),
        ({"TERM": "dumb"}, "✔ changed\n"),
    ],
)
def test_colour_obeys_the_environment(environ, output):
    stream = Terminal()
    show(console(stream, environ=environ, width=80, height=24), word_text("changed"))
    assert stream.getvalue() == output


@pytest.mark.parametrize(("term", "redraws"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_only_a_capable_terminal_can_be_redrawn(term, redraws):
    assert can_redraw(console(Terminal(), environ={"TERM": term}, width=80, height=24)) is redraws
    assert not can_redraw(screen_of(io.StringIO(), TERM=term))


def test_a_log_that_wants_colour_is_not_redrawn():
    assert not can_redraw(screen_of(io.StringIO(), TERM="xterm", FORCE_COLOR="1"))


def test_a_dumb_terminal_has_the_width_that_is_asked_for():
    assert console(Terminal(), environ={"TERM": "dumb"}, width=40).width == 40


def test_a_command_is_never_broken_on_a_terminal():
    stream = Terminal()
    command = "saturn deploy --hosts chelsty,solaria,vps --resume"
    show(console(stream, environ={"TERM": "xterm"}, width=20, height=24), unbroken(command))
    assert stream.getvalue() == command + "\n"


def test_a_terminal_falls_silent_when_nobody_reads_it_any_more():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        screen = console(stream, environ={"FORCE_COLOR": "1", "TERM": "xterm"}, width=80)
        show(screen, "first")
        show(screen, "second")
        assert isinstance(screen, DrawnByRich)
        assert screen.quiet
