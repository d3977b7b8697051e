"""Swapping two folders in one step (renameat2(2) with RENAME_EXCHANGE), or by three renames where there is none.

Python has no name for the call. Each step leaves either tree whole; `settle` ends what a power cut left between two.
"""

from __future__ import annotations

import errno
import os

from .state import sync_folder

_NUMBERS = {"x86_64": 316, "aarch64": 276, "armv7l": 382, "armv6l": 382, "i686": 353, "i386": 353, "riscv64": 276}
"""renameat2 by what uname(2) calls the machine, where libc has no function of that name."""
_AT_FDCWD = -100
_EXCHANGE = 2
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
_ASIDE = ".aside"


def identity(folder: str) -> int:
    """What tells a folder from another one on its disk, 0 when it is not there."""
    try:
        return os.lstat(folder).st_ino
    except FileNotFoundError:
        return 0


def swap(folder: str, other: str) -> None:
    """Let each have the other's name. A folder that is not there yet just gets the other. Raises OSError."""
    if not os.path.lexists(folder):
        os.rename(other, folder)
    elif not _exchanged(folder, other):
        os.rename(folder, folder + _ASIDE)
        os.rename(other, folder)
        os.rename(folder + _ASIDE, other)
    sync_folder(os.path.dirname(folder))


def settle(folder: str, other: str, wanted: int) -> None:
    """End a swap that was begun: then the folder is the one with this identity, and the former has the other name."""
    if identity(folder) != wanted and identity(other) == wanted:
        if os.path.lexists(folder) or not os.path.lexists(folder + _ASIDE):
            swap(folder, other)
        else:
            os.rename(other, folder)
    if os.path.lexists(folder + _ASIDE):
        os.rename(folder + _ASIDE, other)
    sync_folder(os.path.dirname(folder))


def _exchanged(folder: str, other: str) -> bool:
    """Whether kernel and file system know the one step."""
    import ctypes  # 8 ms, for what is seldom done

    libc = ctypes.CDLL(None, use_errno=True)
    names = (_AT_FDCWD, os.fsencode(folder), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    call = getattr(libc, "renameat2", None)
    number = _NUMBERS.get(os.uname().machine)
    if call is None and number is None:
        return False
    status = call(*names) if call is not None else libc.syscall(number, *names)
    if status == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), folder)
