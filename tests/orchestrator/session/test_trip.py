"""What each step of the way to a host took."""

from __future__ import annotations

from collections.abc import Iterator

from saturn_orchestrator.session.trip import STEPS, Trip


def clocked(*times: float) -> Trip:
    ticks: Iterator[float] = iter((100.0, *times))
    return Trip(lambda: next(ticks))


def test_every_step_counts_from_the_one_before() -> None:
    trip = clocked(100.25, 100.75, 101.0, 101.0, 101.5, 102.0)
    for step in STEPS:
        trip.reach(step)

    assert trip.seconds == {
        "dial": 0.25, "key exchange": 0.5, "login": 0.25, "exec": 0.0, "executor": 0.5, "first event": 0.5,
    }  # fmt: skip


def test_a_step_that_was_not_reached_is_not_there() -> None:
    trip = clocked(101.0)
    trip.reach("dial")

    assert trip.seconds == {"dial": 1.0}


def test_steps_in_the_order_of_the_way_even_when_they_are_told_in_another() -> None:
    trip = clocked(101.0, 103.0, 102.0)
    for step in ("dial", "exec", "login"):
        trip.reach(step)

    assert trip.seconds == {"dial": 1.0, "login": 1.0, "exec": 1.0}


def test_a_second_try_counts_in_place_of_the_first() -> None:
    trip = clocked(101.0, 104.0)
    trip.reach("dial")
    trip.reach("dial")

    assert trip.seconds == {"dial": 4.0}


def test_nothing_counts_after_the_first_event() -> None:
    trip = clocked(101.0, 109.0)
    trip.reach("first event")
    trip.reach("first event")

    assert trip.seconds == {"first event": 1.0}
