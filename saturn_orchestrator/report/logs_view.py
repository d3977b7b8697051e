"""`saturn logs`: what a host said in a run, a line an event, with the evidence of what failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from saturn_orchestrator.ages import moment
from saturn_orchestrator.events import Event
from saturn_orchestrator.report.lines import Said, said
from saturn_orchestrator.report.style import look, verbatim
from saturn_orchestrator.report.text import Text
from saturn_orchestrator.report.times import local_time
from saturn_orchestrator.state.model import HostState
from saturn_orchestrator.state.reduce import reduce


def log_lines(host: HostState, run: str, told: Iterable[Event], zone: tzinfo | None = None) -> Iterator[Text]:
    """The host's part of a run in lines. host: its state at the end. told: its events. zone: None for this machine."""
    yield verbatim(f"{host.host}, run {run}: {host.status}", "bold")
    state, day = HostState(host.host), ""
    for event in told:
        state = reduce(state, event)
        words = said(event, state)
        if words is None:
            continue
        if (today := _day(event.at, zone)) != day:
            day = today
            yield verbatim(f"--- {day}", "dim")
        yield _line(local_time(event.at, zone), words)
        for line in getattr(event, "tail", ()):
            yield verbatim(f"         | {line}", "dim")
        if hint := getattr(event, "hint", ""):
            yield verbatim(f"         help: {hint}")
    files = {"log": host.log, "diagnostics": host.diagnostics}
    for name, path in files.items():
        if path:
            yield verbatim(f"{name} on the node: {path}", "dim")


def _line(time: str, words: Said) -> Text:
    where = " ".join(part for part in (words.stage, words.service) if part)
    line = verbatim(f"{time} ", "dim").append_text(verbatim(f"{where} " if where else "", "bold"))
    return line.append_text(verbatim(words.text, look(words.look).style))


def _day(at: str, zone: tzinfo | None) -> str:
    parsed = moment(at)
    try:
        return parsed.astimezone(zone).strftime("%Y-%m-%d") if parsed else "----------"
    except (OverflowError, ValueError):
        return "----------"
