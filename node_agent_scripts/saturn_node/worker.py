"""One run, from the lock to the goodbye. It belongs to the node: no line and no terminal keeps it alive or ends it.

The one place where a failure of any kind becomes an event.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import Callable

from . import (
    acknowledgement,
    diagnostics,
    facts,
    incoming,
    lock,
    orphans,
    plan,
    proc,
    restoration,
    rollback,
    stages,
    state,
    wire,
)
from .errors import Blocked, Cancelled, FailedBefore, NodeError
from .late import traceback
from .log import Reserve, RunLog, Sink, now_at
from .records import replace
from .redaction import node_redactor
from .state import Paths
from .task import Task, Trail
from .wire import DiagnosticsCollected, Goodbye, Hello, LockFact, Progress, Refused, Request, StageFailed

INTERNAL_TAIL = 12


def work(root: str, run: str, executor: str, launch: str = "forked") -> int:
    """Walk a run whose request lies in its folder. Returns 0 unless the run could not even be told about."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: proc.interrupt())
    os.environ[orphans.MARK] = root
    paths = Paths(root)
    events = lock.take(paths.run(run, "events.jsonl"))
    if events is None or os.fstat(events).st_size:
        return 0  # another worker has this run, or had it
    request = wire.decode_request(state.read_text(paths.run(run, "request.json")))
    reserve = Reserve(paths.run(run, "reserve"))
    log_path = _new_log(paths)
    log = RunLog(events, log_path, reserve)
    sink = Sink(run, request.node.host, node_redactor(paths.config), log.write, log.check)
    python = sys.version.split()[0]
    hello = {"executor": executor, "python": python, "pid": os.getpid(), "boot": lock.boot_id(), "launch": launch}
    began, outcome, held = time.monotonic(), "failed", None
    try:
        sink.send(Hello, **hello, resumed=request.resume, log=log_path)
        held = lock.take(paths.lock)
        outcome = _worked(request, paths, sink, log, executor) if held is not None else _refused(request, paths, sink)
    except Exception as error:  # noqa: BLE001 - before the walk began, or after it: no run ends without a reason
        log.end()
        log.note(_trace(), sink.redactor)
        sink.failed(StageFailed, _internal(error, request, paths), stage=sink.stage or "prepare")
    finally:
        log.end()
        incoming.forget(paths, run)
        _remember(request, paths, outcome)
        sink.send(Goodbye, outcome=outcome, duration_s=round(time.monotonic() - began, 3))
        if held is not None:
            os.close(held)
    return 0


def _new_log(paths: Paths) -> str:
    """A name that no run had: the clock may have been set back."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"deploy_{stamp}{suffix}.log" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    candidates = (os.path.join(paths.deploy_logs, name) for name in names)
    return next(path for path in candidates if not os.path.exists(path))


def _worked(request: Request, paths: Paths, sink: Sink, log: RunLog, executor: str) -> str:
    """The outcome of a run that holds the node's lock."""
    holder = LockFact(request.run, request.by, request.controller, now_at(), os.getpid())
    stale = plan.stale(request)
    if stale:
        sink.failed(Refused, stale)
        return "refused"
    state.sweep(paths)
    lock.describe(paths, holder)
    state.write_text(os.path.join(paths.state, "current_run"), request.run)
    for name in orphans.end(paths.root):
        sink.send(Progress, stage="", text=f"ended {name}, left over from a worker that was killed")
    return _walked(Task(request, paths, sink, holder, Trail()), log, executor)


def _refused(request: Request, paths: Paths, sink: Sink) -> str:
    holder = lock.holder(paths) or LockFact("")
    told = "run {} of {} from {} has been at work since {}, now in {}"
    doing = " ".join(part for part in (holder.stage, holder.service) if part)
    who = (holder.run, holder.by, holder.controller, holder.since, doing)
    message = told.format(*(each or "?" for each in who))
    sink.send(Refused, code="locked", message=message, hint=f"saturn attach --hosts {request.node.host}", lock=holder)
    return "refused"


def _walked(task: Task, log: RunLog, executor: str) -> str:
    """The outcome of the walk. No failure gets past here without an event."""
    try:
        restoration.settle_all(task)
        task = _with_secrets(task)
        _work_of(task.request)(task)
    except Cancelled as error:
        if task.trail.unacknowledged and rollback.is_possible(task):
            return _cut_off(task, log, executor)
        task.say(error.message)
        return "cancelled"
    except NodeError as error:
        if task.trail.unacknowledged:
            log.end()  # a full disk must not keep it from going back
        _fail(task, error, executor)
        return "blocked" if isinstance(error, Blocked) else _after_failure(task, error)
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug is told, never a silent death
        log.end()
        log.note(_trace(), task.sink.redactor)
        known = _internal(error, task.request, task.paths)
        _fail(task, known, executor)
        return _after_failure(task, known) if task.trail.unacknowledged else "failed"
    return "success"


def _with_secrets(task: Task) -> Task:
    """The task once the values that came with the run stand in the `.env` files: from now on nothing is brought."""
    incoming.sweep(task.paths)
    for service in incoming.apply(task.paths, task.request):
        task.say("its .env has the values that SATURN brought", service)
    incoming.forget(task.paths, task.request.run)
    task.sink.redactor = node_redactor(task.paths.config)
    if task.request.prefetch:
        return task
    services = tuple(replace(each, provided=()) for each in task.order.services)
    return task._replace(request=replace(task.request, node=replace(task.order, services=services)))


def _work_of(request: Request) -> Callable[[Task], None]:
    """What is asked for: a run of a kind of its own, or the walk of a deploy."""
    if request.prefetch:
        return stages.prefetch
    if request.snapshot:
        return stages.restore
    return stages.save if request.backup else stages.walk


def _cut_off(task: Task, log: RunLog, executor: str) -> str:
    """The outcome of a run that was told to stop at once, while what carries the connection was not acknowledged."""
    log.end()
    with proc.past_interruption():
        error = acknowledgement.missing(task, task.trail.unacknowledged, "before the run was told to stop at once")
        _fail(task, error, executor)
        return _after_failure(task, error)


def _after_failure(task: Task, error: NodeError) -> str:
    """The outcome of a run that failed: whether it goes back.

    It does when it has touched something and was told to, unless it is not to blame; and told or not, when what carries
    the connection was touched and nobody acknowledged it.
    """
    is_wanted = task.request.rollback or task.trail.unacknowledged
    if not (is_wanted and rollback.is_possible(task)) or isinstance(error, FailedBefore):
        return "failed"
    try:
        rollback.go_back(task)
    except Cancelled as error:
        task.say(error.message)
        return "cancelled"
    except (NodeError, OSError) as error:
        known = error if isinstance(error, NodeError) else _internal(error, task.request, task.paths)
        task.sink.failed(StageFailed, known, service=known.service, tail=known.tail)
        return "failed"
    return "rolled_back"


def _internal(error: Exception, request: Request, paths: Paths) -> NodeError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NodeError("disk_full", f"the disk below {paths.root} is full", f"df -h {paths.root}")
    if isinstance(error, PermissionError) and str(error.filename or "").startswith(paths.root):
        return facts.unwritable(str(error.filename), paths.root)
    tail = _trace().splitlines()[-INTERNAL_TAIL:]
    message = f"saturn failed by a fault of its own: {error!r}"
    return NodeError("internal_error", message, f"saturn deploy --hosts {request.node.host} --resume", tail=tail)


def _trace() -> str:
    """The traceback of the failure in hand. Where none can be made that failure must be told all the same."""
    try:
        return traceback.format_exc()
    except Exception as error:  # noqa: BLE001 - whatever keeps its lines from being read
        return f"there is no traceback: {error!r}"


def _fail(task: Task, error: NodeError, executor: str) -> None:
    task.sink.failed(StageFailed, error, service=error.service, tail=error.tail)
    try:
        path = diagnostics.collect(task.request, task.paths, task.sink.redactor, executor)
        task.sink.send(DiagnosticsCollected, path=path, size=os.path.getsize(path), stage="diagnose")
    except (OSError, Cancelled) as problem:
        task.say(f"diagnostics could not be collected: {problem}")


def _remember(request: Request, paths: Paths, outcome: str) -> None:
    record = {
        "run": request.run,
        "outcome": outcome,
        "revision": request.revision,
        "stage": state.current_stage(paths),
        "at": now_at(),
    }
    try:
        state.write_json(paths.run(request.run, "result.json"), record)
    except OSError:
        return  # the goodbye in the events says the same, and it is what is asked
