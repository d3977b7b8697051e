"""What is known of a host that is in trouble, and which commands are safe next. Pure: decided from values alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import cast

from saturn_orchestrator import events
from saturn_orchestrator.events import Event, HostPlanned
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.state.model import HostState, Status
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.standing import Standing
from saturn_orchestrator.topology.model import Host

CHATTER_KEPT = 20
"""Lines of a command's output that are kept of each stretch of them: the last ones."""

_BROKEN = frozenset({Status.FAILED, Status.BLOCKED, Status.LOST, Status.ROLLED_BACK, Status.CANCELLED})
_MAY_STAND_HALF = frozenset({Status.FAILED, Status.LOST, Status.CANCELLED})
"""A run that ended so may have left services half way."""


@dataclass(frozen=True)
class Diagnostics:
    """What a node wrote of itself. text: "" when there is none. file: the copy here. at: when it came, RFC 3339.

    is_fresh: collected for this very question. problem: why it could not be, in a sentence.
    """

    text: str = ""
    file: str = ""
    at: str = ""
    is_fresh: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Recovery:
    """Everything that is known of a host's last trouble.

    run: "" when no run of it is known here; state: its part of that run. told: the journalled events of it. history:
    the newest runs that had the host, newest first. was_asked: False with --offline.
    """

    host: Host
    standing: Standing
    diagnostics: Diagnostics
    run: str = ""
    revision: str = ""
    state: HostState | None = None
    told: tuple[Event, ...] = ()
    history: tuple[RunRecord, ...] = ()
    was_asked: bool = True

    @property
    def plan(self) -> HostPlanned | None:
        """The plan that was last shown in this run."""
        return next((event for event in reversed(self.told) if isinstance(event, HostPlanned)), None)

    @property
    def is_live(self) -> bool:
        """Whether the node answered just now."""
        return self.standing.source == "live" and self.standing.facts is not None

    @property
    def completed(self) -> tuple[str, ...]:
        """The stages whose markers stand: as the node tells, else as the run told."""
        facts = self.standing.facts
        if self.is_live and facts:
            return facts.completed
        done = [each.stage for each in self.told if isinstance(each, events.StageFinished | events.StageSkipped)]
        return tuple(stage for stage in events.STAGES if stage in done)

    @property
    def last_service(self) -> str:
        """The last service that `deploy` completed: as the node tells, else as the run told."""
        facts = self.standing.facts
        if self.is_live and facts:
            return facts.last_service
        done = [each for each in self.told if isinstance(each, events.ServiceFinished) and each.stage == "deploy"]
        return done[-1].service if done else ""


@dataclass(frozen=True)
class NextCommand:
    """What a person may type next, and why. is_safe: it changes nothing that runs; the others show a plan and ask."""

    command: str
    why: str
    is_safe: bool = True


def telling_run(records: Sequence[RunRecord], host: str, spoke: str) -> str:
    """The run that tells of the host's trouble: the newest that broke there, unless the node did well since.

    records: the runs that had the host, newest first. spoke: the newest run that tells where the host stands, "" for
    none. "" when there are no runs.
    """
    for record in records:
        if record.run == spoke or record.hosts[host][0] in _BROKEN:
            return record.run
    return records[0].run if records else ""


def condensed(told: Sequence[Event]) -> Iterator[Event]:
    """The events, of each long stretch of output only the end; the last that is left out says how many are."""
    for is_chatter, stretch in groupby(told, events.is_output):
        found = list(stretch)
        left_out = len(found) - CHATTER_KEPT
        if is_chatter and left_out > 0:
            last = cast("events.Log", found[left_out - 1])
            yield replace(last, text=f"[… {left_out} lines were left out here …]")
            found = found[left_out:]
        yield from found


def next_commands(known: Recovery, verbs: Collection[str]) -> tuple[NextCommand, ...]:
    """The commands that make sense next, the safest first. verbs: those that this saturn has."""
    commands = (*_looking(known, verbs), *_mending(known))
    return tuple({each.command: each for each in commands}.values())


def _looking(known: Recovery, verbs: Collection[str]) -> Iterator[NextCommand]:
    """What changes nothing that runs."""
    host, state = known.host.name, known.state
    if known.run:
        yield NextCommand(f"saturn logs {host} --run {known.run}", "all that it said in this run; contacts nobody")
    yield NextCommand(f"saturn status --hosts {host}", "where it stands now")
    if _is_open(known):
        yield NextCommand(
            f"saturn attach --hosts {host}", "a run has no end here: watch it, or bring home how it ended"
        )
    yield NextCommand(f"saturn diagnose --hosts {host}", "collects everything anew, in one file")
    if "doctor" in verbs:
        yield NextCommand(f"saturn doctor --hosts {host}", "looks for what keeps it from being deployed to")
    if state and state.status is Status.BLOCKED:
        yield NextCommand("saturn validate", "the findings stand in files: mend them, then check on this machine alone")
    if state and state.task:
        yield NextCommand(f"saturn backup list --hosts {host}", "which backups lie there")
    else:
        yield NextCommand(f"saturn plan --hosts {host}", "what a deploy would do now, and why; touches nothing")


def _mending(known: Recovery) -> Iterator[NextCommand]:
    """What brings the host back. Each shows its plan and asks; none of it while a run is at work there."""
    host, state = known.host.name, known.state
    if known.standing.deferred:
        yield NextCommand(f"saturn catch-up --hosts {host}", "does what was confirmed while it was away", is_safe=False)
    if state is None or state.status.is_success or _is_open(known) or known.standing.reachability == "denied":
        return
    if state.task:
        if state.task == "backup":
            yield NextCommand(f"saturn backup --hosts {host}", "once the cause is mended", is_safe=False)
        return
    if state.is_resumable:
        why = "once the cause is mended: goes on where it stopped"
        yield NextCommand(f"saturn deploy --hosts {host} --resume", why, is_safe=False)
    else:
        yield NextCommand(f"saturn deploy --hosts {host}", "once the cause is mended", is_safe=False)
    if state.status in _MAY_STAND_HALF and state.stage and _can_go_back(known):
        why = "returns to the deployment before, with its images; data stays as it is"
        yield NextCommand(f"saturn rollback --hosts {host}", why, is_safe=False)
    yield from _restores(known.host, state)


def _restores(host: Host, state: HostState) -> Iterator[NextCommand]:
    """Only of services that the topology knows: a name that a node made up becomes no part of a command."""
    for name in (each.name for each in host.services if each.name in state.services):
        backup = state.services[name].backup
        if backup:
            why = f"puts back the folders of {name} as they were before this run; what is there now is kept"
            yield NextCommand(f"saturn restore {host.name} {name} --from {backup}", why, is_safe=False)


def _is_open(known: Recovery) -> bool:
    """Whether a run is at work there, or its end is not known here."""
    facts = known.standing.facts
    if known.is_live and facts and facts.lock:
        return True
    return known.state is not None and known.state.status in {Status.CONFIRMED, Status.RUNNING}


def _can_go_back(known: Recovery) -> bool:
    """Whether the node remembers a completed deployment; as far as SATURN knows where it is away."""
    facts = known.standing.facts
    if known.is_live and facts:
        return bool(facts.deployments)
    name = known.host.name
    words = (record.hosts[name][0] for record in known.history if name in record.hosts)
    return any(word in {Status.CHANGED, Status.UNCHANGED} for word in words)
