"""Whose turn it is to log in by Tailscale SSH, where a login may ask for a person's approval (check mode).

Several prompts at once void each other: only the URL that was opened last is good. So one host goes first, as a canary.
When it is let in without a question, everybody follows at once; when it is asked, the others wait, and go one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CANARY_S = 5.0
"""A canary that was neither let in nor asked by then has stalled; the next host goes first."""


class Turn:
    """One login. abort: ends its connection, None while there is none."""

    def __init__(self, host: str) -> None:
        """Nothing was asked yet."""
        self.host = host
        self.abort: Callable[[], None] | None = None
        self.is_asked = False
        self.is_void = False
        self.begun = asyncio.get_running_loop().time()

    def void(self) -> None:
        """What it was asked is good no more: it must log in anew."""
        self.is_void = True
        if self.abort:
            self.abort()


class Approvals:
    """The logins of one command."""

    def __init__(self) -> None:
        """Nobody has logged in, so nobody knows whether approvals are asked for."""
        self._is_free = False
        self._first: Turn | None = None
        self._moved = asyncio.Event()

    async def turn(self, host: str, waits: Callable[[Turn], None]) -> Turn:
        """The host's turn, once it has come. waits: told the login that it waits for, when that takes its time."""
        told: tuple[str, bool] | None = None
        is_long = False
        while not self._is_free and self._first is not None and not self._has_stalled(self._first):
            first = self._first
            if (first.is_asked or is_long) and (first.host, first.is_asked) != told:
                told = first.host, first.is_asked
                waits(first)
            try:
                async with asyncio.timeout(CANARY_S):
                    await self._moved.wait()
            except TimeoutError:
                is_long = True
        turn = Turn(host)
        if not self._is_free:
            self._first = turn
        return turn

    def asked(self, turn: Turn) -> None:
        """A person's approval is asked for. With another one pending both are void, and go one after the other."""
        self._is_free = False
        first = self._first
        if first and first is not turn and first.is_asked:
            turn.void()
            first.void()
        else:
            self._first = turn
            turn.is_asked = True
        self._move()

    def over(self, turn: Turn, *, is_let_in: bool) -> None:
        """The login has an end."""
        if is_let_in and not turn.is_asked and (self._first is None or not self._first.is_asked):
            self._is_free = True
        if self._first is turn:
            self._first = None
        self._move()

    def _has_stalled(self, turn: Turn) -> bool:
        return not turn.is_asked and asyncio.get_running_loop().time() - turn.begun >= CANARY_S

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
