"""The one subprocess runner: own process group, bounded memory, time and silence limits, a clean environment.

What a command means and how its failure reads belongs to the callers; only a missing program is translated here.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence, TypeVar

from .errors import Cancelled, NodeError
from .lines import LineSplitter
from .orphans import MARK

T = TypeVar("T")

LINE_MAX = 16 * 1024
TAIL_LINES = 60
CAPTURE_MAX = 16 * 1024 * 1024
GRACE_S = 10.0
_TICK_S = 0.2

_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", MARK,
)  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MISSING = {
    "git": ("no_git", "sudo apt-get install git"),
    "docker": ("no_docker", "install Docker Engine: https://docs.docker.com/engine/install/"),
    "podman": ("no_docker", "sudo apt-get install podman"),
    "docker-compose": ("no_compose", "install the Compose v2 plugin: https://docs.docker.com/compose/install/linux/"),
}


class Finished(NamedTuple):
    """How a command ended.

    status: its exit status, negative for a signal. cut: "" | `timeout` | `idle` when a limit ended it.
    stdout: all of it. tail: the last lines of stdout and stderr in the order they came.
    """

    argv: tuple[str, ...]
    status: int
    stdout: str = ""
    tail: tuple[str, ...] = ()
    cut: str = ""

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with status 0."""
        return self.status == 0 and not self.cut

    @property
    def is_disk_full(self) -> bool:
        """Whether it failed for want of room on a disk."""
        return not self.ok and any("No space left on device" in line for line in self.tail)

    @property
    def last_line(self) -> str:
        """The last line it printed, or how it ended when it printed nothing."""
        return self.tail[-1] if self.tail else self.cut or f"exit status {self.status}"


def disk_full(finished: Finished, place: str = "") -> NodeError:
    """The failure of a command that found no room; place: a path on that disk, where it is known."""
    where = f" at {place}" if place else ""
    return NodeError(
        "disk_full", f"{finished.argv[0]} found no space left{where}", f"df -h {place}".rstrip(), tail=finished.tail
    )


class _Interruption:
    """SIGTERM reaches the whole process, so the flag that it sets is one for the process too."""

    requested = False


def interrupt() -> None:
    """Make the command in hand, and every pause and command after it, end with Cancelled. Safe in a signal handler."""
    _Interruption.requested = True


def check_interrupted() -> None:
    """Raise Cancelled once `interrupt` was called."""
    if _Interruption.requested:
        raise Cancelled("cancelled", "the run was told to stop at once", "saturn deploy --resume")


@contextmanager
def past_interruption() -> Iterator[None]:
    """What must be done although `interrupt` was called. A call within ends that, too."""
    earlier, _Interruption.requested = _Interruption.requested, False
    try:
        yield
    finally:
        _Interruption.requested = _Interruption.requested or earlier


def together(jobs: Sequence[Callable[[], T]], limit: int) -> list[T]:
    """Do the jobs in threads of their own, `limit` at a time; their answers, in the order of the jobs.

    Once one fails no other is begun, and those in hand end. Raises Cancelled when any was, else the failure of the
    first that failed, in the order of the jobs.
    """
    if len(jobs) < 2 or limit < 2:
        return [job() for job in jobs]
    answers: dict[int, T] = {}
    failures: dict[int, Exception] = {}
    waiting = deque(enumerate(jobs))

    def work() -> None:
        while not failures:
            try:
                number, job = waiting.popleft()
            except IndexError:
                return
            try:
                answers[number] = job()
            except Exception as error:  # noqa: BLE001 - raised again below, where somebody waits for it
                failures[number] = error

    threads = [threading.Thread(target=work) for _ in range(min(limit, len(jobs)))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ordered = [failures[number] for number in sorted(failures)]
    for error in (*(each for each in ordered if isinstance(each, Cancelled)), *ordered):
        raise error
    return [answers[number] for number in range(len(jobs))]


def pause(seconds: float) -> None:
    """Sleep, but wake within a moment of `interrupt`."""
    end = time.monotonic() + seconds
    while True:
        check_interrupted()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _TICK_S))


def run(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    idle_s: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Finished:
    """Run a command to its end, stdin empty, and tell how it ended; an exit status is never an exception here.

    env is added to a clean environment. idle_s limits the silence between two pieces of output. on_line gets every line
    of stdout and stderr as it comes. Raises NodeError for a program that is missing or prints without measure, and
    Cancelled when `interrupt` was called; the command's whole process group is gone then.
    """
    check_interrupted()
    command = tuple(argv)
    process = _started(command, cwd, {**clean_environment(os.environ), **(env or {})})
    try:
        return _Watch(command, process, timeout_s, idle_s, on_line).finished()
    finally:
        if process.returncode is None:
            _end_group(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a command may see of our own environment: a person's COMPOSE_FILE or GIT_DIR must not bend a run."""
    kept = {name: inherited[name] for name in _INHERITED if name in inherited}
    return {"PATH": _PATH, **kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _started(argv: tuple[str, ...], cwd: str | None, env: dict[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if cwd and not os.path.isdir(cwd):
            raise NodeError("folder_missing", f"the folder {cwd} is not there") from error
        code, hint = _MISSING.get(os.path.basename(argv[0]), ("no_program", f"install {argv[0]}"))
        raise NodeError(code, f"{argv[0]} cannot be started: {error.strerror}", hint) from error


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """TERM to the group, KILL after the grace. The leader is reaped last, so its group id cannot be anybody else's."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # the leader is a zombie already, and its group is empty
        pass
    process.wait()


class _Watch:
    """Reads both pipes of one command until it ends or breaks a limit."""

    def __init__(
        self,
        argv: tuple[str, ...],
        process: subprocess.Popen[bytes],
        timeout_s: float | None,
        idle_s: float | None,
        on_line: Callable[[str], None] | None,
    ) -> None:
        self._argv = argv
        self._process = process
        self._idle_s = idle_s
        self._on_line = on_line
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._heard_at = time.monotonic()
        self._stdout = process.stdout.fileno() if process.stdout else -1
        pipes = [stream.fileno() for stream in (process.stdout, process.stderr) if stream]
        self._splitters = {pipe: LineSplitter(LINE_MAX) for pipe in pipes}
        self._captured = bytearray()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def finished(self) -> Finished:
        cut = ""
        while not cut and self._splitters:
            check_interrupted()
            quiet = not self._read_some()
            if quiet and self._process.poll() is not None:
                break  # a grandchild kept the pipes open; the command itself is over
            cut = self._broken_limit()
        nap_s = 0.0005  # who has closed its pipes is just about to end
        while not cut and self._process.poll() is None:
            check_interrupted()
            time.sleep(nap_s)
            nap_s = min(2 * nap_s, 0.05)
            cut = self._broken_limit()
        if cut:
            _end_group(self._process)
        for splitter in self._splitters.values():
            self._take(splitter.rest())
        text = self._captured.decode("utf-8", "replace")
        return Finished(self._argv, self._process.returncode or 0, text, tuple(self._tail), cut)

    def _broken_limit(self) -> str:
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            return "timeout"
        return "idle" if self._idle_s is not None and now - self._heard_at > self._idle_s else ""

    def _read_some(self) -> bool:
        readable, _, _ = select.select(list(self._splitters), [], [], _TICK_S)
        for pipe in readable:
            data = os.read(pipe, 65536)
            if data:
                self._heard(pipe, data)
            else:
                self._take(self._splitters.pop(pipe).rest())
        return bool(readable)

    def _heard(self, pipe: int, data: bytes) -> None:
        self._heard_at = time.monotonic()
        if pipe == self._stdout:
            self._captured += data
            if len(self._captured) > CAPTURE_MAX:
                what = "{} printed more than {} MiB".format(" ".join(self._argv[:3]), CAPTURE_MAX >> 20)
                raise NodeError("output_too_large", what)
        for line in self._splitters[pipe].feed(data.replace(b"\r", b"\n")):  # progress bars rewrite their line with \r
            self._take(line)

    def _take(self, line: str) -> None:
        if not line.strip():
            return
        self._tail.append(line)
        if self._on_line:
            self._on_line(line)
