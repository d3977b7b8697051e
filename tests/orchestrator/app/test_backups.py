from __future__ import annotations

import asyncio

from support import build
from support.backup_node import snapshot
from support.build import node_event
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.app.backups import holdings, inspections
from saturn_orchestrator.errors import Denied, Unreachable

HOSTS = [build.host(name, connect_timeout_s=0.2) for name in ("alpha", "beta", "gone")]


def test_a_host_that_is_away_costs_the_others_no_backup():
    alpha = FakeSession([node_event(events.Backups, snapshots=(snapshot("n1"),))])
    beta = FakeSession([node_event(events.Backups, host="beta")])
    door = FakeDoor(alpha=[alpha], beta=[beta], gone=[Unreachable("no route")] * 3)

    found = asyncio.run(holdings(HOSTS, door))

    assert [(each.host, [one.name for one in each.snapshots], each.exit_code) for each in found] == [
        ("alpha", ["n1"], 0), ("beta", [], 0), ("gone", [], 3),
    ]  # fmt: skip
    assert (alpha.is_closed, beta.is_closed) == (True, True)


def test_a_damaged_backup_is_a_failure_and_a_denied_login_is_too():
    sound = node_event(events.BackupVerified, service="web", snapshot="n1", is_sound=True)
    damaged = node_event(events.BackupVerified, service="web", snapshot="n1", message="cut")
    listed = [node_event(events.Backups, snapshots=(snapshot("n1"),))]
    door = FakeDoor(alpha=[FakeSession(listed, [sound])], beta=[FakeSession(listed, [damaged])], gone=[Denied("no")])

    found = asyncio.run(inspections(HOSTS, door))

    assert [(each.host, each.exit_code) for each in found] == [("alpha", 0), ("beta", 1), ("gone", 1)]


def test_a_backup_of_which_the_node_says_nothing_is_not_taken_for_sound():
    listed = [node_event(events.Backups, snapshots=(snapshot("n2"), snapshot("n1")))]
    sound = node_event(events.BackupVerified, service="web", snapshot="n1", is_sound=True)

    (found,) = asyncio.run(inspections(HOSTS[:1], FakeDoor(alpha=[FakeSession(listed, [sound])])))

    assert [(each.snapshot, each.is_sound, each.message) for each in found.verdicts] == [
        ("n1", True, ""), ("n2", False, "the node did not say whether it is sound"),
    ]  # fmt: skip
    assert found.exit_code == 1


def test_a_line_that_breaks_is_told_of_its_host_alone():
    door = FakeDoor(alpha=[FakeSession()], beta=[FakeSession([])], gone=[FakeSession()])

    listed = asyncio.run(holdings(HOSTS, door))

    assert [each.error.code for each in listed] == ["session_lost", "backups_missing", "session_lost"]
