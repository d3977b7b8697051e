from __future__ import annotations

import io

from saturn_orchestrator.report.notify_view import targets_table
from saturn_orchestrator.report.style import console, show
from saturn_orchestrator.state.notices import Sent


def test_every_target_has_its_row():
    screen = io.StringIO()
    show(console(screen, width=100), targets_table((Sent("env:PHONE"), Sent("json://127.0.0.1…", "no answer"))))
    rows = [line.split() for line in screen.getvalue().splitlines()]
    assert rows[1:] == [["env:PHONE", "✔", "sent", "-"], ["json://127.0.0.1…", "✘", "failed", "no", "answer"]]
