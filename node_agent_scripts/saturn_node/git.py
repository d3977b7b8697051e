"""git's command lines as data, what its answers mean, and the few calls that ask it.

Bringing a checkout to a revision, step by step, is `checkout`'s work.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Callable, Iterable, Mapping, NamedTuple

from . import proc
from .errors import NodeError
from .wire import NodeOrder, ServiceOrder

IDLE_S = 90.0
IDLE_SHORT_S = 20.0
"""How long origin may be silent when there is another source at hand."""

SENT = "refs/saturn/sent"
"""What SATURN sent last; in a bundle its tip is called so, too."""

_TIPS_MAX = 64
LOCAL_TIMEOUT_S = 120.0

_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=3"
_REVISION = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_PROGRESS = r"\d+% \(\d+/\d+\)|^remote: (?:Enumerating|Counting|Compressing|Total)"
_BROKEN = (
    r"(?i)corrupt|bad object|object file .* is empty|unable to read (?:tree|sha1|commit)|inflate"
    r"|missing (?:blob|tree|commit)"
    r"|not a git repository|bad signature|unable to parse|reference broken|fatal: bad (?:config|tree|revision 'HEAD')"
)

_UNWRITABLE = (
    r"(?i)insufficient permission for adding|cannot open '?[^ ]*\.git/"
    r"|unable to (?:create|unlink|append to|write)[^(]*\.git/"
    r"|cannot lock ref.*Permission denied|error: (?:unable to unlink|cannot stat).*Permission denied"
    r"|could not lock config file"
)


def is_revision(text: str) -> bool:
    """Whether the text is a full commit id."""
    return bool(re.fullmatch(_REVISION, text))


def argv(checkout: str, *arguments: str) -> tuple[str, ...]:
    """Git in the checkout: no hooks of the repository run, a checkout of another owner is fine, writes are durable."""
    settings = (
        "safe.directory=" + checkout,
        "core.hooksPath=/dev/null",
        "core.fsync=committed,reference",
        "http.lowSpeedLimit=1000",
        "http.lowSpeedTime=30",
        "gc.auto=0",
        "maintenance.auto=false",
    )
    return ("git", "-C", checkout, *(word for each in settings for word in ("-c", each)), *arguments)


def clone_argv(origin: str, place: str) -> tuple[str, ...]:
    """Clone without a work tree: the wanted revision is checked out in a step of its own."""
    settings = ("-c", "core.hooksPath=/dev/null", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30")
    return ("git", *settings, "clone", "--progress", "--no-checkout", "--", origin, place)


def fetch_argv(checkout: str, what: str) -> tuple[str, ...]:
    """Fetch a refspec or a commit of origin. Progress is printed so that a slow line is told from a dead one."""
    return argv(checkout, "fetch", "--progress", "--no-tags", "--force", "origin", what)


def branch_refspec(branch: str) -> str:
    """The branch of origin, and where a checkout remembers it."""
    return f"+refs/heads/{branch}:refs/remotes/origin/{branch}"


_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
"""What git needs to fail rather than wait for a person."""


_OWN_SSH = "core.sshcommand"
"""As git tells it: in lower case."""


def _transfer_environment(known: Mapping[str, str]) -> dict[str, str]:
    """The same, and an ssh that gives up; a node whose person configured an ssh command of its own keeps that."""
    own = "GIT_SSH_COMMAND" in os.environ or _OWN_SSH in known
    return _ENVIRONMENT if own else {**_ENVIRONMENT, "GIT_SSH_COMMAND": _SSH}


def settings(checkout: str = "") -> dict[str, str]:
    """What is configured of origin's address and of ssh, by lower-case name; "" for what holds without a checkout."""
    where = ("-C", checkout) if checkout else ()
    wanted = f"^(remote[.]origin[.]url|{_OWN_SSH})$"
    asked = proc.run(("git", *where, "config", "-z", "--get-regexp", wanted), timeout_s=LOCAL_TIMEOUT_S)
    pairs = (entry.partition("\n") for entry in asked.stdout.split("\0") if entry)
    return {name: value for name, _, value in pairs}


class Standing(NamedTuple):
    """A checkout as it stands. head: the commit that is checked out, or "". dirty: tracked files that changed.

    complaint: why git cannot tell what changed.
    """

    head: str
    dirty: tuple[str, ...] = ()
    complaint: NodeError | None = None


def parsed_standing(porcelain: str) -> Standing:
    """What `status --porcelain=v2 --branch -z` says; see git-status(1)."""
    head, dirty = "", []
    entries = iter(porcelain.split("\0"))
    for entry in entries:
        kind, _, rest = entry.partition(" ")
        if rest.startswith("branch.oid "):
            head = rest.partition(" ")[2]
        elif kind in _FIELDS:
            dirty.append(rest.split(" ", _FIELDS[kind])[-1])
            if kind == "2":
                next(entries, "")  # a rename is followed by its old name
    return Standing(head if is_revision(head) else "", tuple(dirty))


_FIELDS = {"1": 7, "2": 8, "u": 9}
"""How many words stand between the kind of an entry and its path."""


def reason(finished: proc.Finished) -> str:
    """The line that says why git failed: the first complaint, since advice follows it."""
    complaints = (line for line in finished.tail if line.startswith(("ssh:", "fatal:", "error:", "remote:")))
    return next(complaints, finished.last_line)


def is_unwritable(words: Iterable[str]) -> bool:
    """Whether git's words say that files of the checkout belong to somebody else."""
    return any(re.search(_UNWRITABLE, line) for line in words)


def unwritable(checkout: str, finished: proc.Finished) -> NodeError:
    """The failure of a checkout that another user has written to."""
    user = os.environ.get("USER") or str(os.getuid())
    message = f"files in {checkout} cannot be written by {user}: {reason(finished)}"
    repair = f"sudo chown -R {shlex.quote(user)} {shlex.quote(checkout)}"
    return NodeError("checkout_unwritable", message, repair, tail=finished.tail)


def is_broken(words: Iterable[str]) -> bool:
    """Whether git's words say that the checkout itself is damaged."""
    return any(re.search(_BROKEN, line) for line in words)


def broken(checkout: str, why: str, tail: Iterable[str] = ()) -> NodeError:
    """The failure of a checkout that only a person may repair: it may hold something of value."""
    message = f"{checkout} is not a usable git checkout: {why}"
    return NodeError("checkout_broken", message, f"mv {checkout} {checkout}.broken", tail=tuple(tail))


def ask(checkout: str, *arguments: str, env: Mapping[str, str] | None = None) -> proc.Finished:
    """A local question to git, answered with whatever status. env is added to git's environment."""
    return proc.run(argv(checkout, *arguments), env={**_ENVIRONMENT, **(env or {})}, timeout_s=LOCAL_TIMEOUT_S)


def tell(checkout: str, *arguments: str) -> str:
    """A local command that must succeed; its output. Fails with checkout_broken or git_failed."""
    finished = ask(checkout, *arguments)
    if finished.ok:
        return finished.stdout
    if finished.is_disk_full:
        raise proc.disk_full(finished, checkout)
    if is_unwritable(finished.tail):
        raise unwritable(checkout, finished)
    if is_broken(finished.tail):
        raise broken(checkout, finished.last_line, finished.tail)
    what = f"git {arguments[0]} failed in {checkout}: {reason(finished)}"
    raise NodeError("git_failed", what, f"git -C {checkout} status", tail=finished.tail)


def transfer(
    command: tuple[str, ...], known: Mapping[str, str], on_line: Callable[[str], None], idle_s: float = IDLE_S
) -> proc.Finished:
    """Clone or fetch. Its counters keep it alive but are no evidence. known: see settings."""

    def heard(line: str) -> None:
        if not re.search(_PROGRESS, line):
            on_line(line)

    finished = proc.run(command, env=_transfer_environment(known), idle_s=idle_s, on_line=heard)
    return finished._replace(tail=tuple(line for line in finished.tail if not re.search(_PROGRESS, line)))


def ls_remote(origin: str, branch: str, timeout_s: float) -> proc.Finished:
    """What origin says of the branch; nothing on stdout when it has none."""
    command = ("git", "ls-remote", "--", origin, f"refs/heads/{branch}")
    return proc.run(command, env=_transfer_environment(settings()), timeout_s=timeout_s)


def is_checkout(path: str) -> bool:
    """Whether something of git is at the path."""
    return os.path.lexists(os.path.join(path, ".git"))


def folder_of(repository: str) -> str:
    """The folder in which git keeps what it knows: `.git`, the bare repository itself, or where a worktree points."""
    usual = os.path.join(repository, ".git")
    if os.path.isdir(usual):
        return usual
    if not os.path.lexists(usual):
        return repository
    return tell(repository, "rev-parse", "--absolute-git-dir").strip()


def places(checkout: str, *names: str) -> list[str]:
    """Where git keeps what is called so in its folder: a worktree shares most of it with others."""
    usual = os.path.join(checkout, ".git")
    if os.path.isdir(usual):
        return [os.path.join(usual, name) for name in names]
    words = (word for name in names for word in ("--git-path", name))
    return [os.path.join(checkout, line) for line in tell(checkout, "rev-parse", *words).splitlines()]


def is_unused(checkout: str) -> bool:
    """Whether it was cloned and no commit was ever checked out: a prefetch of a new node leaves it so."""
    return is_checkout(checkout) and not os.path.exists(os.path.join(checkout, ".git", "index"))


def head(checkout: str) -> str:
    """The commit that is checked out, or ""."""
    finished = ask(checkout, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return finished.stdout.strip() if finished.ok else ""


def has_commit(checkout: str, revision: str) -> bool:
    """Whether the commit is in the checkout."""
    return ask(checkout, "cat-file", "-e", revision + "^{commit}").ok


def tips(checkout: str, present: str) -> tuple[str, ...]:
    """The commits at the ends of the checkout's history, what a thin bundle may build on. present: that of HEAD."""
    kinds = ("refs/heads", "refs/remotes", "refs/saturn")
    told = ask(checkout, "for-each-ref", "--format=%(objectname)", "--sort=-committerdate", *kinds)
    ends = (each for each in (present, *told.stdout.split()) if is_revision(each))
    return tuple(dict.fromkeys(ends))[:_TIPS_MAX]


def unbundle(repository: str, bundle: str, *, is_durable: bool = True) -> proc.Finished:
    """Take the commits out of a bundle. Every object is checked on its way.

    is_durable: not where the repository lives no longer than an answer. A card of a Pi takes long to be sure.
    """
    settings = ("-c", "fetch.fsckObjects=true", *(() if is_durable else ("-c", "core.fsync=none")))
    what = ("fetch", "--no-tags", "--force", bundle, f"+{SENT}:{SENT}")
    return proc.run(argv(repository, *settings, *what), env=_ENVIRONMENT, idle_s=IDLE_S)


class Tree:
    """The files and folders of a commit, as git tells them: all at once, with the first question."""

    def __init__(self, repository: str, revision: str) -> None:
        self._repository = repository
        self._revision = revision
        self._ids: dict[str, str] | None = None
        self._is_whole = False

    def id_of(self, path: str) -> str:
        """The id of a file or folder, "" when git knows none of that path."""
        if self._ids is None:
            self._ids = self._told()
        if path == os.curdir or not (self._is_whole or path in self._ids):
            finished = ask(self._repository, "rev-parse", "--verify", "--quiet", f"{self._revision}:{path}")
            self._ids[path] = finished.stdout.strip() if finished.ok else ""
        return self._ids.get(path, "")

    def _told(self) -> dict[str, str]:
        """Every path with its id; none of a tree that is too large to be told, which is then asked path by path."""
        try:
            finished = ask(self._repository, "ls-tree", "-r", "-t", "-z", "--full-tree", self._revision)
        except NodeError as error:
            if error.code != "output_too_large":
                raise
            return {}
        self._is_whole = finished.ok
        entries = (entry.partition("\t") for entry in finished.stdout.split("\0") if finished.ok and entry)
        return {path: facts.split(" ")[2] for facts, _, path in entries}


def standing(checkout: str) -> Standing:
    """How the checkout stands. Files that git does not know are in nobody's way."""
    how = ("--porcelain=v2", "--branch", "--no-ahead-behind", "-z", "--untracked-files=no")
    try:
        return parsed_standing(tell(checkout, "status", *how))
    except NodeError as error:
        return Standing(head(checkout), complaint=error)


def has_unknown_files(order: NodeOrder, service: ServiceOrder) -> bool:
    """Whether the service's folder in the checkout has files that git does not know, ignored ones too."""
    return bool(ask(order.checkout, "ls-files", "--others", "--directory", "--", service.folder).stdout.strip())


def kept_commit(checkout: str, present: str, revision: str, origin_branch: str) -> str:
    """Keep a commit that no branch of origin will lead to any more, under a ref of its own; the ref, "" if needless.

    present: the commit that is checked out, or "".
    """
    if not present or present == revision or ask(checkout, "merge-base", "--is-ancestor", present, revision).ok:
        return ""
    if ask(checkout, "merge-base", "--is-ancestor", present, f"refs/remotes/origin/{origin_branch}").ok:
        return ""
    ref = f"refs/saturn/kept/{present[:12]}"
    tell(checkout, "update-ref", ref, present)
    return ref


def is_folder_unchanged(checkout: str, before: str, after: str, folder: str) -> bool:
    """Whether a folder is the same in two commits; not when one of them is not there."""
    return ask(checkout, "diff", "--quiet", before, after, "--", folder).ok
