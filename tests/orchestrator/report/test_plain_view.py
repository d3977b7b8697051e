from __future__ import annotations

import io
import os
from datetime import UTC

from support.report_values import NEW, OLD, RUN, at

from saturn_orchestrator import events
from saturn_orchestrator.report.plain import PlainView
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.reduce import reduce_run


def node(kind, seq, host="vps", **fields):
    return kind(seq=seq, at=at(seq), run=RUN, host=host, **fields)


START = (
    events.SessionOpening(at(0), 1),
    events.SessionOpening(at(0), 2),
    events.SessionOpened(at(0)),
    events.HostPlanned(at(0), OLD, NEW),
    events.HostConfirmed(at(0), "ada"),
)


def play(view: PlainView, *told: events.Event, host: str = "vps") -> RunState:
    run = RunState.of(RUN, NEW, ["chelsty", "vps"], at(0))
    view.opened(run)
    for event in told:
        run = reduce_run(run, host, event)
        view.noted(host, (event,), run)
        view.flush()
    return run


def text_of(*told: events.Event) -> str:
    stream = io.StringIO()
    play(PlainView(stream, UTC), *told)
    return stream.getvalue()


def test_every_meaningful_event_is_a_line_of_columns():
    told = (
        *START,
        node(events.Hello, 1, executor="1a2b3c4d5e6f", python="3.11.2", resumed=True),
        node(events.StageSkipped, 2, stage="prepare", reason="completed before"),
        node(events.StageStarted, 3, stage="deploy"),
        node(events.ServiceSkipped, 4, stage="deploy", service="mosquitto"),
        node(events.ServiceStarted, 5, stage="deploy", service="caddy"),
        node(events.Progress, 6, stage="deploy", service="caddy", text="pulling"),
        node(events.Log, 7, stage="deploy", service="caddy", text="[red]layer[/red] :smile:"),
        node(events.Heartbeat, 7),
        node(events.ServiceFinished, 8, stage="deploy", service="caddy", status="changed", duration_s=3.2),
        node(events.StageFinished, 9, stage="deploy", duration_s=3.3),
        node(events.ServiceVerified, 10, stage="verify", service="caddy", health="healthy"),
        events.UnknownEvent(11, at(11), RUN, "vps", "weather"),
        node(events.Goodbye, 12, outcome="success", duration_s=12.3),
    )
    assert text_of(*told) == (
        "16:10:00 vps     - - connecting\n"
        "16:10:00 vps     - - connecting, attempt 2\n"
        "16:10:00 vps     - - connected\n"
        "16:10:00 vps     - - planned 3f2a91c0 -> 8be02d44\n"
        "16:10:00 vps     - - confirmed by ada\n"
        "16:10:01 vps     - - executor 1a2b3c4d, python 3.11.2, resumed\n"
        "16:10:02 vps     prepare - skipped: completed before\n"
        "16:10:03 vps     deploy - started\n"
        "16:10:04 vps     deploy mosquitto skipped\n"
        "16:10:05 vps     deploy caddy started\n"
        "16:10:06 vps     deploy caddy pulling\n"
        "16:10:07 vps     deploy caddy [red]layer[/red] :smile:\n"
        "16:10:08 vps     deploy caddy changed 3.2 s\n"
        "16:10:09 vps     deploy - finished 3.3 s\n"
        "16:10:10 vps     verify caddy healthy\n"
        "16:10:11 vps     - - weather\n"
        "16:10:12 vps     - - changed 12.3 s\n"
    )


def test_failures_say_what_and_where():
    told = (
        node(events.CheckedOut, 1, stage="prepare", revision_before=OLD, revision_after=OLD, source="cache", stale=True,
             message="no route to forge"),
        node(events.Finding, 2, stage="validate", code="policy", severity="error", message="public port",
             file="services/caddy/docker-compose.yml", key="ports[0]"),
        node(events.ServiceFailed, 3, stage="verify", service="caddy", code="unhealthy", message="not healthy"),
        node(events.StageFailed, 4, stage="verify", code="healthcheck_failed", message="1 service is not healthy"),
        node(events.DiagnosticsCollected, 5, path="/opt/homelab/logs/deploy/diagnostics_x.txt"),
        node(events.Refused, 6, code="locked", message="another run works"),
        events.HostUnreachable(at(7), "unreachable", "timed out"),
        events.HostFailed(at(8), "permission_denied", "login denied"),
        events.RunLost(at(9), "lost", "its worker vanished"),
        events.HostDeclined(at(10)),
    )  # fmt: skip
    assert text_of(*told) == (
        "16:10:01 vps     prepare - STALE, origin could not be asked, at 3f2a91c0 from cache: no route to forge\n"
        "16:10:02 vps     validate - error: public port (services/caddy/docker-compose.yml ports[0])\n"
        "16:10:03 vps     verify caddy failed: not healthy\n"
        "16:10:04 vps     verify - failed: 1 service is not healthy\n"
        "16:10:05 vps     diagnose - diagnostics /opt/homelab/logs/deploy/diagnostics_x.txt\n"
        "16:10:06 vps     - - refused: another run works\n"
        "16:10:07 vps     - - unreachable: timed out\n"
        "16:10:08 vps     - - failed: login denied\n"
        "16:10:09 vps     - - lost: its worker vanished\n"
        "16:10:10 vps     - - declined\n"
    )


def test_hostile_text_cannot_forge_a_line_or_a_column():
    told = node(events.Log, 1, stage="deploy  x", service="a\nb", text="one\n16:10:02 vps \x1b[2Jtwo")
    assert text_of(told) == "16:10:01 vps     deploy_x a_b one 16:10:02 vps [2Jtwo\n"


def test_a_question_is_not_written_into():
    stream = io.StringIO()
    view = PlainView(stream, UTC)
    with view.hold():
        with view.hold():
            play(view, START[2])
        assert stream.getvalue() == ""
    assert stream.getvalue() == "16:10:00 vps     - - connected\n"


def test_a_reader_that_left_is_written_to_no_more():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        assert play(PlainView(stream, UTC), *START) == play(PlainView(io.StringIO(), UTC), *START)
        stream.write("whatever is flushed at exit goes nowhere")


def test_a_closed_stream_is_no_failure_of_the_run():
    stream = io.StringIO()
    stream.close()
    assert play(PlainView(stream, UTC), *START) == play(PlainView(io.StringIO(), UTC), *START)


def test_signs_that_an_encoding_lacks_are_replaced():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    play(PlainView(stream, UTC), node(events.Log, 1, stage="deploy", text="✔ café …"))
    assert raw.getvalue() == b"16:10:01 vps     deploy - + caf? .\n"
