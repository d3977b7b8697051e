"""The node's lock: a flock that the worker holds for its whole life, so it cannot go stale; and who holds it.

The same question, "does its worker live?", is asked of a run's events.jsonl, which the worker holds in the same way.
"""

from __future__ import annotations

import fcntl
import os
import time

from . import state
from .state import Paths
from .wire import LockFact

_PATIENCE_S = 1.0


def take(path: str) -> int | None:
    """A descriptor that holds the file's lock until it is closed, or None when somebody else holds it.

    Asked again for a moment: whoever only looks whether the lock is held holds it himself for an instant.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    deadline = time.monotonic() + _PATIENCE_S
    while not _is_locked_by_us(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.02)
    return descriptor


def _is_locked_by_us(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: str) -> bool:
    """Whether a living process holds the file's lock. Creates and changes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _is_locked_by_us(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def describe(paths: Paths, holder: LockFact) -> None:
    """Write down who holds the lock; only its holder may."""
    record = {**vars(holder), "boot": boot_id(), "host": os.uname().nodename}
    state.write_json(os.path.join(paths.state, "lock.json"), record, is_durable=False)  # no lock outlives its boot


def holder(paths: Paths) -> LockFact | None:
    """Who holds the node's lock now, or None when it is free."""
    if not is_held(paths.lock):
        return None
    data = state.read_json(os.path.join(paths.state, "lock.json"))
    return LockFact(
        run=str(data.get("run", "")),
        by=str(data.get("by", "")),
        controller=str(data.get("controller", "")),
        since=str(data.get("since", "")),
        pid=data["pid"] if isinstance(data.get("pid"), int) else 0,
        stage=state.current_stage(paths),
        service=str(data.get("service", "")),
    )


def boot_id() -> str:
    """The id of this boot of the node; "" where there is none."""
    return state.read_text("/proc/sys/kernel/random/boot_id")
