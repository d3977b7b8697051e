"""Files that are there whole or not at all: one in pieces grows beside its name. And what a whole one must be."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from saturn_orchestrator.events import ArchiveFact, SnapshotFact

PART = ".part"


def make_private(folder: Path) -> None:
    """Make the folder and those above it, as far as they are missing, for their owner alone. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def write_whole(file: Path, text: str) -> None:
    """Write a text file under this name, whole or not at all, for its owner alone. Raises OSError."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(file)
        except OSError:
            Path(part.name).unlink(missing_ok=True)
            raise


class Pieces:
    """`<file>.part`, open at its end while this is entered; nobody else may write it meanwhile. Owner's eyes only."""

    def __init__(self, target: Path, limit: int, *, anew: bool = False) -> None:
        """`limit`: bytes that it may have. anew: what lies there of it is not built on."""
        self.file = target.with_name(target.name + PART)
        self.size = 0
        self._target = target
        self._limit = limit
        self._anew = anew
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Raises OSError, among them BlockingIOError while another saturn writes the same file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.file, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o600)
            self.size = os.fstat(self._descriptor).st_size
            if self._anew or self.size > self._limit:
                os.ftruncate(self._descriptor, 0)
                self.size = 0
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise BlockingIOError(error.errno, "another saturn is fetching it", str(self.file)) from error
        except OSError:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What came stays, for whoever goes on from there."""
        os.close(self._descriptor)

    def add(self, offset: int, data: str) -> str:
        """Append a piece, in base64; why it does not fit, "" when it did. Raises OSError."""
        if offset != self.size:
            return f"a piece begins at byte {offset}, and {self.size} were here"
        try:
            piece = base64.b64decode(data, validate=True)
        except ValueError:
            return "a piece is not base64"
        if not piece:
            return "a piece is empty"
        if self.size + len(piece) > self._limit:
            return f"it is longer than {self._limit} bytes"
        self.size += len(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return ""

    def finish(self) -> None:
        """It is whole: give it its name, for good. Raises OSError."""
        os.fsync(self._descriptor)
        self.file.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """It is worth nothing."""
        self.file.unlink(missing_ok=True)


def is_whole(file: Path, archive: ArchiveFact) -> bool:
    """Whether the file is there and what the archive was when it was written. Reads it to its end."""
    if not file.is_file() or file.stat().st_size != archive.size:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == archive.sha256


def present_size(file: Path) -> int:
    """Bytes that are here of a file, whole or begun; 0 when it is not there."""
    for each in (file, file.with_name(file.name + PART)):
        if each.is_file():
            return each.stat().st_size
    return 0


def manifest_complaint(text: bytes, snapshot: SnapshotFact) -> str:
    """Why a manifest is not that of the backup; "" when it is. Pure.

    It must tell of archives with the very sizes and digests that the node told of before, and of no others but those
    that stay there. How it says the rest is the executor's own affair.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return "it is no JSON"
    if not isinstance(body, dict) or (body.get("service"), body.get("name")) != (snapshot.service, snapshot.name):
        return "it is of another backup"
    listed = [each for each in _objects(body.get("archives")) if each.get("is_local") is not True]
    told = [(each.get("size"), each.get("sha256")) for each in listed]
    known = [(each.size, each.sha256) for each in snapshot.archives if not each.is_local]
    is_same = len(told) == len(known) and all(told.count(each) == known.count(each) for each in known)
    return "" if is_same else "it lists other archives"


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
