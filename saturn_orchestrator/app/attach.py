"""`saturn attach`: find what the nodes are doing or did unseen, bring home what is missing here, watch to the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from saturn_orchestrator.errors import SaturnError
from saturn_orchestrator.events import Facts, now
from saturn_orchestrator.records import dataclass, field
from saturn_orchestrator.rollout.following import LINK_PATIENCE_S, Link
from saturn_orchestrator.rollout.host_attach import Attaching, HostAttach
from saturn_orchestrator.rollout.runner import Rollout, Stop
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.model import HostState, RunState
from saturn_orchestrator.topology.model import Host


class Memory(Protocol):
    """What the journal tells of former runs."""

    def replay(self, run: str) -> RunState | None:
        """The state of a run; None when it is not known."""

    def unfinished(self, host: str) -> tuple[str, ...]:
        """The runs that were ordered on the host and have no end here, newest first."""

    def knows_end(self, run: str, host: str) -> bool:
        """Whether the host's part of the run is known to its end."""


@dataclass(frozen=True)
class Attach:
    """What a person ordered. by: person@machine. link_patience_s: how long a line may stay away, 0 for ever."""

    hosts: tuple[Host, ...]
    by: str
    link_patience_s: float = LINK_PATIENCE_S


@dataclass(frozen=True)
class Watch:
    """The world outside: sessions, the journal, whoever watches."""

    open_session: OpenSession
    memory: Memory
    sinks: Sequence[Sink]
    stop: Stop
    trace: Callable[[str], None]


@dataclass(frozen=True)
class Attached:
    """What came of it: the runs, oldest first, with the chosen hosts alone; why the others could not be asked."""

    runs: tuple[RunState, ...]
    away: Mapping[str, SaturnError] = field(default_factory=dict)


async def attach(order: Attach, watch: Watch) -> Attached:
    """Follow whatever the chosen hosts are working on, or finished unseen, until every run has an end or is left."""
    rollout = Rollout(watch.sinks, watch.stop)
    known = _Known(rollout, watch.memory)
    away: dict[str, SaturnError] = {}

    def begin(host: Host) -> None:
        unfinished = tuple(sorted(watch.memory.unfinished(host.name)))
        for run in unfinished:
            known.open(run, host.name)
        attaching = Attaching(
            link=Link(watch.open_session, watch.trace, order.link_patience_s),
            by=order.by,
            unfinished=unfinished,
            missing=lambda facts: known.missing(unfinished, host.name, facts),
            after=lambda run: known.after(run, host.name),
            outbox=lambda run: rollout.outbox(run, host.name),
            away=lambda error: away.update({host.name: error}),
        )
        rollout.begin(host.name, HostAttach(host, attaching))

    for host in order.hosts:
        begin(host)
    runs = await rollout.finish()
    chosen = [host.name for host in order.hosts]
    return Attached(tuple(runs[run].only(chosen) for run in sorted(runs)), away)


class _Known:
    """The runs that were opened here, as the journal knew them when they were."""

    def __init__(self, rollout: Rollout, memory: Memory) -> None:
        self._rollout = rollout
        self._memory = memory
        self._runs: dict[str, RunState] = {}

    def open(self, run: str, host: str, revision: str = "") -> None:
        """Watch the host's part of the run from now on."""
        state = self._runs.get(run) or self._memory.replay(run) or RunState.of(run, revision, (host,), _ordered_at(run))
        if host not in state.hosts:
            state = state.with_host(HostState(host))
        self._runs[run] = state
        self._rollout.open(state)

    def after(self, run: str, host: str) -> int:
        """The last event of the host's part that the journal knows."""
        return self._runs[run].hosts[host].last_seq

    def missing(self, unfinished: tuple[str, ...], host: str, facts: Facts) -> tuple[str, ...]:
        """The host's runs to follow, the one at work last; each is open."""
        told = {facts.last_run.run: facts.last_run.revision} if facts.last_run else {}
        at_work = facts.lock.run if facts.lock else ""
        if at_work:
            told.setdefault(at_work, "")
        new = [run for run in told if run and run not in unfinished and not self._memory.knows_end(run, host)]
        for run in new:
            self.open(run, host, told[run])
        return tuple(sorted((*unfinished, *new), key=lambda run: (run == at_work, run)))


def _ordered_at(run: str) -> str:
    """When a run was ordered, by the moment in its id; else now."""
    try:
        return f"{datetime.strptime(run[:16], '%Y%m%dT%H%M%S%z'):%Y-%m-%dT%H:%M:%S}.000Z"
    except ValueError:
        return now()
