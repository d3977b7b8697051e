"""A thin git bundle of what a node lacks: git as the source of truth, even when the forge is down."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.repository.git import Layout, Repository, is_hash

SENT = "refs/saturn/sent"
"""What the tip of a bundle is called; the executor looks for it by this name."""


async def thin_bundle(repository: Repository, revision: str, tips: Sequence[str]) -> bytes:
    """What the revision has beyond the tips, all of them full hashes of commits (git-bundle(1)).

    The repository of the person is not written to: the bundle is made in a temporary one that borrows its objects.

    Raises:
        RepositoryError: git refused, as it does when it does not know a tip; or this clone is shallow and lacks commits
            that the bundle needs.
    """
    for tip in tips:
        if not is_hash(tip):
            raise RepositoryError(f"{tip!r} is no full hash of a commit", place=str(repository.folder))
    layout = await repository.layout()
    beyond = tuple(f"^{tip}^{{commit}}" for tip in tips)
    # What is a few small files is written and read here and not in a thread, so that git is at work at once: while it
    # is, SATURN imports asyncssh, and the loop stands still.
    cut_off = _text(layout.shallow)
    if cut_off:
        await _require_depth(repository, revision, beyond, cut_off)
    with tempfile.TemporaryDirectory(prefix="saturn-bundle-") as place:
        _borrow(Path(place), layout, revision, cut_off)
        await Repository(Path(place)).tell("bundle", "create", "--quiet", "sent.bundle", SENT, *beyond)
        return await asyncio.to_thread(Path(place, "sent.bundle").read_bytes)


def _borrow(place: Path, layout: Layout, revision: str, cut_off: str) -> None:
    """Make a bare repository that finds the objects of another one, and calls the revision SENT.

    Made by hand, which spares two programs: see gitrepository-layout(5).
    """
    files = {
        "HEAD": "ref: refs/heads/none\n",
        "objects/info/alternates": f"{layout.objects.resolve()}\n",
        SENT: f"{revision}\n",
    }
    if layout.object_format == "sha256":
        files["config"] = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
    if cut_off:
        files["shallow"] = cut_off
    for name, text in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


async def _require_depth(repository: Repository, revision: str, beyond: Sequence[str], cut_off: str) -> None:
    """Make sure that no commit of the bundle stands where this clone was cut off."""
    needed = set((await repository.tell("rev-list", revision, *beyond, "--")).split())
    if needed & set(cut_off.split()):
        raise RepositoryError(
            "this clone is shallow, and the node needs commits that were cut off",
            code="clone_shallow",
            place=str(repository.folder),
            hint=f"git -C {repository.folder} fetch --unshallow",
        )
