from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.journals import journalled, never
from support.build import (
    AT,
    NEW,
    NODE_TYPES,
    RUN,
    any_event,
    instances,
    node_event,
    own_event,
    run_state,
    run_story,
)

from saturn_orchestrator import events
from saturn_orchestrator.journal import Journal, Records, condition, state_folder
from saturn_orchestrator.journal.database import opened, set_aside
from saturn_orchestrator.journal.sink import BLOCK
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.state.reduce import reduce_run
from saturn_orchestrator.state.workplace import Shelf


def replay(file: Path, run: str) -> RunState | None:
    return Records(file, never).replay(run)


def without_surplus(run: RunState | None) -> RunState:
    """The state but for the count of what was kept out of it: a journal holds no event that the run did not take."""
    assert run
    return replace(run, hosts={name: replace(host, surplus=0) for name, host in run.hosts.items()})


def story(host: str) -> list[tuple[str, events.Event]]:
    opening = (
        own_event(events.SessionOpening), own_event(events.SessionOpened),
        own_event(events.HostPlanned), own_event(events.HostConfirmed, by="ada"),
    )  # fmt: skip
    return [(host, event) for event in (*opening, *run_story(host))]


def test_replay_gives_the_state_that_the_run_had(tmp_path):
    interleaved = [each for pair in zip(story("alpha"), story("beta"), strict=True) for each in pair]

    live = journalled(tmp_path / "journal.db", run_state("beta", "alpha"), interleaved)

    assert replay(tmp_path / "journal.db", RUN) == live
    assert [host.status for host in live.hosts.values()] == [Status.CHANGED, Status.CHANGED]


ORDERED = [event for _, event in story("alpha")[:5]]
names = st.sampled_from(("alpha", "beta"))
events_of_a_node = st.one_of(*(instances(kind) for kind in NODE_TYPES)).filter(lambda event: event.seq >= 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "journal.db"


numbers = iter(range(1_000_000))


@given(st.lists(st.tuples(names, any_event), max_size=15), st.lists(st.tuples(names, events_of_a_node), max_size=25))
def test_replay_is_the_live_state_for_any_events(file, before, told):
    run = replace(run_state("alpha", "beta"), run=f"run-{next(numbers)}")
    sane = [(host, event) for host, event in before if events.is_own(event) or event.seq >= 1]
    begun = [(host, event) for event in ORDERED for host in ("alpha", "beta")]

    live = journalled(file, run, [*sane, *begun, *told])

    assert without_surplus(replay(file, run.run)) == without_surplus(live)


def test_an_event_that_came_too_early_does_not_shadow_the_real_one(tmp_path):
    early = ("alpha", node_event(events.Goodbye, 6, outcome="failed"))

    live = journalled(tmp_path / "journal.db", run_state(), [early, *story("alpha")])

    assert live.hosts["alpha"].status is Status.CHANGED
    assert without_surplus(replay(tmp_path / "journal.db", RUN)) == without_surplus(live)


def test_replay_of_an_unknown_run_is_none(tmp_path):
    journalled(tmp_path / "journal.db", run_state(), [])

    assert replay(tmp_path / "journal.db", "another") is None


def test_heartbeats_are_not_journalled(tmp_path):
    journalled(tmp_path / "journal.db", run_state(), [*story("alpha"), ("alpha", node_event(events.Heartbeat, 9))])

    assert "heartbeat" not in rows(tmp_path / "journal.db", "SELECT type FROM events")


def rows(file: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] if len(row) == 1 else row for row in database.execute(query)]


def test_a_run_is_noted_with_its_end(tmp_path):
    journalled(tmp_path / "journal.db", run_state(), story("alpha"))

    query = "SELECT run, revision, started_at, inventory, outcome, exit_code, finished_at > started_at FROM runs"
    assert rows(tmp_path / "journal.db", query) == [(RUN, NEW, AT, "inventory/topology.yaml", "success", 0, 0)]


def test_a_run_that_was_left_has_no_end(tmp_path):
    journalled(tmp_path / "journal.db", run_state(), story("alpha")[:5])

    assert rows(tmp_path / "journal.db", "SELECT finished_at, outcome, exit_code FROM runs") == [("", "", None)]


def test_the_events_of_a_node_keep_their_seq_and_the_controllers_count_down(tmp_path):
    journalled(tmp_path / "journal.db", run_state(), story("alpha"))

    assert rows(tmp_path / "journal.db", "SELECT seq FROM events ORDER BY rowid") == [-1, -2, -3, -4, 1, 2, 3, 4, 5, 6]


WRITER = """
import sys
from pathlib import Path
from saturn_orchestrator import events
from saturn_orchestrator.journal import Journal
from saturn_orchestrator.state.model import HostState, RunState
from support.build import AT, NEW, node_event

run = RunState.of(sys.argv[2], NEW, ["alpha"], AT)
journal = Journal(Path(sys.argv[1]), "topology.yaml", sys.exit)
journal.opened(run)
journal.flush()
print("open", flush=True)
sys.stdin.readline()
for seq in range(1, 201):
    event = node_event(events.Log, seq, text=f"line {seq}")
    journal.noted("alpha", (event,), run.with_host(HostState("alpha", last_seq=seq)))
journal.closed(run)
"""


def test_two_processes_write_one_journal_at_the_same_time(tmp_path):
    file = tmp_path / "journal.db"
    tests = Path(__file__).parents[1]
    writers = [
        subprocess.Popen(
            (sys.executable, "-c", WRITER, str(file), name),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tests,
        )
        for name in ("first", "second")
    ]  # fmt: skip
    said = [writer.stdout.readline() for writer in writers]
    ends = [writer.communicate("go\n", timeout=60) for writer in writers]

    assert (said, [writer.returncode for writer in writers]) == (["open\n"] * 2, [0, 0]), ends
    assert rows(file, "SELECT run, count(*) FROM events GROUP BY run") == [("first", 200), ("second", 200)]


@pytest.mark.parametrize("attempt", range(20))
def test_a_crowd_that_opens_the_first_journal_waits_its_turn(tmp_path, attempt):
    gate = Barrier(8)

    def enter(_: int) -> None:
        gate.wait()
        opened(tmp_path / "journal.db", never).close()

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(enter, range(8)))

    assert rows(tmp_path / "journal.db", "PRAGMA journal_mode") == ["wal"]


def test_a_damaged_journal_is_set_aside_whole(tmp_path):
    file = tmp_path / "journal.db"
    file.write_bytes(b"this is no database " * 400)
    said: list[str] = []

    Journal(file, "topology.yaml", said.append).closed(run_state())

    (aside,) = tmp_path.glob("journal.db.damaged-*")
    assert aside.read_bytes() == b"this is no database " * 400
    assert len(said) == 1
    assert said[0].startswith(f"the journal {file} was damaged")
    assert said[0].endswith(f"it was set aside as {aside.name}, and a new one begins")
    assert rows(file, "SELECT count(*) FROM runs") == [0]


def test_a_journal_of_a_newer_saturn_is_left_alone(tmp_path):
    file = tmp_path / "journal.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 9")
    said: list[str] = []

    journalled_to(Journal(file, "topology.yaml", said.append))

    assert said == [f"this run is not journalled: {file}: it was written by a newer saturn (schema 9)"]
    assert rows(file, "SELECT count(*) FROM sqlite_master") == [0]


def journalled_to(journal: Journal) -> None:
    run = run_state()
    journal.opened(run)
    for host, event in story("alpha"):
        run = reduce_run(run, host, event)
        journal.noted(host, (event,), run)
    journal.closed(run)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
def test_output_that_came_together_lies_there_as_if_it_had_come_line_by_line(tmp_path, count):
    run = run_state()
    for host, event in story("alpha"):
        if event.type == "stage_started":
            break
        run = reduce_run(run, host, event)
    last = run.hosts["alpha"].last_seq
    lines = [node_event(events.Log, seq, text=f"line {seq}") for seq in range(last + 1, last + 1 + count)]

    for file, together in ((tmp_path / "one", False), (tmp_path / "all", True)):
        journal, moved = Journal(file, "topology.yaml", sys.exit), run
        journal.opened(moved)
        for told in [lines] if together else [[each] for each in lines]:
            for each in told:
                moved = reduce_run(moved, "alpha", each)
            journal.noted("alpha", told, moved)
        journal.closed(moved)

    stored = "SELECT rowid, * FROM events ORDER BY rowid"
    assert rows(tmp_path / "one", stored) == rows(tmp_path / "all", stored)
    assert rows(tmp_path / "all", "SELECT count(*) FROM events") == [count]


def test_a_journal_that_cannot_be_made_warns_once_and_stops_nothing(tmp_path):
    (tmp_path / "saturn").write_text("a file where the folder should be")
    said: list[str] = []

    journalled_to(Journal(tmp_path / "saturn" / "journal.db", "topology.yaml", said.append))

    assert len(said) == 1
    assert said[0].startswith(f"this run is not journalled: {tmp_path / 'saturn' / 'journal.db'}: ")


def test_a_journal_that_breaks_in_the_middle_warns_once_and_stops_nothing(tmp_path):
    file = tmp_path / "journal.db"
    said: list[str] = []
    journal = Journal(file, "topology.yaml", said.append)
    with closing(sqlite3.connect(file)) as database:
        database.execute("DROP TABLE events")

    journalled_to(journal)

    assert said == [
        "the journal cannot be written any more (no such table: events); later, saturn attach brings the run home"
    ]


@pytest.mark.parametrize(
    "environ, folder",
    [({"XDG_STATE_HOME": "/srv/state"}, "/srv/state/saturn"), ({}, str(Path.home() / ".local/state/saturn"))],
)
def test_the_state_folder_follows_the_environment(environ, folder):
    assert state_folder(environ) == Path(folder)


def test_the_journals_folder_is_the_persons_own(tmp_path):
    Journal(tmp_path / "state" / "journal.db", "topology.yaml", never).closed(run_state())

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


# --- several writers, several schemas, and what is told ---------------------------------------------------------------


def begun(file: Path, warn=never) -> tuple[Journal, RunState]:
    journal = Journal(file, "topology.yaml", warn)
    run = run_state()
    journal.opened(run)
    return journal, run


def tell(journal: Journal, run: RunState, *told: events.Event) -> RunState:
    for event in told:
        run = reduce_run(run, "alpha", event)
        journal.noted("alpha", (event,), run)
    return run


def test_a_batch_is_written_whole_with_its_flush(tmp_path):
    file = tmp_path / "journal.db"
    journal, run = begun(file)
    journal.flush()

    tell(journal, run, *(event for _, event in story("alpha")))
    before = rows(file, "SELECT count(*) FROM events")
    journal.flush()

    assert (before, rows(file, "SELECT count(*) FROM events")) == ([0], [10])


def test_two_journals_of_one_run_hold_each_event_of_the_node_once(tmp_path):
    file = tmp_path / "journal.db"
    (first, run), order = begun(file), [event for _, event in story("alpha")]
    first.flush()
    second, _ = begun(file)
    second.flush()
    for event in order:
        run = tell(first, run, event)
        first.flush()
        second.noted("alpha", (event,), run)
        second.flush()

    query = "SELECT seq FROM events WHERE seq > 0 ORDER BY rowid"
    assert rows(file, query) == [1, 2, 3, 4, 5, 6]
    assert len(set(rows(file, "SELECT seq FROM events WHERE seq < 0"))) == 8


def test_a_journal_knows_what_has_an_end_and_what_has_none(tmp_path):
    file = tmp_path / "journal.db"
    told, know = [event for _, event in story("alpha")], Records(file, never)
    assert (know.unfinished("alpha"), know.newest("alpha"), know.runs(5)) == ((), ("", ""), ())
    journal, run = begun(file)

    run = tell(journal, run, *told[:3])
    journal.flush()
    planned = know.unfinished("alpha")
    run = tell(journal, run, *told[3:-1])
    journal.flush()
    running = (know.unfinished("alpha"), know.knows_end(RUN, "alpha"), know.newest("alpha"))
    run = tell(journal, run, told[-1])
    journal.closed(run)

    assert planned == ()
    assert running == ((RUN,), False, (RUN, AT))
    assert (know.unfinished("alpha"), know.knows_end(RUN, "alpha"), know.knows_end(RUN, "beta")) == ((), True, False)
    assert (know.matching("20261123"), know.matching("2027"), know.matching("%")) == ((RUN,), (), ())


def test_a_run_in_a_list_tells_who_and_how_it_ended(tmp_path):
    file = tmp_path / "journal.db"
    journalled(file, run_state(), story("alpha"))

    (record,) = Records(file, never).runs(5, ["alpha"])

    assert (record.run, record.by, record.outcome, record.exit_code) == (RUN, "ada", "success", 0)
    assert record.hosts == {"alpha": ("changed", AT)}
    assert Records(file, never).runs(5, ["beta"]) == ()


def test_a_journal_knows_the_revision_that_a_host_was_left_at(tmp_path):
    file = tmp_path / "journal.db"
    assert Records(file, never).revisions() == {}

    def moved_to(revision: str, run: str, *hosts: str) -> None:
        told = [own_event(events.SessionOpening), own_event(events.HostPlanned), own_event(events.HostConfirmed)]
        told += [
            node_event(events.Hello, 1, run=run),
            node_event(events.StageStarted, 2, run=run, stage="prepare"),
            node_event(events.CheckedOut, 3, run=run, stage="prepare", revision_after="f" * 40),
            node_event(events.CheckedOut, 4, run=run, stage="rollback", revision_after=revision),
        ]
        begun = replace(run_state(*hosts), run=run)
        journalled(file, begun, [(host, event) for event in told for host in hosts])

    moved_to("a" * 40, "20261101T000000Z-0001", "alpha", "beta")
    moved_to("b" * 40, "20261102T000000Z-0002", "alpha")
    journalled(file, run_state("alpha", "gamma"), [("alpha", own_event(events.SessionOpening))])

    assert Records(file, never).revisions() == {"alpha": "b" * 40, "beta": "a" * 40}


def test_an_older_process_does_not_take_back_an_end(tmp_path):
    file = tmp_path / "journal.db"
    told = [event for _, event in story("alpha")]
    slow, run = begun(file)
    slow.flush()
    journalled(file, run_state(), story("alpha"))

    tell(slow, run, *told[:-1])
    slow.flush()

    assert rows(file, "SELECT status FROM hosts") == ["changed"]


def test_a_journal_of_the_first_schema_is_brought_up(tmp_path):
    file = tmp_path / "journal.db"
    journalled(file, run_state(), story("alpha"))
    with closing(sqlite3.connect(file)) as database:
        database.executescript(
            "DROP INDEX hosts_by_name; ALTER TABLE hosts DROP COLUMN status; ALTER TABLE hosts DROP COLUMN at;"
            "PRAGMA user_version = 1"
        )

    assert Records(file, never).knows_end(RUN, "alpha")
    assert rows(file, "SELECT status, at FROM hosts") == [("changed", AT)]
    assert rows(file, "PRAGMA user_version") == [2]


def test_damage_that_shows_itself_while_writing_is_set_aside(tmp_path):
    file = tmp_path / "journal.db"
    said: list[str] = []
    journal, run = begun(file, said.append)
    journal.flush()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 60_000)

    run = tell(journal, run, *(event for _, event in story("alpha")))
    journal.closed(run)

    assert len(list(tmp_path.glob("journal.db.damaged-*"))) >= 1
    assert "was set aside" in said[0]
    assert "saturn attach" in said[1]


def test_damage_that_shows_itself_while_reading_is_set_aside(tmp_path):
    file = tmp_path / "journal.db"
    said: list[str] = []
    journalled(file, run_state(), story("alpha"))
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 60_000)

    assert Records(file, said.append).replay(RUN) is None
    assert "was set aside" in said[0]
    assert Records(file, never).runs(5) == ()


def test_damage_that_another_process_has_just_set_aside_is_not_set_aside_again(tmp_path):
    file = tmp_path / "journal.db"
    journalled(file, run_state(), story("alpha"))

    set_aside(file, sqlite3.DatabaseError("malformed"), never)

    assert Records(file, never).knows_end(RUN, "alpha")


def test_a_row_that_somebody_bent_is_passed_over(tmp_path):
    file = tmp_path / "journal.db"
    journalled(file, run_state(), story("alpha"))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE events SET body = 'x' WHERE seq = 2")

    assert Records(file, never).replay(RUN).hosts["alpha"].status is Status.CHANGED


def test_the_condition_of_a_journal_is_told_and_nothing_is_changed(tmp_path):
    absent, sound, damaged, newer, folder = (tmp_path / name for name in ("absent", "sound", "damaged", "newer", "dir"))
    journalled(sound, run_state("alpha"), [])
    damaged.write_bytes(b"this is no database" * 500)
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    folder.mkdir()
    before = {each: each.read_bytes() for each in (sound, damaged, newer)}

    assert condition(absent) == Shelf(absent, is_there=False, newest=2)
    assert condition(sound) == Shelf(sound, is_there=True, schema=2, newest=2)
    assert condition(damaged).damage == "file is not a database"
    assert condition(newer).schema == 99
    assert condition(folder).trouble
    assert {each: each.read_bytes() for each in before} == before
    assert not absent.exists()


def test_whoever_asks_of_many_hosts_opens_the_journal_once_and_replays_a_run_once(tmp_path, monkeypatch):
    file = tmp_path / "journal.db"
    live = journalled(file, run_state("alpha", "beta"), [*story("alpha"), *story("beta")])
    openings: list[Path] = []

    def counted(file, warn):
        openings.append(file)
        return opened(file, warn)

    monkeypatch.setattr("saturn_orchestrator.journal.records.opened", counted)
    records = Records(file, never)
    with records.kept_open():
        assert {records.newest(host)[0] for host in ("alpha", "beta")} == {RUN}
        assert records.replay(RUN) == live
        assert records.replay(RUN) is records.replay(RUN)
    assert len(openings) == 1
    assert records.newest("alpha")[0] == RUN
    assert len(openings) == 2


def test_a_journal_that_breaks_while_it_is_kept_open_is_set_aside(tmp_path):
    file = tmp_path / "journal.db"
    said: list[str] = []
    journalled(file, run_state(), story("alpha"))
    records = Records(file, said.append)
    with records.kept_open():
        file.write_bytes(file.read_bytes()[:4096] + b"x" * 60_000)
        assert records.replay(RUN) is None
        assert "was set aside" in said[0]
        assert records.runs(5) == ()
