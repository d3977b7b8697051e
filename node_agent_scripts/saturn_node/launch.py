"""Start a worker that belongs to the node: no descriptor, terminal or session of the caller stays with it."""

from __future__ import annotations

import os
from typing import NoReturn, Sequence


def start(argv: Sequence[str], log_path: str) -> str:
    """Start the command detached, its output appended to `log_path`. Returns how: `forked`."""
    child = os.fork()
    if child == 0:
        _detach(tuple(argv), log_path)
    os.waitpid(child, 0)
    return "forked"


def _detach(argv: tuple[str, ...], log_path: str) -> NoReturn:
    """In the child: fork once more, so that the worker leads no session and can never get a terminal."""
    try:
        os.setsid()
        if os.fork() == 0:
            _become(argv, log_path)
    finally:
        os._exit(0)


def _become(argv: tuple[str, ...], log_path: str) -> NoReturn:
    try:
        os.umask(0o022)
        os.chdir("/")
        _redirect(log_path)
        os.execv(argv[0], argv)  # noqa: S606 - a tuple of words, no shell
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode())
    os._exit(127)


def _redirect(log_path: str) -> None:
    """Standard descriptors to /dev/null and the log; every other one is closed: sshd waits for the last holder."""
    empty = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(empty, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            _close(int(name))


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # the listing's own descriptor is in the list, and gone by now
