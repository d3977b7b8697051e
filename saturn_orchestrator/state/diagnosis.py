"""What `saturn diagnose` brought home from one host."""

from __future__ import annotations

from pathlib import Path

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.records import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One host's diagnostics. path: the file on the node; copy: the same on SATURN; error: why there is none."""

    host: str
    path: str = ""
    copy: Path | None = None
    error: SessionError | None = None

    @property
    def exit_code(self) -> int:
        """What this host alone would make the exit code."""
        return self.error.exit_code if self.error else 0
