"""A thin git bundle of what a node lacks: git as the source of truth, even when the forge is down."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.repository.git import Repository

SENT = "refs/saturn/sent"
"""What the tip of a bundle is called; the executor looks for it by this name."""


async def thin_bundle(repository: Repository, revision: str, tips: Iterable[str]) -> bytes:
    """What the revision has beyond the tips, those that are unknown here left out (git-bundle(1)).

    The repository of the person is not written to: the bundle is made in a temporary one that borrows its objects.

    Raises:
        RepositoryError: git refused, or this clone is shallow and lacks commits that the bundle needs.
    """
    kind = (await repository.tell("rev-parse", "--show-object-format")).strip()
    paths = await repository.tell("rev-parse", "--git-path", "objects", "--git-path", "shallow")
    objects, shallow = (repository.folder / path for path in paths.splitlines())
    cut_off = await asyncio.to_thread(_text, shallow)
    known = [tip for tip in tips if await repository.knows(tip)]
    if cut_off:
        await _require_depth(repository, revision, known, cut_off)
    with tempfile.TemporaryDirectory(prefix="saturn-bundle-") as place:
        borrowing = Repository(Path(place))
        await borrowing.tell("init", "--quiet", "--bare", f"--object-format={kind}")
        await asyncio.to_thread(_borrow, Path(place), objects, cut_off)
        await borrowing.tell("update-ref", SENT, revision)
        await borrowing.tell("bundle", "create", "--quiet", "sent.bundle", SENT, *(f"^{tip}" for tip in known))
        return await asyncio.to_thread(Path(place, "sent.bundle").read_bytes)


def _borrow(place: Path, objects: Path, shallow: str) -> None:
    """Let a bare repository find the objects of another one."""
    (place / "objects" / "info" / "alternates").write_text(f"{objects.resolve()}\n", encoding="utf-8")
    if shallow:
        (place / "shallow").write_text(shallow, encoding="ascii")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


async def _require_depth(repository: Repository, revision: str, known: Sequence[str], cut_off: str) -> None:
    """Make sure that no commit of the bundle stands where this clone was cut off."""
    needed = set((await repository.tell("rev-list", revision, *(f"^{tip}" for tip in known), "--")).split())
    if needed & set(cut_off.split()):
        raise RepositoryError(
            "this clone is shallow, and the node needs commits that were cut off",
            code="clone_shallow",
            place=str(repository.folder),
            hint=f"git -C {repository.folder} fetch --unshallow",
        )
