"""Asking a node for its backups: which lie there, and whether they are what they were when they were written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionLost
from saturn_orchestrator.events import BackupVerified, Line, NodeEvent, Request, SnapshotFact
from saturn_orchestrator.plan.backups import fitting, is_plain
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host

PATIENCE_S = 90
"""How long a node may say nothing. One that reads a large backup to its end gives a sign of life meanwhile."""

MAX_NOISE = 1000
"""Lines of one answer that nobody asked for; a node beyond it is not listened to any more."""

E = TypeVar("E", bound=NodeEvent)


async def answered(host: Host, session: Session, request: Request, wanted: type[E]) -> AsyncIterator[E]:
    """The events of one kind in an answer. Its patience begins again with every line, signs of life among them.

    Raises:
        SessionError: the executor refused, fell silent, said too much of another kind, or the line broke.
    """
    lines = session.ask(request)
    noise = 0
    while (line := await _next(host, lines)) is not None:
        if isinstance(line, events.Refused):
            raise ExecutorRefused(line.message, code=line.code, hint=line.hint)
        if isinstance(line, wanted):
            yield line
        elif not isinstance(line, events.Heartbeat):
            noise += len(line.lines) if isinstance(line, events.Output) else 1
            if noise > MAX_NOISE:
                raise ExecutorRefused(f"{host.name} sent more than {MAX_NOISE} lines of another kind", code="flood")


async def _next(host: Host, lines: AsyncIterator[Line]) -> Line | None:
    """The next line; None behind the last one."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await anext(lines, None)
    except TimeoutError as error:
        raise SessionLost(f"no word from {host.name} for {PATIENCE_S} s") from error


async def gather_backups(
    host: Host, session: Session, services: frozenset[str] | None = None
) -> tuple[SnapshotFact, ...]:
    """The backups that lie whole on the node, newest first of each service. services: only these, None for all.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    order = node_order(host, services)
    found: list[SnapshotFact] = []
    is_told = False
    request = Request(verb="backups", run=new_run_id(), node=order)
    async for event in answered(host, session, request, events.Backups):
        is_told = True
        found += event.snapshots
    if not is_told:
        raise SessionLost(
            f"{host.name} answered without backups", code="backups_missing", hint=f"saturn status --hosts {host.name}"
        )
    return fitting(found, (each.name for each in order.services))


async def gather_verdicts(
    host: Host, session: Session, services: frozenset[str] | None = None
) -> tuple[BackupVerified, ...]:
    """What the node found when it read its backups to their end; it takes its time.

    Raises:
        SessionError: the executor refused, fell silent, or the line broke.
    """
    order = node_order(host, services)
    asked = {each.name for each in order.services}
    found: dict[tuple[str, str], BackupVerified] = {}
    request = Request(verb="verify", run=new_run_id(), node=order)
    async for event in answered(host, session, request, BackupVerified):
        if event.service in asked and is_plain(event.snapshot):
            found[event.service, event.snapshot] = event
    return tuple(found.values())
