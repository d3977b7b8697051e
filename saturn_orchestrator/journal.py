"""SATURN's durable record of runs: SQLite, one row an event, primary key (run, host, seq).

A node's event has its own seq, from 1 up; the controller's own events count down from -1. Both lie in the order in
which they were reduced, so that a replay reduces to the very state that the run returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from saturn_orchestrator import events
from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.reduce import reduce_run

SCHEMA_VERSION = 1
_BUSY_S = 10

_SCHEMA = """
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


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where saturn keeps what it must not forget: `$XDG_STATE_HOME/saturn`, else `~/.local/state/saturn`."""
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "saturn"


class Journal:
    """A Sink that writes a run down, and its way back. It never stops a deploy: what it cannot write it says once."""

    def __init__(self, file: Path, inventory: str, warn: Callable[[str], None]) -> None:
        """`inventory` is noted with each run; `warn` is told in a sentence when the journal cannot be kept."""
        self._inventory = inventory
        self._warn = warn
        self._own_seq: dict[str, int] = {}
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _opened(file, warn)
        except (sqlite3.Error, OSError) as error:
            warn(f"this run is not journalled: {file}: {error}")

    def opened(self, run: RunState) -> None:
        """See Sink.opened."""
        self._write(
            "INSERT OR IGNORE INTO runs (run, revision, started_at, inventory) VALUES (?, ?, ?, ?)",
            (run.run, run.revision, run.started_at, self._inventory),
        )
        for position, host in enumerate(run.hosts):
            self._write("INSERT OR IGNORE INTO hosts VALUES (?, ?, ?)", (run.run, host, position))

    def noted(self, host: str, event: Event, run: RunState) -> None:
        """See Sink.noted. Heartbeats are not journalled."""
        if isinstance(event, events.Heartbeat):
            return
        seq = getattr(event, "seq", None)
        if seq is None:
            seq = self._own_seq[host] = self._own_seq.get(host, 0) - 1
        elif seq != run.hosts[host].last_seq:
            return  # it did not fit the run, and must not take the place of the event that will
        self._write(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)",
            (run.run, host, seq, event.type, events.encode(event)),
        )

    def closed(self, run: RunState) -> None:
        """See Sink.closed."""
        if run.is_finished:
            verdict = outcome(run)
            self._write(
                "UPDATE runs SET finished_at = ?, outcome = ?, exit_code = ? WHERE run = ?",
                (events.now(), verdict.word, verdict.exit_code, run.run),
            )
        if self._database:
            self._database.close()
            self._database = None

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        if self._database is None:
            return
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            self._warn(f"the journal cannot be written any more: {error}")
            self._database.close()
            self._database = None


def replay(file: Path, run: str) -> RunState | None:
    """The state of a journalled run, by the same reduce that made it; None when the journal does not know it."""
    if not file.exists():
        return None
    with closing(sqlite3.connect(file, timeout=_BUSY_S)) as database:
        head = database.execute("SELECT revision, started_at FROM runs WHERE run = ?", (run,)).fetchone()
        if head is None:
            return None
        hosts = database.execute("SELECT host FROM hosts WHERE run = ? ORDER BY position", (run,))
        state = RunState.of(run, head[0], (host for (host,) in hosts), head[1])
        for host, event in _events(database, run):
            state = reduce_run(state, host, event)
    return state


def _events(database: sqlite3.Connection, run: str) -> Iterator[tuple[str, Event]]:
    for host, body in database.execute("SELECT host, body FROM events WHERE run = ? ORDER BY rowid", (run,)):
        yield host, events.restore(body)


def _opened(file: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    """The database, made when missing. A damaged file is set aside, never emptied."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _prepared(file)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        aside = file.with_name(f"{file.name}.damaged-{events.now().replace(':', '')}")
        for ending in ("", "-wal", "-shm"):
            if (part := file.with_name(file.name + ending)).exists():
                part.replace(aside.with_name(aside.name + ending))
        warn(f"the journal {file} was damaged ({error}); it was set aside as {aside.name}, and a new one begun")
        return _prepared(file)


def _prepared(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise sqlite3.OperationalError(f"it was written by a newer saturn (schema {version})")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except sqlite3.Error:
        database.close()
        raise
    return database
