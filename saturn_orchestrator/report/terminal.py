"""A terminal, drawn by rich: in colour, and where what stands there can be drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, Self

from rich.console import Console
from rich.console import Group as RichGroup

from saturn_orchestrator.report.streams import silence


class Terminal(Console):
    """A Screen."""

    @classmethod
    def of(cls, stream: IO[str], environ: Mapping[str, str], width: int | None, height: int | None) -> Self:
        """On the stream; as large as it is unless told."""
        return cls(
            file=stream, width=width, height=height, markup=False, emoji=False, highlight=False, force_jupyter=False,
            _environ=environ,
        )  # fmt: skip

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        """As rich does, but lines that are too long go on in the terminal's next row."""
        # Rich joins bare texts into a new one, which forgets that a command must not be wrapped; in a group they stay.
        super().print(*(RichGroup(each) for each in objects), crop=crop, **options)

    def on_broken_pipe(self) -> None:
        """Rich would end the program here; a run must not end with its screen."""
        self.quiet = True
        silence(self.file)
