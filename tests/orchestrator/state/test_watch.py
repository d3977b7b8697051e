from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.build import facts

from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Standing, Surroundings
from saturn_orchestrator.state.watch import Awaited, Presence, Seen, WatchState, reduce_watch

BEGIN = WatchState.of(("alpha", "beta"), "t0")
ONLINE = Standing("alpha", "online", observed_at="t1", facts=facts(), behind=2, ahead=0)
AWAY = Standing("alpha", "unreachable", observed_at="t5", error=HostError("unreachable", "no"))


def after(*sightings: Seen | Awaited | Surroundings) -> WatchState:
    state = BEGIN
    for number, each in enumerate(sightings, 1):
        state = reduce_watch(state, each, f"t{number}")
    return state


def test_nothing_is_known_of_a_host_before_its_first_word():
    assert BEGIN.hosts["alpha"] == Presence(Standing("alpha", "unknown"), "t0")
    assert [each.host for each in BEGIN.standings] == ["alpha", "beta"]


def test_since_is_when_a_host_came_or_went():
    states = [after(*(Seen(each) for each in (ONLINE, ONLINE, AWAY, AWAY, ONLINE)[:count])) for count in range(6)]

    assert [state.hosts["alpha"].since for state in states] == ["t0", "t1", "t1", "t3", "t3", "t5"]


def test_of_a_host_that_went_away_its_last_words_are_kept():
    gone = after(Seen(ONLINE), Seen(AWAY, "t9"), Seen(AWAY, "t9")).hosts["alpha"]

    assert gone.standing == Standing(
        "alpha", "unreachable", "watch", "t1", ONLINE.facts, 2, 0, HostError("unreachable", "no")
    )
    assert gone.again_at == "t9"


def test_what_the_journal_tells_stays_what_the_journal_tells():
    told = Standing("alpha", "unreachable", "journal", "long ago", facts())

    assert after(Seen(told), Seen(AWAY)).hosts["alpha"].standing.source == "journal"
    assert after(Seen(told), Seen(ONLINE)).hosts["alpha"].standing == ONLINE


def test_what_a_host_waits_for_is_told_until_it_is_seen():
    waiting = Awaited("alpha", "needs approval: https://x")

    assert after(waiting).hosts["alpha"].awaits == "needs approval: https://x"
    assert after(waiting, Seen(ONLINE)).hosts["alpha"].awaits == ""


def test_the_tailnet_is_told_beside_the_hosts():
    around = Surroundings(strangers=("nas",))

    assert (after(around).around, after(around, Seen(ONLINE)).around) == (around, around)


@given(st.lists(st.sampled_from((Seen(ONLINE), Seen(AWAY), Awaited("alpha", "x"), Surroundings())), max_size=12))
def test_one_host_says_nothing_of_another(sightings):
    state = after(*sightings)

    assert (list(state.hosts), state.hosts["beta"]) == (["alpha", "beta"], BEGIN.hosts["beta"])
