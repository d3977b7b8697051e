from __future__ import annotations

import pytest
from orchestrator.journals import journalled
from support.build import RUN, node_event, own_event, run_state, run_story

from saturn_orchestrator import events
from saturn_orchestrator.journal.names import backup_names, run_names


def written(host: str, service: str, snapshot: str, seq: int) -> tuple[str, events.Event]:
    return host, node_event(events.BackupWritten, seq, host, stage="deploy", service=service, snapshot=snapshot)


@pytest.fixture
def file(tmp_path):
    order = [("alpha", own_event(kind)) for kind in (events.SessionOpened, events.HostPlanned, events.HostConfirmed)]
    told = [("alpha", event) for event in run_story("alpha")[:-1]]
    kept = [written("alpha", "web", "20261125T0310", 6), written("alpha", "db", "20261125T0311", 7)]
    end = ("alpha", node_event(events.Goodbye, 8, "alpha", outcome="success"))
    journalled(tmp_path / "journal.db", run_state("alpha"), [*order, *told, *kept, end])
    return tmp_path / "journal.db"


def test_runs_are_named_with_their_end_and_hosts(file):
    assert run_names(file) == {RUN: "success: alpha"}


def test_backups_are_named_with_host_and_service(file):
    assert backup_names(file) == {"20261125T0310": "alpha web", "20261125T0311": "alpha db"}
    assert list(backup_names(file, "alpha", "db")) == ["20261125T0311"]
    assert backup_names(file, "beta") == {}


def test_a_journal_that_is_not_there_is_not_made(tmp_path):
    assert (run_names(tmp_path / "journal.db"), list(tmp_path.iterdir())) == ({}, [])


def test_a_damaged_journal_is_left_as_it_is(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)

    assert run_names(tmp_path / "journal.db") == {}
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]
