"""The plan of one host, as plain values. Building it is build.py's work, showing it report's."""

from __future__ import annotations

from enum import StrEnum

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.events import ImageChange, Judgement
from saturn_orchestrator.records import dataclass


class Action(StrEnum):
    """What a run would do to a service."""

    CREATE = "create"
    RECREATE = "recreate"
    START = "start"
    REMOVE = "remove"
    UNCHANGED = "unchanged"
    COMPLETED = "completed"  # a resumed run passes over it
    INVALID = "invalid"  # compose refuses its files: validate will block
    UNKNOWN = "unknown"  # an action of a newer executor
    BACKUP = "backup"
    RESTORE = "restore"

    @property
    def touches_containers(self) -> bool:
        """Whether containers of the service would be created, replaced, removed or started."""
        return self in {Action.CREATE, Action.RECREATE, Action.START, Action.REMOVE}


@dataclass(frozen=True)
class Change:
    """One line of a plan: a service, what would be done to it, and why.

    images: old to new. ports: those newly published. downtime: something that runs now is stopped for it.
    carries: the connection to the host. local: files that lie on the node alone and shape the service; is_local_new:
    they changed since its last deploy.
    """

    service: str
    action: Action
    reason: str = ""
    images: tuple[ImageChange, ...] = ()
    ports: tuple[str, ...] = ()
    downtime: bool = False
    carries: bool = False
    local: tuple[str, ...] = ()
    is_local_new: bool = False

    @property
    def words(self) -> str:
        """`bridge: recreate, image changed`."""
        return f"{self.service}: {self.action}{f', {self.reason}' if self.reason else ''}"

    @property
    def may_cut(self) -> bool:
        """Whether the run may cut the connection by it: whatever is not surely left alone counts as touched."""
        is_unsure = self.action is Action.UNKNOWN or (self.action is Action.UNCHANGED and bool(self.reason))
        return self.carries and (self.action.touches_containers or is_unsure)


@dataclass(frozen=True)
class Step:
    """A commit that would be applied: its full hash, who wrote it, the first line of its message."""

    revision: str
    author: str
    subject: str


@dataclass(frozen=True)
class Wanted:
    """What git wants a host to reach.

    commits: how many commits the node lacks; None when SATURN does not know the node's revision. steps: the newest of
    them. left: how many commits of the node the wanted revision lacks: history was rewritten, or this goes back.
    moved: for each service the files that differ between both revisions; None when that is unknown, too.
    uncommitted: services with work on SATURN that nobody committed. unpushed: commits that origin lacks.
    """

    revision: str
    branch: str
    subject: str = ""
    commits: int | None = None
    steps: tuple[Step, ...] = ()
    left: int = 0
    moved: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    uncommitted: tuple[str, ...] = ()
    unpushed: int = 0

    def moved_files(self, service: str) -> tuple[str, ...] | None:
        """The files of the service that differ; empty when its folder is the same; None when nobody can tell."""
        return None if self.moved is None else dict(self.moved).get(service, ())


@dataclass(frozen=True)
class HostPlan:
    """What a run would do to one host.

    revision_before is "" on a first deploy. commits, steps: see Wanted. resume_stage: where a resume continues.
    digest: binds a consent to this plan, "" when the node told none. is_foreseen: whether the node compared its own
    containers with the wanted files; else the changes are what git alone tells. orphans: services that are assigned to
    the host no more and stay. sent: bytes of the bundle that SATURN sends. restores: the run whose images come back.
    path: how packets reach the host over the tailnet, "" when that is not known. ack_timeout_s: how long what carries
    the connection waits for an acknowledgement. is_first: no deployment was completed there yet, so that nothing can go
    back to one. findings: what validate would say there, the gravest first. notes: what else is good to know.
    is_for_later: the host is away, and this is done once it is back.
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
    steps: tuple[Step, ...] = ()
    digest: str = ""
    is_foreseen: bool = False
    orphans: tuple[str, ...] = ()
    sent: int = 0
    restores: str = ""
    path: str = ""
    ack_timeout_s: float = 120.0
    is_first: bool = False
    findings: tuple[Judgement, ...] = ()
    notes: tuple[str, ...] = ()
    is_for_later: bool = False

    def count(self, action: Action) -> int:
        """How many services the action concerns."""
        return sum(change.action is action for change in self.changes)

    @property
    def task(self) -> str:
        """What a run does that deploys nothing: `backup` or `restore`; "" for a deploy."""
        apart = (change.action for change in self.changes if change.action in {Action.BACKUP, Action.RESTORE})
        return next(apart, "")

    @property
    def changes_anything(self) -> bool:
        """Whether the run would move the revision or touch a container."""
        return self.revision_before != self.revision_after or bool(self.touched)

    @property
    def errors(self) -> tuple[Judgement, ...]:
        """The findings that would block the host."""
        return tuple(each for each in self.findings if each.severity == "error")

    @property
    def touched(self) -> tuple[str, ...]:
        """The services whose containers the run would touch."""
        return tuple(change.service for change in self.changes if change.action.touches_containers)

    @property
    def at_stake(self) -> frozenset[str]:
        """The services by which the run may cut the connection: each is to be acknowledged once it was touched."""
        return frozenset(change.service for change in self.changes if change.may_cut)


@dataclass(frozen=True)
class Prospect:
    """The plan of a host, or why there is none. diff: the differences of its files, where they were asked for."""

    host: str
    plan: HostPlan | None = None
    error: SessionError | None = None
    diff: str = ""
