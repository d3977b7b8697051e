"""The streams below a screen: what their encoding cannot hold, and readers that leave."""

from __future__ import annotations

import codecs
import io
import os
import select
from typing import IO

from saturn_orchestrator.report.text import cells

_ASCII = {"✔": "+", "✘": "x", "·": ".", "…": "."}
"""Stand-ins of the same width, so that columns stay columns on a terminal that cannot show the sign itself."""


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unfit = error.object[error.start : error.end]
    return "".join(_ASCII.get(char, "?" * cells(char)) for char in unfit), error.end


codecs.register_error("saturn", _plain_letters)


def tolerant(stream: IO[str]) -> IO[str]:
    """The stream itself, which from now on replaces what its encoding cannot hold instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="saturn")
    return stream


def silence(stream: IO[str]) -> None:
    """Let what is still buffered go nowhere: its reader left, and Python would complain about it at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file behind it
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def is_unread(stream: IO[str]) -> bool:
    """Whether whoever read the stream is gone. Told without writing: there may be nothing to write for hours."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):  # no file behind it
        return False
