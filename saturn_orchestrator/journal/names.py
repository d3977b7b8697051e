"""The names that the journal knows, for whoever offers them while a person types.

The file is opened read-only and nobody is waited for: it is neither made, migrated nor set aside here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

MOST = 50
"""Runs and backups that are named: more is no choice."""

_RUNS = """
SELECT run, coalesce(nullif(outcome, ''), 'no end known here') || ': ' ||
  (SELECT group_concat(host, ', ') FROM (SELECT host FROM hosts WHERE hosts.run = runs.run ORDER BY position))
FROM runs ORDER BY run DESC LIMIT ?
"""
_BACKUPS = """
SELECT json_extract(body, '$.snapshot'), host || ' ' || json_extract(body, '$.service') FROM events
WHERE type = 'backup_written' AND ?1 IN ('', host) AND ?2 IN ('', json_extract(body, '$.service'))
ORDER BY run DESC, 1 DESC LIMIT ?3
"""


def run_names(file: Path) -> Mapping[str, str]:
    """The newest runs, newest first, each with how it ended and its hosts."""
    return _asked(file, _RUNS, (MOST,))


def backup_names(file: Path, host: str = "", service: str = "") -> Mapping[str, str]:
    """The newest backups that runs told of, each with its host and service; of these alone when they are named."""
    return _asked(file, _BACKUPS, (host, service, MOST))


def _asked(file: Path, query: str, values: tuple[object, ...]) -> Mapping[str, str]:
    if not file.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as database:
            return {str(name): str(said) for name, said in database.execute(query, values) if name}
    except sqlite3.Error:
        return {}
