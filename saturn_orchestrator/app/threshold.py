"""What must succeed once before the first host starts. It stands before the gate, and every host waits at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from saturn_orchestrator.errors import HookFailed
from saturn_orchestrator.rollout.gate import Gate


class Threshold:
    """Turns: the gate's own, once it was crossed. When that fails no host starts, whatever its batch."""

    def __init__(self, gate: Gate, cross: Callable[[], Awaitable[None]] | None) -> None:
        """`cross` may raise HookFailed; None lets everybody pass."""
        self._gate = gate
        self._cross = cross
        self._failure: HookFailed | None = None
        self._crossing = asyncio.Lock()

    def place(self, host: str) -> tuple[int, int]:
        """See Turns.place."""
        return self._gate.place(host)

    async def wait(self, host: str) -> str:
        """See Turns.wait."""
        async with self._crossing:
            if self._cross:
                await self._crossed(self._cross)
        return self._failure.message if self._failure else await self._gate.wait(host)

    async def _crossed(self, cross: Callable[[], Awaitable[None]]) -> None:
        self._cross = None  # once, even when it is broken off: whoever does that lets go of all hosts
        try:
            await cross()
        except HookFailed as error:
            self._failure = error
            self._gate.halt(error.message)

    def check(self) -> None:
        """Raise the HookFailed that kept the hosts from starting, if any did."""
        if self._failure:
            raise self._failure
