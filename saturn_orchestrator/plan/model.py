"""The plan of one host, as plain values. Building it is build.py's work, showing it report's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a deploy would do to a service."""

    CREATE = "create"
    RECREATE = "recreate"
    START = "start"
    UNCHANGED = "unchanged"
    COMPLETED = "completed"  # a resumed run passes over it

    @property
    def touches_containers(self) -> bool:
        """Whether containers of the service would be created, replaced or started."""
        return self in {Action.CREATE, Action.RECREATE, Action.START}


@dataclass(frozen=True)
class Change:
    """One line of a plan: a service, what would be done to it, and why."""

    service: str
    action: Action
    reason: str = ""


@dataclass(frozen=True)
class Wanted:
    """What git wants a host to reach.

    commits: how many commits the node lacks; None when SATURN does not know the node's revision.
    moved: for each service the files that differ between both revisions; None when that is unknown, too.
    uncommitted: services with work on SATURN that nobody committed.
    """

    revision: str
    branch: str
    subject: str = ""
    commits: int | None = None
    moved: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    uncommitted: tuple[str, ...] = ()

    def moved_files(self, service: str) -> tuple[str, ...] | None:
        """The files of the service that differ; empty when its folder is the same; None when nobody can tell."""
        return None if self.moved is None else dict(self.moved).get(service, ())


@dataclass(frozen=True)
class HostPlan:
    """What a run would do to one host.

    revision_before is "" on a first deploy. commits: see Wanted. resume_stage: where a resume continues, else "".
    """

    host: str
    revision_before: str
    revision_after: str
    branch: str
    subject: str
    commits: int | None
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    resume_stage: str = ""

    def count(self, action: Action) -> int:
        """How many services the action concerns."""
        return sum(change.action is action for change in self.changes)

    @property
    def changes_anything(self) -> bool:
        """Whether the run would move the revision or touch a container."""
        return self.revision_before != self.revision_after or any(c.action.touches_containers for c in self.changes)
