"""How far copies are on their way here: a line that is redrawn on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from saturn_orchestrator.report.style import Screen, can_redraw, show, size_text, verbatim

if TYPE_CHECKING:
    from rich.status import Status

    from saturn_orchestrator.report.terminal import Terminal

PLAIN_EVERY_S = 10.0


class TransferView:
    """Takes what is told of copies, and says it on the screen. clock: monotonic seconds."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._told: dict[tuple[str, str], str] = {}
        self._status: Status | None = None
        self._said_at = clock()

    def noted(self, host: str, service: str, done: int, total: int) -> None:
        """So many bytes are here of a copy, of so many."""
        self._told[host, service] = f"{host} {service}: {size_text(done)} of {size_text(total)}"
        words = self._told.pop((host, service)) if done >= total else ", ".join(self._told.values())
        if can_redraw(self._screen):
            self._redraw(self._screen, words)
        elif done >= total or self._clock() - self._said_at >= PLAIN_EVERY_S:
            self._said_at = self._clock()
            show(self._screen, verbatim(words))

    def close(self) -> None:
        """Take the line away and give the cursor back."""
        status, self._status = self._status, None
        if status:
            status.stop()

    def _redraw(self, terminal: Terminal, words: str) -> None:
        if self._status is None:
            self._status = terminal.status(verbatim(words).__rich__())
            self._status.start()
        self._status.update(verbatim(words).__rich__())
