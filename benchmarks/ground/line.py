"""A line with a delay, as a process: `line.py PORT ONE_WAY_SECONDS` prints its own port and passes bytes on."""

import asyncio
import sys


async def main(port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            loop.call_later(delay, sink.write, data)
        loop.call_later(delay, sink.close)

    async def serve(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)  # the handshake of TCP, which the near end has had for nothing
        server, forth = await asyncio.open_connection("127.0.0.1", port)

        async def answer() -> None:
            await asyncio.sleep(delay)  # a server hears of a connection when the client's first bytes may arrive, too
            await carry(server, back)

        await asyncio.gather(carry(client, forth), answer(), return_exceptions=True)

    listener = await asyncio.start_server(serve, "0.0.0.0", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
