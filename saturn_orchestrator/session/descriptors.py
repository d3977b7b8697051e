"""File descriptors: how many connections this process may hold, and what it looks like when there are no more."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from saturn_orchestrator.errors import TooManyFiles

RESERVE = 40
"""Descriptors that are no connections to hosts: streams, journal, git, tailscaled, the loop's own."""

_SPENT = (errno.EMFILE, errno.ENFILE)


def room(wanted: int) -> int:
    """How many connections this process may hold, of those that are wanted; its limit is raised as far as they need.

    A shell's soft limit is often far below what the system lets anybody have (256 on macOS).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVE
    if _allows(soft, needed):
        return wanted
    best = needed if _allows(hard, needed) else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    except (OSError, ValueError):  # a kernel may have a limit of its own below the one that it tells
        best = soft
    return max(best - RESERVE, 1)


def _allows(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed


def spent(error: BaseException) -> TooManyFiles | None:
    """What to say when the error came of there being no more descriptors; None when it did not.

    Whoever resolves a name or tries several addresses does not always tell: whether a file can be opened at all does.
    """
    if not isinstance(error, OSError):
        return None
    if error.errno in _SPENT:
        return TooManyFiles.of(system_wide=error.errno == errno.ENFILE)
    if error.errno is None or error.errno < 0:
        return _found_out()
    return None


def _found_out() -> TooManyFiles | None:
    try:
        os.close(os.open(Path(os.devnull), os.O_RDONLY))
    except OSError as error:
        return TooManyFiles.of(system_wide=error.errno == errno.ENFILE) if error.errno in _SPENT else None
    return None
