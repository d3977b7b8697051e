from __future__ import annotations

import typing

from support.report_values import RUN, at

from saturn_orchestrator import events
from saturn_orchestrator.report.lines import WORDS, said
from saturn_orchestrator.state.model import HostState, Status

SILENT = {
    events.Heartbeat, events.WorkerVanished, events.Cancelling, events.Facts, events.DiagnosticsPart,
    events.UnknownEvent,
}  # fmt: skip


def test_every_type_of_event_has_words_or_is_silent_on_purpose():
    every = set(typing.get_args(events.NodeEvent)) | set(typing.get_args(events.OwnEvent))
    assert set(WORDS) == every - SILENT


def test_goodbye_says_what_the_run_made_of_it():
    goodbye = events.Goodbye(9, at(9), RUN, "vps", "success", 2.0)
    words = [said(goodbye, HostState("vps", status)).text for status in (Status.UNCHANGED, Status.RUNNING)]
    assert words == ["unchanged 2.0 s", "success 2.0 s"]
