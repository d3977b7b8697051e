from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from support import build
from support.build import facts
from support.fake_session import FakeDoor, FakeSession
from support.repository import GitFolder
from support.tailscaled import FakeTailscaled, tailnet

from saturn_orchestrator import events
from saturn_orchestrator.app import watch as module
from saturn_orchestrator.app.watch import Branches, Ports, Watch, Watcher, pause_s
from saturn_orchestrator.errors import Denied, OffTailnet, SessionLost, Unreachable
from saturn_orchestrator.repository import Distance, Repository
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.standing import Deferred
from saturn_orchestrator.state.watch import WatchState
from saturn_orchestrator.tailnet.book import AddressBook


class Memory:
    """Knows of no run; of `alpha` something is deferred."""

    def __init__(self) -> None:
        self.asked = 0

    def newest(self, host: str) -> tuple[str, str]:
        return "", ""

    def replay(self, run: str) -> RunState | None:
        return None

    def deferred(self, host: str) -> Deferred | None:
        self.asked += host == "alpha"
        return build.deferred() if host == "alpha" else None


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """The same story in less time."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "BREATH_S", 0.0)


def watched(folder: Path, door: FakeDoor, *names: str, until: Callable[[WatchState], bool], memory=None) -> list:
    """The states that were shown until one was as wanted, and the one in the end."""

    async def story() -> list[WatchState]:
        shown: list[WatchState] = []

        def show(state: WatchState) -> None:
            shown.append(state)
            if until(state):
                watcher.stop()

        hosts = [build.host(name, connect_timeout_s=0.2) for name in names]
        order = Watch(build.topology(folder, *hosts), hosts, 0.01)
        book = AddressBook(FakeTailscaled(tailnet()))
        watcher = Watcher(order, Ports(door, memory or Memory(), book))
        async with asyncio.timeout(20):
            last = await watcher.watch(show)
        return [*shown, last]

    return asyncio.run(story())


def reachability(state: WatchState) -> dict[str, str]:
    return {name: each.standing.reachability for name, each in state.hosts.items()}


def stage(state: WatchState, host: str) -> str:
    known = state.hosts[host].standing.facts
    return known.stage if known else ""


def is_at(host: str, wanted: str) -> Callable[[WatchState], bool]:
    return lambda state: stage(state, host) == wanted


def runs(*stages: str) -> list[list[events.Facts]]:
    return [[facts(stage=stage)] for stage in stages]


def test_a_host_is_asked_again_on_the_session_that_stands(tmp_path):
    session = FakeSession(*runs("prepare", "deploy", "complete"), [asyncio.Event()])
    door = FakeDoor(alpha=[session])

    shown = watched(tmp_path, door, "alpha", until=is_at("alpha", "complete"))

    assert list(dict.fromkeys(stage(each, "alpha") for each in shown)) == ["", "prepare", "deploy", "complete"]
    assert (door.opened, {request.verb for request in session.asked}) == (["alpha"], {"facts"})
    assert len({request.run for request in session.asked}) == len(session.asked)
    assert session.is_closed


def test_a_host_that_went_away_is_back_with_its_last_words_kept_meanwhile(tmp_path):
    back = FakeSession([facts(stage="complete")], [asyncio.Event()])
    first = FakeSession([facts(stage="deploy")], [SessionLost("the connection broke")])
    door = FakeDoor(alpha=[first, *[Unreachable("no")] * 4, back])

    shown = watched(tmp_path, door, "alpha", until=is_at("alpha", "complete"))

    words = [reachability(each)["alpha"] for each in shown]
    assert list(dict.fromkeys(words)) == ["unknown", "online", "unreachable"]
    assert words[-1] == "online"
    gone = [each.hosts["alpha"] for each in shown if reachability(each)["alpha"] == "unreachable"]
    assert {each.standing.facts.stage for each in gone} == {"deploy"}
    assert {each.standing.source for each in gone} == {"watch"}
    assert all(each.again_at for each in gone)
    assert [first.is_closed, back.is_closed] == [True, True]


def flapping(*stages: str) -> list[FakeSession]:
    return [FakeSession([facts(stage=stage)], [SessionLost("the connection broke")]) for stage in stages]


@pytest.mark.parametrize("longest_s, grows", [(60.0, True), (0.0, False)])
def test_pauses_grow_until_a_session_has_stood_for_long_enough(tmp_path, monkeypatch, longest_s, grows):
    told: list[int] = []
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", longest_s)
    monkeypatch.setattr(module, "pause_s", lambda _, failures: told.append(failures) or 0.0)

    watched(tmp_path, FakeDoor(alpha=flapping("one", "two", "three")), "alpha", until=lambda _: len(told) >= 3)

    assert told[:3] == ([1, 2, 3] if grows else [1, 1, 1])


def test_a_host_that_is_away_delays_nobody(tmp_path):
    door = FakeDoor(dead=[asyncio.Event()], alpha=[FakeSession(*runs("one", "two"), [asyncio.Event()])])

    shown = watched(tmp_path, door, "dead", "alpha", until=is_at("alpha", "two"))

    assert reachability(shown[-1])["alpha"] == "online"
    assert list(shown[-1].hosts) == ["dead", "alpha"]


def test_a_denied_login_is_not_tried_again_soon(tmp_path):
    door = FakeDoor(alpha=[Denied("no")], beta=[FakeSession(*runs(*"abcdef"), [asyncio.Event()])])

    shown = watched(tmp_path, door, "alpha", "beta", until=is_at("beta", "f"))

    assert (reachability(shown[-1])["alpha"], door.opened.count("alpha")) == ("denied", 1)


def test_what_waits_for_a_host_is_looked_up_when_it_may_have_changed(tmp_path):
    memory = Memory()
    session = FakeSession(*runs("one", "two", "three"), [asyncio.Event()])

    shown = watched(tmp_path, FakeDoor(alpha=[session]), "alpha", until=is_at("alpha", "three"), memory=memory)

    assert (shown[-1].hosts["alpha"].standing.deferred, memory.asked) == (build.deferred(), 1)


def test_a_watch_can_be_ended_before_anybody_answered(tmp_path):
    shown = watched(tmp_path, FakeDoor(alpha=[asyncio.Event()]), "alpha", until=lambda _: True)

    assert reachability(shown[-1]) == {"alpha": "unknown"}


@pytest.mark.parametrize(
    "error, pauses",
    [
        (Unreachable("no"), [0.01, 0.02, 0.04, 0.08]),
        (OffTailnet("away", code="offline"), [0.01, 0.02, 0.04, 0.08]),
        (SessionLost("cut"), [0.01, 0.02, 0.04, 0.08]),
        (Denied("no"), [300.0] * 4),
    ],
)
def test_pauses_grow(error, pauses):
    assert [pause_s(error, failures) for failures in (1, 2, 3, 4)] == pytest.approx(pauses)


def test_pauses_grow_to_a_minute(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 2.0)

    assert [pause_s(Unreachable("no"), failures) for failures in (1, 5, 6, 7, 5000)] == [2.0, 32.0, 60.0, 60.0, 60.0]


def test_git_is_asked_once_a_period(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first")

    async def story() -> tuple[Distance | None, ...]:
        patient, eager = (Branches(Repository(tmp_path), period_s) for period_s in (3600.0, 0.0))
        before = [await each.distance("main", first) for each in (patient, eager)]
        git.commit("second")
        after = [await each.distance("main", first) for each in (patient, eager)]
        return (*before, *after, await patient.distance("no-branch", first), await eager.distance("main", "?"))

    assert asyncio.run(story()) == (Distance(0, 0), Distance(0, 0), Distance(0, 0), Distance(1, 0), None, None)
