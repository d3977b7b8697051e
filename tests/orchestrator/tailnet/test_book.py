from __future__ import annotations

import asyncio

import pytest
from support.tailscaled import FakeTailscaled, NoTailnet, peer, tailnet

from saturn_orchestrator.tailnet import book
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.model import Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, Trouble

CHELSTY = peer("chelsty")
TAILNET = tailnet(CHELSTY)


def test_tailscaled_is_asked_once_for_many_hosts():
    async def story() -> None:
        daemon = FakeTailscaled(TAILNET)
        known = AddressBook(daemon)

        assert await asyncio.gather(*(known.tailnet() for _ in range(30))) == [TAILNET] * 30
        assert await known.tailnet() is TAILNET
        assert daemon.asked == 1

    asyncio.run(story())


def test_what_is_forgotten_is_asked_again():
    async def story() -> int:
        daemon = FakeTailscaled(TAILNET)
        known = AddressBook(daemon)
        await known.tailnet()
        known.forget()
        known.forget()
        await asyncio.gather(known.tailnet(), known.tailnet())
        return daemon.asked

    assert asyncio.run(story()) == 2


def test_nobody_is_asked_before_somebody_wants_to_know():
    daemon = FakeTailscaled(TAILNET)
    AddressBook(daemon)

    assert daemon.asked == 0


def test_a_host_that_is_given_up_does_not_take_the_answer_from_the_others():
    class Slow(FakeTailscaled):
        async def status(self) -> Tailnet | Trouble:
            await answer.wait()
            return await super().status()

    async def story() -> None:
        daemon = Slow(TAILNET)
        known = AddressBook(daemon)
        first, second = asyncio.create_task(known.tailnet()), asyncio.create_task(known.tailnet())
        await asyncio.sleep(0)

        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        answer.set()

        assert await second is TAILNET
        assert daemon.asked == 1

    answer = asyncio.Event()
    asyncio.run(story())


@pytest.mark.parametrize("answers, asked", [(("NoState", "Starting", "Running"), 3), (("Starting",) * 99, 11)])
def test_a_tailscaled_that_only_starts_is_asked_again_for_a_moment(monkeypatch, answers, asked):
    class Starting(FakeTailscaled):
        async def status(self) -> Tailnet | Trouble:
            self.known = Tailnet(answers[self.asked])
            return await super().status()

    async def story() -> None:
        monkeypatch.setattr(book, "START_S", 0)
        daemon = Starting(TAILNET)

        assert (await AddressBook(daemon).tailnet()).state == answers[asked - 1]
        assert daemon.asked == asked

    asyncio.run(story())


def test_where_there_is_no_tailnet_nobody_is_called_anything():
    async def story() -> None:
        assert await AddressBook(NoTailnet()).tailnet() == NOT_INSTALLED
        assert await AddressBook(NoTailnet()).peers("chelsty") == ()
        assert await AddressBook(FakeTailscaled(TAILNET)).peers("chelsty") == (CHELSTY,)

    asyncio.run(story())
