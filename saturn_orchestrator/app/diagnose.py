"""`saturn diagnose`: run the stage on each host and bring its file here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from saturn_orchestrator import events, files
from saturn_orchestrator.errors import SessionError, Unreachable
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import connect, new_run_id
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.state.diagnosis import Diagnosis
from saturn_orchestrator.topology.model import Host

MAX_BYTES = 4 * 1024 * 1024
"""What one node may make us keep, whatever it sends; the executor itself sends at most half of it."""

PATIENCE_S = 300
"""The executor limits every section of the file; together they stay well below this."""


async def diagnose(hosts: Sequence[Host], open_session: OpenSession, folder: Path) -> tuple[Diagnosis, ...]:
    """Diagnose all hosts at once; copies go to <folder>/<host>/."""
    return tuple(await asyncio.gather(*(_diagnosis(host, open_session, folder) for host in hosts)))


async def _diagnosis(host: Host, open_session: OpenSession, folder: Path) -> Diagnosis:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return Diagnosis(host.name, error=error)
    try:
        async with asyncio.timeout(PATIENCE_S):
            path, text = await _collected(host, session)
    except TimeoutError:
        return Diagnosis(host.name, error=Unreachable(f"{host.name} fell silent while it collected diagnostics"))
    except SessionError as error:
        return Diagnosis(host.name, error=error)
    finally:
        await session.close()
    try:
        copy = _kept(folder / host.name, path, text)
    except OSError as error:
        message = f"the copy of {path} cannot be written here: {error}"
        return Diagnosis(host.name, path, error=SessionError(message, code="copy_failed", hint=f"df -h {folder}"))
    return Diagnosis(host.name, path, copy)


async def _collected(host: Host, session: Session) -> tuple[str, str]:
    """The file's path on the node, and its text."""
    path, parts, size = "", [], 0
    request = Request(verb="diagnose", run=new_run_id(), node=node_order(host))
    async for line in session.ask(request):
        if isinstance(line, events.DiagnosticsCollected):
            path = line.path
        elif isinstance(line, events.DiagnosticsPart) and size < MAX_BYTES:
            parts.append(line.text)
            size += len(line.text)
        elif isinstance(line, events.Refused):
            raise SessionError(line.message, code=line.code, hint=line.hint)
    if not path:
        raise SessionError(f"{host.name} collected nothing", code="diagnostics_missing")
    return path, "".join(parts)


def _kept(folder: Path, path: str, text: str) -> Path:
    """Write the copy whole or not at all. Of the node's path only a harmless name is used."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = "".join(char for char in path.rsplit("/", 1)[-1] if char.isalnum() or char in "._-").lstrip(".")
    target = folder / (name or "diagnostics.txt")
    files.put(target, text.encode())
    return target
