from __future__ import annotations

import typing

import pytest
from support.build import node_event, own_event
from support.report_values import NEW, OLD, RUN, at

from saturn_orchestrator import events
from saturn_orchestrator.report.lines import WORDS, Said, said, waiting_line
from saturn_orchestrator.state.model import HostState, Status

SILENT = {
    events.Heartbeat, events.WorkerVanished, events.Cancelling, events.Facts, events.Plan,
    events.DiagnosticsPart, events.Backups, events.BackupVerified, events.BackupPart, events.Examined,
    events.UnknownEvent,
}  # fmt: skip


def test_every_type_of_event_has_words_or_is_silent_on_purpose():
    every = set(typing.get_args(events.NodeEvent)) | set(typing.get_args(events.OwnEvent))
    assert set(WORDS) == every - SILENT


def test_goodbye_says_what_the_run_made_of_it():
    goodbye = events.Goodbye(9, at(9), RUN, "vps", "success", 2.0)
    words = [said(goodbye, HostState("vps", status)).text for status in (Status.UNCHANGED, Status.RUNNING)]
    assert words == ["unchanged 2.0 s", "success 2.0 s"]


HOST = HostState("chelsty")


@pytest.mark.parametrize(
    "event, words",
    [
        (
            own_event(events.HostDeferred, revision=NEW, expires_at="2026-11-30T16:10:02Z"),
            Said("deferred: 8be02d44 waits for it until 2026-11-30T16:10:02Z", "deferred", is_milestone=True),
        ),
        (
            own_event(events.HostSkipped, message="canary vps unhealthy"),
            Said("skipped: canary vps unhealthy", "skipped", is_milestone=True),
        ),
        (own_event(events.SessionOpened), Said("connected")),
        (own_event(events.SessionOpened, path="DERP fra"), Said("connected, DERP fra")),
        (
            own_event(events.SessionWaiting, code="offline", message="offline, last seen 3 h ago; trying once"),
            Said("offline, last seen 3 h ago; trying once", "warning", is_milestone=True),
        ),
        (
            own_event(
                events.SessionWaiting, code="approval", message="needs approval: https://x.example/a",
                url="https://x.example/a",
            ),
            Said("needs approval: https://x.example/a", "warning", is_milestone=True, url="https://x.example/a"),
        ),
        (own_event(events.HostQueued, batch=2, batches=3), Said("waits for its batch, 2 of 3")),
        (
            own_event(events.PlanStale, message="a container moved"),
            Said("asked again: a container moved", "warning", is_milestone=True),
        ),
        (
            node_event(events.CheckedOut, stage="prepare", revision_before=OLD, revision_after=NEW, source="saturn"),
            Said("checked out 3f2a91c0 -> 8be02d44 from saturn", "changed", is_milestone=True, stage="prepare"),
        ),
        (
            node_event(
                events.CheckedOut, stage="prepare", revision_before=OLD, revision_after=OLD, source="cache",
                stale=True, message="no route",
            ),
            Said(
                "STALE, origin could not be asked, at 3f2a91c0 from cache: no route", "warning", is_milestone=True,
                stage="prepare",
            ),
        ),
        (
            node_event(events.ServiceFinished, stage="rollback", service="web", status="restored", duration_s=2.0),
            Said("restored 2.0 s", "restored", is_milestone=True, stage="rollback", service="web"),
        ),
        (
            node_event(events.AckNeeded, stage="deploy", service="vpn", timeout_s=120.0),
            Said(
                "carries the connection: acknowledge within 120 s", "warning", is_milestone=True, stage="deploy",
                service="vpn",
            ),
        ),
        (
            node_event(events.Acknowledged, stage="deploy", service="vpn", by="ada@saturn"),
            Said("acknowledged by ada@saturn", "changed", is_milestone=True, stage="deploy", service="vpn"),
        ),
        (
            node_event(events.Acknowledged, stage="deploy", service="vpn"),
            Said("acknowledged", "changed", is_milestone=True, stage="deploy", service="vpn"),
        ),
    ],
    ids=lambda value: getattr(value, "type", ""),
)  # fmt: skip
def test_an_event_says_what_happened(event, words):
    assert said(event, HOST) == words


@pytest.mark.parametrize(
    "url, is_linked", [("https://x.example/a", True), ("http://10.0.0.1/a", True), ("file:///a", False)]
)
def test_what_keeps_a_person_waiting_is_one_line_with_the_address_as_a_link(url, is_linked):
    event = own_event(events.SessionWaiting, code="approval", message=f"needs approval: {url}", url=url)

    line = waiting_line("chelsty", event)

    assert (line.plain, line.no_wrap) == (f"chelsty: needs approval: {url}", True)
    links = [(line.plain[span.start : span.end], span.style.link) for span in line.spans if span.style.link]
    assert links == ([(url, url)] if is_linked else [])


def test_a_wait_without_an_address_links_nothing():
    line = waiting_line(
        "chelsty", own_event(events.SessionWaiting, code="offline", message="[link=x]off[/link]\x1b[2J")
    )

    assert (line.plain, line.spans) == ("chelsty: [link=x]off[/link][2J", [])
