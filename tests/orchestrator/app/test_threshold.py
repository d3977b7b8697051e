from __future__ import annotations

import asyncio

import pytest

from saturn_orchestrator.app.threshold import Threshold
from saturn_orchestrator.errors import HookFailed
from saturn_orchestrator.rollout.gate import Gate


def threshold(cross=None) -> Threshold:
    return Threshold(Gate((("a", "b"), ("c",)), 0, lambda _: None), cross)


async def waited(turns: Threshold, *hosts: str) -> list[str]:
    return list(await asyncio.gather(*(turns.wait(host) for host in hosts)))


def test_without_anything_to_cross_the_gate_alone_decides():
    turns = threshold()
    assert asyncio.run(waited(turns, "a")) == [""]
    assert turns.place("c") == (2, 2)
    turns.check()


def test_it_is_crossed_once_for_all():
    crossings: list[int] = []

    async def cross() -> None:
        crossings.append(1)
        await asyncio.sleep(0)

    turns = threshold(cross)
    assert asyncio.run(waited(turns, "a", "b")) == ["", ""]
    assert crossings == [1]
    turns.check()


def test_when_it_fails_no_host_of_any_batch_starts():
    async def cross() -> None:
        raise HookFailed("not now")

    turns = threshold(cross)
    assert asyncio.run(waited(turns, "a", "c", "b")) == ["not now"] * 3
    with pytest.raises(HookFailed, match="not now"):
        turns.check()
