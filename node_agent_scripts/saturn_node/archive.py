"""A folder into one compressed tar file and back, as streams: no file is ever whole in memory.

Owners, modes, times, links and empty folders are kept (PAX, tar(5)). Sockets, pipes and devices are left out: whoever
uses them makes them anew.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
import stat
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, Callable, Iterator, NamedTuple

from .errors import NodeError
from .late import gzip, tarfile, zlib

zstd: Any
try:  # Python 3.14 and newer
    zstd = import_module("compression.zstd")
except ImportError:
    zstd = None

SUFFIX = ".tar.zst" if zstd else ".tar.gz"
_LEVEL = 1
"""Fast: a Pi compresses while a service stands still."""
_PIECE = 256 * 1024
_NOTES = 20
_MODES = 0o7777


class Choice(NamedTuple):
    """What of a folder is meant. only: these names at its top alone, all for none. without: these names at its top not.

    exclude: shell patterns of paths inside it; one without a slash fits a name at any depth.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Whether a path, relative to the folder, is meant. What is below one that is not meant is not asked about."""
        if "/" not in path and (path in self.without or (self.only and path not in self.only)):
            return False
        name = posixpath.basename(path)
        return not any(
            fnmatch.fnmatchcase(path, each) or ("/" not in each and fnmatch.fnmatchcase(name, each))
            for each in self.exclude
        )


class Written(NamedTuple):
    """A tar file that stands. size, sha256: of it. content: bytes of the files in it. notes: what is not as it was."""

    size: int
    sha256: str
    files: int
    content: int
    notes: tuple[str, ...] = ()


class _Measured:
    """A file that is written to, and its digest and size so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """All of it: a short write to a disk is an error that the file raises."""
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


class _Steady:
    """A file read as long as its header said, whatever became of it meanwhile: cut, or filled up with zeros."""

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self.is_short = False

    def read(self, size: int = -1, /) -> bytes:
        self._check()
        data = self._file.read(size)
        if len(data) < size:
            self.is_short = True
            data += bytes(size - len(data))
        return data


def entries(folder: str, choice: Choice) -> Iterator[tuple[str, os.stat_result]]:
    """Every path that is meant, relative to the folder, each folder before what is in it, with its own facts."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            names = sorted(os.listdir(os.path.join(folder, below)), reverse=True)
        except FileNotFoundError:
            continue
        except PermissionError as error:
            raise unreadable(os.path.join(folder, below)) from error
        found = []
        for name in names:
            path = posixpath.join(below, name)
            if not choice.takes(path):
                continue
            try:
                facts = os.lstat(os.path.join(folder, path))
            except FileNotFoundError:
                continue
            found.append((path, facts))
            if stat.S_ISDIR(facts.st_mode):
                waiting.append(path)
        yield from reversed(found)


def unreadable(path: str) -> NodeError:
    """The failure of something that this user may not read."""
    message = f"{path} cannot be read by this user, so there can be no backup of it"
    return NodeError("backup_unreadable", message, "become: true for this host in the topology, or chown it")


def content_size(folder: str, choice: Choice) -> int:
    """Bytes of all files that are meant: what their tar file may take if nothing can be compressed."""
    return sum(facts.st_size for _, facts in entries(folder, choice) if stat.S_ISREG(facts.st_mode))


def write(folder: str, target: str, choice: Choice, check: Callable[[], None] = lambda: None) -> Written:
    """Write what is meant of the folder into a new file that only this user may read. check: may raise, to stop it.

    Raises:
        OSError: the disk is full, among others; the half file stays for the caller to remove.
        NodeError: backup_unreadable.
    """
    notes: list[str] = []
    files = content = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        measured = _Measured(raw)
        with _compressed(measured) as packed, _tar(packed) as tar:
            tar.addfile(_anonymous(tar.gettarinfo(folder, ".")))
            for path, facts in entries(folder, choice):
                check()
                size = _added(tar, folder, path, facts, notes, check)
                files += size >= 0
                content += max(size, 0)
        raw.flush()
        os.fsync(raw.fileno())
    return Written(measured.size, measured.digest.hexdigest(), files, content, tuple(notes[:_NOTES]))


def _tar(file: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE)


@contextmanager
def _compressed(file: _Measured) -> Iterator[Any]:
    if zstd:
        with zstd.ZstdFile(file, "wb", level=_LEVEL) as packed:
            yield packed
    else:
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            yield packed


def _added(
    tar: tarfile.TarFile, folder: str, path: str, facts: os.stat_result, notes: list[str], check: Callable[[], None]
) -> int:
    """Add one path; the bytes of its content, -1 when it was left out."""
    whole = os.path.join(folder, path)
    if stat.S_ISREG(facts.st_mode):
        return _file_added(tar, whole, path, notes, check)
    if not (stat.S_ISDIR(facts.st_mode) or stat.S_ISLNK(facts.st_mode)):
        notes.append(f"{path} is no file, and was left out")
        return -1
    try:
        tar.addfile(_anonymous(tar.gettarinfo(whole, path)))
    except FileNotFoundError:
        return -1
    return 0


def _file_added(tar: tarfile.TarFile, whole: str, path: str, notes: list[str], check: Callable[[], None]) -> int:
    try:
        descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        notes.append(f"{path} went away while it was read")
        return -1
    except PermissionError as error:
        raise unreadable(whole) from error
    with os.fdopen(descriptor, "rb") as file:
        info = _anonymous(tar.gettarinfo(arcname=path, fileobj=file))
        if info.islnk():  # its content stands under its first name
            tar.addfile(info)
            return 0
        before, steady = os.fstat(file.fileno()), _Steady(file, check)
        info.size = before.st_size
        tar.addfile(info, steady)
        after = os.fstat(file.fileno())
        if steady.is_short or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            notes.append(f"{path} changed while it was read")
        return info.size


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owners by number alone: the names of this node's users mean nothing inside a container."""
    info.uname = info.gname = ""
    return info


def sha256(path: str, alive: Callable[[], None] = lambda: None) -> str:
    """The digest of a file; alive is called after each piece. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(_PIECE)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)
            alive()


def extract(source: str, folder: str, check: Callable[[], None] = lambda: None) -> None:
    """Unpack a tar file into a folder that is there and empty, or holds what came of another one.

    Nothing is written outside the folder: names that lead out of it are refused, and symbolic links are made last.

    Raises:
        NodeError: backup_damaged. OSError: the disk is full, among others.
    """
    later: list[tarfile.TarInfo] = []
    folders: list[tarfile.TarInfo] = []
    try:
        with _unpacked(source) as file, tarfile.open(fileobj=file, mode="r|", bufsize=_PIECE) as tar:
            for member in tar:
                check()
                _checked(member, source)
                if member.issym():
                    later.append(member)
                    continue
                if member.isdir():
                    folders.append(member)
                _unpack(tar, member, folder)
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(source, str(error)) from error
    for member in later:
        _link(member, folder)
    for member in reversed(folders):
        _dress(member, os.path.join(folder, member.name))


@contextmanager
def _unpacked(source: str) -> Iterator[Any]:
    if not source.endswith(".zst"):
        with gzip.open(source, "rb") as file:
            yield file
    elif zstd:
        with zstd.ZstdFile(source, "rb") as file:
            yield file
    else:
        message = f"{source} is compressed with zstd, which this node's python cannot read"
        raise NodeError("backup_unreadable", message, f"zstd -d {source}, or python 3.14")


def _damaged(source: str, why: str) -> NodeError:
    return NodeError("backup_damaged", f"{source} cannot be unpacked: {why}", "choose another backup: --from NAME")


def _checked(member: tarfile.TarInfo, source: str) -> None:
    names = [member.name, *([member.linkname] if member.islnk() else [])]
    for name in names:
        if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise _damaged(source, f"it would write to {name!r}")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise _damaged(source, f"{member.name!r} is no file, folder or link")


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    target = os.path.join(folder, member.name)
    if member.isdir():
        os.makedirs(target, 0o700, exist_ok=True)
    elif member.islnk():
        os.link(os.path.join(folder, member.linkname), target, follow_symlinks=False)
    else:
        content = tar.extractfile(member)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while content:
                piece = content.read(_PIECE)
                if not piece:
                    break
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        _dress(member, target)


def _link(member: tarfile.TarInfo, folder: str) -> None:
    target = os.path.join(folder, member.name)
    os.symlink(member.linkname, target)
    if os.geteuid() == 0:
        os.lchown(target, member.uid, member.gid)


def _dress(member: tarfile.TarInfo, target: str) -> None:
    """Owner, mode and time as they were. Only root can give files away; whoever else restores owns what comes."""
    if os.geteuid() == 0:
        os.chown(target, member.uid, member.gid)
    os.chmod(target, member.mode & _MODES)
    moment = int(member.mtime * 1e9)
    os.utime(target, ns=(moment, moment))


def free_bytes(path: str) -> int:
    """What this user may still write on the disk of the path, or of the nearest folder above it that is there."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def size_words(size: float) -> str:
    """`12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
