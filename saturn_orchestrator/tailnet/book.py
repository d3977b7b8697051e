"""The address book of one command: tailscaled is asked once, when the first host needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from saturn_orchestrator.tailnet.daemon import LocalDaemon, Tailscaled
from saturn_orchestrator.tailnet.model import Peer, Tailnet
from saturn_orchestrator.tailnet.trouble import Trouble

STARTS, START_S = 10, 0.3
"""How often, and how far apart, a tailscaled is asked again that only starts: that takes it a second."""


class AddressBook:
    """What the tailnet knew when this command began."""

    def __init__(self, daemon: Tailscaled | None = None) -> None:
        """Nobody is asked yet. daemon: this machine's unless told."""
        self._daemon = daemon
        self._asking: asyncio.Task[Tailnet | Trouble] | None = None

    @property
    def daemon(self) -> Tailscaled:
        """The one that is asked; found with the first question."""
        self._daemon = self._daemon or LocalDaemon.found()
        return self._daemon

    async def tailnet(self) -> Tailnet | Trouble:
        """The tailnet, or why there is none."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._asked())
        return await asyncio.shield(self._asking)  # a host that is given up must not take the answer from the others

    def forget(self) -> None:
        """Whoever wants to know next asks again: a command that goes on for hours must not live on old news."""
        self._asking = None

    async def _asked(self) -> Tailnet | Trouble:
        known = await self.daemon.status()
        for _ in range(STARTS):
            if isinstance(known, Trouble) or not known.is_starting:
                break
            await asyncio.sleep(START_S)
            known = await self.daemon.status()
        return known

    async def peers(self, address: str) -> Sequence[Peer]:
        """Those that an address means; nobody where there is no tailnet."""
        known = await self.tailnet()
        return known.called(address) if isinstance(known, Tailnet) else ()
