"""Bringing a backup home: file by file, over lines that break, each checked before it counts.

A file grows as `<file>.part`, whose size tells from where to go on, in this command or in a later one. What a node says
never becomes a path that was not looked at, and no more bytes are kept than its list of backups told.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from saturn_orchestrator.app.pieces import Pieces, is_whole, make_private, manifest_complaint, present_size
from saturn_orchestrator.app.restore import meant
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost
from saturn_orchestrator.events import ArchiveFact, BackupPart, Request, SnapshotFact
from saturn_orchestrator.plan.backups import MANIFEST, chosen, complaint
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.rollout.backups import answered, gather_backups
from saturn_orchestrator.rollout.survey import connect, new_run_id
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.state.backups import Copy
from saturn_orchestrator.topology.model import Host, Service

BREAKS = 4
"""Lines that may break one after another without a byte between them."""

PAUSE_S = 0.5
PAUSE_MAX_S = 10.0

MANIFEST_MAX = 1024 * 1024
"""Bytes of a manifest; no list of backups tells how many it has."""

_MARGIN = 16 * 1024 * 1024

T = TypeVar("T")

Progress = Callable[[str, str, int, int], None]
"""Told the host, the service, how many bytes are here, and of how many."""


@dataclass(frozen=True)
class Wish:
    """A backup that shall be brought home. folder: where a folder of its name will hold it.

    wanted: the beginning of its name, "" for the newest that no restore kept.
    """

    host: Host
    service: Service
    folder: Path
    wanted: str = ""


async def fetch(wishes: Sequence[Wish], open_session: OpenSession, progress: Progress) -> tuple[Copy, ...]:
    """Bring backups home, all hosts at once and of each host one after another; in the order given."""
    hosts = {wish.host.name: wish.host for wish in wishes}
    queues = [[wish for wish in wishes if wish.host.name == name] for name in hosts]
    found = await asyncio.gather(*(_one_by_one(queue, open_session, progress) for queue in queues))
    copies = {(each.host, each.service): each for of_host in found for each in of_host}
    return tuple(copies[wish.host.name, wish.service.name] for wish in wishes)


async def _one_by_one(wishes: Sequence[Wish], open_session: OpenSession, progress: Progress) -> list[Copy]:
    return [await _fetched(wish, open_session, progress) for wish in wishes]


async def _fetched(wish: Wish, open_session: OpenSession, progress: Progress) -> Copy:
    host, service = wish.host.name, wish.service.name
    fetching = _Fetching(wish, open_session, progress)
    try:
        return await fetching.whole()
    except SessionError as error:
        return Copy(host, service, fetching.name, error=error)
    except OSError as error:
        message = f"the copy cannot be written here: {error}"
        failed = SessionError(message, code="copy_failed", hint=f"df -h {wish.folder}")
        return Copy(host, service, fetching.name, error=failed)
    finally:
        await fetching.close()


class _Fetching:
    """One backup on its way. A session is opened when it is needed, and again when its line broke."""

    def __init__(self, wish: Wish, open_session: OpenSession, progress: Progress) -> None:
        self.name = ""
        self._wish = wish
        self._open_session = open_session
        self._progress = progress
        self._session: Session | None = None
        self._was_reached = False
        self._breaks = 0
        self._total = 0
        self._done = 0

    async def whole(self) -> Copy:
        """The copy, every file of it checked."""
        snapshot = await self._retried(self._meant)
        self.name = snapshot.name
        self._refuse_unfit(snapshot)
        folder = self._wish.folder / snapshot.name
        make_private(folder)
        archives = [each for each in snapshot.archives if not each.is_local]
        self._total = sum(each.size for each in archives)
        if await self._is_here(folder, snapshot, archives):
            return self._copy(snapshot, folder, was_here=True)
        self._check_room(folder, archives)
        for archive in archives:
            await self._archive(folder, snapshot, archive)
        await self._manifest(folder, snapshot)
        return self._copy(snapshot, folder)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    def _copy(self, snapshot: SnapshotFact, folder: Path, *, was_here: bool = False) -> Copy:
        local = sum(each.is_local for each in snapshot.archives)
        host, service = self._wish.host.name, self._wish.service.name
        return Copy(host, service, snapshot.name, folder, self._total, local, was_here)

    async def _meant(self, session: Session) -> SnapshotFact:
        host, service = self._wish.host, self._wish.service
        snapshots = await gather_backups(host, session, frozenset({service.name}))
        return meant(host, service, chosen(snapshots, service.name, self._wish.wanted))

    def _refuse_unfit(self, snapshot: SnapshotFact) -> None:
        why = complaint(snapshot)
        if why:
            raise ExecutorRefused(
                f"backup {snapshot.name} is not fetched: {why}",
                code="backup_unfit",
                hint=f"saturn backup verify --hosts {self._wish.host.name}",
            )

    def _check_room(self, folder: Path, archives: Sequence[ArchiveFact]) -> None:
        needed = sum(each.size - present_size(folder / each.name) for each in archives)
        free = shutil.disk_usage(folder).free
        if needed + _MARGIN > free:
            message = f"the copy needs {needed} bytes and {free} are free in {folder}"
            raise SessionError(message, code="copy_failed", hint=f"df -h {folder}; or elsewhere: --to FOLDER")

    async def _is_here(self, folder: Path, snapshot: SnapshotFact, archives: Sequence[ArchiveFact]) -> bool:
        """Whether an earlier command brought all of it, and it is still what it was."""
        manifest = folder / MANIFEST
        if not manifest.is_file() or manifest.stat().st_size > MANIFEST_MAX:
            return False
        if manifest_complaint(manifest.read_bytes(), snapshot):
            return False
        return all([await asyncio.to_thread(is_whole, folder / each.name, each) for each in archives])

    async def _archive(self, folder: Path, snapshot: SnapshotFact, archive: ArchiveFact) -> None:
        target = folder / archive.name
        if await asyncio.to_thread(is_whole, target, archive):
            self._note(archive.size)
            return
        with Pieces(target, archive.size) as pieces:
            self._note(pieces.size)
            if pieces.size < archive.size:
                await self._retried(lambda session: self._rest(session, snapshot, archive.name, pieces))
            if pieces.size < archive.size:
                told = f"{archive.name} has {archive.size} bytes, and the node sent {pieces.size}"
                raise self._damaged(snapshot, told, pieces)
            if not await asyncio.to_thread(is_whole, pieces.file, archive):
                raise self._damaged(snapshot, f"{archive.name} is not what its sha256 says", pieces)
            pieces.finish()

    async def _manifest(self, folder: Path, snapshot: SnapshotFact) -> None:
        with Pieces(folder / MANIFEST, MANIFEST_MAX, anew=True) as pieces:
            await self._retried(lambda session: self._rest(session, snapshot, MANIFEST, pieces))
            why = manifest_complaint(pieces.file.read_bytes(), snapshot)
            if why:
                raise self._damaged(snapshot, f"its manifest is not what the node told before: {why}", pieces)
            pieces.finish()

    def _damaged(self, snapshot: SnapshotFact, why: str, pieces: Pieces) -> SessionError:
        pieces.remove()
        return ExecutorRefused(
            f"the copy of {snapshot.name} is damaged and was removed: {why}",
            code="copy_damaged",
            hint=f"saturn backup verify --hosts {self._wish.host.name}; then fetch it again",
        )

    async def _rest(self, session: Session, snapshot: SnapshotFact, file: str, pieces: Pieces) -> None:
        """Have the node send what is not here of a file."""
        wish, began = self._wish, pieces.size
        request = Request(
            verb="fetch", run=new_run_id(), node=node_order(wish.host, frozenset({wish.service.name})),
            snapshot=snapshot.name, file=file, offset=pieces.size,
        )  # fmt: skip
        async for event in answered(wish.host, session, request, BackupPart):
            meant = (event.service, event.snapshot, event.file) == (wish.service.name, snapshot.name, file)
            why = pieces.add(event.offset, event.data) if meant else "a piece is of another file"
            if why:
                raise self._damaged(snapshot, f"{file}: {why}", pieces)
            self._breaks = 0
            if file != MANIFEST:
                self._note(pieces.size - began)
                began = pieces.size

    def _note(self, size: int) -> None:
        self._done += size
        self._progress(self._wish.host.name, self._wish.service.name, self._done, self._total)

    async def _retried(self, ask: Callable[[Session], Awaitable[T]]) -> T:
        """What the node answers, asked again over a new line whenever one breaks."""
        tries = AsyncRetrying(
            stop=self._is_enough,
            wait=wait_random_exponential(multiplier=PAUSE_S, max=PAUSE_MAX_S),
            retry=retry_if_exception(self._is_worth_another_line),
            reraise=True,
        )
        async for attempt in tries:
            with attempt:
                try:
                    if self._session is None:
                        self._session = await connect(self._wish.host, self._open_session)
                        self._was_reached = True
                    return await ask(self._session)
                except SessionError:
                    await self.close()
                    raise
        raise AssertionError("tenacity either returns or raises")

    def _is_worth_another_line(self, error: BaseException) -> bool:
        """A host that was never reached is as good as away; one that was may be back in a moment."""
        if not isinstance(error, SessionError):
            return False
        return error.code == SessionLost.code or (error.retryable and self._was_reached)

    def _is_enough(self, _: RetryCallState) -> bool:
        self._breaks += 1
        return self._breaks > BREAKS
