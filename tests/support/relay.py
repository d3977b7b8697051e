"""A line with a delay: bytes pass on to a server later, and round trips are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Line:
    """What passed over a relay.

    words: who spoke, in turns (`client`, `server`). said: bytes of the client. pieces: in how many pieces they came, as
    far as the relay could tell them apart.
    """

    port: int
    pieces: int = 0
    words: list[str] = field(default_factory=list)
    said: int = 0

    @property
    def round_trips(self) -> int:
        """How often the client spoke after it had listened, or first: what it says meanwhile is one flight.

        The dialling is not counted; it costs one more.
        """
        return sum(who == "client" for who in self.words)

    def forget(self) -> None:
        """Count from now on."""
        self.words.clear()
        self.said = self.pieces = 0


@asynccontextmanager
async def relay(port: int, delay_s: float = 0.05, host: str = "127.0.0.1") -> AsyncIterator[Line]:
    """A line to the server on that port, while the block lasts. delay_s: one way."""
    line = Line(0)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_connection(host, port)

        async def answer() -> None:
            await asyncio.sleep(delay_s)  # a server hears of a connection when the client's first bytes may arrive, too
            await _carry(server, back, "server", line, delay_s)

        try:
            await asyncio.gather(_carry(client, forth, "client", line, delay_s), answer())
        except OSError:
            pass  # one side hung up
        finally:
            forth.close()
            back.close()

    def accepted(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(client, back))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0)
    line.port = listener.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, who: str, line: Line, delay_s: float
) -> None:
    """Bytes in their order, each as late as the other. Whoever speaks is noted when it is sent, as it knew no more."""
    loop = asyncio.get_running_loop()
    while data := await source.read(65536):
        if line.words[-1:] != [who]:
            line.words.append(who)
        line.said += len(data) * (who == "client")
        line.pieces += who == "client"
        loop.call_later(delay_s, sink.write, data)
    await asyncio.sleep(delay_s)
    sink.close()
