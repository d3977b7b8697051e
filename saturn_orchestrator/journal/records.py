"""What the journal tells of former runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from saturn_orchestrator.events import Event, HostDeferred, now
from saturn_orchestrator.journal.database import is_damage, opened, set_aside
from saturn_orchestrator.journal.rows import FINAL, OPEN, journalled_events, record, replayed
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.standing import Deferred

T = TypeVar("T")


class Records:
    """What the journal tells. Nothing is written; a damaged file is set aside, and a missing one knows nothing."""

    def __init__(self, file: Path, warn: Callable[[str], None]) -> None:
        """`warn` is told in a sentence when the journal cannot be read."""
        self._file = file
        self._warn = warn
        self._database: sqlite3.Connection | None = None
        self._is_kept_open = False
        self._replayed: dict[str, RunState | None] = {}

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """For whoever asks of many hosts: the file is opened once, and each run replayed once."""
        self._is_kept_open = True
        try:
            yield
        finally:
            self._is_kept_open = False
            self._replayed.clear()
            self._close()

    def replay(self, run: str) -> RunState | None:
        """The state of a run, by the same reduce that made it; None when the journal does not know it."""
        if run in self._replayed:
            return self._replayed[run]
        state = self._asked(lambda database: replayed(database, run), None)
        if self._is_kept_open:
            self._replayed[run] = state
        return state

    def unfinished(self, host: str) -> tuple[str, ...]:
        """The runs that were ordered on the host and have no end here, newest first."""
        query = "SELECT run FROM hosts WHERE host = ? AND status IN (SELECT value FROM json_each(?)) ORDER BY run DESC"
        return self._names(query, (host, OPEN))

    def knows_end(self, run: str, host: str) -> bool:
        """Whether the host's part of the run is known to its end."""
        query = "SELECT run FROM hosts WHERE run = ? AND host = ? AND status IN (SELECT value FROM json_each(?))"
        return bool(self._names(query, (run, host, FINAL)))

    def newest(self, host: str, *, with_prefetch: bool = False) -> tuple[str, str]:
        """The newest run in which the node spoke, and the time of its last event; ("", "") when there is none.

        with_prefetch: also one that only fetched, and so tells nothing of where the host stands.
        """
        query = (
            "SELECT run, at FROM hosts WHERE host = ?1 AND EXISTS (SELECT 1 FROM events"
            " WHERE events.run = hosts.run AND events.host = ?1 AND events.seq > 0) AND (?2 OR NOT EXISTS"
            " (SELECT 1 FROM events WHERE events.run = hosts.run AND events.host = ?1 AND type = 'host_confirmed'"
            " AND json_extract(body, '$.is_prefetch'))) ORDER BY run DESC LIMIT 1"
        )
        nothing: tuple[tuple[str, str], ...] = ()
        found = self._asked(lambda database: tuple(database.execute(query, (host, with_prefetch))), nothing)
        return found[0] if found else ("", "")

    def revisions(self) -> dict[str, str]:
        """The revision that each host's newest run which checked one out left there."""
        query = (
            "SELECT host, (SELECT json_extract(body, '$.revision_after')"
            " FROM hosts AS known JOIN events USING (run, host)"
            " WHERE known.host = named.host AND type = 'checked_out' ORDER BY run DESC, seq DESC LIMIT 1)"
            " FROM (SELECT DISTINCT host FROM hosts) AS named"
        )
        nothing: tuple[tuple[str, str | None], ...] = ()
        found = self._asked(lambda database: tuple(database.execute(query)), nothing)
        return {host: revision for host, revision in found if revision}

    def deferred(self, host: str) -> Deferred | None:
        """What waits for the host to be back; None when nothing does, or a newer order took its place.

        A run that came to its end before anything was ordered takes nobody's place, nor does a prefetch.
        """
        query = (
            "SELECT run FROM (SELECT run, status FROM hosts WHERE host = ?1 AND EXISTS (SELECT 1 FROM events"
            " WHERE events.run = hosts.run AND events.host = ?1 AND (type IN ('host_deferred', 'host_attached') OR"
            " type = 'host_confirmed' AND NOT json_extract(body, '$.is_prefetch'))) ORDER BY run DESC LIMIT 1)"
            " WHERE status = 'deferred'"
        )
        run = next(iter(self._names(query, (host,))), "")
        said = [event for name, event in self.events_of(run, host) if isinstance(event, HostDeferred)] if run else []
        if not said or said[-1].expires_at <= now():
            return None
        last = said[-1]
        return Deferred(
            run, last.by, last.at, last.revision, last.revision_before, last.services, last.scope, last.expires_at,
            last.prune, last.rollback,
        )  # fmt: skip

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
            return tuple(record(database, run) for (run,) in rows.fetchall())

        nothing: tuple[RunRecord, ...] = ()
        return self._asked(asked, nothing)

    def events_of(self, run: str, host: str = "") -> tuple[tuple[str, Event], ...]:
        """The journalled events of a run with their hosts, in the order in which they were reduced."""
        nothing: tuple[tuple[str, Event], ...] = ()
        told = self._asked(lambda database: tuple(journalled_events(database, run)), nothing)
        return tuple(each for each in told if host in ("", each[0]))

    def _names(self, query: str, values: tuple[object, ...]) -> tuple[str, ...]:
        nothing: tuple[str, ...] = ()
        return self._asked(lambda database: tuple(name for (name,) in database.execute(query, values)), nothing)

    def _asked(self, ask: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        if not self._file.exists():
            return otherwise
        try:
            with self._opened() as database:
                return ask(database)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                set_aside(self._file, error, self._warn)
            else:
                self._warn(f"the journal {self._file} cannot be read: {error}")
            return otherwise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._database = self._database or opened(self._file, self._warn)
        try:
            yield self._database
        except sqlite3.Error:
            self._close()
            raise
        finally:
            if not self._is_kept_open:
                self._close()

    def _close(self) -> None:
        database, self._database = self._database, None
        if database:
            database.close()
