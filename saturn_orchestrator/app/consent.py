"""A person's consent, host by host: nothing is touched before it, and nothing starts before everybody was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum

from saturn_orchestrator.plan.model import HostPlan


class Answer(StrEnum):
    """What a person may say to the plan of one host. An unclear answer is NO."""

    YES = "yes"
    NO = "no"
    DIFF = "diff"  # show the differences of the files, then ask again
    ALL = "all"  # this one and all that remain
    QUIT = "quit"  # neither this one nor any that remains


Show = Callable[[HostPlan], None]
Ask = Callable[[HostPlan], Awaitable[Answer]]
ShowDiff = Callable[[HostPlan], Awaitable[None]]


class Consent:
    """Who confirmed which plan. Plans are asked one at a time, in the order in which the hosts answered."""

    def __init__(
        self, hosts: Iterable[str], by: str, show: Show, ask: Ask | None, show_diff: ShowDiff, *, together: bool = False
    ) -> None:
        """`by` names the person. `ask` None means that `--yes` answered for all; then nobody waits for anybody.

        together: they wait all the same, so that nothing starts before every plan is known.
        """
        self.accepted: dict[str, HostPlan] = {}
        self._is_together = together or ask is not None
        self._by = by
        self._show_diff = show_diff
        self._show = show
        self._ask = ask
        self._standing: Answer | None = None
        self._turn = asyncio.Lock()
        self._unasked = set(hosts)
        self._everybody_was_asked = asyncio.Event()

    async def of(self, plan: HostPlan) -> str:
        """Who confirmed the plan; "" when it was declined. Returns a yes only once every host was asked or settled."""
        async with self._turn:
            self._show(plan)
            is_confirmed = await self._is_confirmed(plan)
        if is_confirmed:
            self.accepted[plan.host] = plan
        self.settled(plan.host)
        if is_confirmed and self._is_together:
            await self._everybody_was_asked.wait()
        return self._by if is_confirmed else ""

    def settled(self, host: str) -> None:
        """The host will not ask (any more): it was asked, or it cannot be reached, or it failed."""
        self._unasked.discard(host)
        if not self._unasked:
            self._everybody_was_asked.set()

    async def _is_confirmed(self, plan: HostPlan) -> bool:
        if self._ask is None or self._standing is Answer.ALL:
            return True
        if self._standing is Answer.QUIT:
            return False
        while (answer := await self._ask(plan)) is Answer.DIFF:
            await self._show_diff(plan)
        if answer in {Answer.ALL, Answer.QUIT}:
            self._standing = answer
        return answer in {Answer.YES, Answer.ALL}
