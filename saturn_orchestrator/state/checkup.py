"""What `saturn doctor` found: named checks by machine, what they come to, and what the way to a host tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from saturn_orchestrator.ages import moment, span_text
from saturn_orchestrator.errors import SessionError, Unreachable
from saturn_orchestrator.events import Check
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.tailnet.trouble import expiry_warning
from saturn_orchestrator.topology.model import Host

STATUSES = ("fail", "warn", "ok", "skip")
"""The gravest first."""

SATURN_CHECKS = (
    "python", "packages", "inventory", "hosts", "git", "clone", "branch", "identities", "host_keys", "tailnet",
    "journal", "disk", "clock",
)  # fmt: skip
HOST_CHECKS = (
    "reachability", "path", "round_trip", "executor", "examination", "clock", "tailnet_key", "python", "git", "docker",
    "compose", "disk", "inodes", "docker_disk", "docker_inodes", "memory", "root", "secrets", "lock", "checkout",
    "origin", "worker", "units", "reboot",
)  # fmt: skip
"""Every check by its name, in the order in which a person reads them."""

CHECKS_MAX = 60
MESSAGE_MAX, FIX_MAX = 500, 300
"""What one node may make us show: the executor itself stays below."""

ROUND_TRIP_WARN_S = 2.0
CLOCK_WARN_S, CLOCK_FAIL_S = 5.0, 60.0
"""How far a node's clock may be off: TLS, tokens and logs suffer before saturn does."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ABOUT_PYTHON = frozenset({"no_python", "python_too_old"})


@dataclass(frozen=True)
class Checkup:
    """The checks of one machine. machine: a host's name, "" for SATURN."""

    machine: str
    checks: tuple[Check, ...]


def exit_code(found: Iterable[Checkup]) -> int:
    """1 when any check failed."""
    return int(any(check.status == "fail" for each in found for check in each.checks))


def is_bad(check: Check) -> bool:
    """Whether a person has something to do."""
    return check.status in {"fail", "warn"}


def in_order(checks: Iterable[Check], names: Sequence[str]) -> tuple[Check, ...]:
    """The checks in the order of these names; one that nobody knows comes last, by its name."""
    places = {name: place for place, name in enumerate(names)}
    return tuple(sorted(checks, key=lambda each: (places.get(each.name, len(places)), each.name)))


def from_a_node(checks: Iterable[Check]) -> tuple[Check, ...]:
    """What a node says, bounded: one check a name, plain names, short texts, and a status that nobody knows is bad."""
    known: dict[str, Check] = {}
    for each in checks:
        if _NAME.fullmatch(each.name) and len(known) < CHECKS_MAX:
            status = each.status if each.status in STATUSES else "fail"
            known.setdefault(each.name, Check(each.name, status, each.message[:MESSAGE_MAX], each.fix[:FIX_MAX]))
    return tuple(known.values())


def gathered(name: str, parts: Sequence[Check], well: str) -> Check:
    """One check of several of the same name: the gravest status, every complaint, the first fix. well: when all are."""
    bad = sorted(filter(is_bad, parts), key=lambda each: STATUSES.index(each.status))
    if not bad:
        return Check(name, "ok", well)
    return Check(name, bad[0].status, "; ".join(each.message for each in bad), next((b.fix for b in bad if b.fix), ""))


def words_of(error: SessionError) -> str:
    """The error in one line, with its code."""
    return f"{'; '.join((error.message, *error.notes))} [{error.code}]"


def unreached(host: Host, error: SessionError) -> tuple[Check, ...]:
    """What a session that did not come about says of the host. One that is often away has no fault when it is."""
    is_excused = isinstance(error, Unreachable) and host.link == "intermittent"
    fix = error.hint or f"saturn --verbose status --hosts {host.name}"
    return (Check("reachability", "warn" if is_excused else "fail", words_of(error), fix),)


def reached(host: Host) -> Check:
    """The host answered and let us in."""
    return Check("reachability", "ok", f"{host.address} answers, and lets us in")


def not_started(error: SessionError) -> Check:
    """What an executor says that did not begin, though the host let us in."""
    return Check("python" if error.code in _ABOUT_PYTHON else "executor", "fail", words_of(error), error.hint)


def not_examined(message: str) -> Check:
    """The executor began, and its checks did not all come."""
    return Check("examination", "fail", message)


def path_check(peer: Peer | None) -> Check:
    """How packets travel."""
    if peer is None:
        return Check("path", "skip", "the host is not reached over a tailnet")
    if peer.is_self:
        return Check("path", "ok", "it is this machine")
    if not peer.path.kind:
        return Check("path", "ok", "over the tailnet; how is not known yet")
    return Check("path", "ok", f"over the tailnet: {peer.path.words}")


@dataclass(frozen=True)
class Greeting:
    """One hello. asked: when, in seconds since 1970 by SATURN's clock. at: the node's own time, RFC 3339."""

    asked: float
    round_trip_s: float
    at: str

    @property
    def offset_s(self) -> float | None:
        """How far the node's clock is ahead; None when the hello carries no time. It was said halfway."""
        said = moment(self.at)
        return said.timestamp() - (self.asked + self.round_trip_s / 2) if said else None


def greeting_checks(host: Host, greetings: Sequence[Greeting]) -> tuple[Check, Check]:
    """How long the way is, and what the node's clock says: by the fastest of the greetings, the surest measure."""
    best = min(greetings, key=lambda each: each.round_trip_s)
    return round_trip_check(host, best.round_trip_s), clock_check(best.offset_s, best.round_trip_s)


def round_trip_check(host: Host, seconds: float) -> Check:
    """How long the way there and back takes."""
    said = f"{seconds * 1000:.0f} ms there and back"
    if seconds > ROUND_TRIP_WARN_S:
        return Check("round_trip", "warn", f"{said}: the line is slow", f"ping -c 5 {host.address}")
    return Check("round_trip", "ok", said)


def clock_check(offset_s: float | None, doubt_s: float) -> Check:
    """Whether the node's clock is right. doubt_s: the round trip; the measure may be off by half of it."""
    fix = "sudo timedatectl set-ntp true   # on the node; then: timedatectl"
    if offset_s is None:
        return Check("clock", "fail", "the node tells a time that is none", fix)
    off, word = abs(offset_s), "ahead of" if offset_s > 0 else "behind"
    sure = max(off - doubt_s / 2, 0.0)
    if sure <= CLOCK_WARN_S:
        return Check("clock", "ok", f"within {max(off, 0.1):.1f} s of SATURN's")
    status = "fail" if sure > CLOCK_FAIL_S else "warn"
    return Check("clock", status, f"{span_text(off)} {word} SATURN's: certificates may be refused there", fix)


def tailnet_key_check(peer: Peer, now: str) -> Check:
    """Whether the host stays on the tailnet, as SATURN's own tailscale knows."""
    words = expiry_warning(peer, now)
    if not words:
        return Check("tailnet_key", "ok", "its tailnet key stays good" if peer.key_expiry else "it never expires")
    fix = "sudo tailscale up --force-reauth   # on the node, or renew it under Machines in the admin console"
    return Check("tailnet_key", "fail" if "has expired" in words else "warn", words, fix)


def host_checkup(host: Host, checks: Iterable[Check]) -> Checkup:
    """The checks of a host, in order; of two with one name the first counts."""
    known: dict[str, Check] = {}
    for each in checks:
        known.setdefault(each.name, each)
    advice = f"saturn diagnose --hosts {host.name}"  # whoever is told of a fault is told what to type
    advised = (replace(each, fix=advice) if is_bad(each) and not each.fix else each for each in known.values())
    return Checkup(host.name, in_order(advised, HOST_CHECKS))


def saturn_checkup(checks: Iterable[Check]) -> Checkup:
    """The checks of SATURN, in order."""
    return Checkup("", in_order(checks, SATURN_CHECKS))
