"""Files that saturn writes on SATURN: whole or not at all, and in the repository only on top of what was shown."""

from __future__ import annotations

import os
from pathlib import Path

from saturn_orchestrator.errors import UsageError

PRIVATE, PUBLIC = 0o600, 0o644

Content = bytes | None
"""What a file holds; None when it is not there."""


def content(file: Path) -> Content:
    """What the file holds now. Raises OSError, but not where there is none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def write(file: Path, data: bytes, *, over: Content) -> None:
    """Put data in the file's place in one step; its mode stays, and a link still leads to it.

    over: what the file held when a person was shown the change.

    Raises:
        UsageError: it holds something else by now (`file_moved`), or it cannot be written (`file_unwritable`).
    """
    target = file.resolve()
    try:
        if content(target) != over:
            raise UsageError(
                f"{file} was changed by somebody else meanwhile",
                code="file_moved",
                hint="type it again; nothing is lost",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        put(target, data, target.stat().st_mode & 0o7777 if target.exists() else PUBLIC)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", code="file_unwritable", hint="may you write there?"
        ) from error


def write_ordered(file: Path, text: str, mode: int = PRIVATE) -> Path:
    """Write a file that a person named on the command line; a link is followed. The path that was written.

    Raises:
        UsageError: there is no such folder, it is no regular file, or it cannot be written (`output_unwritable`).
    """
    target = file.resolve()
    if target.exists() and not target.is_file():  # a device or a pipe would be replaced by a file
        raise unwritable(file, "it is no regular file")
    try:
        put(target, text.encode(), mode)
    except OSError as error:
        raise unwritable(file, error) from error
    return target


def unwritable(file: Path, why: OSError | str) -> UsageError:
    """The error of a file that somebody ordered and that cannot be written."""
    why = why if isinstance(why, str) else why.strerror or str(why)
    hint = "name a file in a folder that is there and that you may write, or - for standard output"
    return UsageError(f"{file} cannot be written: {why}", code="output_unwritable", hint=hint)


def put(target: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Put data in the target's place in one step, or leave what is there. Raises OSError."""
    import tempfile  # only who writes needs it, and it takes long to load

    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as beside:
            beside.write(data)
            beside.flush()
            os.fsync(beside.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
