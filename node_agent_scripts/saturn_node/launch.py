"""Start a worker that belongs to the node: no descriptor, terminal, session or service unit of the caller keeps it.

Three ways, tried in this order: `systemd` (a transient unit of the system, for root), `systemd-user` (one of the user's
own manager, which outlives the login only where lingering is on), `forked` (a double fork and a session of its own).
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Mapping, NamedTuple, NoReturn, Sequence

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


def start(argv: Sequence[str], log_path: str, unit: str) -> str:
    """Start the command detached, with `--launch WAY` added to it and its output appended to `log_path`.

    unit: the name of its unit. Returns the way. When systemd does not answer in time the command may be started twice;
    the worker takes its run's lock first, so that the second one finds it taken and ends.
    """
    node = Node.here()
    way = way_of(node, argv)
    if way != FORKED and _is_accepted(unit_command(node, way, (*argv, "--launch", way), unit), node):
        return way
    _fork((*argv, "--launch", FORKED), log_path)
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


def _fork(argv: tuple[str, ...], log_path: str) -> None:
    child = os.fork()
    if child == 0:
        _detach(argv, log_path)
    os.waitpid(child, 0)


def _detach(argv: tuple[str, ...], log_path: str) -> NoReturn:
    """In the child: fork once more, so that the worker leads no session and can never get a terminal."""
    try:
        os.setsid()
        if os.fork() == 0:
            _become(argv, log_path)
    finally:
        os._exit(0)


def _become(argv: tuple[str, ...], log_path: str) -> NoReturn:
    try:
        os.umask(0o022)
        os.chdir("/")
        redirect(log_path)
        _close_others()  # sshd waits for the last holder of a session's descriptors
        os.execv(argv[0], argv)  # noqa: S606 - a tuple of words, no shell
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode())
    os._exit(127)


def _close_others() -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor is in the list, and gone by now
