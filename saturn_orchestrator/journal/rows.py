"""What the rows of a journal mean: events, states and records of runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from saturn_orchestrator import events
from saturn_orchestrator.events import Event
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.state.record import RunRecord

OPEN = json.dumps([Status.CONFIRMED, Status.RUNNING])
"""A host that was ordered and has no end; a JSON list, as SQLite takes one."""

FINAL = json.dumps([status for status in Status if status.is_final])


def replayed(database: sqlite3.Connection, run: str) -> RunState | None:
    """The state of a run, by the same reduce that made it; None when there is no such run."""
    from saturn_orchestrator.state.reduce import reduce_run

    head = database.execute("SELECT revision, started_at FROM runs WHERE run = ?", (run,)).fetchone()
    if head is None:
        return None
    hosts = database.execute("SELECT host FROM hosts WHERE run = ? ORDER BY position, rowid", (run,))
    state = RunState.of(run, head[0], (host for (host,) in hosts), head[1])
    for host, event in journalled_events(database, run):
        state = reduce_run(state, host, event) if host in state.hosts else state
    return state


def journalled_events(database: sqlite3.Connection, run: str) -> Iterator[tuple[str, Event]]:
    """The events of a run with their hosts, in the order in which they were reduced."""
    for host, body in database.execute("SELECT host, body FROM events WHERE run = ? ORDER BY rowid", (run,)):
        try:
            yield host, events.restore(body)
        except ValueError:  # a row that somebody bent by hand is not worth the rest
            continue


def record(database: sqlite3.Connection, run: str) -> RunRecord:
    """A run as a list shows it."""
    query = "SELECT run, revision, started_at, finished_at, outcome, exit_code, inventory FROM runs WHERE run = ?"
    row = database.execute(query, (run,)).fetchone()
    query = "SELECT json_extract(body, '$.by') FROM events WHERE run = ? AND type = 'host_confirmed' LIMIT 1"
    by = database.execute(query, (run,)).fetchone() or ("",)
    hosts = database.execute("SELECT host, status, at FROM hosts WHERE run = ? ORDER BY position, rowid", (run,))
    return RunRecord(str(by[0]), {host: (status or "pending", at) for host, status, at in hosts}, *row)
