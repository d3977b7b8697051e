"""The state of a run as frozen values; reduce.py moves it, outcome.py judges it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from saturn_orchestrator.events import Finding
from saturn_orchestrator.records import dataclass, field, replace
from saturn_orchestrator.state.layered import with_changed


class Status(StrEnum):
    """Where a host stands in a run: on its way, or in a final state."""

    PENDING = "pending"
    CONNECTING = "connecting"
    CONNECTED = "connected"  # its facts are being gathered
    PLANNED = "planned"  # waits for a person
    CONFIRMED = "confirmed"  # the order was given, the node has not said hello
    RUNNING = "running"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"
    SKIPPED = "skipped"
    DEFERRED = "deferred"

    @property
    def is_final(self) -> bool:
        """Whether no event of this run can move it any more."""
        return self not in _MOVING

    @property
    def is_success(self) -> bool:
        """Whether the host is as the plan wanted it."""
        return self in {Status.CHANGED, Status.UNCHANGED}


_MOVING = frozenset(
    {Status.PENDING, Status.CONNECTING, Status.CONNECTED, Status.PLANNED, Status.CONFIRMED, Status.RUNNING}
)


@dataclass(frozen=True)
class HostError:
    """Why a host did not succeed. code is stable; hint is the next command to type; tail is the evidence."""

    code: str
    message: str
    hint: str = ""
    stage: str = ""
    service: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceState:
    """A service in this run.

    status: pending, working, changed, unchanged, skipped (completed before), failed, removed, restored, fetched or
    saved. backup: the name of the newest one that this run wrote of it: before it was changed, because it was ordered,
    or of what a restore replaced.
    """

    status: str = "pending"
    health: str = ""
    backup: str = ""


@dataclass(frozen=True)
class HostState:
    """Everything a run knows of one host.

    task: `backup` or `restore` when its plan was to deploy nothing. left: why nobody watches it here any more, though
    it has no end. link_lost_at: since when the line is away, "" while it stands. digest: of the plan that was
    confirmed. duration_s: as the node measured it, since the two clocks may differ. last_seq: of the node's events.
    surplus: how many events did not fit and were kept out. noise: how many lines were no events at all. awaits: what
    keeps it, `approval` by a person or `acknowledgement`; "" when nothing does.
    """

    host: str
    status: Status = Status.PENDING
    stage: str = ""
    service: str = ""
    text: str = ""
    attempt: int = 0
    services: Mapping[str, ServiceState] = field(default_factory=dict)
    revision_before: str = ""
    revision_after: str = ""
    stale: bool = False
    error: HostError | None = None
    left: HostError | None = None
    link_lost_at: str = ""
    findings: tuple[Finding, ...] = ()
    by: str = ""
    digest: str = ""
    log: str = ""
    diagnostics: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_s: float | None = None
    last_seq: int = 0
    surplus: int = 0
    noise: int = 0
    task: str = ""
    awaits: str = ""

    def but(self, **changes: Any) -> HostState:
        """The same with other values in some fields: `replace`, which would ask for each of them, at a line's price."""
        changed = object.__new__(HostState)
        changed.__dict__.update(self.__dict__, **changes)
        return changed

    @property
    def is_resumable(self) -> bool:
        """Whether the node began, so that a run can go on where this one stopped."""
        return bool(self.stage) and self.status in {Status.FAILED, Status.LOST, Status.CANCELLED}

    @property
    def is_over(self) -> bool:
        """Whether this saturn has nothing more to do for the host: its state is final, or it was left to itself."""
        return self.status.is_final or self.left is not None


@dataclass(frozen=True)
class RunState:
    """A run and its hosts, in the order they were chosen."""

    run: str
    revision: str
    hosts: Mapping[str, HostState]
    started_at: str = ""

    @classmethod
    def of(cls, run: str, revision: str, hosts: Iterable[str], started_at: str = "") -> RunState:
        """A run in which nothing has happened yet."""
        return cls(run, revision, {host: HostState(host) for host in hosts}, started_at)

    def with_host(self, state: HostState) -> RunState:
        """The run with one host's state replaced."""
        return RunState(self.run, self.revision, with_changed(self.hosts, state.host, state), self.started_at)

    def only(self, hosts: Iterable[str]) -> RunState:
        """The run as if it had no other hosts than these."""
        chosen = set(hosts)
        return replace(self, hosts={name: host for name, host in self.hosts.items() if name in chosen})

    @property
    def is_finished(self) -> bool:
        """Whether every host is in a final state."""
        return all(host.status.is_final for host in self.hosts.values())
