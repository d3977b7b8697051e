"""What `saturn cancel` heard from one host."""

from __future__ import annotations

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import Cancelling
from saturn_orchestrator.records import dataclass


@dataclass(frozen=True)
class Cancellation:
    """One host's answer. told: the run it stops, and when; None when nothing is at work there, or with an error."""

    host: str
    told: Cancelling | None = None
    error: SessionError | None = None
