from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from orchestrator.journals import journalled, never
from support import build
from support.build import NEW, RUN, node_event, own_event
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.app.recovery import Recover, kept, recover, redaction
from saturn_orchestrator.errors import SessionLost, Unreachable, UsageError
from saturn_orchestrator.journal import Records
from saturn_orchestrator.state.model import Status
from saturn_orchestrator.state.recovery import Recovery

ORDER = (events.SessionOpened, events.HostPlanned, events.HostConfirmed)
REMOTE = "/opt/homelab/logs/deploy/diagnostics_1.txt"


def written(folder: Path, outcome: str = "failed") -> Records:
    """A journal with one run of alpha."""
    file = folder / "journal.db"
    told = [own_event(kind) for kind in ORDER]
    journalled(
        file, build.run_state("alpha"), [("alpha", each) for each in (*told, *build.run_story("alpha", outcome))]
    )
    return Records(file, never)


def gathered(folder: Path, door: FakeDoor, name: str = "alpha", **order) -> Recovery:
    host = build.host(name, connect_timeout_s=0.2)
    asked = Recover(build.topology(folder, host), host, **order)
    return asyncio.run(recover(asked, written(folder), door, folder / "diagnostics"))


def test_a_node_that_answers_is_asked_for_facts_and_diagnostics(tmp_path):
    facts = FakeSession([build.facts(stage="deploy", completed=("prepare",))])
    collected = node_event(events.DiagnosticsCollected, 2, path=REMOTE)
    part = node_event(events.DiagnosticsPart, 3, text="=== disk\nfull\n")

    found = gathered(tmp_path, FakeDoor(alpha=[facts, FakeSession([collected, part])]))

    assert (found.run, found.state.status, found.is_live) == (RUN, Status.FAILED, True)
    assert (found.diagnostics.text, found.diagnostics.is_fresh) == ("=== disk\nfull\n", True)
    assert [record.run for record in found.history] == [RUN]
    assert [event.type for event in found.told][:3] == ["session_opened", "host_planned", "host_confirmed"]
    assert [request.verb for request in facts.asked] == ["facts"]


def test_of_a_host_that_is_away_earlier_diagnostics_are_taken(tmp_path):
    folder = tmp_path / "diagnostics" / "alpha"
    folder.mkdir(parents=True)
    for age, name in enumerate(("b.txt", "a.txt")):
        (folder / name).write_text(name)
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))

    found = gathered(tmp_path, FakeDoor(alpha=[Unreachable("no")] * 3))

    assert (found.standing.reachability, found.is_live) == ("unreachable", False)
    assert (found.diagnostics.text, found.diagnostics.at) == ("b.txt", "1970-01-12T13:46:40Z")
    assert (found.diagnostics.is_fresh, found.diagnostics.problem) == (False, "alpha could not be asked")
    assert found.standing.facts.revision == NEW


def test_offline_nobody_is_asked(tmp_path):
    door = FakeDoor(alpha=[])

    found = gathered(tmp_path, door, is_offline=True)

    assert door.opened == []
    assert (found.standing.reachability, found.standing.source, found.was_asked) == ("unknown", "journal", False)
    assert (found.diagnostics.text, found.diagnostics.problem) == ("", "")


def test_diagnostics_that_break_off_spoil_nothing(tmp_path):
    door = FakeDoor(alpha=[FakeSession([build.facts()]), FakeSession([SessionLost("cut")])])

    found = gathered(tmp_path, door)

    assert (found.is_live, found.diagnostics.text, found.diagnostics.problem) == (True, "", "cut")


def test_a_host_without_runs_is_told_of_as_far_as_it_goes(tmp_path):
    found = gathered(tmp_path, FakeDoor(), name="beta", is_offline=True)

    assert (found.run, found.state, found.told, found.history) == ("", None, (), ())


@pytest.mark.parametrize("run, code", [("2030", "unknown_run"), (RUN, "unknown_host")])
def test_a_run_that_is_not_known_or_had_no_such_host_is_refused(tmp_path, run, code):
    with pytest.raises(UsageError) as raised:
        gathered(tmp_path, FakeDoor(), name="beta", run=run, is_offline=True)

    assert raised.value.code == code


def test_what_saturn_has_at_hand_is_redacted_and_names_are_kept(tmp_path):
    folder = tmp_path / "services/web"
    folder.mkdir(parents=True)
    (folder / ".env").write_text("A=kn0wn value\nHOST=alpha\n")
    (folder / ".env.example").write_text("B=only an example\n")
    found = gathered(tmp_path, FakeDoor(alpha=[]), is_offline=True)
    environ = {"BW_SESSION": "not by its name", "VAULT_TOKEN": "from the shell", "PATH": "/usr/bin"}
    topology = build.topology(tmp_path, found.host)

    clean = redaction(found, topology, environ, "PIN_TOKEN=in-the-prompt-1")

    words = "kn0wn value, alpha, only an example, not by its name, from the shell, /usr/bin, in-the-prompt-1"
    assert clean.redacted(words) == (
        "[redacted], alpha, only an example, not by its name, [redacted], /usr/bin, [redacted]"
    )


def test_a_bundle_is_kept_for_its_owner_alone(tmp_path):
    file = kept(tmp_path / "recovery" / "alpha", "text")

    assert file.read_text() == "text"
    assert [path.stat().st_mode & 0o777 for path in (file, file.parent)] == [0o600, 0o700]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as raised:
        kept(tmp_path / "file" / "alpha", "text")
    assert raised.value.code == "output_unwritable"
