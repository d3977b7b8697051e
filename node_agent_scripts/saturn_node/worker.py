"""One run, from the lock to the goodbye. It belongs to the node: no line and no terminal keeps it alive or ends it.

The one place where a failure of any kind becomes an event.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback

from . import diagnostics, lock, orphans, proc, stages, state, wire
from .errors import Blocked, Cancelled, NodeError
from .log import RunLog, Sink, now_at
from .redaction import node_redactor
from .state import Paths
from .task import Task
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
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    log_path = os.path.join(paths.deploy_logs, f"deploy_{stamp}.log")
    log = RunLog(events, log_path)
    sink = Sink(run, request.node.host, node_redactor(paths.config), log.write)
    sink.send(
        Hello,
        executor=executor,
        python=sys.version.split()[0],
        pid=os.getpid(),
        boot=lock.boot_id(),
        launch=launch,
        resumed=request.resume,
        log=log_path,
    )
    return _locked(request, paths, sink, log, executor)


def _locked(request: Request, paths: Paths, sink: Sink, log: RunLog, executor: str) -> int:
    began = time.monotonic()
    held = lock.take(paths.lock)
    if held is None:
        _refuse(request, paths, sink)
        return 0
    holder = LockFact(request.run, request.by, request.controller, now_at(), os.getpid())
    outcome = "failed"
    try:
        lock.describe(paths, holder)
        state.write_text(os.path.join(paths.state, "current_run"), request.run)
        for name in orphans.end(paths.root):
            sink.send(Progress, stage="", text=f"ended {name}, left over from a worker that was killed")
        outcome = _walked(Task(request, paths, sink, holder), log, executor)
        _remember(request, paths, outcome)
    finally:
        sink.send(Goodbye, outcome=outcome, duration_s=round(time.monotonic() - began, 3))
        os.close(held)
    return 0


def _refuse(request: Request, paths: Paths, sink: Sink) -> None:
    holder = lock.holder(paths) or LockFact("")
    told = "run {} of {} from {} has been at work since {}, now in {}"
    doing = " ".join(part for part in (holder.stage, holder.service) if part)
    who = (holder.run, holder.by, holder.controller, holder.since, doing)
    message = told.format(*(each or "?" for each in who))
    hint = f"saturn attach --hosts {request.node.host}"
    sink.send(Refused, code="locked", message=message, hint=hint, lock=holder)
    _remember(request, paths, "refused")
    sink.send(Goodbye, outcome="refused")


def _walked(task: Task, log: RunLog, executor: str) -> str:
    """The outcome of the walk. No failure gets past here without an event."""
    try:
        stages.walk(task)
    except Cancelled as error:
        task.say(error.message)
        return "cancelled"
    except NodeError as error:
        _fail(task, error, executor)
        return "blocked" if isinstance(error, Blocked) else "failed"
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug is told, never a silent death
        log.note(traceback.format_exc(), task.sink.redactor)
        _fail(task, _internal(error, task), executor)
        return "failed"
    return "success"


def _internal(error: Exception, task: Task) -> NodeError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NodeError("disk_full", f"the disk below {task.paths.root} is full", f"df -h {task.paths.root}")
    tail = traceback.format_exc().splitlines()[-INTERNAL_TAIL:]
    message = f"saturn failed by a fault of its own: {error!r}"
    return NodeError("internal_error", message, f"saturn deploy --hosts {task.order.host} --resume", tail=tail)


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
    state.write_json(paths.run(request.run, "result.json"), record)
