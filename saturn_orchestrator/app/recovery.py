"""`saturn recover`: gather what is known of a host that is in trouble. No service is called, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from saturn_orchestrator.app import show, status
from saturn_orchestrator.app.diagnose import MAX_BYTES, diagnose
from saturn_orchestrator.app.show import run_named
from saturn_orchestrator.app.vault import at_hand
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.events import Event, encode
from saturn_orchestrator.files import unwritable, write_ordered
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.recovery import Diagnostics, Recovery, telling_run
from saturn_orchestrator.state.redaction import Redaction
from saturn_orchestrator.state.standing import Standing
from saturn_orchestrator.topology.model import Host, Topology

HISTORY = 20
"""How many former runs of the host are listed."""


class Memory(show.Memory, status.Memory, Protocol):
    """What the journal tells of former runs, event by event."""

    def events_of(self, run: str, host: str = "") -> tuple[tuple[str, Event], ...]:
        """The events of a run with their hosts, in the order in which they were reduced."""


@dataclass(frozen=True)
class Recover:
    """What a person wants to know of. run: how they name it, "" for the run that tells. is_offline: ask nobody."""

    topology: Topology
    host: Host
    run: str = ""
    is_offline: bool = False


async def recover(order: Recover, memory: Memory, open_session: OpenSession, folder: Path) -> Recovery:
    """What is known of the host: from the journal, from the node when it answers, from earlier diagnostics when not.

    folder: where diagnostics are kept, <folder>/<host>/.

    Raises:
        UsageError: the run that is named is not known, or had no such host.
    """
    known = _remembered(order, memory)
    standing = await _standing(order, memory, open_session)
    diagnostics = await _diagnostics(order, standing, open_session, folder)
    return replace(known, standing=standing, diagnostics=diagnostics)


def redaction(known: Recovery, topology: Topology, environ: Mapping[str, str], prompt: str) -> Redaction:
    """What takes secrets out of whatever the bundle holds: it has looked at all of it beforehand."""
    texts = (known.diagnostics.text, *(encode(event) for event in known.told), repr(known.standing), prompt)
    return Redaction(texts, at_hand(topology, environ), _names(known, topology))


def _names(known: Recovery, topology: Topology) -> Iterable[str]:
    """Words that are no secrets, whatever they stand behind."""
    facts = known.standing.facts
    for host in topology.hosts.values():
        yield from (host.name, host.address, host.root, host.git.path, host.git.branch, host.ssh.user)
        yield from (service.name for service in host.services)
    yield from (record.run for record in known.history)
    yield from (record.revision for record in known.history)
    yield from (known.run, known.revision, facts.revision if facts else "")


def _remembered(order: Recover, memory: Memory) -> Recovery:
    """What the journal alone knows."""
    name = order.host.name
    history = memory.runs(HISTORY, (name,))
    run = order.run or telling_run(history, name, memory.newest(name)[0])
    known = Recovery(
        order.host, Standing(name, "unknown"), Diagnostics(), history=history, was_asked=not order.is_offline
    )
    if not run:
        return known
    state = run_named(run, memory)
    if name not in state.hosts:
        notes = [f"it had: {', '.join(state.hosts)}"]
        raise UsageError(f"run {state.run} had no host {name}", code="unknown_host", notes=notes, hint="saturn history")
    told = tuple(event for _, event in memory.events_of(state.run, name))
    return replace(known, run=state.run, revision=state.revision, state=state.hosts[name], told=told)


async def _standing(order: Recover, memory: Memory, open_session: OpenSession) -> Standing:
    if order.is_offline:
        found = status.recalled(memory, Standing(order.host.name, "unknown"))
        return replace(found, deferred=memory.deferred(order.host.name))
    (found,) = await status.status(order.topology, (order.host,), open_session, memory)
    return found


async def _diagnostics(order: Recover, standing: Standing, open_session: OpenSession, folder: Path) -> Diagnostics:
    """Collected now where the node answers; else the newest that was fetched before."""
    problem = "" if order.is_offline else f"{order.host.name} could not be asked"
    if standing.source == "live" and standing.facts:
        (found,) = await diagnose((order.host,), open_session, folder)
        if found.copy:
            return _read(found.copy, is_fresh=True)
        problem = found.error.message if found.error else problem
    files = [file for file in (folder / order.host.name).glob("*.txt") if file.is_file()]
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return replace(_read(newest), problem=problem) if newest else Diagnostics(problem=problem)


def _read(file: Path, *, is_fresh: bool = False) -> Diagnostics:
    """The end of the file, as much as any node may have sent."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - MAX_BYTES))
        text = opened.read().decode("utf-8", "replace")
    at = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Diagnostics(text, str(file), at, is_fresh)


def kept(folder: Path, text: str) -> Path:
    """The bundle in a file of its own below the folder, readable by this person alone.

    Raises:
        UsageError: it cannot be written (`output_unwritable`).
    """
    target = folder / f"recover_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(target, error) from error
    return write_ordered(target, text)
