"""`saturn init`: a commented starter in a new or existing folder. Nothing is overwritten, and git is not run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from saturn_orchestrator.app import sample
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.records import dataclass

REFERENCE = ("topology.example.yaml", "templates/how_to_add_new_node.yaml")
"""Files of the sample inventory that a person reads rather than edits; they come along as they are."""


@dataclass(frozen=True)
class Initialised:
    """What was done in a folder. created, kept: files relative to it, in the order they were come to."""

    folder: Path
    created: tuple[str, ...]
    kept: tuple[str, ...]


def initialise(folder: Path) -> Initialised:
    """Write the starter into folder, which is made when it is missing.

    Every file is written whole or not at all, and one that is already there is kept as it is.

    Raises:
        UsageError: a file stands where a folder should be, or the folder cannot be written (`folder_unusable`).
    """
    created: list[str] = []
    kept: list[str] = []
    try:
        for source, place in _starter(sample.folder()):
            (created if _is_written(source, folder / place) else kept).append(place)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refusal(f"{error.filename} is a file, a folder was expected") from error
    except OSError as error:
        raise _refusal(f"cannot write {error.filename or folder}: {error.strerror}") from error
    return Initialised(folder, tuple(created), tuple(kept))


def _starter(inventory: Path) -> Iterator[tuple[Path, str]]:
    """Every file of the starter: where it comes from, and its place in the new folder."""
    starter = inventory / "templates" / "starter"
    for source in sorted(each for each in starter.rglob("*") if each.is_file()):
        yield source, source.relative_to(starter).as_posix()
    for name in REFERENCE:
        yield inventory / name, f"inventory/{name}"


def _is_written(source: Path, target: Path) -> bool:
    """Whether target was not there and is now, with all of its content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():
        return False
    content = source.read_bytes()
    mode = 0o777 if os.access(source, os.X_OK) else 0o666
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:  # somebody wrote the same file meanwhile: theirs stays
        return False
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return True


def _refusal(message: str) -> UsageError:
    return UsageError(message, code="folder_unusable", hint="saturn init DIR   (a new folder, or one you may write)")
