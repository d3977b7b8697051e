"""What happens to a host: the node's events, decoded from lines, and the controller's own.

One line of a node's output becomes an event, a LogLine or a Malformed; nothing a node can send raises. All text is
neutralised here, once, so that whatever a screen, a log or a terminal later shows holds no control character.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

from saturn_node import wire
from saturn_node.wire import (
    PREFIX,
    PROTOCOL,
    STAGES,
    AckNeeded,
    Acknowledged,
    ArchiveFact,
    BackupOrder,
    BackupPart,
    BackupRestored,
    Backups,
    BackupVerified,
    BackupWritten,
    Cancelling,
    Check,
    CheckedOut,
    ContainerFact,
    Conventions,
    DeploymentFact,
    DiagnosticsCollected,
    DiagnosticsPart,
    Examined,
    Facts,
    Failing,
    Finding,
    Goodbye,
    Heartbeat,
    Hello,
    ImageChange,
    Judgement,
    LockFact,
    Log,
    NodeOrder,
    Plan,
    Problem,
    Progress,
    Refused,
    Request,
    RunFact,
    ServiceChange,
    ServiceFact,
    ServiceFailed,
    ServiceFinished,
    ServiceOrder,
    ServiceSkipped,
    ServiceStarted,
    ServiceVerified,
    SnapshotFact,
    StageFailed,
    StageFinished,
    StageSkipped,
    StageStarted,
    Waiver,
    WorkerVanished,
    encode,
)

from saturn_orchestrator.records import dataclass, field, field_names

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "PREFIX",
    "PROTOCOL",
    "STAGES",
    "AckNeeded",
    "Acknowledged",
    "ArchiveFact",
    "BackupOrder",
    "BackupPart",
    "BackupRestored",
    "BackupVerified",
    "BackupWritten",
    "Backups",
    "Cancelling",
    "Check",
    "CheckedOut",
    "ContainerFact",
    "Conventions",
    "DeploymentFact",
    "DiagnosticsCollected",
    "DiagnosticsPart",
    "Event",
    "Examined",
    "Facts",
    "Failing",
    "Finding",
    "Goodbye",
    "Heartbeat",
    "Hello",
    "HostAttached",
    "HostCancelled",
    "HostConfirmed",
    "HostDeclined",
    "HostDeferred",
    "HostFailed",
    "HostLeft",
    "HostPlanned",
    "HostQueued",
    "HostSkipped",
    "HostUnreachable",
    "ImageChange",
    "Judgement",
    "Line",
    "LinesLeftOut",
    "LinkLost",
    "LinkRestored",
    "LockFact",
    "Log",
    "LogLine",
    "Malformed",
    "NodeEvent",
    "NodeOrder",
    "Output",
    "OwnEvent",
    "Plan",
    "PlanStale",
    "Problem",
    "Progress",
    "Refused",
    "Request",
    "RunFact",
    "RunLost",
    "ServiceChange",
    "ServiceFact",
    "ServiceFailed",
    "ServiceFinished",
    "ServiceOrder",
    "ServiceSkipped",
    "ServiceStarted",
    "ServiceVerified",
    "SessionOpened",
    "SessionOpening",
    "SessionWaiting",
    "SnapshotFact",
    "StageFailed",
    "StageFinished",
    "StageSkipped",
    "StageStarted",
    "UnknownEvent",
    "Waiver",
    "WorkerVanished",
    "body_of",
    "decode",
    "decoded",
    "encode",
    "is_aside",
    "is_of_node",
    "is_output",
    "is_own",
    "now",
    "restore",
]

MAX_LINE = 64 * 1024
"""Bytes of one line from a node. The executor keeps events far below; a longer line is no event of ours."""

_MAX_SEQ = 2**53
"""Far above any run, and whole in SQLite and in every reader of JSON."""

_MAX_DEPTH = 16
"""Levels of lists and objects in one event; ours have four, and what is read must never exhaust the stack."""


# --- the controller's own events: they carry no seq, the journal numbers them apart from the node's -------------------


@dataclass(frozen=True)
class SessionOpening:
    """An attempt to reach the host began. attempt counts from 1."""

    at: str
    attempt: int
    type: Literal["session_opening"] = "session_opening"


@dataclass(frozen=True)
class SessionWaiting:
    """The way to the host takes its time. patience_s: how long from now on that may be. url: what a person shall open.

    code: `offline` (the tailnet says so: one short try) | `first_contact` (a path is being found) | `key_exchange` (it
    stalled, and is tried again) | `approval` (a person must open url) | `turn` (another host's approval goes first) |
    `place` (other hosts have all the connections that there may be; a second one tells that it has its own).
    """

    at: str
    code: str
    message: str
    url: str = ""
    patience_s: float = 0.0
    type: Literal["session_waiting"] = "session_waiting"


@dataclass(frozen=True)
class SessionOpened:
    """The host answered and its key was verified; the login was accepted, or is on its way with the first question.

    path: how packets reach it over the tailnet (`direct`, `peer relay`, `DERP fra`), "" when that is not known.
    """

    at: str
    path: str = ""
    type: Literal["session_opened"] = "session_opened"


@dataclass(frozen=True)
class HostUnreachable:
    """Nobody answered within the host's patience: an outcome, not an error. Final."""

    at: str
    code: str
    message: str
    hint: str = ""
    type: Literal["host_unreachable"] = "host_unreachable"


@dataclass(frozen=True)
class HostFailed:
    """The host cannot be deployed to: login denied, host key rejected, no python3, no docker, ... Final."""

    at: str
    code: str
    message: str
    hint: str = ""
    type: Literal["host_failed"] = "host_failed"


@dataclass(frozen=True)
class HostPlanned:
    """The facts are known and the plan for the host stands; it waits for a person. digest: see wire.Plan.

    task: `backup` or `restore` when nothing would be deployed. changes: its lines, in words.
    """

    at: str
    revision_before: str
    revision_after: str
    digest: str = ""
    task: str = ""
    changes: tuple[str, ...] = ()
    type: Literal["host_planned"] = "host_planned"


@dataclass(frozen=True)
class HostConfirmed:
    """A person (or --yes) accepted the plan of this host, which its digest names. by: person@machine.

    is_prefetch: nothing but fetching, a backup or a restore was ordered, so this says nothing of where the host stands.
    """

    at: str
    by: str
    digest: str = ""
    is_prefetch: bool = False
    type: Literal["host_confirmed"] = "host_confirmed"


@dataclass(frozen=True)
class PlanStale:
    """The node did not begin: something moved there since its plan was shown. A new plan follows."""

    at: str
    message: str
    type: Literal["plan_stale"] = "plan_stale"


@dataclass(frozen=True)
class HostQueued:
    """The plan was accepted, and the host waits until the batches before its own are over. Both count from 1."""

    at: str
    batch: int
    batches: int
    type: Literal["host_queued"] = "host_queued"


@dataclass(frozen=True)
class HostSkipped:
    """The gate between two batches halted the rollout before this host was touched. Final."""

    at: str
    message: str
    type: Literal["host_skipped"] = "host_skipped"


@dataclass(frozen=True)
class HostDeferred:
    """The host is away, and a person accepted what shall be done once it is back. Final for this run.

    revision: what it shall reach. revision_before: what it was last known to have, "" when never. services: those that
    this may touch. scope: those that it is about. expires_at: RFC 3339; later than that nothing is done. prune,
    rollback: see wire.Request.
    """

    at: str
    by: str
    revision: str
    revision_before: str
    services: tuple[str, ...]
    scope: tuple[str, ...]
    expires_at: str
    prune: bool = False
    rollback: bool = False
    type: Literal["host_deferred"] = "host_deferred"


@dataclass(frozen=True)
class HostDeclined:
    """A person said no; the host was not touched. Final."""

    at: str
    type: Literal["host_declined"] = "host_declined"


@dataclass(frozen=True)
class HostCancelled:
    """A person stopped the run before this host was touched. Final."""

    at: str
    type: Literal["host_cancelled"] = "host_cancelled"


@dataclass(frozen=True)
class HostAttached:
    """Somebody took up watching a run that the node is working on, or has finished since. by: person@machine."""

    at: str
    by: str
    type: Literal["host_attached"] = "host_attached"


@dataclass(frozen=True)
class HostLeft:
    """Nobody watches here any more a run whose end is not known; the node goes on by itself.

    code: `detached` (so ordered) | `interrupted` (a person or a signal) | `link_lost` (the line stayed away) |
    `flood` (the node said more than any run does) | `internal_error` (a defect of saturn).
    """

    at: str
    code: str
    message: str
    hint: str = ""
    type: Literal["host_left"] = "host_left"


@dataclass(frozen=True)
class LinkLost:
    """The line to a node broke in the middle of a run; it is tried again, and the node works on meanwhile."""

    at: str
    message: str
    type: Literal["link_lost"] = "link_lost"


@dataclass(frozen=True)
class LinkRestored:
    """The line is back, and the run is followed from where it was left."""

    at: str
    type: Literal["link_restored"] = "link_restored"


@dataclass(frozen=True)
class LinesLeftOut:
    """Lines of a node's answer that were no events of the run, and so were left out. count: how many since the last."""

    at: str
    count: int
    type: Literal["lines_left_out"] = "lines_left_out"


@dataclass(frozen=True)
class RunLost:
    """The run has no end: its worker vanished, or the node forgot it. Final."""

    at: str
    code: str
    message: str
    hint: str = ""
    type: Literal["run_lost"] = "run_lost"


@dataclass(frozen=True)
class UnknownEvent:
    """A node's event of a type this saturn does not know: kept, counted by its seq, never interpreted."""

    seq: int
    at: str
    run: str
    host: str
    type: str
    body: Mapping[str, Any] = field(default_factory=dict)


OwnEvent = (
    SessionOpening
    | SessionWaiting
    | SessionOpened
    | HostUnreachable
    | HostFailed
    | HostPlanned
    | HostConfirmed
    | PlanStale
    | HostQueued
    | HostSkipped
    | HostDeferred
    | HostDeclined
    | HostCancelled
    | HostAttached
    | HostLeft
    | LinkLost
    | LinkRestored
    | LinesLeftOut
    | RunLost
)
NodeEvent = wire.Event | UnknownEvent
Event = NodeEvent | OwnEvent


@dataclass(frozen=True)
class LogLine:
    """A line of output that is no event: kept, never interpreted."""

    text: str


@dataclass(frozen=True)
class Malformed:
    """A line that claims to be an event and is none: counted, with the reason."""

    text: str
    reason: str


@dataclass(frozen=True)
class Output:
    """Lines of a command's output that came together, in the order in which they came; never fewer than two."""

    lines: Sequence[Log | Progress]


Line = NodeEvent | LogLine | Malformed | Output

_KINDS: Mapping[str, type[Any]] = {
    kind.type: kind
    for kind in (*wire.Event.__args__, *OwnEvent.__args__)  # type: ignore[attr-defined]
}


def now() -> str:
    """The present moment, UTC, RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_OF_NODE = frozenset((*wire.Event.__args__, UnknownEvent))  # type: ignore[attr-defined]
_OWN = frozenset(OwnEvent.__args__)
_ASIDE = frozenset((Heartbeat, WorkerVanished))
_OUTPUT = frozenset((Log, Progress))
"""Kinds as sets: what is asked of every line must not go through the members of a union one by one."""


def is_own(event: Event) -> bool:
    """Whether the controller made this event (it then has no seq)."""
    return type(event) in _OWN


def is_of_node(line: Line | Event) -> TypeGuard[NodeEvent]:
    """Whether the line is an event."""
    return type(line) in _OF_NODE


def is_output(event: Line | Event) -> TypeGuard[Log | Progress]:
    """Whether it is a line of a command's output, the one kind of event that comes by the thousand."""
    return type(event) in _OUTPUT


def is_aside(event: Event) -> bool:
    """Whether a follower said it for itself: a sign of life or of death, no part of the run and never journalled."""
    return type(event) in _ASIDE


def decoded(lines: Sequence[bytes]) -> Iterator[Line]:
    """What the lines say, in their order: what `decode` makes of each, with output that stands together in one.

    Nearly all lines are output in the form that the executor gives it. One search finds them all, which costs a third
    of looking at each; as soon as one line is anything else, each of them is looked at.
    """
    if len(lines) > 1 and max(map(len, lines)) <= MAX_LINE and (text := b"\n".join(lines)).isascii():
        found = _FORM.findall(text.decode("ascii"))
        if len(found) == len(lines):
            yield Output([_formed(each) for each in found])
            return
    for together, group in groupby(map(decode, lines), is_output):
        told = list(group)
        if together and len(told) > 1:
            yield Output(cast("list[Log | Progress]", told))
        else:
            yield from told


def decode(line: bytes) -> Line:
    """What one line of a node's output says. Never raises.

    The line may be anything: it comes from another machine. Invalid UTF-8 is replaced, control characters and
    terminal escapes are taken out of every string, and an unknown type becomes an UnknownEvent.
    """
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    if len(line) <= MAX_LINE and (formed := _FORM.fullmatch(text)):
        return _formed(formed.groups())
    if not text.startswith(PREFIX):
        return LogLine(neutral(text))
    if len(line) > MAX_LINE:
        return Malformed(neutral(text[:200]), f"longer than {MAX_LINE} bytes")
    try:
        body = _JSON.decode(text[len(PREFIX) :])
        # A diagnostics file has lines; every other text is one, so that no node can forge a second line on a screen.
        has_lines = isinstance(body, dict) and body.get("type") == "diagnostics_part"
        body = _neutral_json(body, "\n" if has_lines else "", _MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        return Malformed(neutral(text[:200]), f"not JSON: {error}")
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        return Malformed(neutral(text[:200]), "not an event object")
    return _event(body)


_NAMED = r"[ !#-\[\]-~]*"
_SAID = _NAMED + r'(?:\\["\\]' + _NAMED + ")*"
_FORM = re.compile(
    "^" + re.escape(PREFIX) + r'(\{"seq":([1-9][0-9]{0,14}),'
    + "".join(f'"{name}":"({_SAID if name == "text" else _NAMED})",' for name in field_names(Log)[1:-1])
    + f'"type":"({Log.type}|{Progress.type})"' + r"\})$",
    re.MULTILINE,
)  # fmt: skip
"""How the executor writes a line of output when nothing about it is unusual: printable ASCII, a quote at most escaped.

That holds nothing which would have to be neutralised, and cannot reach beyond its own quotes. Every other line, good or
bad, goes the long way, and so does a seq that is larger than any of ours.
"""


def _formed(found: Sequence[str]) -> Log | Progress:
    """The event of such a line. It keeps the text that it was read from, which `encode` would make of it again."""
    body, seq, at, run, host, stage, text, service, name = found
    kind: type[Log | Progress] = Log if name == "log" else Progress
    event = object.__new__(kind)
    values = event.__dict__  # one by one: neither a call with eight names nor a mapping of them is as cheap
    values["seq"] = int(seq)
    values["at"] = at
    values["run"] = run
    values["host"] = host
    values["stage"] = stage
    values["text"] = text if "\\" not in text else _ESCAPED.sub(r"\1", text)
    values["service"] = service
    values["type"] = name
    values[_BODY] = body
    return event


_BODY = "_body"
_ESCAPED = re.compile(r"\\(.)")


def _event(body: dict[str, Any]) -> Line:
    from pydantic import ValidationError

    name: str = body["type"]
    if _KINDS.get(name) in OwnEvent.__args__:
        return Malformed(str(body)[:200], f"{name} is no event of a node")
    event: NodeEvent
    try:
        if name not in _KINDS:
            envelope = {key: body.pop(key) for key in ("seq", "at", "run", "host", "type")}
            body = {**envelope, "body": body}
        event = _validator(name).validate_python(body)
    except KeyError as error:
        return Malformed(str(body)[:200], f"no {error}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Malformed(str(body)[:200], f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if not (is_aside(event) or 1 <= event.seq <= _MAX_SEQ):
        return Malformed(str(body)[:200], "seq is out of range")
    return event


@cache
def _validator(name: str) -> TypeAdapter[Any]:
    """Of a type of events. It is made when one is first met: all at once are a good part of a short command's time."""
    from pydantic import TypeAdapter

    return TypeAdapter(_KINDS.get(name, UnknownEvent))


def expect_facts() -> None:
    """Import and make what facts are checked with, once a process: it takes longer than they themselves do."""
    _validator(Facts.type)


def body_of(event: Event) -> str:
    """What `encode` makes of the event; of a line of output without looking at each of its fields."""
    known: str | None = event.__dict__.get(_BODY)
    if known or not is_output(event):
        return known or encode(event)
    return (
        f'{{"seq":{event.seq},"at":{_quoted(event.at)},"run":{_quoted(event.run)},"host":{_quoted(event.host)},'
        f'"stage":{_quoted(event.stage)},"text":{_quoted(event.text)},"service":{_quoted(event.service)},'
        f'"type":"{event.type}"}}'
    )


_quoted = json.encoder.encode_basestring_ascii


def restore(body: str) -> Event:
    """An event from what `encode` made of it; the journal's way back.

    Raises:
        ValueError: the text is no event.
    """
    data = json.loads(body)
    name = str(data.get("type")) if isinstance(data, dict) else ""
    return cast("Event", _validator(name if name in _KINDS else "").validate_python(data))


_SPACES = {"\t": "    ", "\n": " ", "\r": " ", "\u2028": " ", "\u2029": " "}


def neutral(text: str, keep: str = "") -> str:
    """The text without control characters, escapes and direction overrides; tabs and line ends become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep else _SPACES.get(char, _visible(char)) for char in text)


def _visible(char: str) -> str:
    return "" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char


def _neutral_json(value: Any, keep: str, depth: int) -> Any:
    """The value with every text neutralised. A name that is not neutral could pose as another: it is left out."""
    if isinstance(value, str):
        return neutral(value, keep)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise ValueError(f"nested deeper than {_MAX_DEPTH}")
    if isinstance(value, list):
        return [_neutral_json(each, keep, depth - 1) for each in value]
    return {key: _neutral_json(each, keep, depth - 1) for key, each in value.items() if neutral(key) == key}


def _finite(text: str) -> float:
    """A number that JSON can say again: neither NaN nor infinite."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
"""One for all lines: json.loads would make a decoder for each."""
