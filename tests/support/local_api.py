"""tailscaled's LocalAPI on a unix socket of its own: how it answers is as tests/cases/tailnet/README.md recorded it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.ssh_server import end_serving


@dataclass
class LocalApi:
    """status: the document. pings: address to the answer; another address has none, as it is with a peer that is away.

    lines: address to where a dial ends, None for "dial yourself"; another address is refused. raw: what every request
    is answered with instead, and the connection closed; b"" closes without a word, "hang" says nothing at all.
    asked: the first lines of the requests. begun: set with the first.
    """

    socket_file: str
    status: Any = None
    pings: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, int] | None] = field(default_factory=dict)
    raw: bytes | str | None = None
    asked: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            request, *rest = head.rstrip().split("\r\n")
            self.asked.append(request)
            self.begun.set()
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
            if isinstance(self.raw, bytes):
                writer.write(self.raw)
            elif self.raw or await self._is_left_open(request, headers, reader, writer):
                await reader.read()  # until the client hangs up

    async def _is_left_open(
        self, request: str, headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer; whether the connection stays."""
        method, target, version = request.split(" ")
        address = urlsplit(target)
        if headers.get("host") != "local-tailscaled.sock":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nbad host")
            return False
        if (method, address.path) == ("GET", "/localapi/v0/status"):
            writer.write(_found(self.status))
        elif (method, address.path) == ("POST", "/localapi/v0/ping"):
            peer = parse_qs(address.query)["ip"][0]
            if peer not in self.pings:
                return True
            writer.write(_found(self.pings[peer]))
        elif (method, address.path, headers.get("upgrade")) == ("POST", "/localapi/v0/dial", "ts-dial"):
            return await self._dialled(headers["dial-host"], headers["dial-port"], reader, writer)
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found")
        return version == "HTTP/1.1"

    async def _dialled(self, host: str, port: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if host not in self.lines:
            words = f"dial failure: connect tcp {host}:{port}: connection was refused".encode()
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%b" % (len(words), words))
            return True
        end = self.lines[host]
        if end is None:
            there = f"Dial-Self: true\r\nDial-Addr: {host}:{port}\r\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\n" + there + b"Content-Length: 0\r\n\r\n")
            return True
        theirs, ours = await asyncio.open_connection(*end)
        first = await theirs.read(65536)  # the far side's first words follow the upgrade at once, in one piece
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: ts-dial\r\nConnection: upgrade\r\n\r\n" + first)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, ours))
                both.create_task(_pump(theirs, writer))
        finally:
            ours.close()
        return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What one side says, to the other, until it hangs up."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


def _found(document: Any) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body


@asynccontextmanager
async def local_api(**answers: Any) -> AsyncIterator[LocalApi]:
    """The LocalAPI, while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="sat-") as folder:  # tmp_path may be longer than a socket's name can be
        api = LocalApi(str(Path(folder) / "tailscaled.sock"), **answers)
        serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving[asyncio.create_task(api.serve(reader, writer))] = writer

        server = await asyncio.start_unix_server(accepted, api.socket_file)
        try:
            yield api
        finally:
            await end_serving(server, serving)
