"""What the executor and the controller say to each other: requests on stdin, events on stdout, until stdin ends.

Everything that changes the node beyond the executor's own folders is a worker's work.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import IO, TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Tuple

from . import bytecode, facts, launch, lock, state, wire
from .errors import NodeError
from .follower import Follower, is_begun
from .late import Late, base64, shutil
from .lines import LineReader
from .log import Sink, answer_to, write_all
from .records import replace
from .redaction import Redactor, node_redactor
from .state import Paths
from .survey import Survey
from .wire import (
    BackupPart,
    Backups,
    BackupVerified,
    Cancelling,
    DiagnosticsCollected,
    DiagnosticsPart,
    Examined,
    Facts,
    Failing,
    Goodbye,
    Heartbeat,
    Hello,
    LockFact,
    NodeOrder,
    Plan,
    Refused,
    Request,
)

if TYPE_CHECKING:
    from . import acknowledgement, backup, diagnostics, examination, health, incoming, plan, supply, worker
else:
    acknowledgement = Late("saturn_node.acknowledgement")
    backup = Late("saturn_node.backup")
    diagnostics = Late("saturn_node.diagnostics")
    examination = Late("saturn_node.examination")
    health = Late("saturn_node.health")
    incoming = Late("saturn_node.incoming")
    plan = Late("saturn_node.plan")
    supply = Late("saturn_node.supply")
    worker = Late("saturn_node.worker")


REQUEST_MAX = 1024 * 1024
PART = 16 * 1024
PACKET = 8 * 1024
BACKUP_PIECE = 36 * 1024
"""Bytes of a backup in one event: in base64 it stays below what a reader takes for one line."""
BACKUPS_TOLD = 25
"""Backups in one event, each with four archives at most: far below what a reader takes for one line."""
SIGN_EVERY_S = 5.0
DIAGNOSTICS_MAX = 2 * 1024 * 1024
PAYLOADS_KEPT = 3


class Executor(NamedTuple):
    """The program at work: its zipped bytes and their sha256. supplies: bundles that came, by digest, in open files."""

    payload: bytes
    digest: str
    supplies: dict[str, IO[bytes]]

    @property
    def short(self) -> str:
        """Enough of the digest for a file name."""
        return self.digest[:16]


UPGRADE = "upgrade saturn on the controller, then try again"
END = b"[SATURN] end\n"
"""Ends every answer. An answer that ends without a goodbye is a run whose worker died; no end at all, a broken line."""


def converse(payload: bytes, digest: str, early: bytes = b"") -> int:
    """Answer requests until stdin ends. Returns 0; a line that broke is an end like any other.

    early: what the bootstrap read of stdin while it waited for the payload.
    """
    executor = Executor(payload, digest, {})
    reader = LineReader(0, REQUEST_MAX, early)
    try:
        while True:
            line = reader.next_line()
            if line is None:
                return 0
            if line.strip():
                _answer(line, reader, executor)
                write_all(1, END)
    except BrokenPipeError:
        return 0
    finally:
        for file in executor.supplies.values():
            file.close()


def _answer(line: str, reader: LineReader, executor: Executor) -> None:
    request = _NO_REQUEST
    try:
        request = _understood(line)
        _VERBS[request.verb](request, reader, executor)
    except NodeError as error:
        _refuse(request, executor, error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary of an answer: a node in a bad way still says so
        message = f"saturn failed on the node by a fault of its own: {error!r}"
        _refuse(request, executor, NodeError("internal_error", message, "saturn doctor --hosts " + request.node.host))


def _refuse(request: Request, executor: Executor, error: NodeError) -> None:
    sink = _greet(request, executor)
    sink.failed(Refused, error)
    sink.send(Goodbye, outcome="refused")


def _understood(line: str) -> Request:
    try:
        request = wire.decode_request(line)
    except ValueError as error:
        raise NodeError("bad_request", str(error), UPGRADE) from error
    if request.protocol > wire.PROTOCOL:
        message = f"the request speaks protocol {request.protocol}, this executor {wire.PROTOCOL}"
        raise NodeError("protocol_mismatch", message, UPGRADE)
    if request.verb not in _VERBS:
        raise NodeError("bad_request", f"unknown verb {request.verb!r}", UPGRADE)
    if os.path.basename(request.run) != request.run or request.run.startswith("."):
        raise NodeError("bad_request", f"{request.run!r} is not a run id", "saturn status")
    for name in (request.service, *(each.name for each in request.node.services)):
        if os.path.basename(name) != name or name.startswith("."):
            raise NodeError("bad_request", f"{name!r} is not a service", "saturn status")
    if request.snapshot and not backup.is_plain(request.snapshot):
        raise NodeError("bad_request", f"{request.snapshot!r} is not a backup", "saturn backup list")
    return request


def _greet(request: Request, executor: Executor, redactor: Redactor | None = None) -> Sink:
    """A sink for an answer without a worker, its hello sent. redactor: this node's unless told."""
    redactor = redactor or node_redactor(Paths(request.node.root).config)
    sink = Sink(request.run, request.node.host, redactor, answer_to(1))
    python = sys.version.split()[0]
    sink.send(Hello, executor=executor.short, python=python, pid=os.getpid(), boot=lock.boot_id(), launch="answer")
    return sink


def _hello(request: Request, _reader: LineReader, executor: Executor) -> None:
    """Nothing is read for it: whoever measures the way and the clock wants no more than these."""
    _greet(request, executor, Redactor()).send(Goodbye, outcome="success")


def _examine(request: Request, _reader: LineReader, executor: Executor) -> None:
    sink = _greet(request, executor)
    for checks in examination.examined(request.node):
        sink.send(Examined, checks=checks)
    sink.send(Goodbye, outcome="success")


def _facts(request: Request, _reader: LineReader, executor: Executor) -> None:
    sink = _greet(request, executor)
    sink.send(Facts, **facts.observed(Survey(request.node), executor.short, request.revision))
    sink.send(Goodbye, outcome="success")


def _plan(request: Request, reader: LineReader, executor: Executor) -> None:
    """Facts, and what a run would do; and the run itself, when a person said yes to it beforehand."""
    bundle, survey = _supplied(request, reader, executor), Survey(request.node)
    known: dict[str, Any] = {}
    foreseen: dict[str, Any] = {}
    if request.facts_known:
        foreseen = plan.made(request, bundle, survey)
    else:
        known = facts.observed(survey, executor.short, request.revision)
        if not known["problems"]:
            foreseen = {**_guessed(request, bundle, survey), "failing": _failing(survey, known["lock"])}
    begins = bool(request.begins and foreseen.get("is_foreseen") and known and not known["lock"])
    sink = _greet(request, executor)  # not earlier: what fails above is an answer of its own
    if known:
        sink.send(Facts, **known)
    if foreseen:
        sink.send(Plan, **foreseen, begins=begins)
    if begins:
        _begin(_ordered(request, foreseen), reader, executor, bundle)
    else:
        sink.send(Goodbye, outcome="success")


def _guessed(request: Request, bundle: str, survey: Survey) -> dict[str, Any]:
    """The plan, from a bundle that may build on what this node has not: then it is as if none had come."""
    try:
        return plan.made(request, bundle, survey)
    except NodeError as error:
        if not bundle or error.code != "bundle_damaged":
            raise
        return plan.made(request, "", survey)


def _ordered(request: Request, foreseen: Mapping[str, Any]) -> Request:
    """The order to run what was just planned. Its plan is none that a person saw, so it is not compared once more."""
    failing = () if request.resume else tuple(each.service for each in foreseen["failing"])
    return replace(request, verb="run", begins=False, plan="", failing=failing)


def _failing(survey: Survey, holder: LockFact | None) -> Tuple[Failing, ...]:
    """What is not well before the run; while another one is at work that says nothing, and is not looked at."""
    return () if holder else health.failing(survey)


def _run(request: Request, reader: LineReader, executor: Executor) -> None:
    paths = Paths(request.node.root)
    if not request.run:
        raise NodeError("bad_request", "a run needs an id", "saturn deploy")
    bundle = _supplied(request, reader, executor)
    secrets = incoming.received(request, reader)
    if not is_begun(paths, request.run):
        _check_plan(request)
    _begin(request, reader, executor, bundle, secrets)


def _begin(
    request: Request, reader: LineReader, executor: Executor, bundle: str, secrets: incoming.Secrets | None = None
) -> None:
    """Start the run, unless that was done, and tell of it to its end."""
    paths = Paths(request.node.root)
    if not is_begun(paths, request.run):
        _writing(paths, lambda: _start(request, paths, executor, bundle, secrets or {}))
    _tail(request, reader, paths)


def _check_plan(request: Request) -> None:
    """Refuse a stale plan before anything is written, so that the person can be asked again within this very run.

    The worker looks once more, under the lock. What keeps it from looking is told by the run itself, at its stage.
    """
    try:
        stale = plan.stale(request)
    except NodeError:
        return
    if stale:
        raise stale


def _supplied(request: Request, reader: LineReader, executor: Executor) -> str:
    """The file with the bundle that came with or in this request, or before in this conversation; "" for none.

    A node that is slow to receive says that it lives. Nothing lies below the root before a person said yes.
    """
    if not request.bundle:
        return ""
    if request.thin:
        executor.supplies[request.bundle] = supply.unpacked(request)
    elif request.bundle_size:
        sink = _silent(request)
        executor.supplies[request.bundle] = supply.received(request, reader, lambda: sink.send(Heartbeat))
    found = executor.supplies.get(request.bundle)
    if not found:
        raise NodeError("bundle_missing", "the bundle of this run did not come with it", "saturn deploy, again")
    return f"/proc/{os.getpid()}/fd/{found.fileno()}"


def _silent(request: Request) -> Sink:
    """A sink for signs of life before the hello."""
    return Sink(request.run, request.node.host, Redactor(), answer_to(1))


def _follow(request: Request, reader: LineReader, _executor: Executor) -> None:
    paths = Paths(request.node.root)
    if not (request.run and is_begun(paths, request.run)):
        message = f"this node knows no run {request.run}"
        raise NodeError("unknown_run", message, f"saturn deploy --hosts {request.node.host}")
    _tail(request, reader, paths)


def _tail(request: Request, reader: LineReader, paths: Paths) -> None:
    packet = _Packet(1)

    def wait(seconds: float) -> bool:
        packet.send()
        return _listen(reader, paths, seconds)

    Follower(paths, request, packet.add).follow(wait)
    packet.send()


class _Packet:
    """Lines that are ready together leave together: each write is a packet on the line, and work for who reads it.

    Nothing waits in it: it is sent before the follower does, and when it is full.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._data = bytearray()

    def add(self, line: bytes) -> None:
        self._data += wire.PREFIX.encode() + line + b"\n"
        if len(self._data) >= PACKET:
            self.send()

    def send(self) -> None:
        data, self._data = self._data, bytearray()
        write_all(self._descriptor, bytes(data))


def _start(request: Request, paths: Paths, executor: Executor, bundle: str, secrets: incoming.Secrets) -> None:
    for folder in paths.folders():
        os.makedirs(folder, exist_ok=True)
    program = install(paths, executor)
    os.makedirs(paths.run(request.run), exist_ok=True)
    if bundle:
        shutil.copyfile(bundle, paths.run(request.run, "bundle"))
    incoming.keep(paths, request.run, secrets)
    state.write_atomically(
        paths.run(request.run, "request.json"), wire.encode(replace(request, thin="")).encode(), 0o600
    )
    start_worker(paths, program, executor.short, request.run)


def start_worker(paths: Paths, program: str, executor: str, run: str) -> None:
    """Start a detached worker for a run whose request lies in its folder. executor: the beginning of its digest."""
    archive = bytecode.quickest(program)
    argv = (sys.executable or "/usr/bin/python3", "-I", "-S", "-c", _WORK, archive, program, "worker", run)

    def work(way: str) -> int:
        package = sys.modules[__package__]
        package.__path__.insert(0, os.path.join(archive, __package__))  # what it came from may have been in memory
        return worker.work(paths.root, run, executor, way)

    job = launch.Job(argv, work, ("saturn-node", "worker", run))
    launch.start(job, paths.run(run, "worker.log"), f"saturn-{run}")


_WORK = (
    "import gc, sys; gc.disable(); del sys.argv[0]; sys.path.insert(0, sys.argv[0]); del sys.argv[0]; "
    "from saturn_node.__main__ import main; gc.freeze(); gc.enable(); sys.exit(main())"
)
"""Starts the program that stands second from the archive that stands first: Python takes twice as long to run a zip."""


def _writing(paths: Paths, effect: Callable[[], None]) -> None:
    try:
        effect()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            message = f"the disk below {paths.root} is full"
            raise NodeError("disk_full", message, f"df -h {paths.root}") from error
        raise facts.root_unwritable(paths.root) from error


def install(paths: Paths, executor: Executor) -> str:
    """Put the executor into <root>/bin, where the worker and a person on the node find it; its path."""
    name = f"saturn-node-{executor.short}.pyz"
    program = os.path.join(paths.bin, name)
    data = b"#!/usr/bin/env python3\n" + executor.payload
    if _content(program) != data:
        state.write_atomically(program, data, 0o755)
    quick = os.path.join(paths.bin, bytecode.compiled_name(executor.short))
    if not os.path.exists(quick):
        state.write_atomically(quick, bytecode.compiled(executor.payload), 0o644)
    link = os.path.join(paths.bin, "saturn-node")
    if not os.path.islink(link) or os.readlink(link) != name:
        temporary = f"{link}.{os.getpid()}.tmp"
        os.symlink(name, temporary)
        os.replace(temporary, link)
    _prune_payloads(paths, name)
    return program


def _prune_payloads(paths: Paths, current: str) -> None:
    names = [name for name in os.listdir(paths.bin) if name.startswith("saturn-node-") and name.endswith(".pyz")]
    others = sorted(
        (name for name in names if name != current),
        key=lambda name: os.stat(os.path.join(paths.bin, name)).st_mtime_ns,
        reverse=True,
    )
    old = tuple(name[: -len("pyz")] for name in others[PAYLOADS_KEPT - 1 :])
    for each in os.listdir(paths.bin):
        if each.startswith(old):
            os.unlink(os.path.join(paths.bin, each))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _listen(reader: LineReader, paths: Paths, seconds: float) -> bool:
    """Wait a moment for the controller, who may cancel or acknowledge; False once it has hung up."""
    line = reader.next_line(seconds)
    if line is not None:
        try:
            asked = _understood(line)
        except NodeError:
            return True  # in the middle of a run's events there is no place for an answer
        if asked.verb == "cancel":
            cancel(paths, asked.run)
        elif asked.verb == "ack":
            acknowledgement.hand_over(paths, asked)
    return not reader.ended


def cancel(paths: Paths, run: str, *, now: bool = False) -> str:
    """Ask a run (or, unnamed, the one that holds the lock) to stop; its id, "" when there is none to stop.

    Asked softly it stops after the service in hand; now: the command in hand ends, too, with its whole process group.
    """
    holder = lock.holder(paths) or LockFact("")
    run = run or holder.run
    if not run or not os.path.isdir(paths.run(run)) or os.path.exists(paths.run(run, "result.json")):
        return ""
    _writing(paths, lambda: state.write_text(_wish(paths, run), ""))
    if now and holder.run == run and holder.pid:
        _interrupt(holder.pid)
    return run


def _wish(paths: Paths, run: str) -> str:
    return paths.run(run, "cancel")


def _interrupt(pid: int) -> None:
    """TERM to the worker; its handler ends what it runs. The pid is its own: it held the lock a moment ago."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        message = f"the worker (pid {pid}) belongs to another user of this node"
        raise NodeError("not_permitted", message, f"as that user: saturn-node status; kill {pid}") from error


def _cancel(request: Request, _reader: LineReader, executor: Executor) -> None:
    """A person's own request: the second one for the same run means now."""
    paths = Paths(request.node.root)
    holder = lock.holder(paths) or LockFact("")
    run = request.run or holder.run
    now = request.now or bool(run and os.path.exists(_wish(paths, run)))
    if not cancel(paths, run, now=now):
        which = f"run {run}" if run else "no run"
        raise NodeError("not_running", f"{which} is at work on this node", f"saturn status --hosts {request.node.host}")
    sink = _greet(request, executor)
    sink.send(Cancelling, target=run, now=now, stage=holder.stage, service=holder.service)
    sink.send(Goodbye, outcome="success")


def _ack(request: Request, _reader: LineReader, executor: Executor) -> None:
    """An acknowledgement that comes while nobody follows the run on this line."""
    if not acknowledgement.hand_over(Paths(request.node.root), request):
        message = f"run {request.run} is not at work on this node"
        raise NodeError("not_running", message, f"saturn status --hosts {request.node.host}")
    _greet(request, executor).send(Goodbye, outcome="success")


def _diagnose(request: Request, _reader: LineReader, executor: Executor) -> None:
    paths = Paths(request.node.root)
    redactor = node_redactor(paths.config)
    collected: list[str] = []
    _writing(paths, lambda: collected.append(diagnostics.collect(request, paths, redactor, executor.short)))
    sink = _greet(request, executor)  # not earlier: what fails above is an answer of its own
    text = _content(collected[0]).decode("utf-8", "replace")
    sink.send(DiagnosticsCollected, path=collected[0], size=len(text.encode()))
    for part in parts(text):
        sink.send(DiagnosticsPart, text=part)
    sink.send(Goodbye, outcome="success")


def _backups(request: Request, _reader: LineReader, executor: Executor) -> None:
    paths = Paths(request.node.root)
    found = tuple(fact for each in request.node.services for fact in backup.known(paths, each.name))
    sink = _greet(request, executor)
    for start in range(0, max(len(found), 1), BACKUPS_TOLD):
        sink.send(Backups, snapshots=found[start : start + BACKUPS_TOLD])
    sink.send(Goodbye, outcome="success")


def _verify(request: Request, _reader: LineReader, executor: Executor) -> None:
    """Read the backups to their end, with signs of life: a Pi reads a gigabyte in half a minute."""
    paths, sink = Paths(request.node.root), _greet(request, executor)
    alive = _Alive(lambda: sink.send(Heartbeat))
    for service in request.node.services:
        for fact in backup.known(paths, service.name):
            if request.snapshot in ("", fact.name):
                wrong = backup.complaint(paths, fact, alive)
                sink.send(BackupVerified, service=fact.service, snapshot=fact.name, is_sound=not wrong, message=wrong)
    sink.send(Goodbye, outcome="success")


class _Alive:
    """Says now and then that the node lives."""

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say
        self._at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._at > SIGN_EVERY_S:
            self._at = time.monotonic()
            self._say()


def _fetch(request: Request, _reader: LineReader, executor: Executor) -> None:
    """Send one file of a backup, from an offset on. What belongs to this node alone is never sent."""
    paths = Paths(request.node.root)
    (service,) = request.node.services[:1] or (None,)
    name = service.name if service else ""
    fact = backup.found(paths, name, request.snapshot, request.node.host)
    allowed = [backup.MANIFEST, *(each.name for each in fact.archives if not each.is_local)]
    if request.file not in allowed:
        message = f"backup {fact.name} of {name} has no file {request.file!r} that could be sent"
        raise NodeError("backup_missing", message, f"saturn backup list --hosts {request.node.host}")
    sink = _greet(request, executor)
    with open(os.path.join(backup.folder_of(paths, fact), request.file), "rb") as file:
        file.seek(max(request.offset, 0))
        offset, piece = file.tell(), file.read(BACKUP_PIECE)
        while piece:
            words = base64.b64encode(piece).decode()
            sink.send(BackupPart, service=name, snapshot=fact.name, file=request.file, offset=offset, data=words)
            offset, piece = offset + len(piece), file.read(BACKUP_PIECE)
    sink.send(Goodbye, outcome="success")


def parts(text: str) -> list[str]:
    """The text in pieces for the wire; the middle of a giant one is left out, and that is said."""
    if len(text) > DIAGNOSTICS_MAX:
        half = DIAGNOSTICS_MAX // 2
        said = "\n=== {} characters are left out here; the file on the node holds them\n"
        text = text[:half] + said.format(len(text) - 2 * half) + text[-half:]
    return [text[start : start + PART] for start in range(0, len(text), PART)]


_NO_REQUEST = Request("", "", NodeOrder("", "", "", "", ""))
_VERBS: Any = {
    "greet": _hello,
    "examine": _examine,
    "facts": _facts,
    "plan": _plan,
    "run": _run,
    "follow": _follow,
    "diagnose": _diagnose,
    "cancel": _cancel,
    "ack": _ack,
    "backups": _backups,
    "verify": _verify,
    "fetch": _fetch,
}
