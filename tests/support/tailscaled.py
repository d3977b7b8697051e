"""A Tailscaled from a script: a status that was written down, and what a ping and a dial come to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saturn_orchestrator.tailnet.model import Path, Peer, Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, Trouble


@dataclass
class FakeTailscaled:
    """known: what the status says. paths: of addresses that answer a ping.

    lines: address to where a dial ends, None for what the system itself has the route to; another one is refused.
    """

    known: Tailnet | Trouble
    paths: Mapping[str, Path] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, int] | None] = field(default_factory=dict)
    asked: int = 0
    dialled: list[tuple[str, int]] = field(default_factory=list)

    async def status(self) -> Tailnet | Trouble:
        self.asked += 1
        await asyncio.sleep(0)
        return self.known

    async def ping(self, address: str) -> Path:
        await asyncio.sleep(0)
        return self.paths.get(address, Path())

    async def dial(self, address: str, port: int) -> socket.socket | None:
        self.dialled.append((address, port))
        if address not in self.lines:
            raise ConnectionRefusedError(f"dial failure: connect tcp {address}:{port}: connection was refused")
        end = self.lines[address]
        if end is None:
            return None
        line = socket.socket()
        try:
            line.setblocking(False)
            await asyncio.get_running_loop().sock_connect(line, end)
        except BaseException:
            line.close()
            raise
        return line


class NoTailnet(FakeTailscaled):
    """Tailscale is not installed."""

    def __init__(self) -> None:
        super().__init__(NOT_INSTALLED)


def tailnet(*peers: Peer, **facts: object) -> Tailnet:
    """A tailnet that runs, with these peers."""
    return Tailnet(**{"state": "Running", "suffix": "tail1234.ts.net", "peers": peers, **facts})


def peer(name: str, addresses: Sequence[str] = ("100.64.0.2",), **facts: object) -> Peer:
    """A peer by that name."""
    return Peer(name, f"{name}.tail1234.ts.net", tuple(addresses), **facts)
