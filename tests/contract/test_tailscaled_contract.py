"""What every Tailscaled promises, asked of the double and of the real one over a socket of LocalAPI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from support.local_api import local_api
from support.ssh_server import tcp_server
from support.tailscaled import FakeTailscaled, NoTailnet

from saturn_orchestrator.tailnet.daemon import LocalDaemon, Tailscaled
from saturn_orchestrator.tailnet.document import path_of_ping, tailnet_of
from saturn_orchestrator.tailnet.model import Path as WayThere
from saturn_orchestrator.tailnet.model import Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED

CASES = Path(__file__).parent.parent / "cases" / "tailnet"
STATUS, PING = (
    json.loads((CASES / f"{name}.json").read_text(encoding="utf-8")) for name in ("running-tun", "ping-direct")
)
PEER, ELSEWHERE, NOBODY = "100.64.0.1", "10.0.0.7", "100.64.0.9"

Asked = Callable[[int], AbstractAsyncContextManager[Tailscaled]]


@asynccontextmanager
async def faked(port: int) -> AsyncIterator[Tailscaled]:
    lines = {PEER: ("127.0.0.1", port), ELSEWHERE: None}
    yield FakeTailscaled(tailnet_of(STATUS), {PEER: path_of_ping(PING)}, lines)


@asynccontextmanager
async def local(port: int) -> AsyncIterator[Tailscaled]:
    lines = {PEER: ("127.0.0.1", port), ELSEWHERE: None}
    nobody = {"IP": NOBODY, "Err": "no matching peer"}
    async with local_api(status=STATUS, pings={PEER: PING, NOBODY: nobody}, lines=lines) as api:
        yield LocalDaemon(api.socket_file)


every_tailscaled = pytest.mark.parametrize("asked", [faked, local], ids=lambda asked: asked.__name__)


def greeting(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-Tailscale\r\n")


@every_tailscaled
def test_it_tells_the_tailnet(asked: Asked):
    async def story() -> None:
        async with asked(1) as tailscaled:
            known = await tailscaled.status()

            assert isinstance(known, Tailnet)
            assert [peer.name for peer in known.peers] == ["chelsty", "solaria", "vps"]
            assert await tailscaled.status() == known

    asyncio.run(story())


@every_tailscaled
def test_a_ping_tells_the_path_or_that_none_is_known(asked: Asked):
    async def story() -> None:
        async with asked(1) as tailscaled:
            assert await tailscaled.ping(PEER) == WayThere("direct", "10.83.2.12:39934")
            assert await tailscaled.ping(NOBODY) == WayThere()

    asyncio.run(story())


@every_tailscaled
def test_a_dial_ends_at_the_peer_in_a_socket_that_waits_for_nobody(asked: Asked):
    async def story() -> None:
        async with tcp_server(greeting) as port, asked(port) as tailscaled:
            line = await tailscaled.dial(PEER, 22)
            assert line is not None
            with line:
                assert line.getblocking() is False
                assert await asyncio.get_running_loop().sock_recv(line, 100) == b"SSH-2.0-Tailscale\r\n"

    asyncio.run(story())


@every_tailscaled
def test_what_the_system_has_the_route_to_is_left_to_it(asked: Asked):
    async def story() -> None:
        async with asked(1) as tailscaled:
            assert await tailscaled.dial(ELSEWHERE, 22) is None

    asyncio.run(story())


@every_tailscaled
def test_a_dial_that_is_refused_is_an_error_that_says_so(asked: Asked):
    async def story() -> None:
        async with asked(1) as tailscaled:
            with pytest.raises(ConnectionRefusedError, match=r"dial failure: connect tcp 100\.64\.0\.9:22: "):
                await tailscaled.dial(NOBODY, 22)

    asyncio.run(story())


@pytest.mark.parametrize("tailscaled", [NoTailnet(), LocalDaemon()], ids=["faked", "local"])
def test_where_there_is_none_that_is_said_and_nothing_can_be_dialled(tailscaled: Tailscaled):
    async def story() -> None:
        assert await tailscaled.status() == NOT_INSTALLED
        assert await tailscaled.ping(PEER) == WayThere()
        with pytest.raises(OSError):
            await tailscaled.dial(PEER, 22)

    asyncio.run(story())
