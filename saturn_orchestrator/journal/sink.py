"""The journal as a sink: whatever happens in a run is written down, in batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

from saturn_orchestrator import events
from saturn_orchestrator.events import Event, NodeEvent
from saturn_orchestrator.journal.database import is_damage, opened, set_aside
from saturn_orchestrator.journal.rows import FINAL
from saturn_orchestrator.state.model import HostState, RunState
from saturn_orchestrator.state.outcome import outcome

BLOCK = 100
"""Rows that one statement takes; to run one for each row is a third of its price. SQLite has bounds, of 999 values."""

_INSERT, _ROW = "INSERT OR IGNORE INTO events VALUES", "(?, ?, ?, ?, ?)"


class Journal:
    """A Sink that writes runs down. It never stops a deploy: what it cannot write it says once."""

    def __init__(self, file: Path, inventory: str, warn: Callable[[str], None]) -> None:
        """`inventory` is noted with each run; `warn` is told in a sentence when the journal cannot be kept."""
        self._file = file
        self._inventory = inventory
        self._warn = warn
        self._open_runs: set[str] = set()
        self._rows: list[tuple[str, str, int, str, str]] = []
        self._touched: dict[tuple[str, str], tuple[HostState, str]] = {}
        self._database: sqlite3.Connection | None = None
        try:
            self._database = opened(file, warn)
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

    def noted(self, host: str, told: Sequence[Event], run: RunState) -> None:
        """See Sink.noted. What a follower says for itself is not journalled."""
        event = told[-1]
        if events.is_aside(event):
            return
        if not events.is_of_node(event):
            self._write_rows()  # they are read in the order in which they were written
            row = (run.run, host, event.type, events.body_of(event))
            self._write(
                "INSERT INTO events SELECT ?1, ?2, COALESCE(MIN(seq), 0) - 1, ?3, ?4 FROM events"
                " WHERE run = ?1 AND host = ?2 AND seq < 0",
                row,
            )
        elif event.seq == run.hosts[host].last_seq:  # else it did not fit, and must not take the place of one that will
            numbered = cast("Sequence[NodeEvent]", told)
            self._rows += [(run.run, host, each.seq, each.type, events.body_of(each)) for each in numbered]
        self._touched[run.run, host] = (run.hosts[host], event.at)

    def flush(self) -> None:
        """See Sink.flush. Everything since the last one is on the disk together, or not at all."""
        self._write_rows()
        self._write_all(
            "UPDATE hosts SET status = ?, at = ? WHERE run = ? AND host = ?"
            " AND status NOT IN (SELECT value FROM json_each(?))",  # another saturn may know the end already
            [(str(state.status), at, run, host, FINAL) for (run, host), (state, at) in self._touched.items()],
        )
        self._touched.clear()
        if self._database and self._database.in_transaction:
            self._do(self._database, "COMMIT", ((),))

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

    def _write_rows(self) -> None:
        """The nodes' events since the last time, in one go."""
        rows, self._rows = self._rows, []
        whole = len(rows) // BLOCK * BLOCK
        blocks = [tuple(chain.from_iterable(rows[begin : begin + BLOCK])) for begin in range(0, whole, BLOCK)]
        self._write_all(f"{_INSERT} {', '.join([_ROW] * BLOCK)}", blocks)
        self._write_all(f"{_INSERT} {_ROW}", rows[whole:])

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        self._write_all(statement, (values,))

    def _write_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows and self._database and not self._database.in_transaction:
            self._do(self._database, "BEGIN IMMEDIATE", ((),))
        if rows and self._database:
            self._do(self._database, statement, rows)

    def _do(self, database: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            if len(rows) == 1:
                database.execute(statement, rows[0])
            else:
                database.executemany(statement, rows)
        except sqlite3.Error as error:
            database.close()
            self._database = None
            if is_damage(error):
                set_aside(self._file, error, self._warn)
            self._warn(f"the journal cannot be written any more ({error}); later, saturn attach brings the run home")
