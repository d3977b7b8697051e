"""SATURN's durable record of runs: SQLite, one row an event, primary key (run, host, seq).

A node's event has its own seq, from 1 up; the controller's own events count down from -1. Both lie in the order in
which they were reduced, so that a replay reduces to the very state that the run returned. Several saturn processes may
write at once, even the same run: a node's event is taken once, whoever brings it.

A journal that is damaged is set aside under another name and a new one is begun; one that is locked, read-only, on a
full disk or of a newer saturn is left as it is.
"""

from saturn_orchestrator.journal.database import condition, journal_file, state_folder
from saturn_orchestrator.journal.records import Records
from saturn_orchestrator.journal.sink import Journal

__all__ = ["Journal", "Records", "condition", "journal_file", "state_folder"]
