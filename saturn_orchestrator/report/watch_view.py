"""`saturn status --watch`: the table of status, redrawn in place; or a document a line, whenever something changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Protocol

from rich.live import Live

from saturn_orchestrator import events
from saturn_orchestrator.ages import seconds_between, span_text
from saturn_orchestrator.report.documents import Document, dump_line, watch_document
from saturn_orchestrator.report.problems import problem_block
from saturn_orchestrator.report.status_view import Remark, status_table
from saturn_orchestrator.report.streams import is_unread, silence
from saturn_orchestrator.report.style import show, verbatim
from saturn_orchestrator.report.terminal import Terminal
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.report.times import local_time
from saturn_orchestrator.state.watch import Presence, WatchState

SILENT_PERIODS = 3
"""A host that stands and says nothing for so many periods is shown to be silent."""

_ALWAYS_NEW = ("observed_at", "again_at")
"""Keys of a host that change without anything having changed."""


class WatchView(Protocol):
    """Shows a watch."""

    def show(self, state: WatchState) -> None:
        """The state as it is now."""

    def close(self) -> None:
        """What was shown last stays."""


class WatchTable:
    """A WatchView on a terminal. on_gone: told when the terminal went away. clock: the present moment, RFC 3339."""

    def __init__(
        self, screen: Terminal, period_s: float, on_gone: Callable[[], None], clock: Callable[[], str] = events.now
    ) -> None:
        self._screen = screen
        self._period_s = period_s
        self._on_gone = on_gone
        self._clock = clock
        self._live: Live | None = None
        self._last: Group | None = None

    def show(self, state: WatchState) -> None:
        """Draw the table where the former one stood."""
        self._last = watch_table(state, self._period_s, self._clock())
        footer = Text(f"Asked every {self._period_s:g} s. Ctrl-C ends this.", "dim")
        try:
            if self._live is None:
                self._live = Live(
                    console=self._screen, transient=True, auto_refresh=False, redirect_stdout=False,
                    redirect_stderr=False, vertical_overflow="ellipsis",
                )  # fmt: skip
                self._live.start()
            self._live.update(Group(self._last, footer), refresh=True)
        except OSError:
            self._on_gone()

    def close(self) -> None:
        """The table once more, whole, however long it is."""
        live, self._live = self._live, None
        try:
            if live:
                live.stop()
            if self._last:
                show(self._screen, self._last)
        except OSError:
            self._screen.quiet = True


class WatchLines:
    """A WatchView for programs: one JSON document a line. on_gone: told when nobody reads any more."""

    def __init__(self, stream: IO[str], on_gone: Callable[[], None], clock: Callable[[], str] = events.now) -> None:
        self._stream = stream
        self._on_gone = on_gone
        self._clock = clock
        self._last: Document | None = None

    def show(self, state: WatchState) -> None:
        """A line, if anything but the time is new."""
        document = watch_document(state, self._clock())
        lasting, before = _lasting(document), self._last
        self._last = lasting
        try:
            if lasting != before:
                self._stream.write(dump_line(document))
                self._stream.flush()
            elif is_unread(self._stream):
                self._on_gone()
        except OSError:
            silence(self._stream)
            self._on_gone()

    def close(self) -> None:
        """Every line was written when it was due."""


def _lasting(document: Document) -> Document:
    hosts = {
        name: {key: value for key, value in host.items() if key not in _ALWAYS_NEW}
        for name, host in document["hosts"].items()
    }
    return {**document, "hosts": hosts, "at": None}


def watch_table(state: WatchState, period_s: float, now: str) -> Group:
    """The table of status with since when each host is there or away, and when it is tried again."""
    remarks = {name: _remark(presence, period_s, now) for name, presence in state.hosts.items()}
    waiting = [
        problem_block("", presence.awaits, name, severity="note")
        for name, presence in state.hosts.items()
        if presence.awaits
    ]
    return status_table(state.standings, state.around, lambda: now, remarks, waiting)


def _remark(presence: Presence, period_s: float, now: str) -> Remark:
    standing = presence.standing
    words = f", since {local_time(presence.since)}"
    silent_s = seconds_between(standing.observed_at, now) or 0.0
    if standing.reachability == "online" and silent_s > SILENT_PERIODS * period_s:
        words += f", silent for {span_text(silent_s)}"
    notes = (f"tried again at {local_time(presence.again_at)}",) if presence.again_at else ()
    return Remark(verbatim(words, "dim"), notes)
