"""Commands of a worker that was killed: they outlive it, and must not work beside the next one.

They are known by a variable in their environment, which every child of a worker's command inherits.
"""

from __future__ import annotations

import os
import signal
import time

MARK = "SATURN_COMMAND_OF"
"""Names the root of the node whose worker started a command."""

_GRACE_S = 10.0


def end(root: str) -> tuple[str, ...]:
    """End every command that a dead worker of this root left behind; their names. Only the lock's holder may ask."""
    found = _marked(root)
    names = tuple(sorted(set(found.values())))
    deadline = time.monotonic() + _GRACE_S
    sent = signal.SIGTERM
    while found:
        for process in found:
            _send(process, sent)
        time.sleep(0.05)
        found = _marked(root)
        sent = signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM
    return names


def _marked(root: str) -> dict[int, str]:
    """Process ids and names. A zombie has no environment and does not count."""
    mark = f"{MARK}={root}".encode()
    others = (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())
    marked = (each for each in others if mark in _content(each, "environ").split(b"\0"))
    return {each: _content(each, "comm").decode("utf-8", "replace").strip() for each in marked}


def _content(process: int, name: str) -> bytes:
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except OSError:  # it ended meanwhile, or is another user's
        return b""


def _send(process: int, sent: signal.Signals) -> None:
    try:
        os.kill(process, sent)
    except ProcessLookupError:
        return
