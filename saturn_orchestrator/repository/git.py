"""Questions to git on SATURN. Command lines are tuples; every answer is parsed here and nowhere else."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Never

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.records import dataclass

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PATIENCE_S = 60.0
_GLANCE_S = 2.0
"""What a person who pressed a key waits for at most."""

_AT_ONCE = 16
"""Programs that one repository has at work at most: each takes descriptors, which connections need, too."""


@dataclass(frozen=True)
class Commit:
    """A commit: its full hash, the first line of its message, and who wrote it."""

    revision: str
    subject: str
    author: str = ""


@dataclass(frozen=True)
class Distance:
    """What lies between two commits that are known here: how many commits each has that the other lacks."""

    behind: int
    ahead: int


@dataclass(frozen=True)
class Layout:
    """How git keeps a repository. prefix: the folder that was asked about, from the root of the work tree; "" for it.

    shallow: the file that names the commits where a clone was cut off, if it was.
    """

    prefix: str
    object_format: str
    objects: Path
    shallow: Path


class Repository:
    """The repository whose work tree holds the inventory."""

    def __init__(self, folder: Path) -> None:
        """`folder` is anywhere inside the work tree; paths given to this class are relative to it."""
        self.folder = folder
        self._settled: dict[tuple[str, ...], asyncio.Task[tuple[int, str, str]]] = {}
        self._resolved: set[str] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def resolve(self, name: str) -> Commit:
        """The commit that a branch, tag or hash names.

        Raises:
            RepositoryError: there is no repository, no git, or no such commit.
        """
        status, out, err = await self._git("log", "-1", "--format=%H%x00%s", "--end-of-options", name, "--")
        if status != 0 or not out.strip():  # git logs nothing, and is content, for what is a file and no commit
            raise await self._unresolved(name, err)
        revision, _, subject = out.rstrip("\n").partition("\0")
        self._resolved.add(revision)
        return Commit(revision, subject)

    async def current_branch(self) -> str:
        """The branch that is checked out; "" when none is."""
        return (await self._git("symbolic-ref", "--quiet", "--short", "HEAD"))[1].strip()

    async def check_root(self) -> None:
        """Make sure that the folder is the root of its repository: nodes find services by paths from that root.

        Raises:
            RepositoryError: it is a folder further down.
        """
        layout = _layout(self.folder, await self._once(*_LAYOUT))
        if layout and layout.prefix:
            raise RepositoryError(
                "inventory/ must lie at the root of its git repository",
                code="not_the_root",
                place=str(self.folder),
                hint=f"move inventory/ up, out of {layout.prefix}, and say in `layout` where services lie",
            )

    async def layout(self) -> Layout:
        """How git keeps this repository.

        Raises:
            RepositoryError: there is none.
        """
        answer = await self._once(*_LAYOUT)
        return _layout(self.folder, answer) or self._refuse(_LAYOUT, answer)

    async def distance(self, present: str, wanted: str) -> Distance | None:
        """How far `present` is behind `wanted`, and how far ahead; None when `present` is unknown here."""
        if not is_hash(present):
            return None
        status, out, _ = await self._once("rev-list", "--left-right", "--count", f"{wanted}...{present}", "--")
        return Distance(*map(int, out.split())) if status == 0 else None

    async def commits(self, before: str, after: str, limit: int) -> tuple[Commit, ...]:
        """The newest commits that `after` has and `before` (both known here) lacks, newest first."""
        options = ("--format=%H%x00%an%x00%s", f"--max-count={limit}", f"{before}..{after}")
        _, out, _ = await self._once("log", *options, "--")
        lines = (line.split("\0", 2) for line in out.splitlines() if line.count("\0") >= 2)
        return tuple(Commit(revision, subject, author) for revision, author, subject in lines)

    async def unpushed(self, revision: str, branch: str) -> int | None:
        """How many commits of a revision no branch of origin had when it was last asked; None when nobody knows.

        revision: a hash, or any other name of a commit.
        """
        known = (f"refs/remotes/origin/{branch}", "--remotes=origin")  # git refuses when there is no such branch
        status, out, _ = await self._git(
            "rev-list", "--count", "--not", *known, "--not", "--end-of-options", revision, "--"
        )
        return int(out) if status == 0 else None

    async def diff(self, before: str, after: str, folders: Sequence[str]) -> str:
        """The differences of the folders between two commits that are known here, as git prints them."""
        base = before or (await self._git("hash-object", "-t", "tree", os.devnull))[1].strip()
        return (await self._git("diff", "--no-color", "--no-ext-diff", "--stat", "-p", base, after, "--", *folders))[1]

    async def tell(self, *words: str) -> str:
        """A git command that must succeed; its output.

        Raises:
            RepositoryError: it did not.
        """
        answer = await self._git(*words)
        return answer[1] if answer[0] == 0 else self._refuse(words, answer)

    def _refuse(self, words: tuple[str, ...], answer: tuple[int, str, str]) -> Never:
        raise RepositoryError(f"git {words[0]} failed", place=str(self.folder), notes=(answer[2].strip(),))

    async def knows(self, revision: str) -> bool:
        """Whether the full hash names a commit of this clone."""
        if revision in self._resolved:
            return True
        if not is_hash(revision):
            return False
        return (await self._once("cat-file", "-e", f"{revision}^{{commit}}"))[0] == 0

    async def known(self, revisions: Iterable[str]) -> tuple[str, ...]:
        """Those that are full hashes of commits of this clone, in the order given; git is asked about all at once."""
        asked = [each for each in dict.fromkeys(revisions) if is_hash(each)]
        if not asked:
            return ()
        names = "".join(f"{each}^{{commit}}\n" for each in asked)
        _, out, _ = await self._git("cat-file", "--batch-check=%(objecttype)", given=names)
        answers = zip(asked, out.splitlines(), strict=False)
        return tuple(revision for revision, kind in answers if kind == "commit")

    async def moved_files(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ between two commits known here, as paths from the root of the repository."""
        if before == after:
            return ()
        status, out, err = await self._once("diff", "--name-only", "-z", "--no-renames", before, after, "--")
        if status != 0:
            raise RepositoryError(f"git cannot compare {before[:8]} with {after[:8]}", notes=(err.strip(),))
        return tuple(path for path in out.split("\0") if path)

    async def uncommitted(self, folders: Sequence[str]) -> tuple[str, ...]:
        """Files below the folders that a deploy would leave out because nobody committed them."""
        if not folders:
            return ()
        options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
        status, out, _ = await self._git("status", *options, "--", *folders)
        return tuple(entry[3:] for entry in out.split("\0") if len(entry) > 3) if status == 0 else ()

    async def _unresolved(self, name: str, words: str) -> RepositoryError:
        inside, _, _ = await self._git("rev-parse", "--git-dir")
        if inside != 0:
            return RepositoryError(
                "git is the source of truth, and the inventory lies in no git repository",
                code="not_a_repository",
                place=str(self.folder),
                hint=f"cd {self.folder} && git init && git add -A && git commit -m 'my homelab'",
            )
        known = (await self._git("branch", "--format=%(refname:short)"))[1].split()
        return RepositoryError(
            f"git knows no revision {name!r}",
            code="revision_unknown",
            place=str(self.folder),
            notes=(f"local branches: {', '.join(known)}" if known else "nothing has been committed yet", words.strip()),
            hint=f"git -C {self.folder} fetch origin, or commit first, or set git.branch in the topology",
        )

    async def _once(self, *words: str) -> tuple[int, str, str]:
        """As `_git`, for a question whose answer stands: about full hashes, since many hosts are at the same commit."""
        if words not in self._settled:
            self._settled[words] = asyncio.create_task(self._git(*words))
        answer = await asyncio.shield(self._settled[words])
        if answer[0] != 0:  # a commit that is unknown now may be fetched
            self._settled.pop(words, None)
        return answer

    async def _git(self, *words: str, given: str = "") -> tuple[int, str, str]:
        """Exit status, stdout and stderr of one git command in the folder. given: what it reads."""
        argv = ("git", "-c", "core.quotePath=false", "-C", str(self.folder), *words)
        async with self._turns:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=_environment(),
                )
            except OSError as error:
                raise RepositoryError(
                    f"git cannot be run on this machine: {error.strerror}",
                    code="no_git",
                    hint="install git, for example: apt install git",
                ) from error
            out, err = await process.communicate(given.encode() if given else None)
        return process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


_LAYOUT = ("rev-parse", "--show-prefix", "--show-object-format", "--git-path", "objects", "--git-path", "shallow")


def _layout(folder: Path, answer: tuple[int, str, str]) -> Layout | None:
    """What git answers to `_LAYOUT`; None when there is no repository."""
    status, out, _ = answer
    if status != 0:
        return None
    prefix, kind, objects, shallow = out.removesuffix("\n").rsplit("\n", 3)
    return Layout(prefix, kind, folder / objects, folder / shallow)


def is_hash(name: str) -> bool:
    """Whether this is the full hash of an object, rather than any other name."""
    return _SHA.fullmatch(name) is not None


def tracked_files(folder: Path) -> tuple[str, ...] | None:
    """What git keeps below the folder, staged files included, relative to it; None where there is no git to ask."""
    told = _told(folder, _PATIENCE_S, "ls-files", "-z")
    return None if told is None else tuple(dict.fromkeys(os.fsdecode(path) for path in told.split(b"\0") if path))


def revision_names(folder: Path, limit: int) -> dict[str, str]:
    """What a person may call a revision: branches, tags and the newest commits, each with its subject."""
    refs = ("for-each-ref", "--sort=-committerdate", f"--count={limit}", "--format=%(refname:short)%00%(subject)")
    commits = ("log", f"--max-count={limit}", "--format=%h%x00%s")
    asked = ((*refs, "refs/heads", "refs/tags"), (*commits, "--branches", "--"))
    told = b"\n".join(_told(folder, _GLANCE_S, *words) or b"" for words in asked).decode("utf-8", "replace")
    lines = (line.partition("\0") for line in told.splitlines())
    return {name: subject for name, mark, subject in lines if name and mark}


def _told(folder: Path, patience_s: float, *words: str) -> bytes | None:
    """What git says; None where there is no git to ask, or it takes longer."""
    argv = ("git", "-C", str(folder), *words)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), timeout=patience_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    """Ours, without what a git hook that runs saturn would make every git believe (GIT_DIR, GIT_INDEX_FILE, ...)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
