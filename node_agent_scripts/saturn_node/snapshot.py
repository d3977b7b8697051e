"""The files of a revision as they will lie in the checkout, without touching the checkout: a plan only reads.

Where the commit is in the checkout already, its files are unpacked to a temporary folder; else a temporary repository,
which borrows the checkout's objects, takes the bundle first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple

from . import git
from .errors import NodeError
from .wire import NodeOrder


class Snapshot(NamedTuple):
    """The files of a revision. folder: where they lie. repository: where git knows the commit.

    is_apart: the folder is not the checkout, so what git does not know is not in it.
    """

    folder: str
    repository: str
    revision: str
    is_apart: bool = True

    def at_home(self, value: Any, checkout: str) -> Any:
        """A tree of JSON with every path in the snapshot replaced by the one in the checkout."""
        if isinstance(value, str):
            return value.replace(self.folder, checkout) if self.folder != checkout else value
        if isinstance(value, dict):
            return {key: self.at_home(each, checkout) for key, each in value.items()}
        if isinstance(value, list):
            return [self.at_home(each, checkout) for each in value]
        return value

    def git_id(self, path: str) -> str:
        """See blueprint.GitId."""
        return git.id_of(self.repository, self.revision, path)


@contextmanager
def snapshot(order: NodeOrder, revision: str, bundle: str) -> Iterator[Snapshot | None]:
    """The files of the revision while the context lasts; None when neither checkout nor bundle ("": none) has it.

    Raises:
        NodeError: bundle_damaged, or git failed.
    """
    is_there = git.is_checkout(order.checkout)
    if is_there and git.head(order.checkout) == revision and not git.dirty_files(order.checkout):
        yield Snapshot(order.checkout, order.checkout, revision, is_apart=False)
        return
    place = tempfile.mkdtemp(prefix="saturn-plan-")
    try:
        repository = order.checkout if is_there and git.has_commit(order.checkout, revision) else ""
        if not repository and bundle:
            repository = _unbundled(order.checkout if is_there else "", bundle, os.path.join(place, "repository"))
        if repository and git.has_commit(repository, revision):
            yield Snapshot(_unpacked(repository, revision, place), repository, revision)
        else:
            yield None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unbundled(checkout: str, bundle: str, place: str) -> str:
    """A bare repository that knows what the checkout knows, and what is in the bundle."""
    os.makedirs(place)
    git.tell(place, "init", "--quiet", "--bare")
    if checkout:
        for name, text in _borrowed(checkout).items():
            with open(os.path.join(place, name), "w", encoding="utf-8") as file:
                file.write(text)
    finished = git.transfer(git.fetch_bundle_argv(place, bundle), lambda _: None)
    if not finished.ok:
        raise damaged(git.reason(finished), finished.tail)
    return place


def damaged(why: str, tail: tuple[str, ...] = ()) -> NodeError:
    """The failure of a bundle that git does not take."""
    message = f"what SATURN sent is no bundle that git takes here: {why}"
    return NodeError("bundle_damaged", message, "git fsck, in the repository on SATURN", tail=tail)


def _borrowed(checkout: str) -> dict[str, str]:
    """What makes a bare repository know the commits of a checkout: file to content."""
    objects = git.tell(checkout, "rev-parse", "--git-path", "objects").strip()
    shallow = os.path.join(checkout, git.tell(checkout, "rev-parse", "--git-path", "shallow").strip())
    ends = "".join(f"{each} refs/borrowed/{number:03d}\n" for number, each in enumerate(git.tips(checkout)))
    files = {"objects/info/alternates": os.path.join(checkout, objects) + "\n", "packed-refs": ends}
    if os.path.isfile(shallow):
        with open(shallow, encoding="utf-8") as file:
            files["shallow"] = file.read()
    return files


def _unpacked(repository: str, revision: str, place: str) -> str:
    folder = os.path.join(place, "files")
    os.makedirs(folder)
    git_folder = git.tell(repository, "rev-parse", "--absolute-git-dir").strip()
    env = {"GIT_DIR": git_folder, "GIT_WORK_TREE": folder, "GIT_INDEX_FILE": os.path.join(place, "index")}
    for arguments in (("read-tree", revision), ("checkout-index", "--all", f"--prefix={folder}/")):
        finished = git.ask(folder, *arguments, env=env)
        if not finished.ok:
            message = f"the files of {revision[:12]} could not be unpacked: {git.reason(finished)}"
            raise NodeError("git_failed", message, "df -h /tmp", tail=finished.tail)
    return folder
