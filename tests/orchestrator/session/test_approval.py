"""Whose turn it is to log in. A canary that stalls stalls for milliseconds; everything else waits for no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from saturn_orchestrator.session import approval
from saturn_orchestrator.session.approval import Approvals, Turn


@pytest.fixture(autouse=True)
def nobody_stalls(monkeypatch):
    monkeypatch.setattr(approval, "CANARY_S", 3600.0)


class Logins:
    """Hosts that log in, each in a task of its own. taken: whose turn came. waits: what each was told meanwhile."""

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.turns: dict[str, Turn] = {}
        self.waits: list[tuple[str, str, bool]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def taken(self) -> list[str]:
        return list(self.turns)

    async def come(self, *hosts: str) -> None:
        for host in hosts:
            self._tasks[host] = asyncio.create_task(self._take(host))
        await settled()

    async def _take(self, host: str) -> None:
        def waits(first: Turn) -> None:
            self.waits.append((host, first.host, first.is_asked))

        self.turns[host] = await self.approvals.turn(host, waits)

    async def ask(self, host: str) -> None:
        self.approvals.asked(self.turns[host])
        await settled()

    async def end(self, host: str, *, is_let_in: bool) -> None:
        self.approvals.over(self.turns[host], is_let_in=is_let_in)
        await settled()

    async def leave(self, host: str) -> None:
        self._tasks[host].cancel()
        await settled()

    async def all_have_come(self) -> None:
        await asyncio.gather(*self._tasks.values())

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()


async def settled() -> None:
    """Everybody who can go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


def told(story: Callable[[Logins], Awaitable[None]]) -> None:
    async def whole() -> None:
        logins = Logins()
        await story(logins)
        logins.stop()

    asyncio.run(whole())


def test_one_goes_first_and_alone():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")

        assert (logins.taken, logins.waits) == (["a"], [])

    told(story)


def test_a_canary_that_is_let_in_without_a_question_frees_everybody():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        await logins.end("a", is_let_in=True)
        await logins.come("d")

        assert (logins.taken, logins.waits) == (["a", "b", "c", "d"], [])

    told(story)


def test_while_a_person_is_asked_the_others_wait_and_know_for_whom():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        await logins.ask("a")
        await logins.come("d")

        assert logins.taken == ["a"]
        assert logins.waits == [("b", "a", True), ("c", "a", True), ("d", "a", True)]

    told(story)


def test_after_an_approval_the_next_goes_alone_and_frees_the_rest_when_nobody_asks_again():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        await logins.ask("a")
        await logins.end("a", is_let_in=True)
        assert logins.taken == ["a", "b"]

        await logins.end("b", is_let_in=True)
        assert logins.taken == ["a", "b", "c"]

    told(story)


def test_where_everybody_is_asked_everybody_goes_alone():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        for number, name in enumerate("abc"):
            assert len(logins.taken) == number + 1
            await logins.ask(name)
            await logins.end(name, is_let_in=True)

        assert logins.waits == [("b", "a", True), ("c", "a", True), ("c", "b", True)]

    told(story)


def test_a_canary_that_is_denied_frees_nobody_but_the_next():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        await logins.end("a", is_let_in=False)

        assert logins.taken == ["a", "b"]

    told(story)


def test_two_prompts_at_once_void_each_other_and_go_one_after_the_other():
    async def story(logins: Logins) -> None:
        await logins.come("a")
        await logins.end("a", is_let_in=True)  # everybody may go at once
        await logins.come("b", "c")
        first, second = logins.turns["b"], logins.turns["c"]
        aborted: list[str] = []
        first.abort, second.abort = (lambda: aborted.append("b")), (lambda: aborted.append("c"))

        await logins.ask("b")
        assert (first.is_void, aborted) == (False, [])
        await logins.ask("c")
        assert (first.is_void, second.is_void, sorted(aborted)) == (True, True, ["b", "c"])

        await logins.end("b", is_let_in=False)
        await logins.end("c", is_let_in=False)
        await logins.come("b", "c")
        assert logins.turns["b"] is not first
        assert logins.turns["c"] is second  # it has to wait now
        await logins.ask("b")
        assert not logins.turns["b"].is_void

    told(story)


def test_a_turn_that_is_void_before_there_is_a_connection_aborts_none():
    async def story(logins: Logins) -> None:
        await logins.come("a")

        logins.turns["a"].void()

        assert logins.turns["a"].is_void

    told(story)


def test_an_approval_that_is_asked_for_after_all_were_freed_holds_the_next_back():
    async def story(logins: Logins) -> None:
        await logins.come("a")
        await logins.end("a", is_let_in=True)
        await logins.come("b")
        await logins.ask("b")
        await logins.come("c")

        assert (logins.taken, logins.waits) == (["a", "b"], [("c", "b", True)])

    told(story)


def test_a_login_that_was_free_frees_nobody_while_another_is_asked():
    async def story(logins: Logins) -> None:
        await logins.come("a")
        await logins.end("a", is_let_in=True)
        await logins.come("b", "c")
        await logins.ask("b")
        await logins.end("c", is_let_in=True)
        await logins.come("d")

        assert "d" not in logins.taken

    told(story)


def test_one_who_gives_up_waiting_takes_no_turn():
    async def story(logins: Logins) -> None:
        await logins.come("a", "b", "c")
        await logins.leave("b")
        await logins.end("a", is_let_in=False)

        assert logins.taken == ["a", "c"]

    told(story)


def test_a_canary_that_stalls_is_passed_by_and_frees_all_when_it_comes_in_after_all(monkeypatch):
    async def story(logins: Logins) -> None:
        await logins.come("a")
        monkeypatch.setattr(approval, "CANARY_S", 0.01)
        await logins.approvals.turn("b", lambda _: None)
        monkeypatch.setattr(approval, "CANARY_S", 3600.0)
        await logins.come("c")
        assert logins.taken == ["a"]

        await logins.end("a", is_let_in=True)
        assert logins.taken == ["a", "c"]

    told(story)


def test_one_who_waits_long_for_silent_ones_says_so(monkeypatch):
    async def story(logins: Logins) -> None:
        monkeypatch.setattr(approval, "CANARY_S", 0.2)
        await logins.come("a", "b", "c")
        await logins.all_have_come()

        assert logins.taken[0] == "a"
        assert [(first, is_asked) for _, first, is_asked in logins.waits] == [(logins.taken[1], False)]

    told(story)


def test_a_canary_that_is_asked_has_not_stalled(monkeypatch):
    async def story(logins: Logins) -> None:
        monkeypatch.setattr(approval, "CANARY_S", 0.001)
        await logins.come("a")
        await logins.ask("a")
        await logins.come("b")
        await asyncio.sleep(0.05)

        assert logins.taken == ["a"]

    told(story)
