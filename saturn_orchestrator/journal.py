"""SATURN's durable record of runs: SQLite, one row an event, primary key (run, host, seq).

A node's event has its own seq, from 1 up; the controller's own events count down from -1. Both lie in the order in
which they were reduced, so that a replay reduces to the very state that the run returned. Several saturn processes may
write at once, even the same run: a node's event is taken once, whoever brings it.

A journal that is damaged is set aside under another name and a new one is begun; one that is locked, read-only, on a
full disk or of a newer saturn is left as it is.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from saturn_orchestrator import events
from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import HostState, RunState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.reduce import reduce_run

_BUSY_S = 10

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
  run TEXT PRIMARY KEY, revision TEXT NOT NULL, started_at TEXT NOT NULL, inventory TEXT NOT NULL,
  finished_at TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '', exit_code INTEGER
);
CREATE TABLE IF NOT EXISTS hosts (
  run TEXT NOT NULL REFERENCES runs, host TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (run, host)
);
CREATE TABLE IF NOT EXISTS events (
  run TEXT NOT NULL, host TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (run, host, seq)
);
"""
_STANDINGS = """
ALTER TABLE hosts ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN at TEXT NOT NULL DEFAULT '';
CREATE INDEX hosts_by_name ON hosts (host, run);
"""

_OPEN = json.dumps([Status.CONFIRMED, Status.RUNNING])
"""A host that was ordered and has no end; a JSON list, as SQLite takes one."""

_FINAL = json.dumps([status for status in Status if status.is_final])

T = TypeVar("T")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where saturn keeps what it must not forget: `$XDG_STATE_HOME/saturn`, else `~/.local/state/saturn`."""
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "saturn"


def journal_file(environ: Mapping[str, str]) -> Path:
    """Where the journal of this person lies."""
    return state_folder(environ) / "journal.db"


class Journal:
    """A Sink that writes runs down. It never stops a deploy: what it cannot write it says once."""

    def __init__(self, file: Path, inventory: str, warn: Callable[[str], None]) -> None:
        """`inventory` is noted with each run; `warn` is told in a sentence when the journal cannot be kept."""
        self._file = file
        self._inventory = inventory
        self._warn = warn
        self._open_runs: set[str] = set()
        self._touched: dict[tuple[str, str], tuple[HostState, str]] = {}
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _opened(file, warn)
        except (sqlite3.Error, OSError) as error:
            warn(f"this run is not journalled: {file}: {error}")

    def opened(self, run: RunState) -> None:
        """See Sink.opened."""
        self._open_runs.add(run.run)
        self._write(
            "INSERT OR IGNORE INTO runs (run, revision, started_at, inventory) VALUES (?, ?, ?, ?)",
            (run.run, run.revision, run.started_at, self._inventory),
        )
        for position, host in enumerate(run.hosts):
            self._write("INSERT OR IGNORE INTO hosts (run, host, position) VALUES (?, ?, ?)", (run.run, host, position))

    def noted(self, host: str, event: Event, run: RunState) -> None:
        """See Sink.noted. What a follower says for itself is not journalled."""
        if events.is_aside(event):
            return
        row = (run.run, host, event.type, events.encode(event))
        seq = getattr(event, "seq", None)
        if seq is None:
            self._write(
                "INSERT INTO events SELECT ?1, ?2, COALESCE(MIN(seq), 0) - 1, ?3, ?4 FROM events"
                " WHERE run = ?1 AND host = ?2 AND seq < 0",
                row,
            )
        elif seq == run.hosts[host].last_seq:  # else it did not fit, and must not take the place of the one that will
            self._write("INSERT OR IGNORE INTO events VALUES (?1, ?2, ?5, ?3, ?4)", (*row, seq))
        self._touched[run.run, host] = (run.hosts[host], event.at)

    def flush(self) -> None:
        """See Sink.flush. Everything since the last one is on the disk together, or not at all."""
        for (run, host), (state, at) in self._touched.items():
            self._write(
                "UPDATE hosts SET status = ?, at = ? WHERE run = ? AND host = ?"
                " AND status NOT IN (SELECT value FROM json_each(?))",  # another saturn may know the end already
                (str(state.status), at, run, host, _FINAL),
            )
        self._touched.clear()
        if self._database and self._database.in_transaction:
            self._do(self._database, "COMMIT", ())

    def closed(self, run: RunState) -> None:
        """See Sink.closed."""
        self._open_runs.discard(run.run)
        if run.is_finished:
            verdict = outcome(run)
            ended = max((host.finished_at for host in run.hosts.values()), default="") or events.now()
            self._write(
                "UPDATE runs SET finished_at = ?, outcome = ?, exit_code = ? WHERE run = ?",
                (ended, verdict.word, verdict.exit_code, run.run),
            )
        self.flush()
        if self._database and not self._open_runs:
            self._database.close()
            self._database = None

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        if self._database and not self._database.in_transaction:
            self._do(self._database, "BEGIN IMMEDIATE", ())
        if self._database:
            self._do(self._database, statement, values)

    def _do(self, database: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
        try:
            database.execute(statement, values)
        except sqlite3.Error as error:
            database.close()
            self._database = None
            if _is_damage(error):
                _set_aside(self._file, error, self._warn)
            self._warn(f"the journal cannot be written any more ({error}); later, saturn attach brings the run home")


class Records:
    """What the journal tells. Nothing is written; a damaged file is set aside, and a missing one knows nothing."""

    def __init__(self, file: Path, warn: Callable[[str], None]) -> None:
        """`warn` is told in a sentence when the journal cannot be read."""
        self._file = file
        self._warn = warn

    def replay(self, run: str) -> RunState | None:
        """The state of a run, by the same reduce that made it; None when the journal does not know it."""
        return self._asked(lambda database: _replayed(database, run), None)

    def unfinished(self, host: str) -> tuple[str, ...]:
        """The runs that were ordered on the host and have no end here, newest first."""
        query = "SELECT run FROM hosts WHERE host = ? AND status IN (SELECT value FROM json_each(?)) ORDER BY run DESC"
        return self._names(query, (host, _OPEN))

    def knows_end(self, run: str, host: str) -> bool:
        """Whether the host's part of the run is known to its end."""
        query = "SELECT run FROM hosts WHERE run = ? AND host = ? AND status IN (SELECT value FROM json_each(?))"
        return bool(self._names(query, (run, host, _FINAL)))

    def newest(self, host: str) -> tuple[str, str]:
        """The newest run in which the node spoke, and the time of its last event; ("", "") when there is none."""
        query = (
            "SELECT run, at FROM hosts WHERE host = ?1 AND EXISTS (SELECT 1 FROM events"
            " WHERE events.run = hosts.run AND events.host = ?1 AND events.seq > 0) ORDER BY run DESC LIMIT 1"
        )
        nothing: tuple[tuple[str, str], ...] = ()
        found = self._asked(lambda database: tuple(database.execute(query, (host,))), nothing)
        return found[0] if found else ("", "")

    def matching(self, beginning: str) -> tuple[str, ...]:
        """The runs whose id begins so, newest first."""
        query = "SELECT run FROM runs WHERE substr(run, 1, length(?1)) = ?1 ORDER BY run DESC"
        return self._names(query, (beginning,))

    def runs(self, limit: int, hosts: Sequence[str] = ()) -> tuple[RunRecord, ...]:
        """The newest runs, newest first; those that had any of the hosts, when some are named."""

        def asked(database: sqlite3.Connection) -> tuple[RunRecord, ...]:
            query = (
                "SELECT run FROM runs WHERE ?1 = '[]' OR run IN (SELECT run FROM hosts WHERE host IN"
                " (SELECT value FROM json_each(?1))) ORDER BY run DESC LIMIT ?2"
            )
            rows = database.execute(query, (json.dumps(list(hosts)), limit))
            return tuple(_record(database, run) for (run,) in rows.fetchall())

        nothing: tuple[RunRecord, ...] = ()
        return self._asked(asked, nothing)

    def events_of(self, run: str, host: str = "") -> tuple[tuple[str, Event], ...]:
        """The journalled events of a run with their hosts, in the order in which they were reduced."""
        nothing: tuple[tuple[str, Event], ...] = ()
        told = self._asked(lambda database: tuple(_events(database, run)), nothing)
        return tuple(each for each in told if host in ("", each[0]))

    def _names(self, query: str, values: tuple[object, ...]) -> tuple[str, ...]:
        nothing: tuple[str, ...] = ()
        return self._asked(lambda database: tuple(name for (name,) in database.execute(query, values)), nothing)

    def _asked(self, ask: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        if not self._file.exists():
            return otherwise
        try:
            with closing(_opened(self._file, self._warn)) as database:
                return ask(database)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and _is_damage(error):
                _set_aside(self._file, error, self._warn)
            else:
                self._warn(f"the journal {self._file} cannot be read: {error}")
            return otherwise


def _replayed(database: sqlite3.Connection, run: str) -> RunState | None:
    head = database.execute("SELECT revision, started_at FROM runs WHERE run = ?", (run,)).fetchone()
    if head is None:
        return None
    hosts = database.execute("SELECT host FROM hosts WHERE run = ? ORDER BY position, rowid", (run,))
    state = RunState.of(run, head[0], (host for (host,) in hosts), head[1])
    for host, event in _events(database, run):
        state = reduce_run(state, host, event) if host in state.hosts else state
    return state


def _events(database: sqlite3.Connection, run: str) -> Iterator[tuple[str, Event]]:
    for host, body in database.execute("SELECT host, body FROM events WHERE run = ? ORDER BY rowid", (run,)):
        try:
            yield host, events.restore(body)
        except ValueError:  # a row that somebody bent by hand is not worth the rest
            continue


def _record(database: sqlite3.Connection, run: str) -> RunRecord:
    query = "SELECT run, revision, started_at, finished_at, outcome, exit_code, inventory FROM runs WHERE run = ?"
    row = database.execute(query, (run,)).fetchone()
    query = "SELECT json_extract(body, '$.by') FROM events WHERE run = ? AND type = 'host_confirmed' LIMIT 1"
    by = database.execute(query, (run,)).fetchone() or ("",)
    hosts = database.execute("SELECT host, status, at FROM hosts WHERE run = ? ORDER BY position, rowid", (run,))
    return RunRecord(str(by[0]), {host: (status or "pending", at) for host, status, at in hosts}, *row)


# --- the file ---------------------------------------------------------------------------------------------------------


def _opened(file: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    """The database, made when missing, brought to the present schema when older, set aside when damaged."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _prepared(file)
    except sqlite3.Error as error:
        if not _is_damage(error):
            raise
        _set_aside(file, error, warn)
        return _prepared(file)


def _prepared(file: Path) -> sqlite3.Connection:
    file.touch(mode=0o600)
    database = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if _version(database) != len(_MIGRATIONS):
            _migrate(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection) -> None:
    """Take the missing steps, all or none; of two saturns that start at once, one does it and the other finds it done.

    Raises:
        sqlite3.OperationalError: a newer saturn wrote it.
    """
    database.execute("BEGIN IMMEDIATE")
    version = _version(database)
    if version > len(_MIGRATIONS):
        raise sqlite3.OperationalError(f"it was written by a newer saturn (schema {version})")
    for step in _MIGRATIONS[version:]:
        step(database)
    database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    database.execute("COMMIT")


def _add_tables(database: sqlite3.Connection) -> None:
    _execute_all(database, _TABLES)


def _add_standings(database: sqlite3.Connection) -> None:
    """What each host's part of a run came to, so that nobody replays every run to find the unfinished."""
    _execute_all(database, _STANDINGS)
    for (run,) in database.execute("SELECT run FROM runs").fetchall():
        state = _replayed(database, run)
        at = dict(_events_at(database, run))
        for name, host in state.hosts.items() if state else ():
            values = (str(host.status), at.get(name, ""), run, name)
            database.execute("UPDATE hosts SET status = ?, at = ? WHERE run = ? AND host = ?", values)


def _events_at(database: sqlite3.Connection, run: str) -> Iterator[tuple[str, str]]:
    for host, event in _events(database, run):
        yield host, event.at


def _execute_all(database: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):  # executescript would commit the transaction that is open
        database.execute(statement)


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_add_tables, _add_standings)
"""The steps from an empty file to the present schema; user_version counts those that were taken."""


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken. Locked, read-only and full are other people's doing and pass."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def _set_aside(file: Path, error: sqlite3.Error, warn: Callable[[str], None]) -> None:
    """Give a damaged journal another name, unless another saturn has just done so."""
    with _alone(file):
        if _is_sound(file):
            return
        aside = file.with_name(f"{file.name}.damaged-{events.now().replace(':', '')}")
        for ending in ("", "-wal", "-shm"):
            if (part := file.with_name(file.name + ending)).exists():
                part.replace(aside.with_name(aside.name + ending))
    warn(f"the journal {file} was damaged ({error}); it was set aside as {aside.name}, and a new one begins")


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_sound(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_S)) as database:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False
