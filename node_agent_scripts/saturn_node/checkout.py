"""prepare: bring the checkout to the wanted revision, from origin if it answers, else from what is there.

Damage that a power cut leaves is repaired when nothing of value can be lost; everything else is a person's decision.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

from . import compose, git, proc, snapshot, state
from .errors import NodeError
from .late import shutil
from .wire import NodeOrder

_DIRTY_MAX = 20
_NO_SUCH_REF = r"(?i)couldn't find remote ref|not our ref|no such remote ref|unadvertised object"


class Reached(NamedTuple):
    """The revisions before and after, and whether origin could be asked."""

    before: str
    after: str
    source: str = "origin"
    stale: bool = False
    message: str = ""


class Supply(NamedTuple):
    """Where commits may come from beside origin.

    bundle: a file that SATURN sent, or "". is_fetched: a prefetch brought the revision, so nobody needs to be asked.
    """

    bundle: str = ""
    is_fetched: bool = False


def bring(order: NodeOrder, revision: str, supply: Supply, tell: Callable[[str], None]) -> Reached:
    """Bring the checkout to the revision. `tell` takes what a person should read meanwhile."""
    was_cut, reached = _gathered(order, revision, supply, tell)
    kept = git.kept_commit(order.checkout, reached.before, revision, order.branch)
    if kept:
        tell(f"commit {reached.before[:12]} of this checkout is in no branch of origin; it is kept as {kept}")
    _move(order, revision, was_cut)
    return reached


def fetch(order: NodeOrder, revision: str, supply: Supply, tell: Callable[[str], None]) -> None:
    """Bring the commit into the checkout, and leave its files as they are."""
    _gathered(order, revision, supply, tell)


def go_back(order: NodeOrder, revision: str) -> Reached:
    """Bring the files back to a revision that is in the checkout."""
    before = _head(order.checkout)
    _move(order, revision, was_cut=False)
    return Reached(before, revision, "cache")


def _gathered(order: NodeOrder, revision: str, supply: Supply, tell: Callable[[str], None]) -> tuple[bool, Reached]:
    """Make sure that the commit is there. Whether a cut left the files half moved, and where the commit came from."""
    if not git.is_revision(revision):
        raise NodeError("bad_request", f"{revision!r} is not a full commit id", "saturn deploy")
    if not _is_checkout(order.checkout):
        unreachable = _begin(order, supply, tell)
        before, was_cut = "", True
    else:
        unreachable = ""
        for repaired in _repair(order.checkout, order.branch):
            tell(repaired)
        was_cut = os.path.exists(_intent(order.checkout))
        before = _stood(order.checkout, is_clean=not was_cut)
    known = _set_origin(order)
    if supply.is_fetched and git.has_commit(order.checkout, revision):
        return was_cut, Reached(before, revision, "cache", message="prefetched")
    is_asked = bool(order.origin) and order.source != "saturn"
    if is_asked and not unreachable:
        unreachable = _fetch(order, known, supply, tell)
    is_there = git.has_commit(order.checkout, revision)
    if not is_there and is_asked and not unreachable and not supply.bundle:  # no branch, but perhaps the commit itself
        git.transfer(git.fetch_argv(order.checkout, revision), known, tell)
        is_there = git.has_commit(order.checkout, revision)
    source = "origin" if is_asked and not unreachable else "cache"
    if supply.bundle and not is_there:
        if unreachable:
            tell(f"{unreachable}; what SATURN sent is used")
        _unbundle(order, supply.bundle)
        source, is_there = "saturn", git.has_commit(order.checkout, revision)
    if not is_there:
        raise _absent(order, revision, unreachable)
    is_stale = source == "cache" and bool(unreachable)
    return was_cut, Reached(before, revision, source, is_stale, unreachable)


def _begin(order: NodeOrder, supply: Supply, tell: Callable[[str], None]) -> str:
    """A checkout where there is none: a clone of origin, or an empty one for what SATURN sent.

    Returns why origin did not answer, "" when it did or was not asked.
    """
    unreachable = ""
    if order.source != "saturn" and (order.origin or not supply.bundle):
        try:
            _clone(order, tell, git.IDLE_SHORT_S if supply.bundle else git.IDLE_S)
        except NodeError as error:
            if error.code != "origin_unreachable" or not supply.bundle:
                raise
            unreachable = error.message
        else:
            return ""
    _create(order, lambda temporary: git.tell(os.path.dirname(temporary), "init", "--quiet", temporary))
    _set_origin(order)
    return unreachable


def _unbundle(order: NodeOrder, bundle: str) -> None:
    finished = git.unbundle(order.checkout, bundle)
    if finished.is_disk_full:
        raise proc.disk_full(finished, order.checkout)
    if not finished.ok:
        raise snapshot.damaged(git.reason(finished), finished.tail)


def _is_checkout(path: str) -> bool:
    """Whether a checkout is there. Not when the path is free; anything else in its place is an error."""
    if git.is_checkout(path):
        return True
    try:
        entries = os.listdir(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise git.broken(path, str(error.strerror)) from error
    if entries:
        raise git.broken(path, "the folder is not empty and has no .git")
    return False


def _clone(order: NodeOrder, tell: Callable[[str], None], idle_s: float = git.IDLE_S) -> None:
    if not order.origin:
        message = f"there is no checkout at {order.checkout} and no origin to clone from"
        raise NodeError("origin_unreachable", message, "set git.url in the topology")

    def clone(temporary: str) -> None:
        tell(f"cloning {order.origin}")
        finished = git.transfer(git.clone_argv(order.origin, temporary), git.settings(), tell, idle_s)
        if finished.is_disk_full:
            raise proc.disk_full(finished, os.path.dirname(order.checkout))
        if not finished.ok:
            raise _unreachable(order, finished, idle_s)

    _create(order, clone)


def _create(order: NodeOrder, make: Callable[[str], object]) -> None:
    """Make a repository beside the place and rename it, so a cut never leaves half a checkout."""
    temporary = order.checkout.rstrip("/") + ".cloning"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        make(temporary)
        _write_intent(temporary)
        if os.path.isdir(order.checkout):
            os.rmdir(order.checkout)
        os.rename(temporary, order.checkout)
    except OSError as error:
        message = f"{order.checkout} cannot be created: {error.strerror}"
        raise NodeError("checkout_unwritable", message, f"ls -ld {os.path.dirname(order.checkout)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _repair(checkout: str, branch: str) -> Iterator[str]:
    """Remove what a power cut leaves in .git; we hold the node's lock, so no git of ours works."""
    folder = os.path.join(checkout, ".git")
    if not os.path.isdir(folder):
        return  # a worktree's .git file points elsewhere: not ours to repair
    for path in _files(folder, ".lock"):
        os.unlink(path)
        yield f"removed {os.path.relpath(path, checkout)}, left over from an interrupted git"
    if not _content(os.path.join(folder, "HEAD")).startswith((b"ref: ", *(b"%x" % digit for digit in range(16)))):
        _replace(os.path.join(folder, "HEAD"), f"ref: refs/heads/{branch}")
        yield "repaired .git/HEAD"
    for path in _files(os.path.join(folder, "refs"), ""):
        if not _content(path).strip(b"\0 \n"):
            _restore_ref(folder, path)
            yield f"repaired {os.path.relpath(path, checkout)}"
    index = os.path.join(folder, "index")
    if os.path.exists(index) and not _content(index).startswith(b"DIRC"):
        os.unlink(index)
        git.ask(checkout, "reset", "--quiet")
        yield "rebuilt .git/index"


def _files(folder: str, ending: str) -> list[str]:
    """Files below a folder of .git, the object store left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "objects"]
        found += [os.path.join(parent, name) for name in names if name.endswith(ending)]
    return found


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""


def _replace(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text + "\n")


def _restore_ref(folder: str, path: str) -> None:
    """Give an empty ref its last value from the reflog; without one it is removed, and the fetch brings it back."""
    try:
        with open(os.path.join(folder, "logs", os.path.relpath(path, folder)), encoding="utf-8") as file:
            values = [line.split(" ")[1] for line in file if git.is_revision(line[41:81])]
    except OSError:
        values = []
    if values:
        _replace(path, values[-1])
    else:
        os.unlink(path)


def _intent(checkout: str) -> str:
    """The file that stands while git moves the files: a difference then is unfinished work of ours."""
    return os.path.join(checkout, ".git", "saturn_moving")


def _write_intent(checkout: str) -> None:
    if os.path.isdir(os.path.join(checkout, ".git")):
        state.write_text(_intent(checkout), "saturn moves this checkout")


def _move(order: NodeOrder, revision: str, was_cut: bool) -> None:
    """Bring the files to the revision. Only after a cut are files overwritten: they were clean when it began."""
    _write_intent(order.checkout)
    compose.forget_resolved()
    force = ("--force",) if was_cut else ()
    try:
        git.tell(order.checkout, "checkout", "-q", *force, "-B", order.branch, revision, "--")
    except NodeError as error:
        raise _in_the_way(order.checkout, error) from error
    if os.path.exists(_intent(order.checkout)):
        os.unlink(_intent(order.checkout))


def _stood(checkout: str, *, is_clean: bool) -> str:
    """The commit that is checked out, "" when there is none yet. is_clean: files that a person changed are an error."""
    if not is_clean or git.is_unused(checkout):
        return _head(checkout)
    standing = git.standing(checkout)
    if not standing.head:
        return _head(checkout)
    if standing.complaint:
        raise standing.complaint
    if standing.dirty:
        raise _dirty(checkout, standing.dirty)
    return standing.head


def _head(checkout: str) -> str:
    """The commit that is checked out, "" when there is none yet."""
    present = "" if git.is_unused(checkout) else git.head(checkout)
    if not present:
        finished = git.ask(checkout, "rev-parse", "--git-dir")
        if not finished.ok:
            raise git.broken(checkout, finished.last_line, finished.tail)
    return present


def _dirty(checkout: str, dirty: Sequence[str]) -> NodeError:
    """Files that a person changed are an error, never overwritten."""
    more = f" and {len(dirty) - _DIRTY_MAX} more" if len(dirty) > _DIRTY_MAX else ""
    message = "{} has changes that git does not know: {}{}".format(checkout, ", ".join(dirty[:_DIRTY_MAX]), more)
    return NodeError("checkout_dirty", message, f"git -C {checkout} status", tail=tuple(dirty[:_DIRTY_MAX]))


def _in_the_way(checkout: str, error: NodeError) -> NodeError:
    """Git's refusal to overwrite files that it does not know is about a person's files; any other stays as it is."""
    if not any("untracked working tree files would be overwritten" in line for line in error.tail):
        return error
    files = tuple(line.strip() for line in error.tail if line.startswith("\t"))
    message = "{} has files of its own where the new revision has some: {}".format(checkout, ", ".join(files))
    return NodeError("checkout_dirty", message, f"git -C {checkout} status", tail=files)


def _set_origin(order: NodeOrder) -> Mapping[str, str]:
    """Let the checkout know where its origin is; what is configured there, see git.settings."""
    known = git.settings(order.checkout)
    if order.origin and known.get("remote.origin.url") != order.origin:
        git.tell(order.checkout, "config", "remote.origin.url", order.origin)
    return known


def _fetch(order: NodeOrder, known: Mapping[str, str], supply: Supply, tell: Callable[[str], None]) -> str:
    """Ask origin for the branch. Returns why origin did not answer."""
    tell(f"asking {order.origin} for {order.branch}")
    idle_s = git.IDLE_SHORT_S if supply.bundle else git.IDLE_S
    fetched = git.transfer(git.fetch_argv(order.checkout, git.branch_refspec(order.branch)), known, tell, idle_s)
    answered = fetched.ok or any(re.search(_NO_SUCH_REF, line) for line in fetched.tail)
    if fetched.is_disk_full:
        raise proc.disk_full(fetched, order.checkout)
    if not answered and git.is_unwritable(fetched.tail):
        raise git.unwritable(order.checkout, fetched)
    if not answered and git.is_broken(fetched.tail):
        raise git.broken(order.checkout, fetched.last_line, fetched.tail)
    if not answered:
        return _unreachable(order, fetched, idle_s).message
    return ""


def _unreachable(order: NodeOrder, finished: proc.Finished, idle_s: float) -> NodeError:
    why = f"it was silent for {idle_s:.0f} s" if finished.cut else git.reason(finished)
    message = f"origin {order.origin} did not answer: {why}"
    return NodeError("origin_unreachable", message, f"git ls-remote {order.origin}", tail=finished.tail)


def _absent(order: NodeOrder, revision: str, unreachable: str) -> NodeError:
    if unreachable:
        message = f"{unreachable}, and revision {revision[:12]} is not on this node"
        return NodeError("origin_unreachable", message, f"git ls-remote {order.origin}")
    if order.source == "saturn":
        message = f"revision {revision[:12]} is not on this node, and SATURN sent nothing"
        return NodeError("revision_missing", message, f"saturn deploy --hosts {order.host}")
    message = "origin {} does not have revision {}".format(order.origin or "(none)", revision[:12])
    return NodeError("revision_missing", message, f"git push origin {order.branch}")
