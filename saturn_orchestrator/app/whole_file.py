"""A file that a person ordered or that SATURN keeps: it is there whole or not at all, however its writing ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from saturn_orchestrator.errors import UsageError

PRIVATE = 0o600
PUBLIC = 0o644


def write_whole(target: Path, text: str, mode: int = PRIVATE) -> None:
    """Replace target, which its readers see as it was or as it is now, never in between.

    Raises:
        OSError: it cannot be written; what stood there is as it was.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=".", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except (OSError, ValueError):
            Path(file.name).unlink(missing_ok=True)
            raise


def write_ordered(target: Path, text: str, mode: int = PRIVATE) -> Path:
    """The same for a path that a person typed; a link is followed. The path that was written.

    Raises:
        UsageError: there is no such folder, it is no regular file, or it cannot be written (`output_unwritable`).
    """
    place = target.resolve()
    if place.exists() and not place.is_file():  # a device or a pipe would be replaced by a file
        raise unwritable(target, "it is no regular file")
    try:
        write_whole(place, text, mode)
    except OSError as error:
        raise unwritable(target, error) from error
    return place


def unwritable(target: Path, why: OSError | str) -> UsageError:
    """The error of a file that somebody ordered and that cannot be written."""
    why = why if isinstance(why, str) else why.strerror or str(why)
    hint = "name a file in a folder that is there and that you may write, or - for standard output"
    return UsageError(f"{target} cannot be written: {why}", code="output_unwritable", hint=hint)
