"""What is saturn's own on the node, and whether it is in order: root, secrets, lock, checkout, and the way to origin.

Looking and judging are apart: `..._check` takes what was seen and says what it means.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from typing import Iterator, NamedTuple, Sequence

from . import facts, git
from .ages import seconds_since, span_text
from .state import Paths
from .wire import Check, LockFact, NodeOrder

LOCK_WARN_S = 3600
ORIGIN_TIMEOUT_S = 15.0


def root(order: NodeOrder) -> Check:
    """Whether a run could make and replace what it needs. Fails with root_unwritable."""
    facts.check_root(order.root)
    if not os.path.isdir(order.root):
        return Check("root", "ok", f"{order.root} is not there yet; the first run makes it")
    return Check("root", "ok", f"{order.root} is there, can be written, and belongs to {owner_of(order.root)}")


def owner_of(path: str) -> str:
    """The login name of who owns the path, or the number of one who has no name."""
    uid = os.stat(path).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Secret(NamedTuple):
    """A `.env` file. mode: its permissions. is_sheltered: others cannot get as far as its folder."""

    path: str
    mode: int
    is_sheltered: bool = False


def secrets_of(paths: Paths) -> Iterator[Secret]:
    """Every `.env` below config."""
    for folder in sorted(_folders(paths.config)):
        path = os.path.join(folder, ".env")
        if os.path.isfile(path):
            ways = (paths.root, paths.config, folder)
            is_sheltered = not all(os.stat(way).st_mode & stat.S_IXOTH for way in ways)
            yield Secret(path, stat.S_IMODE(os.stat(path).st_mode), is_sheltered)


def _folders(path: str) -> list[str]:
    try:
        return [os.path.join(path, name) for name in os.listdir(path)]
    except FileNotFoundError:
        return []


def secrets_check(found: Sequence[Secret]) -> Check:
    """Whether nobody but their owner reads the `.env` files."""
    open_to_all = [each.path for each in found if each.mode & stat.S_IROTH and not each.is_sheltered]
    open_to_group = [each.path for each in found if each.mode & stat.S_IRGRP and each.path not in open_to_all]
    if open_to_all:
        fix = "chmod 600 " + " ".join(shlex.quote(each) for each in open_to_all[:5])
        return Check("secrets", "fail", f"every user of this node can read {names(open_to_all)}", fix)
    if open_to_group:
        fix = "chmod 600 " + " ".join(shlex.quote(each) for each in open_to_group[:5])
        return Check("secrets", "warn", f"the group of the file can read {names(open_to_group)}", fix)
    count = f"{len(found)} .env file{'' if len(found) == 1 else 's'}"
    return Check("secrets", "ok", f"{count}, for their owner alone" if found else "there is no .env file")


def lock_check(holder: LockFact | None, host: str, now_s: float) -> Check:
    """Whether a run holds the node for longer than one takes. now_s: seconds since 1970."""
    if holder is None:
        return Check("lock", "ok", "no run holds the node")
    held_s = seconds_since(holder.since, now_s)
    who = "".join(f" {word} {value}" for word, value in (("of", holder.by), ("from", holder.controller)) if value)
    message = f"run {holder.run or '(unknown)'}{who} has held the node for {span_text(max(held_s, 0))}"
    if held_s > LOCK_WARN_S or not holder.run:
        fix = f"saturn attach --hosts {host}   # look at it; saturn cancel --hosts {host} stops it"
        return Check("lock", "warn", message, fix)
    return Check("lock", "ok", message)


def checkout(order: NodeOrder) -> Check:
    """Whether the checkout is one that a run can move. Fails with checkout_broken."""
    if not git.is_checkout(order.checkout):
        if os.path.isdir(order.checkout) and os.listdir(order.checkout):
            raise git.broken(order.checkout, "the folder is not empty and has no .git")
        return Check("checkout", "ok", "there is none yet; the first run makes it")
    git.tell(order.checkout, "rev-parse", "--git-dir")
    standing = git.standing(order.checkout)
    if not standing.head:
        message = f"{order.checkout} has no commit checked out; the next run repairs that"
        return Check("checkout", "warn", message, f"saturn deploy --hosts {order.host}")
    if git.is_unused(order.checkout):
        return Check("checkout", "ok", f"{order.checkout} is cloned, and nothing was checked out yet")
    git.tell(order.checkout, "rev-list", "--objects", "--max-count=1", "HEAD")  # every file of it, so that damage shows
    if standing.complaint:
        raise standing.complaint
    return checkout_check(order, standing.head, standing.dirty)


def checkout_check(order: NodeOrder, revision: str, dirty: Sequence[str]) -> Check:
    """Whether anybody worked in the checkout: a run would refuse to overwrite that."""
    if dirty:
        message = f"files in {order.checkout} were changed by hand: {names(dirty)}"
        return Check("checkout", "fail", message, f"git -C {shlex.quote(order.checkout)} status   # on the node")
    return Check("checkout", "ok", f"{order.checkout} is at {revision[:12]}, and clean")


def origin(order: NodeOrder) -> Check:
    """Whether the node can ask origin. It need not: SATURN sends what it lacks."""
    if not order.origin or order.source == "saturn":
        return Check("origin", "skip", "this node does not ask origin: SATURN sends it everything")
    asked = git.ls_remote(order.origin, order.branch, ORIGIN_TIMEOUT_S)
    fix = f"git ls-remote {shlex.quote(order.origin)}   # on the node"
    price = "git.source is origin, so a run fails" if order.source == "origin" else "SATURN sends what the node lacks"
    if not asked.ok:
        why = f"it was silent for {ORIGIN_TIMEOUT_S:.0f} s" if asked.cut else git.reason(asked)
        return Check("origin", "warn", f"{order.origin} did not answer: {why}; {price}", fix)
    if not asked.stdout.strip():
        return Check("origin", "warn", f"{order.origin} has no branch {order.branch}; {price}", fix)
    return Check("origin", "ok", f"{order.origin} answers, and has {order.branch}")


def names(values: Sequence[str], limit: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + more
