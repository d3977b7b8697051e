"""Builders of whole values for tests: every field has a plain default, a test names only what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from saturn_orchestrator import events
from saturn_orchestrator.plan.model import HostPlan, Wanted
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.standing import Deferred
from saturn_orchestrator.topology.model import Git, Host, Rollout, Service, Ssh, Topology

AT = "2026-11-23T16:10:02.000Z"
RUN = "20261123T161002Z-7f3a"
OLD = "a" * 40
NEW = "b" * 40

NODE_TYPES: tuple[type, ...] = events.wire.Event.__args__
OWN_TYPES: tuple[type, ...] = events.OwnEvent.__args__


def service(name: str = "web", **fields: Any) -> Service:
    return Service(**{"name": name, "folder": f"services/{name}", **fields})


def host(name: str = "alpha", connect_timeout_s: float = 5.0, **fields: Any) -> Host:
    ssh = Ssh(user="homelab", connect_timeout_s=connect_timeout_s, known_hosts=Path("/nowhere/known_hosts"))
    git = Git(url="ssh://git@forge/homelab.git", path="/opt/homelab/repo")
    return Host(**{"name": name, "address": name, "services": (service(),), "ssh": ssh, "git": git, **fields})


def topology(folder: Path, *hosts: Host, parallel: int = 8) -> Topology:
    return Topology(
        version=1,
        controller="saturn",
        hosts={each.name: each for each in hosts},
        rollout=Rollout(parallel=parallel),
        folder=folder,
        file=folder / "inventory" / "topology.yaml",
    )


def node_event(kind: type, seq: int = 1, host: str = "alpha", run: str = RUN, **fields: Any) -> Any:
    """An event of that class; fields without a default are blank."""
    return kind(**{**_blanks(kind), "seq": seq, "at": AT, "run": run, "host": host, **fields})


def own_event(kind: type, **fields: Any) -> Any:
    """An event of the controller; fields without a default are blank."""
    return kind(**{**_blanks(kind), "at": AT, **fields})


_BLANKS: dict[str, Any] = {"str": "", "int": 1, "tuple[str, ...]": ()}


def _blanks(kind: type) -> dict[str, Any]:
    known = kind.__dataclass_fields__
    return {name: _BLANKS[str(each.type)] for name, each in known.items() if not _has_default(each)}


def _has_default(field: Any) -> bool:
    return type(field.default).__name__ != "_MISSING_TYPE" or type(field.default_factory).__name__ != "_MISSING_TYPE"


def facts(host: str = "alpha", **fields: Any) -> events.Facts:
    return node_event(events.Facts, host=host, **fields)


def node_plan(host: str = "alpha", **fields: Any) -> events.Plan:
    """What a node says that a run would do; it has the revision and could compare."""
    return node_event(events.Plan, 2, host, **{"digest": "d1", "revision": NEW, "is_foreseen": True, **fields})


def wanted(**fields: Any) -> Wanted:
    return Wanted(**{"revision": NEW, "branch": "main", "subject": "a change", "commits": 1, "moved": (), **fields})


def plan(host: str = "alpha", **fields: Any) -> HostPlan:
    defaults = {
        "host": host, "revision_before": OLD, "revision_after": NEW, "branch": "main", "subject": "a change",
        "commits": 1, "changes": (),
    }  # fmt: skip
    return HostPlan(**{**defaults, **fields})


def deferred(**fields: Any) -> Deferred:
    defaults = {
        "run": RUN, "by": "ada@saturn", "at": AT, "revision": NEW, "revision_before": OLD, "services": ("web",),
        "scope": ("web",), "expires_at": "2026-11-30T16:10:02Z",
    }  # fmt: skip
    return Deferred(**{**defaults, **fields})


def run_state(*hosts: str) -> RunState:
    return RunState.of(RUN, NEW, hosts or ("alpha",), AT)


def run_story(host: str = "alpha", outcome: str = "success", after: int = 0) -> list[Any]:
    """What the node of an ordinary run says, from the event behind `after` on."""
    story = (
        node_event(events.Hello, 1, host, log="/opt/homelab/logs/deploy/deploy_1.log"),
        node_event(events.StageStarted, 2, host, stage="prepare"),
        node_event(events.CheckedOut, 3, host, stage="prepare", revision_before=OLD, revision_after=NEW),
        node_event(events.StageStarted, 4, host, stage="deploy"),
        node_event(events.ServiceFinished, 5, host, stage="deploy", service="web", status="changed"),
        node_event(events.Goodbye, 6, host, outcome=outcome),
    )
    return [event for event in story if event.seq > after]


# --- strategies: any event whatever ----------------------------------------------------------------------------------

_texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=12)
_words = st.sampled_from(("", "web", "db", "prepare", "deploy", "changed", "unchanged", "success", "failed", "blocked"))
_flags = st.booleans()
_numbers = st.integers(0, 6)
_seconds = st.floats(0, 1e6)
_FIELD = {
    "str": _words | _texts,
    "bool": _flags,
    "int": _numbers,
    "float": _seconds,
    "Tuple[str, ...]": st.lists(_texts, max_size=3).map(tuple),
    "tuple[str, ...]": st.lists(_texts, max_size=3).map(tuple),
    "Dict[str, str]": st.dictionaries(_texts, _texts, max_size=3),
}
_PARTS: dict[str, type] = {
    "Tuple[ServiceFact, ...]": events.ServiceFact,
    "Tuple[ContainerFact, ...]": events.ContainerFact,
    "Tuple[Problem, ...]": events.Problem,
    "Tuple[Failing, ...]": events.Failing,
    "Tuple[Judgement, ...]": events.Judgement,
    "Tuple[SnapshotFact, ...]": events.SnapshotFact,
    "Tuple[ArchiveFact, ...]": events.ArchiveFact,
    "Tuple[Waiver, ...]": events.Waiver,
    "Tuple[Check, ...]": events.Check,
    "Tuple[DeploymentFact, ...]": events.DeploymentFact,
    "Tuple[ServiceChange, ...]": events.ServiceChange,
    "Tuple[ImageChange, ...]": events.ImageChange,
}
_OPTIONAL: dict[str, type] = {
    "LockFact | None": events.LockFact,
    "RunFact | None": events.RunFact,
    "BackupOrder | None": events.BackupOrder,
}


def instances(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a class of the schema, field by field."""
    return st.builds(
        kind, **{name: _field(str(each.type)) for name, each in kind.__dataclass_fields__.items() if name != "type"}
    )


def _field(annotation: str) -> st.SearchStrategy[Any]:
    if annotation in _PARTS:
        return st.lists(instances(_PARTS[annotation]), max_size=2).map(tuple)
    if annotation in _OPTIONAL:
        return st.none() | instances(_OPTIONAL[annotation])
    return _FIELD[annotation]


unknown_events = st.builds(
    events.UnknownEvent,
    seq=_numbers,
    at=st.just(AT),
    run=st.just(RUN),
    host=st.just("alpha"),
    type=_texts.map(lambda text: f"x_{text}"),
    body=st.dictionaries(_texts, _texts | _numbers, max_size=3),
)
any_event = st.one_of(*(instances(kind) for kind in (*NODE_TYPES, *OWN_TYPES)), unknown_events)
