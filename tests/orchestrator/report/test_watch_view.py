from __future__ import annotations

import json
import os

from support.build import facts
from support.report_values import at, screen_of, shown
from support.terminal import Terminal

from saturn_orchestrator.report.watch_view import WatchLines, WatchTable, watch_table
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Standing
from saturn_orchestrator.state.watch import Awaited, Seen, Sighting, WatchState, reduce_watch

ONLINE = Standing("alpha", "online", observed_at=at(5), facts=facts(stage="complete"), behind=0, ahead=0)
AWAY = Standing("beta", "unreachable", observed_at=at(6), error=HostError("unreachable", "no answer", "ping beta"))


def after(*sightings: Sighting) -> WatchState:
    state = WatchState.of(("alpha", "beta"), at(0))
    for number, each in enumerate(sightings, 1):
        state = reduce_watch(state, each, at(number))
    return state


BOTH = after(Seen(ONLINE), Seen(AWAY, at(30)))


def text_of(state: WatchState, second: int = 8) -> str:
    return shown(watch_table(state, 5, at(second)), width=120)


def test_a_host_is_shown_with_since_when_it_is_there_or_away():
    text = text_of(BOTH)

    assert "✔ online, since " in text
    assert "! unreachable, since " in text
    assert "note: tried again at " in text
    assert text.endswith("2 hosts: 1 online, 1 unreachable.\n")


def test_a_host_of_which_nothing_is_known_yet_is_called_so():
    assert "? unknown, since " in text_of(after())


def test_what_keeps_a_host_from_answering_is_said():
    assert "note: needs approval: https://x" in text_of(after(Awaited("beta", "needs approval: https://x")))


def test_a_host_that_stands_and_says_nothing_is_silent():
    assert "silent" not in text_of(BOTH, second=19)
    assert ", silent for 16 s" in text_of(BOTH, second=21)


def test_a_terminal_keeps_the_last_table_and_its_cursor():
    stream = Terminal()
    view = WatchTable(screen_of(stream, 120, 30, TERM="xterm"), 5, lambda: None, lambda: at(8))

    view.show(after())
    assert stream.lines[-1] == "Asked every 5 s. Ctrl-C ends this."
    view.show(BOTH)
    view.close()

    lines = [line.rstrip() for line in stream.lines]
    assert stream.shows_cursor
    assert sum("host " in line for line in lines) == 1
    assert lines[-1] == "2 hosts: 1 online, 1 unreachable."


def test_a_table_that_is_higher_than_the_terminal_stands_whole_in_the_end():
    stream = Terminal()
    names = [f"host{number}" for number in range(30)]
    view = WatchTable(screen_of(stream, 120, 10, TERM="xterm"), 5, lambda: None, lambda: at(8))

    view.show(WatchState.of(names, at(0)))
    view.close()

    assert [name for name in names if not any(line.startswith(f"{name} ") for line in stream.lines)] == []


def documents(*states: WatchState) -> list[dict]:
    stream = Terminal()
    view = WatchLines(stream, lambda: None, lambda: at(8))
    for state in states:
        view.show(state)
    view.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_documents_of_what_changed():
    later = Standing("alpha", "online", observed_at=at(20), facts=facts(stage="complete"), behind=0, ahead=0)

    told = documents(after(), BOTH, reduce_watch(BOTH, Seen(later), at(20)), BOTH)

    assert [(each["version"], each["at"]) for each in told] == [(1, at(8))] * 2
    first, second = (each["hosts"] for each in told)
    assert [host["reachability"] for host in first.values()] == ["unknown", "unknown"]
    assert (second["alpha"]["since"], second["alpha"]["again_at"]) == (at(1), None)
    assert (second["beta"]["since"], second["beta"]["again_at"]) == (at(2), at(30))


def test_a_reader_that_left_is_noticed_when_there_is_nothing_to_say():
    told: list[str] = []
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as reader, os.fdopen(writing, "w") as writer:
        view = WatchLines(writer, lambda: told.append("gone"), lambda: at(8))
        view.show(BOTH)
        view.show(BOTH)
        assert told == []
        reader.close()
        view.show(BOTH)

    assert told == ["gone"]


class Gone(Terminal):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_left_ends_the_watch():
    told: list[str] = []

    WatchLines(Gone(), lambda: told.append("gone"), lambda: at(8)).show(BOTH)

    assert told == ["gone"]
