"""A script's answer, line by line, however it comes and however long it is."""

from __future__ import annotations

import asyncio

import pytest
from support.fake_channel import FakeChannel

from saturn_orchestrator.errors import SessionError, SessionLost
from saturn_orchestrator.session.script import MAX_LINE, answer


def lines(channel: FakeChannel, silence_s: float = 5) -> list[str]:
    async def story() -> list[str]:
        return [line async for line in answer(channel, "echo", "alpha", silence_s)]

    return asyncio.run(story())


def test_lines_are_whole_however_they_come():
    channel = FakeChannel([b"on", b"e\r\ntw", b"o\n", b"\n\xff", b"three"])

    assert lines(channel) == ["one", "two", "", "�three"]
    assert channel.written == b"echo"


def test_a_line_without_end_is_cut():
    assert [len(line) for line in lines(FakeChannel([b"x" * 9000, b"\n"]))] == [MAX_LINE]


def test_a_flood_is_not_listened_to():
    with pytest.raises(SessionError) as caught:
        lines(FakeChannel([b"x" * 65536] * 20))

    assert caught.value.code == "flood"


def test_silence_has_an_end():
    with pytest.raises(SessionLost, match="said nothing"):
        lines(FakeChannel([b"one\n"], hangs=True), 0.05)
