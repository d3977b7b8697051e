from __future__ import annotations

import io

from support.report_values import screen_of
from support.terminal import Terminal

from saturn_orchestrator.report.transfer import PLAIN_EVERY_S, TransferView


def test_without_a_terminal_a_line_comes_now_and_then_and_in_the_end():
    stream, seconds = io.StringIO(), iter((0.0, 1.0, PLAIN_EVERY_S, PLAIN_EVERY_S, PLAIN_EVERY_S + 1, 99.0))
    view = TransferView(screen_of(stream), lambda: next(seconds))

    for done in (1000, 2000, 3000):
        view.noted("alpha", "web", done, 10_000_000)
    view.noted("alpha", "web", 10_000_000, 10_000_000)
    view.close()

    assert stream.getvalue().splitlines() == ["alpha web: 2.0 kB of 10 MB", "alpha web: 10 MB of 10 MB"]


def test_on_a_terminal_one_line_is_redrawn_and_gone_in_the_end():
    stream = Terminal()
    view = TransferView(screen_of(stream, TERM="xterm"), lambda: 0.0)

    view.noted("alpha", "web", 1, 10)
    view.noted("vps", "site", 2, 10)
    view.close()

    assert "alpha web: 1 B of 10 B, vps site: 2 B of 10 B" in stream.getvalue()
    assert (stream.lines, stream.shows_cursor) == ([""], True)
