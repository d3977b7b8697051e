"""Backups as a person is asked about them: which of them are told of truly, which one is meant, what a run would do.

Pure. What a node tells of its backups may become a path or a command to copy, so it is looked at here first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from saturn_orchestrator.ages import age_text, seconds_between
from saturn_orchestrator.events import Facts, ServiceFact, SnapshotFact
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.model import Backup, Host, Service

MANIFEST = "manifest.json"
"""The file of a backup that tells of the others; it is written last, and no archive may have its name."""

REPLACED = "replaced"
"""Why a backup was written: a restore kept what stood before."""

_REASONS = {"deploy": "before a deploy", "ordered": "as ordered", REPLACED: "by a restore, of what stood before it"}
_QUIESCE = {"stop": "down meanwhile", "pause": "paused meanwhile", "none": "goes on meanwhile"}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STILL = frozenset({"absent", "stopped"})


def is_plain(name: str) -> bool:
    """Whether a name is one component of a path and one word of a command: letters, digits, `.`, `_` and `-`."""
    return bool(_PLAIN.fullmatch(name))


def reason_words(reason: str) -> str:
    """Why a backup was written, in words; a reason of a newer executor as it is."""
    return _REASONS.get(reason, reason or "-")


@dataclass(frozen=True)
class Choice:
    """The backup that is meant. problem: why there is none, in a sentence; known: the names of those that there are."""

    snapshot: SnapshotFact | None = None
    problem: str = ""
    known: tuple[str, ...] = ()


def fitting(snapshots: Iterable[SnapshotFact], services: Iterable[str]) -> tuple[SnapshotFact, ...]:
    """Those of the services that were asked for, each once, whose names are names; in the order told."""
    asked = frozenset(services)
    found = {(each.service, each.name): each for each in snapshots if each.service in asked and is_plain(each.name)}
    return tuple(found.values())


def chosen(snapshots: Sequence[SnapshotFact], service: str, wanted: str = "") -> Choice:
    """The backup of the service that is named, by the beginning of its name; else the newest that no restore kept."""
    own = [each for each in snapshots if each.service == service]
    known = tuple(each.name for each in own)
    if not own:
        return Choice(problem=f"there is no backup of {service}")
    if not wanted:
        newest = next((each for each in own if each.reason != REPLACED), None)
        why = f"there is only what restores kept of {service}"
        return Choice(newest, known=known) if newest else Choice(problem=why, known=known)
    exact = [each for each in own if each.name == wanted]
    meant = exact or [each for each in own if each.name.startswith(wanted)]
    if len(meant) == 1:
        return Choice(meant[0], known=known)
    if meant:
        return Choice(
            problem=f"more than one backup of {service} begins with {wanted}", known=tuple(each.name for each in meant)
        )
    return Choice(problem=f"there is no backup {wanted} of {service}", known=known)


def complaint(snapshot: SnapshotFact) -> str:
    """Why the files of a backup cannot be fetched as the node tells of them; "" when they can."""
    names = [each.name for each in snapshot.archives]
    if snapshot.size and not names:
        kept = snapshot.reason == REPLACED
        return "a restore kept it as folders, which stay on the node" if kept else "the node tells of none of its files"
    if len(set(names)) < len(names):
        return "it has two files of one name"
    for each in snapshot.archives:
        if not is_plain(each.name) or each.name == MANIFEST or each.name.endswith(".part"):
            return f"{each.name!r} is no name of one of its files"
        if each.size < 0:
            return f"{each.name} cannot have {each.size} bytes"
        if not _SHA256.fullmatch(each.sha256):
            return f"the sha256 of {each.name} is none"
    return ""


# --- what a run would do ----------------------------------------------------------------------------------------------


def saved_services(host: Host, services: frozenset[str] | None = None) -> tuple[Service, ...]:
    """The chosen services of the host that have a backup in their service.yaml, in deploy order."""
    return tuple(each for each in host.services if each.backup and (services is None or each.name in services))


def backup_plan(host: Host, facts: Facts, services: frozenset[str] | None = None) -> HostPlan:
    """What writing backups of the chosen services would do to a host."""
    standing = {each.name: each for each in facts.services}
    saved = saved_services(host, services)
    changes = tuple(_saving(each, each.backup, standing.get(each.name)) for each in saved if each.backup)
    names = [each.name for each in host.services if not each.backup and (services is None or each.name in services)]
    left_out = (f"left out, without backup in their service.yaml: {', '.join(names)}",) if names else ()
    return _apart(host, facts, changes, notes=left_out)


def _saving(service: Service, order: Backup, standing: ServiceFact | None) -> Change:
    runs = standing is None or standing.state not in _STILL
    folders = " and ".join(part for part in (", ".join(order.paths[:-1]), order.paths[-1]) if part)
    still = _QUIESCE[order.quiesce] if runs else "does not run"
    reason = (
        f"{folders}; {still}; the newest {order.keep} are kept"
        if order.keep > 1
        else f"{folders}; {still}; one is kept"
    )
    may_cut = service.connectivity and order.quiesce != "none"
    return Change(service.name, Action.BACKUP, reason, downtime=runs and order.quiesce != "none", carries=may_cut)


def restore_plan(host: Host, facts: Facts, snapshot: SnapshotFact, present: str) -> HostPlan:
    """What bringing a backup back would do. present: the moment from which its age is counted, RFC 3339."""
    standing = next((each for each in facts.services if each.name == snapshot.service), None)
    age = age_text(seconds_between(snapshot.at, present))
    told = [f"backup {snapshot.name}", *([age] if age != "-" else ()), f"written {reason_words(snapshot.reason)}"]
    told += [f"at {snapshot.revision[:8]}"] if snapshot.revision else []
    runs = standing is None or standing.state not in _STILL
    carries = snapshot.service in host.carriers
    change = Change(snapshot.service, Action.RESTORE, ", ".join(told), downtime=runs, carries=carries)
    notes = (
        f"{snapshot.service} is stopped meanwhile, and what stands now is kept as a backup of its own",
        ".env and override on the node stay as they are",
    )
    deployed = standing.deployed_revision if standing and standing.deployed_revision else facts.revision
    moved = snapshot.revision and deployed and snapshot.revision != deployed
    old = f"the backup is of {snapshot.revision[:8]}, and {deployed[:8]} is deployed: it may not suit what runs now"
    return _apart(host, facts, (change,), notes=notes, warnings=(old,) if moved else ())


def _apart(
    host: Host, facts: Facts, changes: tuple[Change, ...], notes: tuple[str, ...], warnings: tuple[str, ...] = ()
) -> HostPlan:
    """The plan of a run that deploys nothing. It has no digest: the node checks nothing before it begins."""
    cutting = (change.service for change in changes if change.carries and change.downtime)
    cut = [f"{name} carries the connection: the line may break meanwhile, the node goes on" for name in cutting]
    found = [*warnings, *cut]
    if facts.lock:
        found.append(f"run {facts.lock.run} of {facts.lock.by or 'somebody'} is at work there now")
    revision = facts.revision
    return HostPlan(
        host.name, revision, revision, host.git.branch, "", 0, changes, tuple(found), is_foreseen=True, notes=notes
    )
