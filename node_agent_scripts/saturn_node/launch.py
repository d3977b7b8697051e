"""Start a worker that belongs to the node: no descriptor, terminal, session or service unit of the caller keeps it.

Three ways, tried in this order: `systemd` (a transient unit of the system, for root), `systemd-user` (one of the user's
own manager, which outlives the login only where lingering is on), `forked` (a double fork and a session of its own).
systemd starts a program anew; a fork is this very program, loaded already: to start Python is half of a worker's work.
"""

from __future__ import annotations

import gc
import os
import pwd
import subprocess
import sys
from typing import Callable, Mapping, NamedTuple, NoReturn, Sequence

SYSTEMD = "systemd"
SYSTEMD_USER = "systemd-user"
FORKED = "forked"

PATIENCE_S = 10.0
"""systemd answers within moments; one that hangs must not keep a deploy from its node."""

RUNNING = "/run/systemd/system"
"""Is there where systemd runs the machine: sd_booted(3)."""
_LINGER = "/var/lib/systemd/linger"

_HANDED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "GIT_SSH_COMMAND",
    "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
"""systemd starts a unit with an environment of its own; of ours only what finds programs, docker and git goes along."""


class Node(NamedTuple):
    """What decides the way: the uid and login name, the environment, and where systemd leaves its marks."""

    uid: int
    name: str
    environ: Mapping[str, str]
    running: str = RUNNING
    linger: str = _LINGER

    @classmethod
    def here(cls) -> Node:
        """The process that asks."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = ""
        return cls(uid, name, os.environ)

    @property
    def runtime(self) -> str:
        """The folder of the user's own manager."""
        return self.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{self.uid}"


class Job(NamedTuple):
    """What is to be done detached, said twice: as a command for systemd, and as what this program calls in a fork.

    argv: the command; `--launch WAY` is added to it. work: called with the way; the exit status. words: what a fork is
    called in the list of processes.
    """

    argv: Sequence[str]
    work: Callable[[str], int]
    words: Sequence[str]


def start(job: Job, log_path: str, unit: str) -> str:
    """Start the job detached, its output appended to `log_path`.

    unit: the name of its unit. Returns the way. When systemd does not answer in time the job may be started twice;
    the worker takes its run's lock first, so that the second one finds it taken and ends.
    """
    node = Node.here()
    way = way_of(node, job.argv)
    if way != FORKED and _is_accepted(unit_command(node, way, (*job.argv, "--launch", way), unit), node):
        return way
    _fork(job, log_path)
    return FORKED


def way_of(node: Node, argv: Sequence[str]) -> str:
    """Which way suits the node. systemd expands `$` and `%` in a command, so one that has either is forked."""
    if not os.path.isdir(node.running) or any(char in word for word in argv for char in "$%"):
        return FORKED
    if node.uid == 0:
        return SYSTEMD
    lingers = bool(node.name) and os.path.exists(os.path.join(node.linger, node.name))
    return SYSTEMD_USER if lingers and os.path.isdir(node.runtime) else FORKED


def unit_command(node: Node, way: str, argv: Sequence[str], unit: str) -> tuple[str, ...]:
    """The systemd-run command. The unit is forgotten with its end, and only the worker itself is killed with it.

    See systemd-run(1) and systemd.kill(5). KillMode=process: who stops the unit ends the worker, and what the worker
    runs is for the next run to end in order (orphans.py); systemd would kill `docker compose up` in the middle.
    """
    own = () if way == SYSTEMD else ("--user",)
    given = {**node.environ, "XDG_RUNTIME_DIR": node.runtime} if own else node.environ
    environment = tuple(f"--setenv={name}={given[name]}" for name in _HANDED_ON if given.get(name))
    options = ("--collect", "--quiet", f"--unit={unit}", "--property=KillMode=process", *environment)
    return ("systemd-run", *own, *options, "--", *argv)


def _is_accepted(command: Sequence[str], node: Node) -> bool:
    """Whether systemd took the command. Its manager is asked with the environment that finds it."""
    environ = {**node.environ, "XDG_RUNTIME_DIR": node.runtime}
    try:
        done = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def redirect(log_path: str) -> None:
    """Standard input from nowhere, output and errors to the end of the log. The worker's own first act."""
    empty = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, standard in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    for descriptor in (empty, log):
        if descriptor > 2:
            os.close(descriptor)


def _fork(job: Job, log_path: str) -> None:
    child = os.fork()
    if child == 0:
        _detach(job, log_path)
    os.waitpid(child, 0)


def _detach(job: Job, log_path: str) -> NoReturn:
    """In the child: fork once more, so that the worker leads no session and can never get a terminal."""
    try:
        os.setsid()
        if os.fork() == 0:
            _become(job, log_path)
    finally:
        os._exit(0)


def _become(job: Job, log_path: str) -> NoReturn:
    """In the child's child: do the work, and nothing of what the program that it comes from has still to do."""
    status = 1
    try:
        os.umask(0o022)
        os.chdir("/")
        redirect(log_path)
        _close_others()  # sshd waits for the last holder of a session's descriptors
        gc.freeze()  # nothing that was left behind is closed late: its descriptors may be somebody else's by then
        entitle(job.words)
        status = job.work(FORKED)
    except BaseException:  # noqa: BLE001 - whatever it is, it must not become an answer of the conversation
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(status)


def entitle(words: Sequence[str]) -> None:
    """Let ps, top and pkill know this process by these words: a fork has those of the program it comes from.

    They are written where the kernel reads a process's arguments from, as far as there is room: see proc(5), `cmdline`
    and `arg_start`. Where that is forbidden it keeps its old ones; saturn itself finds a worker by its lock.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            numbers = file.read().rpartition(b")")[2].split()
        begin, end = (int(number) for number in numbers[45:47])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write("\0".join(words).encode()[: end - begin - 1].ljust(end - begin, b"\0"))
        with open("/proc/self/comm", "w", encoding="utf-8") as file:
            file.write(words[0])
    except (OSError, ValueError):
        return


def _close_others() -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and not _is_program(name):
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor is in the list, and gone by now


def _is_program(descriptor: str) -> bool:
    """Whether this program's modules come from there: a traceback reads them, and would read what else has its number.

    A node that has not this version yet runs it from memory; the bootstrap gives it this name.
    """
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:saturn-node")
    except OSError:
        return False
