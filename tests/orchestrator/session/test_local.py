from __future__ import annotations

import asyncio

from support import build
from support.build import RUN

from saturn_orchestrator import events
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session.local import ProcessChannel, open_local
from saturn_orchestrator.session.trip import Trip


async def channel_of(script: str) -> ProcessChannel:
    pipe = asyncio.subprocess.PIPE
    return ProcessChannel(
        await asyncio.create_subprocess_exec("/bin/sh", "-c", script, stdin=pipe, stdout=pipe, stderr=pipe)
    )


def test_a_channel_carries_bytes_both_ways_and_keeps_the_last_words():
    async def story() -> None:
        channel = await channel_of("echo trouble >&2; cat")
        channel.write(b"hello\n")

        assert await channel.read() == b"hello\n"
        await channel.close()
        assert (await channel.read(), channel.last_words) == (b"", "trouble\n")

    asyncio.run(story())


def test_a_channel_keeps_only_the_end_of_standard_error():
    async def story() -> None:
        channel = await channel_of("head -c 300000 /dev/zero | tr '\\0' x >&2; echo end >&2")

        assert await channel.read() == b""
        await channel.close()
        assert (len(channel.last_words), channel.last_words[-5:]) == (4000, "xend\n")

    asyncio.run(story())


def test_writing_to_a_program_that_is_gone_is_no_error():
    async def story() -> None:
        channel = await channel_of("exit 0")
        assert await channel.read() == b""

        for _ in range(3):
            channel.write(b"x" * 100_000)
        await channel.close()
        channel.write(b"x")

    asyncio.run(story())


def test_a_channel_closes_although_nobody_read_all_that_came():
    async def story() -> None:
        channel = await channel_of("head -c 5000000 /dev/zero; exec sleep 60")
        await channel.read()

        async with asyncio.timeout(5):
            await channel.close()

    asyncio.run(story())


def test_this_machine_answers_without_ssh(tmp_path):
    async def story() -> None:
        host = build.host(transport="local", root=str(tmp_path / "root"))
        session = await open_local(host, Trip())
        lines = [line async for line in session.ask(Request("facts", RUN, node_order(host)))]
        await session.close()

        assert [type(line) for line in lines] == [events.Hello, events.Facts, events.Goodbye]

    asyncio.run(story())
