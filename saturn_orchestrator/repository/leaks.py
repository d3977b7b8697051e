"""Secrets that stand in the repository, where everybody who reads it and every node has them: file, line and kind.

What a secret is by its form is told in `shapes`; here it is told which files are looked at. A value is never shown.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from saturn_orchestrator.errors import InventoryFinding
from saturn_orchestrator.repository import shapes
from saturn_orchestrator.repository.git import tracked_files

SIZE_MAX = 1024 * 1024
"""Bytes of a file that is looked at; a larger one is no configuration."""

FOUND_MAX = 20
"""Findings of one file: who has mended those runs it again."""

_BINARY_WITHIN = 8192
_EXAMPLES = (".example", ".sample", ".template", ".dist")


def leaks(folder: Path, own: Sequence[str], shown: Callable[[Path], str]) -> list[InventoryFinding]:
    """The secrets in the files that git knows below the folder, staged ones included, as they lie there now.

    own: folders that belong to the inventory; they are looked at where git cannot tell. shown: a path as a person
    types it.
    """
    tracked = tracked_files(folder)
    names = tracked if tracked is not None else tuple(_below(folder, own))
    found: list[InventoryFinding] = []
    for name in names:
        text = _text(folder / name)
        found += _of_env(name, text, shown(folder / name), is_tracked=tracked is not None)
        found += _of_text(text, shown(folder / name))
    return found


def _below(folder: Path, own: Sequence[str]) -> Iterator[str]:
    """Every file below the own folders, in an order that does not change."""
    for place in sorted(set(own)):
        for here, below, files in os.walk(folder / place):
            below[:] = sorted(each for each in below if each != ".git")
            yield from (str((Path(here) / each).relative_to(folder)) for each in sorted(files))


def _of_env(name: str, text: str, file: str, *, is_tracked: bool) -> Iterator[InventoryFinding]:
    """A `.env` is one by its name, whatever stands in it; a comment in its first line may allow it."""
    if not is_env(name) or shapes.ALLOW in text.partition("\n")[0]:
        return
    remedy = f"git rm --cached {file}; echo .env >> .gitignore; and change what stood in it"
    kept = "echo .env >> .gitignore; a service's secrets belong into config/<service>/.env on its node"
    message = "is in the repository: what stands in it is no secret any more"
    yield InventoryFinding(
        file, 0, "", message if is_tracked else "would go into the repository with its folder",
        remedy if is_tracked else kept, code="env_committed",
    )  # fmt: skip


def is_env(name: str) -> bool:
    """Whether the file is a `.env` or `.env.*`, and no example of one."""
    last = PurePosixPath(name).name
    return last == ".env" or (last.startswith(".env.") and not last.endswith(_EXAMPLES))


def _of_text(text: str, file: str) -> Iterator[InventoryFinding]:
    for each in sorted(set(shapes.sightings(text)), key=lambda each: (each.line, each.kind))[:FOUND_MAX]:
        hint = f"revoke it, and keep the new one on the node; one that is made up may stay beside: {shapes.ALLOW}"
        yield InventoryFinding(file, each.line, "", f"{each.kind} is in the repository", hint, code=each.code)


def _text(file: Path) -> str:
    """The text of a file; "" for what is none: a link, a submodule, something large, binary or unreadable."""
    try:
        known = file.lstat()
        if not stat.S_ISREG(known.st_mode) or known.st_size > SIZE_MAX:
            return ""
        data = file.read_bytes()
    except OSError:
        return ""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return "" if b"\0" in data[:_BINARY_WITHIN] else data.decode("utf-8", "replace")
