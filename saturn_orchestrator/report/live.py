"""Progress on a terminal: one row a host at the bottom, finished things scrolling above it.

`region` is pure: rows and a size give the lines. LiveView is the rim that keeps them on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from functools import lru_cache

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Span
from rich.text import Text as RichText

from saturn_orchestrator.events import Event, is_output, neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.lines import Said, said
from saturn_orchestrator.report.style import Screen, can_redraw, duration_text, linked, look, tally, verbatim, word_text
from saturn_orchestrator.report.terminal import Terminal
from saturn_orchestrator.report.text import Group, Text, cells
from saturn_orchestrator.report.times import local_time
from saturn_orchestrator.state.model import HostState, RunState, Status

REFRESHES_PER_SECOND = 8
_GAP = "  "
_MIN_TEXT = 10
"""Columns below which the last line of output is not worth showing."""

_HOST, _STAGE, _SERVICE, _TIME = 0, 2, 3, 4
"""Columns of a row that may shrink or go; the one between host and stage is the status."""

_QUIET_S = 25
"""Two signs of life have been missed then: a person is told, though the line may still stand."""

_CLOCKLESS = frozenset({Status.PENDING, Status.PLANNED})
"""Nothing runs on these hosts: saturn has not begun, or a person is thinking."""


class LiveView:
    """A Sink that redraws a region on the console's terminal. On a console that cannot redraw only the lines appear.

    clock: monotonic seconds. zone: of the times, None for this machine's. auto_refresh: let the seconds tick alone.
    """

    def __init__(
        self,
        console: Screen,
        clock: Callable[[], float] = time.monotonic,
        zone: tzinfo | None = None,
        *,
        auto_refresh: bool = True,
    ) -> None:
        self._console = console
        self._clock = clock
        self._zone = zone
        self._auto_refresh = auto_refresh
        self._runs: dict[str, RunState] = {}
        self._stopwatches: dict[tuple[str, str], _Stopwatch] = {}
        self._live: Live | None = None
        self._kept: list[Text] = []
        self._holds = 0
        self._is_closed = False

    def opened(self, run: RunState) -> None:
        """Remember the hosts; the region waits for the first event."""
        self._runs[run.run] = run
        for name, host in run.hosts.items():
            if (run.run, name) not in self._stopwatches:
                self._stopwatches[run.run, name] = _Stopwatch(self._clock)
                self._stopwatches[run.run, name].turn(host)

    def noted(self, host: str, told: Sequence[Event], run: RunState) -> None:
        """Keep what is finished, and the rows up to date."""
        self._runs[run.run] = run
        self._stopwatches[run.run, host].turn(run.hosts[host])
        for event in told if not is_output(told[0]) else ():  # output shows in the host's row, and is no milestone
            words = said(event, run.hosts[host])
            if words is not None and words.is_milestone:
                self._kept.append(milestone_line(local_time(event.at, self._zone), host, words))

    def flush(self) -> None:
        """Print what is finished and redraw, unless a person is being asked."""
        if not self._holds:
            self._draw()

    def closed(self, run: RunState) -> None:
        """Take the region away and give the cursor back."""
        self._runs[run.run] = run
        self._is_closed = True
        self._clear()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """No region and no lines while a person is asked; what piled up is printed after the outermost hold."""
        was_drawn = self._live is not None
        self._holds += 1
        self._clear()
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and (was_drawn or self._kept):
                self._draw()

    def _draw(self) -> None:
        lines, self._kept = self._kept, []
        try:
            if self._live is None and can_redraw(self._console) and not (self._is_closed or self._console.quiet):
                live = self._new_region(self._console)
                live.start(refresh=True)
                self._live = live
            if lines:  # at once: each print draws the whole region again below itself
                self._console.print(Group(*lines))
        except OSError:  # the terminal went away; the run does not need it
            self._console.quiet = True

    def _clear(self) -> None:
        live, self._live = self._live, None
        try:
            if live is not None:
                live.stop()
        except OSError:
            self._console.quiet = True

    def _new_region(self, terminal: Terminal) -> Live:
        return Live(
            get_renderable=self._region, console=terminal, transient=True, auto_refresh=self._auto_refresh,
            refresh_per_second=REFRESHES_PER_SECOND, redirect_stdout=False, redirect_stderr=False,
            vertical_overflow="crop",
        )  # fmt: skip

    def _region(self) -> _Rows:
        # Called from rich's own thread, too: it reads values that are replaced whole, never changed.
        hosts = [(run, host) for run in tuple(self._runs.values()) for host in run.hosts.values()]
        clocks = [self._stopwatches[run.run, host.host].reading for run, host in hosts]
        rows = [HostRow(host, *clock) for (_, host), clock in zip(hosts, clocks, strict=True)]
        return _Rows(region(rows, self._console.width, self._console.height - 1))


@dataclass(frozen=True)
class _Rows:
    """Lines that fit already: rich would wrap each once more."""

    lines: Sequence[RichText]

    def __rich_console__(self, screen: Console, _: ConsoleOptions) -> RenderResult:
        """See rich."""
        for each in self.lines:
            yield from each.render(screen, end="\n")


@dataclass(frozen=True)
class HostRow:
    """A host as a row shows it. seconds: worked on so far, None before. silent_s: since its last word."""

    host: HostState
    seconds: float | None = None
    silent_s: float = 0.0

    @property
    def text(self) -> str:
        """What is going on: the line that is away, a long silence, or the host's own last words."""
        if self.host.link_lost_at:
            return f"link lost, node still working ({_whole(self.silent_s)})"
        if self.host.left:
            return f"left: {self.host.left.message}"
        if self.host.status is Status.RUNNING and self.silent_s > _QUIET_S:
            return f"no word for {_whole(self.silent_s)}"
        return self.host.text


def _whole(seconds: float) -> str:
    """A duration that ticks: below a minute in whole seconds."""
    return f"{seconds:.0f} s" if seconds < 60 else duration_text(seconds)


class _Stopwatch:
    """Seconds since saturn began to work on a host; they begin anew with the confirmation and stop with the end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._status = Status.PENDING
        self._started: float | None = None
        self._stopped: float | None = None
        self._heard = clock()
        self._is_lost = False

    def turn(self, host: HostState) -> None:
        """A word came of the host, or of its line; this is its state from now on."""
        self._heard = self._clock() if not (host.link_lost_at and self._is_lost) else self._heard
        self._is_lost = bool(host.link_lost_at)
        status = host.status
        if host.is_over and self._stopped is None:
            self._stopped = self._clock()
        elif not host.is_over:
            self._stopped = None
        if status is self._status:
            return
        self._status = status
        if not status.is_final and (self._started is None or status in {Status.CONFIRMED, *_CLOCKLESS}):
            self._started = self._clock()

    @property
    def reading(self) -> tuple[float | None, float]:
        """Seconds of work, None when there are none yet; seconds since the last word."""
        now = self._clock()
        silent_s = now - self._heard
        if self._started is None or self._status in _CLOCKLESS:
            return None, silent_s
        return (now if self._stopped is None else self._stopped) - self._started, silent_s


def milestone_line(time: str, host: str, words: Said) -> Text:
    """`14:02:11 chelsty deploy zigbee2mqtt changed 3.2 s`."""
    where = " ".join(part for part in (host, words.stage, words.service) if part)
    return (
        verbatim(f"{time} ", "dim")
        .append_text(verbatim(f"{where} "))
        .append_text(linked(verbatim(words.text, look(words.look).style), words.url))
    )


def region(hosts: Sequence[HostRow], width: int, height: int) -> list[RichText]:
    """The rows of the live region: at most height lines, none wider than width."""
    shown, hidden = _chosen(hosts, height)
    rows = [_cells(row) for row in shown]
    widths = _widths(rows, width)
    lines = [_row(own, row.text, widths, width) for own, row in zip(rows, shown, strict=True)]
    if hidden:
        counts = tally((row.host.status for row in hidden), tuple(Status))
        lines.append(_cut(verbatim(f"… and {len(hidden)} more: {counts}", "dim").__rich__(), width))
    return lines


def _chosen(hosts: Sequence[HostRow], height: int) -> tuple[Sequence[HostRow], Sequence[HostRow]]:
    if len(hosts) <= height:
        return hosts, ()
    room = max(height - 1, 0)
    ranked = sorted(hosts, key=lambda row: _rank(row.host))
    return ranked[:room], ranked[room:]


def _rank(host: HostState) -> int:
    """Hosts that need a person, then those at work, those that are on their way, those that wait, those that are well.

    A line that is away may come back by itself; that is no reason to look elsewhere first.
    """
    status = host.status
    if status.is_final:
        return 4 if status.is_success else 0
    if host.awaits or host.link_lost_at or host.left:
        return 0
    if status in {Status.CONFIRMED, Status.RUNNING}:
        return 1
    return 3 if status in _CLOCKLESS else 2


_Cell = tuple[str, str]
"""A text and its style."""


def _cells(row: HostRow) -> list[_Cell]:
    host = row.host
    status = word_text(host.status)
    return [
        (host.host, "bold"),
        (status.plain, status.style),
        (host.stage or "-", ""),
        (host.service or "-", ""),
        (duration_text(row.seconds), ""),
    ]


def _widths(rows: Sequence[Sequence[_Cell]], width: int) -> list[int]:
    """The width of each column, 0 for one that has no room. Names shrink first; the status always stands whole."""
    natural = [max(cells(neutral(plain)) for plain, _ in column) for column in zip(*rows, strict=True)]
    if not natural:
        return []
    widths = list(natural)
    for column, least in ((_SERVICE, 8), (_HOST, 16)):
        widths[column] = max(min(natural[column], least), natural[column] - max(_total(widths) - width, 0))
    for column in (_SERVICE, _STAGE, _TIME):
        if _total(widths) > width:
            widths[column] = 0
    widths[_HOST] = max(min(natural[_HOST], widths[_HOST] + width - _total(widths)), 1)
    return widths


def _total(widths: Sequence[int]) -> int:
    used = [each for each in widths if each]
    return sum(used) + len(_GAP) * (len(used) - 1)


def _row(own: Sequence[_Cell], text: str, widths: Sequence[int], width: int) -> RichText:
    pieces = [(_fitted(plain, size), style) for (plain, style), size in zip(own, widths, strict=True) if size]
    if text and width - _total(widths) - len(_GAP) >= _MIN_TEXT:
        pieces.append((neutral(text), "dim"))
    return _cut(_joined(pieces), width)


@lru_cache(maxsize=2048)
def _fitted(plain: str, width: int) -> str:
    """A cell in its width. Most of them stay as they are from one drawing to the next."""
    return _cut(verbatim(plain).__rich__(), width, pad=True).plain


def _joined(pieces: Sequence[_Cell]) -> RichText:
    """The pieces side by side: what rich's own `join` gives, of which each drawing of many rows would take its time."""
    spans: list[Span] = []
    at = 0
    for plain, style in pieces:
        if style:
            spans.append(Span(at, at + len(plain), style))
        at += len(plain) + len(_GAP)
    return RichText(_GAP.join(plain for plain, _ in pieces), spans=spans)


def _cut(text: RichText, width: int, *, pad: bool = False) -> RichText:
    text.truncate(width, overflow="ellipsis", pad=pad)
    text.no_wrap = True
    if not pad:
        text.rstrip()
    return text
