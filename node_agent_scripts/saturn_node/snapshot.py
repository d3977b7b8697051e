"""The files of a revision as they will lie in the checkout, without touching the checkout: a plan only reads.

Where the commit is in the checkout already, its files are unpacked to a temporary folder; else a temporary repository,
which borrows the checkout's objects, takes the bundle first.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple

from . import git
from .errors import NodeError
from .late import shutil, tempfile
from .survey import Survey


class Snapshot(NamedTuple):
    """The files of a revision. folder: where they lie. tree: what git tells of them.

    is_apart: the folder is not the checkout, so what git does not know is not in it.
    """

    folder: str
    tree: git.Tree
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


@contextmanager
def snapshot(survey: Survey, revision: str, bundle: str) -> Iterator[Snapshot | None]:
    """The files of the revision while the context lasts; None when neither checkout nor bundle ("": none) has it.

    Raises:
        NodeError: bundle_damaged, or git failed.
    """
    checkout = survey.order.checkout
    is_there = git.is_checkout(checkout)
    if is_there and survey.head() == revision and not survey.dirty_files():
        yield Snapshot(checkout, git.Tree(checkout, revision), is_apart=False)
        return
    place = tempfile.mkdtemp(prefix="saturn-plan-")
    try:
        repository = checkout if is_there and survey.has_commit(revision) else ""
        if not repository and bundle:
            made = _unbundled(survey, bundle, os.path.join(place, "repository"))
            repository = made if git.has_commit(made, revision) else ""
        yield Snapshot(_unpacked(repository, revision, place), git.Tree(repository, revision)) if repository else None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unbundled(survey: Survey, bundle: str, place: str) -> str:
    """A bare repository that knows what the checkout knows, if there is one, and what is in the bundle.

    Made by hand, which spares a small node a program: see gitrepository-layout(5).
    """
    for folder in ("objects/info", "refs"):
        os.makedirs(os.path.join(place, folder))
    files = {"HEAD": "ref: refs/heads/none\n"}  # with these two folders all that makes a repository
    if git.is_checkout(survey.order.checkout):
        files.update(_borrowed(survey))
    for name, text in files.items():
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write(text)
    finished = git.unbundle(place, bundle, is_durable=False)
    if not finished.ok:
        raise damaged(git.reason(finished), finished.tail)
    return place


def damaged(why: str, tail: tuple[str, ...] = ()) -> NodeError:
    """The failure of a bundle that git does not take."""
    message = f"what SATURN sent is no bundle that git takes here: {why}"
    return NodeError("bundle_damaged", message, "git fsck, in the repository on SATURN", tail=tail)


def _borrowed(survey: Survey) -> dict[str, str]:
    """What makes a bare repository know the commits of the checkout: file to content."""
    checkout = survey.order.checkout
    objects, shallow = git.places(checkout, "objects", "shallow")
    ends = "".join(f"{each} refs/borrowed/{number:03d}\n" for number, each in enumerate(survey.tips()))
    files = {"objects/info/alternates": objects + "\n", "packed-refs": ends}
    if os.path.isfile(shallow):
        with open(shallow, encoding="utf-8") as file:
            files["shallow"] = file.read()
    return files


def _unpacked(repository: str, revision: str, place: str) -> str:
    folder = os.path.join(place, "files")
    os.makedirs(folder)
    env = {
        "GIT_DIR": git.folder_of(repository),
        "GIT_WORK_TREE": folder,
        "GIT_INDEX_FILE": os.path.join(place, "index"),
    }
    finished = git.ask(folder, "read-tree", "--reset", "-u", revision, env=env)
    if not finished.ok:
        message = f"the files of {revision[:12]} could not be unpacked: {git.reason(finished)}"
        raise NodeError("git_failed", message, "df -h /tmp", tail=finished.tail)
    return folder
