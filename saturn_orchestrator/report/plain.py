"""Progress without a terminal: one line an event, in columns that can be cut.

For logs, pipes, cron and dumb terminals. No cursor is moved here, no colour is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import IO

from saturn_orchestrator.events import Event, neutral
from saturn_orchestrator.report.lines import Said, said
from saturn_orchestrator.report.streams import silence, tolerant
from saturn_orchestrator.report.times import local_time
from saturn_orchestrator.state.model import RunState


class PlainView:
    """A Sink that writes `HH:MM:SS host stage service text`, flushed whenever nothing more has arrived.

    zone: of the times, None for this machine's. A stream whose reader left is written to no more; the run goes on.
    """

    def __init__(self, stream: IO[str], zone: tzinfo | None = None) -> None:
        self._stream = tolerant(stream)
        self._zone = zone
        self._is_open = True
        self._holds = 0
        self._kept: list[str] = []
        self._widths: dict[str, int] = {}

    def opened(self, run: RunState) -> None:
        """Nothing has happened here yet, so there is nothing to say; but how wide the names are is known."""
        self._widths[run.run] = max(map(len, run.hosts), default=0)

    def noted(self, host: str, told: Sequence[Event], run: RunState) -> None:
        """Keep the line of each event that has one."""
        for event in told:
            words = said(event, run.hosts[host])
            if words is not None:
                name = f"{host:<{self._widths.get(run.run, 0)}}"
                self._kept.append(plain_line(local_time(event.at, self._zone), name, words))

    def flush(self) -> None:
        """Write what was kept, unless a person is being asked."""
        if not self._holds:
            self._write()

    def closed(self, run: RunState) -> None:
        """Every line was written already, or is as soon as the question is answered."""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """No lines while a person is asked; what piled up is written after the outermost hold."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                self._write()

    def _write(self) -> None:
        lines, self._kept = self._kept, []
        if not self._is_open:
            return
        try:
            for line in lines:
                self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # the reader left, or somebody closed the stream
            self._is_open = False
            silence(self._stream)


def plain_line(time: str, host: str, words: Said) -> str:
    """The columns of one line; an empty stage or service is `-`, and neither can hold a space."""
    return neutral(f"{time} {host} {_column(words.stage)} {_column(words.service)} {words.text}").rstrip()


def _column(word: str) -> str:
    return "_".join(word.split()) or "-"
