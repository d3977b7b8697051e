from __future__ import annotations

import asyncio

from support import build
from support.build import node_event
from support.fake_session import FakeDoor, FakeSession
from support.report_values import shown

from saturn_orchestrator import events
from saturn_orchestrator.app.cancel import cancel
from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.report.cancel_view import cancellations_document, cancellations_text

ASKED = node_event(events.Cancelling, 2, target=build.RUN, stage="deploy", service="web")


def test_every_host_is_told_and_says_what_it_stops():
    idle = FakeSession([node_event(events.Refused, 2, "idle", code="not_running", message="no run is at work")])
    broken = FakeSession([node_event(events.Refused, 2, "broken", code="internal_error", message="a fault", hint="h")])
    busy = FakeSession([ASKED])
    door = FakeDoor(busy=[busy], idle=[idle], broken=[broken], dead=[Unreachable("no route")] * 3)
    hosts = [build.host(name, connect_timeout_s=0.2) for name in ("busy", "idle", "broken", "dead")]

    told = asyncio.run(cancel(hosts, door, at_once=False))

    assert [(each.host, each.told, each.error and each.error.code) for each in told] == [
        ("busy", ASKED, None), ("idle", None, None), ("broken", None, "internal_error"), ("dead", None, "unreachable"),
    ]  # fmt: skip
    assert [(request.verb, request.run, request.now) for request in busy.asked] == [("cancel", "", False)]
    assert busy.is_closed
    assert cancellations_document(told)["hosts"]["busy"] == {"run": build.RUN, "now": False, "error": None}
    assert shown(cancellations_text(told[:2])) == (
        f"busy: run {build.RUN} stops after the service in hand, deploy web\n"
        "  at once instead: saturn cancel --hosts busy --now\n"
        "idle: no run is at work\n"
        "watch it stop: saturn attach --hosts busy\n"
    )


def test_at_once_is_handed_on():
    busy = FakeSession([node_event(events.Cancelling, 2, target=build.RUN, now=True)])

    (told,) = asyncio.run(cancel([build.host("busy")], FakeDoor(busy=[busy]), at_once=True))

    assert busy.asked[0].now
    assert shown(cancellations_text([told])).startswith(f"busy: run {build.RUN} stops now, with the command in hand\n")
