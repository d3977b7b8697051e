"""A node with backups: it answers `facts`, `backups`, `verify`, `fetch` and a run; or lies, or its line breaks."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from saturn_orchestrator import events
from saturn_orchestrator.errors import SessionLost
from saturn_orchestrator.events import ArchiveFact, BackupPart, Line, Request, SnapshotFact
from saturn_orchestrator.session.base import Tell, nobody
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host
from support.build import AT, NEW, facts, node_event

NAME = "20261125T031000Z"
CONTENT = {"config.tar.gz": b"c" * 100, "data.tar.gz": bytes(range(256)) * 40}


def archive(name: str, content: bytes, *, is_local: bool = False) -> ArchiveFact:
    return ArchiveFact(name, len(content), hashlib.sha256(content).hexdigest(), is_local)


def snapshot(name: str = NAME, service: str = "web", **fields: Any) -> SnapshotFact:
    archives = tuple(archive(each, content) for each, content in CONTENT.items())
    defaults = {
        "at": AT, "run": "r1", "revision": NEW, "reason": "ordered", "archives": archives, "files": 7,
        "size": sum(each.size for each in archives),
    }  # fmt: skip
    return SnapshotFact(service, name, **{**defaults, **fields})


def manifest(fact: SnapshotFact) -> bytes:
    archives = [
        {"name": each.name, "size": each.size, "sha256": each.sha256, "is_local": each.is_local, "part": "data"}
        for each in fact.archives
    ]
    return json.dumps({"version": 1, "service": fact.service, "name": fact.name, "archives": archives}).encode()


class BackupNode:
    """An OpenSession to one node, and all that was asked of it.

    content: the files of its backups. breaks: after how many pieces of data.tar.gz the line breaks, one entry a time.
    lie: what becomes of a piece before it is sent.
    """

    def __init__(
        self,
        *snapshots: SnapshotFact,
        content: Mapping[str, bytes] = CONTENT,
        piece: int = 4000,
        breaks: tuple[int, ...] = (),
        lie: Callable[[BackupPart], BackupPart] = lambda part: part,
        manifest: bytes | None = None,
        told: tuple[Line, ...] = (),
        **known: Any,
    ) -> None:
        self.snapshots = snapshots
        self.content = dict(content)
        self.piece = piece
        self.breaks = list(breaks)
        self.lie = lie
        self.manifest = manifest
        self.told = told
        self.known = known
        self.asked: list[Request] = []
        self.opened = 0

    async def __call__(self, host: Host, tell: Tell = nobody) -> _Conversation:
        self.opened += 1
        return _Conversation(self, host.name)

    @property
    def fetched(self) -> list[tuple[str, int]]:
        """Which files were asked for, and from where on."""
        return [(each.file, each.offset) for each in self.asked if each.verb == "fetch"]


class _Conversation:
    def __init__(self, node: BackupNode, host: str) -> None:
        self._node = node
        self._host = host
        self.peer: Peer | None = None

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        self._node.asked.append(request)
        yield self._event(request, events.Hello, launch="answer")
        for line in getattr(self, f"_{request.verb}")(request):
            if isinstance(line, Exception):
                raise line
            yield line
        yield self._event(request, events.Goodbye, outcome="success")

    def tell(self, request: Request) -> None:
        self._node.asked.append(request)

    async def close(self) -> None:
        pass

    def _event(self, request: Request, kind: type, **fields: Any) -> Any:
        return node_event(kind, 1, self._host, request.run, **fields)

    def _facts(self, request: Request) -> list[Any]:
        return [facts(self._host, **{"revision": NEW, **self._node.known})]

    def _backups(self, request: Request) -> list[Any]:
        return [*self._node.told, self._event(request, events.Backups, snapshots=self._node.snapshots)]

    def _verify(self, request: Request) -> list[Any]:
        return [
            self._event(request, events.BackupVerified, service=each.service, snapshot=each.name, is_sound=True)
            for each in self._node.snapshots
        ]

    def _fetch(self, request: Request) -> list[Any]:
        named = {(each.service, each.name): each for each in self._node.snapshots}
        fact = named[request.node.services[0].name, request.snapshot]
        told = manifest(fact) if self._node.manifest is None else self._node.manifest
        content = told if request.file == "manifest.json" else self._node.content[request.file]
        parts: list[Any] = []
        for offset in range(request.offset, len(content), self._node.piece):
            data = base64.b64encode(content[offset : offset + self._node.piece]).decode()
            part = self._event(
                request,
                BackupPart,
                service=fact.service,
                snapshot=fact.name,
                file=request.file,
                offset=offset,
                data=data,
            )
            parts.append(self._node.lie(part))
        if self._node.breaks and request.file == "data.tar.gz":
            return [*parts[: self._node.breaks.pop(0)], SessionLost("the connection broke")]
        return parts

    def _run(self, request: Request) -> list[Any]:
        story: list[Any] = []
        stage = "restore" if request.snapshot else "backup"
        for each in request.node.services:
            own = {"stage": stage, "service": each.name}
            story.append((events.ServiceStarted, own))
            if request.snapshot:
                story.append((events.BackupRestored, {**own, "snapshot": request.snapshot, "kept": "20261126T100000Z"}))
                story.append((events.ServiceVerified, {**own, "health": "healthy"}))
                story.append((events.ServiceFinished, {**own, "status": "changed"}))
            else:
                story.append((events.BackupWritten, {**own, "snapshot": NAME, "size": 5, "files": 2}))
                story.append((events.ServiceFinished, {**own, "status": "saved"}))
        told = [
            self._event(request, events.Hello, launch="unit"),
            self._event(request, events.StageStarted, stage=stage),
            *(self._event(request, kind, **fields) for kind, fields in story),
            self._event(request, events.StageFinished, stage=stage),
            self._event(request, events.Goodbye, outcome="success"),
        ]
        return [replace(each, seq=number) for number, each in enumerate(told, 1)]
