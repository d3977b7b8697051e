"""What a run is worth telling, and what of it was told already. Pure: the clock is handed in, files are app's work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from saturn_orchestrator.ages import seconds_between
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.state.model import HostState, RunState, Status
from saturn_orchestrator.state.outcome import (
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_ROLLED_BACK,
    EXIT_SUCCESS,
    Outcome,
    host_exit_code,
)

HELD_BACK_S = 3600
"""How long the same failure is not told again."""

REMEMBERED = 200
"""Failures that are remembered; the oldest are forgotten first."""

_BROKEN = frozenset({EXIT_FAILED, EXIT_ROLLED_BACK, EXIT_LOCKED})
_AWAY = frozenset({Status.UNREACHABLE, Status.DEFERRED})


@dataclass(frozen=True)
class Notice:
    """A message: a title of one line, and a body of a few."""

    title: str
    body: str


@dataclass(frozen=True)
class Sent:
    """A target as a person may see it, and why it was not reached; "" when it was."""

    target: str
    problem: str = ""


@dataclass(frozen=True)
class Told:
    """A failure that was told. at: when. held: how often it came again since. hosts: those that had it.

    about: the kind of run and the inventory, as a word of the caller's.
    """

    at: str
    held: int
    hosts: tuple[str, ...]
    about: str


Ledger = Mapping[str, Told]
"""What was told of: failures by their fingerprint, those told longest ago first."""


@dataclass(frozen=True)
class Ruling:
    """What is done about the end of a run.

    ledger: what is remembered if it is told (or held back). is_held: it was told a short while ago. held: how often
    it was held back before. recovered: hosts that succeeded after a failure of theirs was told.
    """

    ledger: Ledger
    is_held: bool = False
    held: int = 0
    recovered: tuple[str, ...] = ()


def troubled(run: RunState) -> tuple[HostState, ...]:
    """The hosts that are not as they should be through no wish of a person."""
    return tuple(each for each in run.hosts.values() if _is_troubled(each))


def _is_troubled(host: HostState) -> bool:
    return host_exit_code(host) in _BROKEN or host.status in _AWAY or host.status is Status.SKIPPED


def occasions(run: RunState, verdict: Outcome) -> frozenset[str]:
    """What the run is an occasion for, in the words of topology.model.Occasion; `recovered` is for a ruling to tell.

    What a person did at the keyboard (declined, cancelled, left) is no news.
    """
    statuses = {host.status for host in run.hosts.values()}
    is_broken = any(host_exit_code(host) in _BROKEN for host in run.hosts.values()) or Status.SKIPPED in statuses
    found = {
        "failure": is_broken,
        "partial": verdict.word == "partial" and bool(troubled(run)),
        "unreachable": Status.UNREACHABLE in statuses,
        "deferred": Status.DEFERRED in statuses,
        "success": verdict.exit_code == EXIT_SUCCESS and verdict.word == "success",
    }
    return frozenset(word for word, holds in found.items() if holds)


def fingerprint(run: RunState, about: str) -> str:
    """The same for the same failure: hosts, what became of them, codes and services."""
    parts = sorted(f"{each.host} {each.status} {_code(each)}" for each in troubled(run))
    return hashlib.sha256("\n".join((about, *parts)).encode()).hexdigest()[:32]


def _code(host: HostState) -> str:
    error = host.error or host.left
    return f"{error.code} {error.service}" if error else ""


def ruling(ledger: Ledger, run: RunState, about: str, now: str) -> Ruling:
    """What is done about a run. about: its kind and its inventory; a backup that went well mends no deploy.

    A failure is held back while the same was told less than HELD_BACK_S ago. A run in which all went well makes
    saturn forget the failures of its hosts.
    """
    ill = tuple(each.host for each in troubled(run))
    if not ill:
        return _recovery(ledger, {name for name, host in run.hosts.items() if host.status.is_success}, about)
    key = fingerprint(run, about)
    known = ledger.get(key)
    if known and _is_fresh(known, now):
        return Ruling({**ledger, key: replace(known, held=known.held + 1)}, is_held=True)
    others = [(mark, told) for mark, told in ledger.items() if mark != key]
    kept = dict([*others, (key, Told(now, 0, ill, about))][-REMEMBERED:])
    return Ruling(kept, held=known.held if known else 0)


def _recovery(ledger: Ledger, well: set[str], about: str) -> Ruling:
    over = {mark: told for mark, told in ledger.items() if told.about == about and well.intersection(told.hosts)}
    recovered = well.intersection(name for told in over.values() for name in told.hosts)
    return Ruling({mark: told for mark, told in ledger.items() if mark not in over}, recovered=tuple(sorted(recovered)))


def _is_fresh(told: Told, now: str) -> bool:
    age = seconds_between(told.at, now)
    return age is not None and age < HELD_BACK_S


def ledger_of(value: object) -> Ledger:
    """The ledger that a file holds; entries that are none are left out."""
    entries = value.items() if isinstance(value, dict) else ()
    found = {str(mark): _told(each) for mark, each in entries}
    return {mark: told for mark, told in found.items() if told}


def _told(value: object) -> Told | None:
    if not isinstance(value, dict):
        return None
    at, held, hosts, about = (value.get(name) for name in ("at", "held", "hosts", "about"))
    if not (isinstance(at, str) and isinstance(held, int) and isinstance(hosts, list) and isinstance(about, str)):
        return None
    return Told(at, held, tuple(each for each in hosts if isinstance(each, str)), about)
