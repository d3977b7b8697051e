from __future__ import annotations

import errno
import os
import resource
import socket

import pytest

from saturn_orchestrator.session import descriptors
from saturn_orchestrator.session.descriptors import RESERVE, room, spent


@pytest.fixture
def limits(monkeypatch):
    """Sets what the system says, and keeps what it is told."""

    class Limits:
        def __init__(self) -> None:
            self.told: list[tuple[int, int]] = []
            self.refuses = False

        def are(self, soft: int, hard: int) -> None:
            monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))

        def set(self, _: int, pair: tuple[int, int]) -> None:
            if self.refuses:
                raise ValueError("not allowed to raise maximum limit")
            self.told.append(pair)

    made = Limits()
    monkeypatch.setattr(descriptors.resource, "setrlimit", made.set)
    return made


ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    "soft, hard, wanted, allowed, told",
    [
        (1024, 4096, 200, 200, []),
        (ENDLESS, ENDLESS, 200, 200, []),
        (200 + RESERVE, 4096, 200, 200, []),
        (256, ENDLESS, 400, 400, [(400 + RESERVE, ENDLESS)]),
        (64, 128, 200, 128 - RESERVE, [(128, 128)]),
        (10, 20, 200, 1, [(20, 20)]),
    ],
    ids=["enough", "endless", "just enough", "macOS", "hard", "next to nothing"],
)
def test_the_limit_is_raised_as_far_as_the_connections_need(limits, soft, hard, wanted, allowed, told):
    limits.are(soft, hard)

    assert (room(wanted), limits.told) == (allowed, told)


def test_a_kernel_that_does_not_let_the_limit_be_raised_leaves_what_there_is(limits):
    limits.are(100, ENDLESS)
    limits.refuses = True

    assert room(200) == 100 - RESERVE


@pytest.mark.parametrize(
    "number, word", [(errno.EMFILE, "saturn may open no more"), (errno.ENFILE, "SATURN as a whole")]
)
def test_an_error_of_descriptors_is_told_as_one(number, word):
    error = spent(OSError(number, os.strerror(number)))

    assert error
    assert (error.code, error.exit_code) == ("too_many_files", 2)
    assert error.message.startswith(word)


def test_every_other_error_is_left_alone():
    assert spent(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) is None
    assert spent(OSError("Multiple exceptions: refused, refused")) is None
    assert spent(socket.gaierror(-2, "unknown")) is None
    assert spent(ValueError("no")) is None


def test_an_error_that_does_not_tell_is_found_out():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limit[1]))
    try:
        told = spent(socket.gaierror(-11, "system error"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)

    assert told
    assert told.hint.startswith("ulimit -n ")
