"""A host that introduces itself: the keys it shows, beside those that are known of it, and what came of it. Values."""

from __future__ import annotations

from enum import StrEnum

from saturn_orchestrator import files
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.session.base import Offer
from saturn_orchestrator.session.known_hosts import NOTHING, Key, Known
from saturn_orchestrator.topology.model import Host


class Standing(StrEnum):
    """How what a host shows stands to what is known of it."""

    LOCAL = "local"
    TAILNET = "tailnet"
    PINNED = "pinned"
    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True)
class Introduction:
    """A host's keys beside those on file.

    offer: None for this machine itself. key: the one to pin, None when there is nothing to pin. known: by what it is
    known until now. before: what the file held.
    """

    host: Host
    standing: Standing
    offer: Offer | None = None
    key: Key | None = None
    known: Known = NOTHING
    before: files.Content = None

    @property
    def needs_pin(self) -> bool:
        """Whether its key is to be written down."""
        return self.standing in {Standing.NEW, Standing.CHANGED}


class Outcome(StrEnum):
    """What came of it."""

    NOTHING = "unchanged"
    PINNED = "pinned"
    REPLACED = "replaced"
    DECLINED = "declined"


@dataclass(frozen=True)
class Trusted:
    """A host that was looked at, and what came of it."""

    introduction: Introduction
    outcome: Outcome
