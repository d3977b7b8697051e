from __future__ import annotations

import io
from datetime import UTC

import pytest
from rich.cells import cell_len
from support.report_values import NEW, OLD, RUN, at, screen_of
from support.terminal import Terminal

from saturn_orchestrator import events
from saturn_orchestrator.report.live import HostRow, LiveView, region
from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.reduce import reduce_run


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Watched:
    """A run of two hosts and the live view that is told of it."""

    def __init__(self, stream: io.StringIO, **environ: str) -> None:
        self.clock = Clock()
        self.run = RunState.of(RUN, NEW, ["chelsty", "vps"], at(0))
        self.view = LiveView(screen_of(stream, **environ), self.clock, UTC, auto_refresh=False)
        self.view.opened(self.run)

    def note(self, *told: events.Event, host: str = "chelsty") -> None:
        for event in told:
            self.run = reduce_run(self.run, host, event)
            self.view.noted(host, (event,), self.run)
        self.view.flush()

    def close(self) -> None:
        self.view.closed(self.run)


CONFIRMED = (
    events.SessionOpening(at(1), 1),
    events.SessionOpened(at(2)),
    events.HostPlanned(at(3), OLD, NEW),
    events.HostConfirmed(at(4), "ada"),
)


def node(kind, seq, **fields):
    return kind(seq=seq, at=at(seq + 4), run=RUN, host="chelsty", **fields)


DEPLOYING = (
    *CONFIRMED,
    node(events.Hello, 1),
    node(events.StageStarted, 2, stage="prepare"),
    node(events.CheckedOut, 3, stage="prepare", revision_before=OLD, revision_after=NEW),
    node(events.StageStarted, 4, stage="deploy"),
    node(events.ServiceStarted, 5, stage="deploy", service="mosquitto"),
    node(events.ServiceFinished, 6, stage="deploy", service="mosquitto", status="changed", duration_s=3.21),
    node(events.ServiceStarted, 7, stage="deploy", service="zigbee2mqtt"),
    node(events.Log, 8, stage="deploy", service="zigbee2mqtt", text="Pulling [red]fs layer[/red] :smile:"),
)
LOST = events.RunLost(at(40), "session_lost", "the line broke")


def test_nothing_is_drawn_before_the_first_event():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    with watched.view.hold():
        pass
    watched.close()
    assert stream.getvalue() == ""


def test_finished_things_scroll_above_one_row_a_host():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(*DEPLOYING)
    watched.clock.seconds = 9.8
    watched.view._live.refresh()
    assert stream.lines == [
        "16:10:07 chelsty prepare checked out 3f2a91c0 -> 8be02d44 from origin",
        "16:10:10 chelsty deploy mosquitto changed 3.2 s",
        "chelsty  > running  deploy  zigbee2mqtt  9.8 s  Pulling [red]fs layer[/red] :sm…",
        "vps      · pending  -       -            -",
    ]
    assert not stream.shows_cursor


def test_closing_leaves_only_the_finished_lines_and_the_cursor():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(*DEPLOYING)
    watched.close()
    assert stream.lines == [
        "16:10:07 chelsty prepare checked out 3f2a91c0 -> 8be02d44 from origin",
        "16:10:10 chelsty deploy mosquitto changed 3.2 s",
    ]
    assert stream.shows_cursor


def test_a_question_has_the_screen_for_itself():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(*DEPLOYING[:3])
    with watched.view.hold():
        assert stream.lines == [""]
        assert stream.shows_cursor
        stream.write("Deploy chelsty? y\n")
        with watched.view.hold():  # Ctrl-C says a sentence in the middle of the question
            watched.note(*DEPLOYING[3:])
        assert stream.lines == ["Deploy chelsty? y"]
    watched.close()
    assert stream.lines == [
        "Deploy chelsty? y",
        "16:10:07 chelsty prepare checked out 3f2a91c0 -> 8be02d44 from origin",
        "16:10:10 chelsty deploy mosquitto changed 3.2 s",
    ]


def test_a_failing_question_gives_the_region_back():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(CONFIRMED[0])
    before = stream.lines
    with pytest.raises(EOFError), watched.view.hold():
        raise EOFError
    assert stream.lines == before == ["chelsty  · connecting  -  -  0.0 s", "vps      · pending     -  -  -"]


def test_a_hold_after_the_end_draws_no_region():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(*DEPLOYING)
    with watched.view.hold():
        watched.note(LOST)
        watched.close()
    assert stream.lines[-1] == "16:10:40 chelsty lost: the line broke"
    assert stream.shows_cursor


def test_seconds_begin_anew_with_the_confirmation_and_stop_with_the_end():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    seen = []
    for told, passed in [(CONFIRMED[:2], 5), (CONFIRMED[2:3], 60), (CONFIRMED[3:], 7), ((LOST,), 100)]:
        watched.note(*told)
        watched.clock.seconds += passed
        watched.view._live.refresh()
        seen.append(stream.lines[-2].split("  ")[-1])
    assert seen == ["5.0 s", "-", "7.0 s", "7.0 s"]


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_without_redrawing_only_the_lines_appear(stream):
    watched = Watched(stream, TERM="dumb")
    watched.note(*DEPLOYING, LOST)
    watched.close()
    assert stream.getvalue() == (
        "16:10:07 chelsty prepare checked out 3f2a91c0 -> 8be02d44 from origin\n"
        "16:10:10 chelsty deploy mosquitto changed 3.2 s\n"
        "16:10:40 chelsty lost: the line broke\n"
    )


class Hangup(Terminal):
    """A terminal that went away."""

    def write(self, _: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_terminal_that_went_away_is_no_failure_of_the_run():
    watched = Watched(Hangup(), TERM="xterm")
    watched.note(*DEPLOYING, LOST)
    watched.close()
    assert watched.run.hosts["chelsty"].status is Status.LOST


def many_hosts(count: int) -> list[HostRow]:
    order = [Status.CHANGED, Status.PENDING, Status.FAILED, Status.RUNNING]
    hosts = [HostState(f"host-{number:02d}", order[number % 4], "deploy") for number in range(count)]
    return [HostRow(host) for host in hosts]


def test_more_hosts_than_rows_show_the_failed_and_the_unfinished_first():
    lines = [line.plain for line in region(many_hosts(30), 80, 17)]
    running, failed, pending = range(3, 30, 4), range(2, 30, 4), (1, 5)
    assert [line.split()[0] for line in lines[:-1]] == [f"host-{n:02d}" for n in (*failed, *running, *pending)]
    assert lines[-1] == "… and 14 more: 6 pending, 8 changed"


def test_hosts_that_fit_keep_their_order():
    assert [line.plain.split()[0] for line in region(many_hosts(8), 80, 8)] == [f"host-0{n}" for n in range(8)]


def test_of_a_thousand_hosts_those_that_need_a_person_are_seen_and_the_rest_is_counted():
    hosts = [
        *(HostState(f"well{n}", Status.CHANGED) for n in range(312)),
        *(HostState(f"waits{n}", Status.PENDING) for n in range(640)),
        *(HostState(f"works{n}", Status.RUNNING, "deploy") for n in range(40)),
        *(HostState(f"dials{n}", Status.CONNECTING) for n in range(3)),
        HostState("asks", Status.CONNECTING, text="needs approval", awaits="approval"),
        HostState("gone", Status.RUNNING, link_lost_at=at(3)),
        HostState("carries", Status.RUNNING, awaits="acknowledgement"),
        HostState("broken", Status.FAILED),
        HostState("lost", Status.LOST),
    ]

    lines = [line.plain for line in region([HostRow(host, 1) for host in hosts], 80, 24)]

    assert [line.split()[0] for line in lines[:6]] == ["asks", "gone", "carries", "broken", "lost", "works0"]
    assert lines[-1] == "… and 977 more: 640 pending, 3 connecting, 22 running, 312 changed"
    assert len(lines) == 24


def wide_host(
    name: str = "chelsty", service: str = "zigbee2mqtt", text: str = "Pulling layers", seconds: float = 7
) -> list[HostRow]:
    return [HostRow(HostState(name, Status.RUNNING, "deploy", service, text), seconds)]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (120, "chelsty  > running  deploy  zigbee2mqtt  192.4 s  Pulling layers"),
        (63, "chelsty  > running  deploy  zigbee2mqtt  3 min 12 s  Pulling l…"),
        (62, "chelsty  > running  deploy  zigbee2mqtt  3 min 12 s"),
        (50, "chelsty  > running  deploy  zigbee2mq…  3 min 12 s"),
        (40, "chelsty  > running  deploy  3 min 12 s"),
        (20, "chelsty  > running"),
        (14, "ch…  > running"),
    ],
)
def test_a_narrow_row_loses_everything_before_its_status(width, row):
    expected = row.replace("192.4 s", "3 min 12 s")
    assert [line.plain for line in region(wide_host(seconds=192.4), width, 24)] == [expected]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("name", ["chelsty", "h" * 63])
@pytest.mark.parametrize("text", ["", "表" * 300, "[red]x[/red]" * 30, "\x1b[2J\r\n"])
def test_no_row_is_ever_wider_than_the_screen(width, name, text):
    rows = [line.plain for line in region(wide_host(name, "s" * 63, text), width, 24)]
    assert len(rows) == 1
    assert cell_len(rows[0]) <= width
    assert "> running" in rows[0]
    assert rows[0].isprintable()


@pytest.mark.parametrize("height", [-1, 0, 1, 2])
def test_a_tiny_terminal_gets_no_more_rows_than_it_has(height):
    assert len(region(many_hosts(30), 80, height)) == max(height, 1)


@pytest.mark.parametrize(
    "fields, silent_s, text",
    [
        ({"text": "Pulling"}, 24, "Pulling"),
        ({"text": "Pulling"}, 38, "no word for 38 s"),
        ({"text": "Pulling", "link_lost_at": at(3)}, 38, "link lost, node still working (38 s)"),
        ({"left": HostError("detached", "vps goes on")}, 0, "left: vps goes on"),
    ],
)
def test_a_row_tells_how_the_line_to_its_host_stands(fields, silent_s, text):
    assert HostRow(HostState("vps", Status.RUNNING, **fields), 90, silent_s).text == text


def test_the_seconds_of_a_lost_line_are_counted_from_its_loss():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(*DEPLOYING)
    watched.clock.seconds += 5
    watched.note(events.LinkLost(at(50), "the connection broke"))
    watched.clock.seconds += 38
    watched.view._live.refresh()
    assert "43.0 s  link lost, node still working" in stream.lines[-2]


def test_two_runs_of_one_host_have_a_row_each():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.view.opened(RunState.of("20261122T090000Z-0001", NEW, ["chelsty"], at(0)))
    watched.note(*CONFIRMED)
    assert [line.split()[0] for line in stream.lines if line] == ["chelsty", "vps", "chelsty"]


APPROVAL = events.SessionWaiting(at(2), "approval", "needs approval: https://x.example/a", "https://x.example/a", 1800)


def test_what_a_person_must_open_stands_above_the_rows_and_in_the_row_of_its_host():
    stream = Terminal()
    watched = Watched(stream, TERM="xterm")
    watched.note(CONFIRMED[0], APPROVAL)
    assert stream.lines == [
        "16:10:02 chelsty needs approval: https://x.example/a",
        "chelsty  · connecting  -  -  0.0 s  needs approval: https://x.example/a",
        "vps      · pending     -  -  -",
    ]
    watched.note(events.SessionOpened(at(9), "DERP fra"))
    watched.view._live.refresh()
    assert stream.lines[1] == "chelsty  · connected  -  -  0.0 s  DERP fra"


def test_an_address_to_open_is_a_link_on_a_terminal_that_knows_links_and_plain_text_elsewhere():
    linked, plain = Terminal(), io.StringIO()
    for stream, environ in ((linked, {"TERM": "xterm-256color"}), (plain, {"TERM": "dumb"})):
        watched = Watched(stream, **environ)
        watched.note(CONFIRMED[0], APPROVAL)
        watched.close()
    assert "needs approval: https://x.example/a\n" in plain.getvalue()
    assert ";https://x.example/a\x1b\\" in linked.getvalue()
