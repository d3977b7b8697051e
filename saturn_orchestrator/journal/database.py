"""The journal's file: where it lies, its schema and migrations, and what is done when it is damaged."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from saturn_orchestrator import events
from saturn_orchestrator.journal.rows import journalled_events, replayed

if TYPE_CHECKING:
    from saturn_orchestrator.state.workplace import Shelf

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


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where saturn keeps what it must not forget: `$XDG_STATE_HOME/saturn`, else `~/.local/state/saturn`."""
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "saturn"


def journal_file(environ: Mapping[str, str]) -> Path:
    """Where the journal of this person lies."""
    return state_folder(environ) / "journal.db"


def opened(file: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    """The database, made when missing, brought to the present schema when older, set aside when damaged."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _prepared(file)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        set_aside(file, error, warn)
        return _prepared(file)


def condition(file: Path) -> Shelf:
    """What can be told of the journal without changing it: it is neither made, migrated, nor set aside."""
    from saturn_orchestrator.state.workplace import Shelf

    newest = len(_MIGRATIONS)
    if not file.exists():
        return Shelf(file, is_there=False, newest=newest)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            return Shelf(file, True, _version(database), newest, damage="" if said == "ok" else str(said))
    except sqlite3.Error as error:
        damage, trouble = (str(error), "") if is_damage(error) else ("", str(error))
        return Shelf(file, True, newest=newest, damage=damage, trouble=trouble)


def _prepared(file: Path) -> sqlite3.Connection:
    with _alone(file):  # SQLite does not wait its turn for the change to WAL: of two newcomers one would be refused
        return _connected(file)


def _connected(file: Path) -> sqlite3.Connection:
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
        state = replayed(database, run)
        at = dict(_events_at(database, run))
        for name, host in state.hosts.items() if state else ():
            values = (str(host.status), at.get(name, ""), run, name)
            database.execute("UPDATE hosts SET status = ?, at = ? WHERE run = ? AND host = ?", values)


def _events_at(database: sqlite3.Connection, run: str) -> Iterator[tuple[str, str]]:
    for host, event in journalled_events(database, run):
        yield host, event.at


def _execute_all(database: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):  # executescript would commit the transaction that is open
        database.execute(statement)


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_add_tables, _add_standings)
"""The steps from an empty file to the present schema; user_version counts those that were taken."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken. Locked, read-only and full are other people's doing and pass."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def set_aside(file: Path, error: sqlite3.Error, warn: Callable[[str], None]) -> None:
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
