"""The [STRUCT] schema and the requests: the one vocabulary that controller and executor share.

The executor owns this file (it has the harder limits: standard library, Python 3.8); the controller imports these
same classes and validates against them. Everything is frozen, flat and boring. Annotations stay strings on the node,
so they may be written the modern way.

A line on the wire is `[STRUCT] ` and one compact JSON object. A reader ignores fields it does not know and keeps
events whose type it does not know, so both may be added without raising PROTOCOL.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Literal, Mapping, Tuple, Type, TypeVar, Union

from .records import dataclass, field, field_names

PREFIX = "[STRUCT] "
PROTOCOL = 1

STAGES = ("prepare", "validate", "deploy", "verify", "complete")
"""The stages of a run, in order. `diagnose` is not one of them: it runs by itself after a failure, or on demand."""

MAX_TEXT = 2000
"""Characters of one free text on the wire. A longer one is cut in the middle: its begin names, its end explains."""

MAX_TAIL = 40
"""Lines of evidence that travel with a failure; the log and the diagnostics file on the node hold the rest."""


# --- requests: what the controller writes to the executor's stdin, one JSON object a line -----------------------------


@dataclass(frozen=True)
class BackupOrder:
    """What a backup takes of a service.

    paths: of `config`, `data` and `logs`, the service's folders under the root. quiesce: stop | pause | none, how its
    containers are held still meanwhile. keep: how many backups stay. exclude: shell patterns of paths inside a folder.
    """

    paths: Tuple[str, ...] = ("config", "data")
    quiesce: str = "stop"
    keep: int = 5
    exclude: Tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceOrder:
    """One service as the topology wants it on this node. `folder` is relative to the checkout.

    connectivity: it carries the connection to the node, see AckNeeded. exposure: local-only | tailscale-internal |
    public, who may reach what it publishes. backup: None when it is not backed up. provided: names of `.env` that
    SATURN brings with the run, so that the node need not have them before.
    """

    name: str
    folder: str
    depends_on: Tuple[str, ...] = ()
    required_env: Tuple[str, ...] = ()
    health_timeout_s: float = 60.0
    health_interval_s: float = 2.0
    connectivity: bool = False
    exposure: str = "local-only"
    backup: BackupOrder | None = None
    provided: Tuple[str, ...] = ()

    def missing_env(self, env: Mapping[str, str]) -> Tuple[str, ...]:
        """The required names that have no value there, and to which SATURN brings none."""
        return tuple(name for name in self.required_env if not env.get(name) and name not in self.provided)


@dataclass(frozen=True)
class Waiver:
    """What a person allowed in spite of a rule. service "" stands for all. until: the last day, YYYY-MM-DD.

    is_expired: that day was over when SATURN gave the order; it lowers nothing then, and is named.
    """

    code: str
    service: str
    reason: str
    until: str
    is_expired: bool = False


@dataclass(frozen=True)
class Conventions:
    """What the topology lets the services of this node do; the rules stand in `policy`.

    public: services that may be reached by the world. forbidden_devices: shell patterns. autonomous: the node must keep
    working without any of `strangers`, names and addresses of machines outside its LAN; `own` are its own. severity:
    code to error or warning, where the topology has it otherwise than the rule.
    """

    public: Tuple[str, ...] = ()
    forbidden_devices: Tuple[str, ...] = ()
    autonomous: bool = False
    strangers: Tuple[str, ...] = ()
    own: Tuple[str, ...] = ()
    severity: Dict[str, str] = field(default_factory=dict)
    waivers: Tuple[Waiver, ...] = ()


@dataclass(frozen=True)
class NodeOrder:
    """Where things lie on the node and how to work there: the part of a request that outlives one run.

    source: auto (origin, else what SATURN sent) | origin | saturn (never ask origin). services: those of this request;
    assigned: the names of all that the topology gives to the host. ack_timeout_s: see AckNeeded.
    """

    host: str
    root: str
    checkout: str
    origin: str
    branch: str
    compose: Tuple[str, ...] = ("docker", "compose")
    pull: str = "missing"
    up_timeout_s: float = 300.0
    services: Tuple[ServiceOrder, ...] = ()
    source: str = "auto"
    assigned: Tuple[str, ...] = ()
    ack_timeout_s: float = 120.0
    conventions: Conventions = field(default_factory=Conventions)


@dataclass(frozen=True)
class Request:
    """One thing the controller asks of the executor.

    verb: `backups`, `verify`, `fetch` (list the backups of the services, read them to their end, send a file of one);
    `greet` (a hello, at once, that tells the way and the clock), `examine` (read-only: is anything wrong with the
    node), `facts` (read-only), `plan` (facts, and what a run would do; read-only, too), `run` (start the run unless it
    was started, then follow it), `follow` (a run that was started, never start it), `diagnose`, `cancel`, `ack` (the
    node was reached after `service` came up). While a run is followed the last two have no answer of their own.
    run: the run id; whatever starts no run gets one of its own that names none, `cancel` may leave it empty: the run
    at work. revision: the full commit the checkout must reach. after: the last seq the controller already has.
    now: for `cancel`: end the command in hand, too. service: for `ack`: the one that is acknowledged. by, controller:
    who confirmed this run, and on which machine. attended: a person on the node itself did, and needs no line to it.
    plan: the digest of the plan that was confirmed; "" when nobody saw one (a person on the node).
    bundle: the sha256 of a git bundle with what the node lacks, "" for none; bundle_size: its bytes, which follow
    the request's line at once, 0 when this conversation has them already. thin: the bundle itself in base64, when it is
    small: then nothing follows. secrets_size: bytes of a JSON object that follow behind those: service to name to
    value, what `.env` files shall hold; they are no part of the request.
    facts_known: for `plan`: only the changes are told; a bundle that comes before that is a guess. begins: for `plan`:
    a person said yes beforehand, so the run begins as soon as its plan was told, unless something stands against it.
    prune: remove services that are assigned no more. rollback: return what this run touched when it fails.
    restore: a deployment that this node remembers, by its run, whose images shall be used. prefetch: only fetch what a
    run would need; nothing that runs is touched. failing: services that were not well when the plan was made.
    backup: only write a backup of each service. snapshot: only bring back this backup of the one service; for `verify`
    the one that is meant, "" for all; for `fetch` the one whose `file` is read from byte `offset` on.
    """

    verb: str
    run: str
    node: NodeOrder
    revision: str = ""
    resume: bool = False
    after: int = 0
    now: bool = False
    by: str = ""
    controller: str = ""
    plan: str = ""
    bundle: str = ""
    bundle_size: int = 0
    prune: bool = False
    rollback: bool = False
    restore: str = ""
    prefetch: bool = False
    failing: Tuple[str, ...] = ()
    service: str = ""
    attended: bool = False
    backup: bool = False
    snapshot: str = ""
    file: str = ""
    offset: int = 0
    secrets_size: int = 0
    thin: str = ""
    facts_known: bool = False
    begins: bool = False
    protocol: int = PROTOCOL

    @property
    def deploys_nothing(self) -> bool:
        """Whether a run of it leaves the node's revision and containers to others: it fetches, saves or brings back."""
        return self.prefetch or self.backup or bool(self.snapshot)


# --- facts: parts of the `facts` event -------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContainerFact:
    """One container of a service.

    state: docker's word (running, exited, ...). health: healthy, unhealthy, starting or "" (no check).
    """

    name: str
    service: str = ""
    id: str = ""
    image: str = ""
    state: str = ""
    health: str = ""
    exit_code: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class ServiceFact:
    """What stands on the node of one service.

    state: absent | running | partial | stopped | restarting | unknown (docker does not tell).
    health: healthy | unhealthy | starting | none.
    local_changed: `.env` or the override under <root>/config/<service> moved since the last deploy of the service.
    missing_env: required names with no value in `.env`. drift: how its containers differ from the last deploy, a
    sentence each.
    """

    name: str
    state: str
    health: str = "none"
    containers: Tuple[ContainerFact, ...] = ()
    deployed_revision: str = ""
    local_changed: bool = False
    override: bool = False
    env: bool = False
    missing_env: Tuple[str, ...] = ()
    drift: Tuple[str, ...] = ()


@dataclass(frozen=True)
class LockFact:
    """Who holds the node's lock: the run, the person, the machine it was ordered from, since when, doing what."""

    run: str
    by: str = ""
    controller: str = ""
    since: str = ""
    pid: int = 0
    stage: str = ""
    service: str = ""


@dataclass(frozen=True)
class RunFact:
    """The newest run that the node remembers. outcome is "" while it works and `lost` when its worker died.

    is_prefetch: it only fetched what a later one needs, or wrote or restored a backup: it deployed nothing.
    """

    run: str
    outcome: str = ""
    revision: str = ""
    stage: str = ""
    at: str = ""
    is_prefetch: bool = False


@dataclass(frozen=True)
class DeploymentFact:
    """A deployment that this node completed and remembers: what a rollback may return to."""

    run: str
    revision: str = ""
    at: str = ""
    services: Tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageChange:
    """An image that a run would replace. service: the compose service.

    before, after: names; before_id, after_id: what docker calls their content, after_id "" when it is not on the node.
    size: bytes still to be downloaded, -1 when nobody knows.
    """

    service: str
    before: str = ""
    after: str = ""
    before_id: str = ""
    after_id: str = ""
    size: int = -1


@dataclass(frozen=True)
class ServiceChange:
    """What a run would do to a service.

    action: create | recreate | start | remove | unchanged | invalid (compose refuses its files) | unknown.
    reasons: why, a phrase each; never a value of an environment. ports: those newly published.
    downtime: whether something that runs now is stopped for it.
    """

    service: str
    action: str
    reasons: Tuple[str, ...] = ()
    images: Tuple[ImageChange, ...] = ()
    ports: Tuple[str, ...] = ()
    downtime: bool = False


@dataclass(frozen=True)
class Judgement:
    """A finding that a run would have. severity: error (validate would block the host) | warning | waived."""

    code: str
    severity: str
    message: str
    service: str = ""
    file: str = ""
    key: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ArchiveFact:
    """One file of a backup. is_local: it holds what never leaves the node, and is neither listed for nor sent away."""

    name: str
    size: int = 0
    sha256: str = ""
    is_local: bool = False


@dataclass(frozen=True)
class SnapshotFact:
    """A backup of a service that lies whole on the node. name: its timestamp, which names its folder.

    revision, run: what was deployed when it was written, and by which run. reason: deploy | ordered | replaced (a
    restore kept what stood before). size: bytes of its archives. files: how many files are in them.
    """

    service: str
    name: str
    at: str = ""
    run: str = ""
    revision: str = ""
    reason: str = ""
    size: int = 0
    files: int = 0
    archives: Tuple[ArchiveFact, ...] = ()


@dataclass(frozen=True)
class Failing:
    """A service that stands on the node and is not well before a run begins: what fails then is not the run's fault."""

    service: str
    message: str = ""


@dataclass(frozen=True)
class Problem:
    """Something that keeps a node from being deployed to: a stable code, a sentence, a way out."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. status: ok | warn | fail | skip (it does not apply here).

    name: stable, one for each thing that is looked at. fix: the next command to type, "" when nothing is to be done.
    """

    name: str
    status: str
    message: str = ""
    fix: str = ""


# --- events: what the executor answers -------------------------------------------------------------------------------
# Every event has seq, at, run and host. What a follower says for itself (heartbeat, worker_vanished) repeats the last
# seq, since it is no part of the run.


@dataclass(frozen=True)
class Hello:
    """The first event: who speaks. launch: how the worker was started (`answer` when there is no worker)."""

    seq: int
    at: str
    run: str
    host: str
    protocol: int = PROTOCOL
    executor: str = ""
    python: str = ""
    pid: int = 0
    boot: str = ""
    launch: str = ""
    resumed: bool = False
    log: str = ""
    type: Literal["hello"] = "hello"


@dataclass(frozen=True)
class StageStarted:
    """A stage began."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    type: Literal["stage_started"] = "stage_started"


@dataclass(frozen=True)
class StageFinished:
    """A stage ended well, and its marker stands."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    duration_s: float = 0.0
    type: Literal["stage_finished"] = "stage_finished"


@dataclass(frozen=True)
class StageSkipped:
    """A resumed run passed over a stage that an earlier run completed."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    reason: str = ""
    type: Literal["stage_skipped"] = "stage_skipped"


@dataclass(frozen=True)
class StageFailed:
    """A stage failed and the run ends here. tail: the last lines of what failed. service: "" when it is no one's."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    code: str
    message: str
    hint: str = ""
    service: str = ""
    tail: Tuple[str, ...] = ()
    type: Literal["stage_failed"] = "stage_failed"


@dataclass(frozen=True)
class CheckedOut:
    """The checkout was brought to a revision. source: origin | saturn (what SATURN sent) | cache (it was there).

    stale: origin could not be asked, and SATURN sent nothing.
    """

    seq: int
    at: str
    run: str
    host: str
    stage: str
    revision_before: str
    revision_after: str
    source: str = "origin"
    stale: bool = False
    message: str = ""
    type: Literal["checked_out"] = "checked_out"


@dataclass(frozen=True)
class ServiceStarted:
    """Work on a service began (in deploy: `up`; in verify: its health)."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    type: Literal["service_started"] = "service_started"


@dataclass(frozen=True)
class ServiceFinished:
    """A service was brought to its config.

    status: changed (a container was made, replaced, removed or started) | unchanged | removed (it is assigned no more)
    | restored (a rollback brought its former revision back) | fetched (a prefetch has all that it needs) | saved (a
    backup was ordered, and lies on the node).
    """

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    status: str
    duration_s: float = 0.0
    type: Literal["service_finished"] = "service_finished"


@dataclass(frozen=True)
class ServiceSkipped:
    """A resumed run passed over a service that an earlier run had completed."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    reason: str = ""
    type: Literal["service_skipped"] = "service_skipped"


@dataclass(frozen=True)
class ServiceVerified:
    """verify judged a service well. health: healthy (a check said so) | running (no check) | finished (exit 0)."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    health: str
    type: Literal["service_verified"] = "service_verified"


@dataclass(frozen=True)
class ServiceFailed:
    """A service failed in deploy or verify; a `stage_failed` follows. tail: its last log lines or its command's."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    code: str
    message: str
    hint: str = ""
    health: str = ""
    tail: Tuple[str, ...] = ()
    type: Literal["service_failed"] = "service_failed"


@dataclass(frozen=True)
class AckNeeded:
    """A service that carries the connection was touched: unless somebody acknowledges it in time, the run goes back."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    timeout_s: float = 120.0
    type: Literal["ack_needed"] = "ack_needed"


@dataclass(frozen=True)
class Acknowledged:
    """Somebody reached the node after the service was touched. by: person@machine, "" when that was not told."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    by: str = ""
    type: Literal["acknowledged"] = "acknowledged"


@dataclass(frozen=True)
class BackupWritten:
    """A backup of the service lies whole on the node. snapshot: its name. size: bytes of its archives.

    removed: older ones that went, since no more than `keep` stay.
    """

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    snapshot: str
    path: str = ""
    size: int = 0
    files: int = 0
    duration_s: float = 0.0
    removed: Tuple[str, ...] = ()
    type: Literal["backup_written"] = "backup_written"


@dataclass(frozen=True)
class BackupRestored:
    """The service's folders are those of the backup. kept: the name under which what stood before can be restored."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    service: str
    snapshot: str
    kept: str = ""
    duration_s: float = 0.0
    type: Literal["backup_restored"] = "backup_restored"


@dataclass(frozen=True)
class Finding:
    """One thing validate found. severity: error (the host is blocked) | warning | waived (an error that is allowed).

    file: in the checkout, or absolute.
    """

    seq: int
    at: str
    run: str
    host: str
    stage: str
    code: str
    severity: str
    message: str
    service: str = ""
    file: str = ""
    key: str = ""
    hint: str = ""
    type: Literal["finding"] = "finding"


@dataclass(frozen=True)
class Progress:
    """A sentence for the live row: what is being done now."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    text: str
    service: str = ""
    type: Literal["progress"] = "progress"


@dataclass(frozen=True)
class Log:
    """One line of a command's output."""

    seq: int
    at: str
    run: str
    host: str
    stage: str
    text: str
    service: str = ""
    type: Literal["log"] = "log"


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life in a silence. Not journalled; seq is that of the last event sent."""

    seq: int
    at: str
    run: str
    host: str
    stage: str = ""
    type: Literal["heartbeat"] = "heartbeat"


@dataclass(frozen=True)
class WorkerVanished:
    """The run's worker is gone and said no goodbye: killed, out of memory, or the power went. The follower's own word.

    Not journalled; seq is that of the last event the worker wrote, last its type, last_at its time. rebooted: the node
    has booted since the run began.
    """

    seq: int
    at: str
    run: str
    host: str
    stage: str = ""
    service: str = ""
    last: str = ""
    last_at: str = ""
    rebooted: bool = False
    type: Literal["worker_vanished"] = "worker_vanished"


@dataclass(frozen=True)
class Cancelling:
    """The answer to `cancel`: target, the run at work, was told to stop, now or after the service in hand."""

    seq: int
    at: str
    run: str
    host: str
    target: str
    now: bool = False
    stage: str = ""
    service: str = ""
    type: Literal["cancelling"] = "cancelling"


@dataclass(frozen=True)
class Facts:
    """The answer to `facts`: what is true on the node now.

    completed: markers that stand, in stage order. has_revision: whether the commit of the request is in the checkout.
    tips: commits at the ends of the checkout's refs, which a bundle may build on. deployments: newest first.
    orphans: services that a run brought up and that are assigned no more. stale: the last run could not ask origin.
    """

    seq: int
    at: str
    run: str
    host: str
    revision: str = ""
    dirty: Tuple[str, ...] = ()
    stage: str = ""
    completed: Tuple[str, ...] = ()
    last_service: str = ""
    services: Tuple[ServiceFact, ...] = ()
    lock: LockFact | None = None
    last_run: RunFact | None = None
    problems: Tuple[Problem, ...] = ()
    versions: Dict[str, str] = field(default_factory=dict)
    has_revision: bool = False
    tips: Tuple[str, ...] = ()
    deployments: Tuple[DeploymentFact, ...] = ()
    orphans: Tuple[str, ...] = ()
    stale: bool = False
    type: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Plan:
    """The answer to `plan`, after the facts: what a run would do.

    digest: over what the plan is based on (revision, last run, containers, local files) and what it wants; a run that
    was confirmed with it is refused once the basis moved. is_foreseen: False when the node lacks the revision, so that
    `changes` cannot be told. failing: what is not well already. findings: what validate would say. begins: the events
    of the run itself follow.
    """

    seq: int
    at: str
    run: str
    host: str
    digest: str
    revision: str = ""
    is_foreseen: bool = False
    changes: Tuple[ServiceChange, ...] = ()
    failing: Tuple[Failing, ...] = ()
    findings: Tuple[Judgement, ...] = ()
    begins: bool = False
    type: Literal["plan"] = "plan"


@dataclass(frozen=True)
class DiagnosticsCollected:
    """diagnose wrote its file. path: on the node; size: in bytes."""

    seq: int
    at: str
    run: str
    host: str
    path: str
    size: int = 0
    stage: str = "diagnose"
    type: Literal["diagnostics_collected"] = "diagnostics_collected"


@dataclass(frozen=True)
class DiagnosticsPart:
    """A piece of the diagnostics file, sent when a person asked for it; the pieces in order make the file."""

    seq: int
    at: str
    run: str
    host: str
    text: str
    stage: str = "diagnose"
    type: Literal["diagnostics_part"] = "diagnostics_part"


@dataclass(frozen=True)
class Backups:
    """The answer to `backups`: those that lie whole on the node, newest first of each service."""

    seq: int
    at: str
    run: str
    host: str
    snapshots: Tuple[SnapshotFact, ...] = ()
    type: Literal["backups"] = "backups"


@dataclass(frozen=True)
class BackupVerified:
    """A backup was read to its end. is_sound: it is what its manifest says; else message tells what is not."""

    seq: int
    at: str
    run: str
    host: str
    service: str
    snapshot: str
    is_sound: bool = False
    message: str = ""
    type: Literal["backup_verified"] = "backup_verified"


@dataclass(frozen=True)
class BackupPart:
    """A piece of one file of a backup. data: base64 of the bytes from offset on."""

    seq: int
    at: str
    run: str
    host: str
    service: str
    snapshot: str
    file: str
    offset: int
    data: str
    type: Literal["backup_part"] = "backup_part"


@dataclass(frozen=True)
class Examined:
    """A part of the answer to `examine`: checks that were made; several such events follow one another."""

    seq: int
    at: str
    run: str
    host: str
    checks: Tuple[Check, ...] = ()
    type: Literal["examined"] = "examined"


@dataclass(frozen=True)
class Refused:
    """The request was not begun. code says why (locked, root_unwritable, ...); a goodbye `refused` follows."""

    seq: int
    at: str
    run: str
    host: str
    code: str
    message: str
    hint: str = ""
    lock: LockFact | None = None
    type: Literal["refused"] = "refused"


@dataclass(frozen=True)
class Goodbye:
    """The last event; without it a run is lost.

    outcome: success | failed | blocked | cancelled | refused | rolled_back (it failed, and what it touched is as it
    was before).
    """

    seq: int
    at: str
    run: str
    host: str
    outcome: str
    duration_s: float = 0.0
    type: Literal["goodbye"] = "goodbye"


Event = Union[
    Hello,
    StageStarted,
    StageFinished,
    StageSkipped,
    StageFailed,
    CheckedOut,
    ServiceStarted,
    ServiceFinished,
    ServiceSkipped,
    ServiceVerified,
    ServiceFailed,
    AckNeeded,
    Acknowledged,
    BackupWritten,
    BackupRestored,
    Finding,
    Progress,
    Log,
    Heartbeat,
    WorkerVanished,
    Cancelling,
    Facts,
    Plan,
    DiagnosticsCollected,
    DiagnosticsPart,
    Backups,
    BackupVerified,
    BackupPart,
    Examined,
    Refused,
    Goodbye,
]

FREE_TEXT = frozenset(
    {"text", "message", "hint", "fix", "tail", "reason", "reasons", "drift", "before", "after", "ports", "file", "key"}
)
"""Fields that may hold anything a command printed: redacted and bounded at the sink. Others are saturn's own words."""


def encode(record: Any) -> str:
    """The compact JSON of an event or request, one line, plain ASCII so that no locale can break it."""
    return json.dumps(plain(record), separators=(",", ":"), ensure_ascii=True)


def plain(value: Any) -> Any:
    """The event or request as JSON has it: records are objects, and tuples are lists."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    names = field_names(value)
    if names:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


T = TypeVar("T")


def _build(kind: Type[T], data: Dict[str, Any]) -> T:
    """A dataclass from a JSON object: unknown keys are dropped, lists become tuples, a missing key is a TypeError."""
    given = {key: value for key, value in data.items() if key in field_names(kind)}
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def _service_order(data: Dict[str, Any]) -> ServiceOrder:
    backup = data.get("backup")
    return _build(ServiceOrder, {**data, "backup": _build(BackupOrder, backup) if backup else None})


def _conventions(data: Dict[str, Any]) -> Conventions:
    return _build(Conventions, {**data, "waivers": [_build(Waiver, each) for each in data.get("waivers", ())]})


def decode_request(text: str) -> Request:
    """The request in one line of JSON.

    Raises:
        ValueError: the line is not a request that this protocol knows.
    """
    try:
        data = json.loads(text)
        node = dict(data["node"])
        node["services"] = [_service_order(each) for each in node.get("services", ())]
        node["conventions"] = _conventions(node.get("conventions") or {})
        return _build(Request, {**data, "node": _build(NodeOrder, node)})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a request: {error}") from error
