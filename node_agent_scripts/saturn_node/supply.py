"""A git bundle that comes with a request, behind its line or in it: kept in a file without a name, and checked."""

from __future__ import annotations

import errno
import hashlib
import time
from typing import IO, Callable

from .errors import NodeError
from .late import base64, tempfile
from .lines import LineReader
from .wire import Request

MAX = 2 * 1024 * 1024 * 1024
_PIECE = 256 * 1024
_SIGN_EVERY_S = 5.0
_PATIENCE_S = 120.0


def received(request: Request, reader: LineReader, say_alive: Callable[[], None]) -> IO[bytes]:
    """The file with the request's bundle. say_alive is called now and then, since a slow line may take minutes.

    It has no name, so that it is gone when this process is, however that ends; open it by its descriptor.

    Raises:
        NodeError: bundle_damaged, or disk_full; what came was read to its end, so that the conversation can go on.
    """
    file = tempfile.TemporaryFile(buffering=0)
    digest = hashlib.sha256()
    left, said_at, is_full = request.bundle_size, time.monotonic(), request.bundle_size > MAX
    while left:
        piece = reader.next_bytes(min(left, _PIECE), _PATIENCE_S)
        if not piece:
            break
        left -= len(piece)
        digest.update(piece)
        is_full = is_full or not _is_written(file, piece)
        if time.monotonic() - said_at > _SIGN_EVERY_S:
            said_at = time.monotonic()
            say_alive()
    if not is_full and not left and digest.hexdigest() == request.bundle:
        return file
    file.close()
    if is_full:
        raise _no_room(request.bundle_size)
    raise _damaged(request)


def unpacked(request: Request) -> IO[bytes]:
    """The same for a bundle that came in the request itself.

    Raises:
        NodeError: bundle_damaged, or disk_full.
    """
    try:
        data = base64.b64decode(request.thin, validate=True)
    except ValueError as error:
        raise _damaged(request) from error
    if hashlib.sha256(data).hexdigest() != request.bundle:
        raise _damaged(request)
    file = tempfile.TemporaryFile(buffering=0)
    if _is_written(file, data):
        return file
    file.close()
    raise _no_room(len(data))


def _damaged(request: Request) -> NodeError:
    message = "what SATURN sent did not arrive whole"
    return NodeError("bundle_damaged", message, f"saturn deploy --hosts {request.node.host}")


def _no_room(size: int) -> NodeError:
    place = tempfile.gettempdir()
    return NodeError(
        "disk_full", f"there is no room in {place} for the {size} bytes that SATURN sent", f"df -h {place}"
    )


def _is_written(file: IO[bytes], piece: bytes) -> bool:
    """Whether there was room for it."""
    try:
        return file.write(piece) == len(piece)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
