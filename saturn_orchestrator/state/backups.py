"""What the verbs of backups heard from one host, or brought home from it."""

from __future__ import annotations

from pathlib import Path

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import BackupVerified, SnapshotFact
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.outcome import EXIT_FAILED, EXIT_SUCCESS


@dataclass(frozen=True)
class Holdings:
    """The backups that lie on one host, or why nobody could ask it."""

    host: str
    snapshots: tuple[SnapshotFact, ...] = ()
    error: SessionError | None = None

    @property
    def exit_code(self) -> int:
        """What this host alone would make the exit code."""
        return self.error.exit_code if self.error else EXIT_SUCCESS


@dataclass(frozen=True)
class Inspection:
    """What one host found when it read its backups to their end, or why nobody could ask it."""

    host: str
    verdicts: tuple[BackupVerified, ...] = ()
    error: SessionError | None = None

    @property
    def exit_code(self) -> int:
        """What this host alone would make the exit code."""
        if self.error:
            return self.error.exit_code
        return EXIT_SUCCESS if all(each.is_sound for each in self.verdicts) else EXIT_FAILED


@dataclass(frozen=True)
class Copy:
    """One backup on SATURN. folder: where it lies; None when it does not, and error tells why.

    size: bytes of its archives. local: how many files stay on the node. was_here: nothing had to be fetched any more.
    """

    host: str
    service: str
    name: str = ""
    folder: Path | None = None
    size: int = 0
    local: int = 0
    was_here: bool = False
    error: SessionError | None = None

    @property
    def exit_code(self) -> int:
        """What this copy alone would make the exit code."""
        return self.error.exit_code if self.error else EXIT_SUCCESS
