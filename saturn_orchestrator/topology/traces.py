"""What a reading of the inventory found of each file, so that a later one can tell whether it would find the same.

A trace is made of the very bytes that were read, not of times and sizes: an edit within one tick of the clock counts.
Of a compose file only counts what the topology takes from it: a deploy mostly follows a commit that changed one.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

LOOKED_AT = 1024 * 1024 + 1
"""Bytes of a file that matter: a compose file is read that far, and another that has so many is refused."""

ABSENT, NO_FILE = "absent", "no file"
THERE, NOT_THERE = "there", "not there"
CARRIER, NO_CARRIER = "carrier", "no carrier"

Found = Mapping[str, str]
"""By path: `absent`, `no file` for a folder and the like, else the digest of what it holds.

A compose file is `there` or `not there`, and where its images matter it is the digest, a colon, and `carrier` or not.
"""


class Traces:
    """The files that a reading looked for, and the homes (`~`, `~ada`) that it went to. Both grow as it goes on.

    is_whole: False once something could be neither read nor called absent: then nothing can be told later.
    """

    def __init__(self) -> None:
        """Nothing was looked for yet."""
        self.files: dict[str, str] = {}
        self.homes: dict[str, str] = {}
        self.is_whole = True

    def note(self, path: Path, data: bytes) -> None:
        """The file was read, and held these bytes."""
        self.files[str(path)] = _digest(data)

    def look(self, path: Path) -> None:
        """Whether the file is there was asked; all that it holds counts."""
        if str(path) in self.files:
            return
        trace = trace_of(str(path))
        self.is_whole = self.is_whole and trace is not None
        self.files[str(path)] = trace or ""

    def look_for(self, path: Path) -> None:
        """Whether there is such a file was asked, and no more."""
        self.files.setdefault(str(path), THERE if path.is_file() else NOT_THERE)

    def note_carrier(self, path: Path, data: bytes, verdict: bool) -> None:
        """The compose file held these bytes, and is one that carries the connection, or is not."""
        self.files[str(path)] = f"{_digest(data)}:{CARRIER if verdict else NO_CARRIER}"

    def note_home(self, path: Path | None) -> None:
        """The path was expanded."""
        first = path.parts[0] if path and path.parts else ""
        if first.startswith("~"):
            self.homes[first] = os.path.expanduser(first)  # noqa: PTH111 - pathlib raises where this leaves it as it is


def hold(files: Found, homes: Found) -> bool:
    """Whether a reading would find the same today."""
    return all(os.path.expanduser(home) == where for home, where in homes.items()) and all(  # noqa: PTH111 - see above
        _holds(path, trace) for path, trace in files.items()
    )


def _holds(path: str, trace: str) -> bool:
    if trace in (THERE, NOT_THERE):
        return os.path.isfile(path) == (trace == THERE)  # noqa: PTH113 - this is asked of every service
    digest, _, verdict = trace.partition(":")
    return trace_of(path) == digest or (bool(verdict) and _verdict(path) == verdict)


def _verdict(path: str) -> str:
    """Whether a compose file carries the connection; "" when that cannot be told."""
    from saturn_orchestrator.topology.carriers import is_carrier  # its pattern takes long to compile

    data = _content(path)
    if not isinstance(data, bytes):
        return ""
    return CARRIER if is_carrier(data) else NO_CARRIER


def trace_of(path: str) -> str | None:
    """The trace of a file as it is now; None when that cannot be told."""
    found = _content(path)
    return _digest(found) if isinstance(found, bytes) else found


def _content(path: str) -> bytes | str | None:
    """What a file holds as far as it matters; its trace where it holds nothing, None when that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return NO_FILE
        return os.read(descriptor, min(status.st_size, LOOKED_AT) + 1)[:LOOKED_AT]
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data[:LOOKED_AT]).hexdigest()
