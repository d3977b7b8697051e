"""A plain shell script over a channel: its text on standard input, its answer line by line, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from saturn_orchestrator.errors import SessionError, SessionLost
from saturn_orchestrator.session.base import Channel

MAX_LINE = 4096
"""Bytes of a line that are kept."""

MAX_TOTAL = 1024 * 1024
"""Bytes that a script may say altogether."""

SHELL = ("/bin/sh", "-s")
ROOT_SHELL = ("sudo", "-n", "/bin/sh", "-s")


async def answer(channel: Channel, script: str, host: str, silence_s: float) -> AsyncIterator[str]:
    """What the script says, line by line. silence_s: how long it may say nothing.

    Raises:
        SessionLost: it said nothing for too long.
        SessionError: it said too much (`flood`).
    """
    channel.write(script.encode())
    rest, total = b"", 0
    while chunk := await _chunk(channel, host, silence_s):
        total += len(chunk)
        if total > MAX_TOTAL:
            raise SessionError(f"{host} says more than any script does", code="flood")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line[:MAX_LINE].decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest[:MAX_LINE].decode("utf-8", "replace")


async def _chunk(channel: Channel, host: str, silence_s: float) -> bytes:
    try:
        async with asyncio.timeout(silence_s):
            return await channel.read()
    except TimeoutError as error:
        raise SessionLost(f"{host} said nothing for {silence_s:g} s") from error
