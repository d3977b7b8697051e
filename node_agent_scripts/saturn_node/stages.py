"""The walk through the stages, and what a resumed run may pass over. What a stage does stands in its own module."""

from __future__ import annotations

import os
import time
from typing import Callable, Mapping, NamedTuple

from . import (
    backup,
    checkout,
    compose,
    deployment,
    facts,
    git,
    health,
    restoration,
    snapshot,
    state,
    validation,
)
from .errors import Cancelled, NodeError
from .log import now_at
from .records import replace
from .redaction import node_redactor
from .state import Progress
from .survey import Survey
from .task import Task
from .wire import (
    STAGES,
    CheckedOut,
    ServiceFinished,
    ServiceOrder,
    ServiceSkipped,
    ServiceStarted,
    StageFinished,
    StageSkipped,
    StageStarted,
)


class Resumption(NamedTuple):
    """What an earlier run left to build on. stages: complete. progress: the services it completed, at its revision."""

    stages: tuple[str, ...] = ()
    progress: Progress = Progress("", "")


def walk(task: Task) -> None:
    """Walk from prepare to complete. A NodeError leaves the stage in hand in `current_stage`, without its marker."""
    earlier = _resumption(task)
    task.trail.touched.update(earlier.progress.completed)
    task.trail.touched.update(
        each.name for each in task.order.services if state.is_unacknowledged(task.paths, each.name)
    )
    for stage in STAGES:
        task.check_cancelled()
        task.sink.stage = stage
        if stage in earlier.stages and not (stage == "deploy" and _unsettled(task)):
            _skip(task, stage, f"completed by run {earlier.progress.run}")
            continue
        _run_stage(task, stage)
        if stage == "prepare":
            _carry_over(task, earlier)


def _skip(task: Task, stage: str, reason: str) -> None:
    if stage == "deploy":
        for service in task.order.services:
            task.sink.send(ServiceSkipped, service=service.name, reason=reason)
    task.sink.send(StageSkipped, reason=reason)


def _run_stage(task: Task, stage: str) -> None:
    began = time.monotonic()
    task.sink.redactor = node_redactor(task.paths.config)  # a person may have edited .env since the last stage
    task.begin_stage(stage)
    task.sink.send(StageStarted)
    _WORK[stage](task)
    state.write_text(state.marker(task.paths, stage), task.request.run)
    task.sink.send(StageFinished, duration_s=round(time.monotonic() - began, 3))


def _resumption(task: Task) -> Resumption:
    """What may be passed over; a fresh run forgets what earlier ones left."""
    markers = state.completed_stages(task.paths)
    progress = state.read_progress(task.paths)
    task.sink.stage = STAGES[0]
    if task.request.resume and progress and _is_unfinished(task, progress, markers):
        if progress.revision == task.request.revision:
            state.write_progress(task.paths, progress._replace(run=task.request.run))
            return Resumption(markers, progress)
        state.forget_stages(task.paths)  # they belong to another revision; the services are judged after prepare
        return Resumption((), progress)
    if task.request.resume:
        task.say("nothing to resume: this is a fresh run")
    state.forget_progress(task.paths)
    return Resumption()


def _is_unfinished(task: Task, progress: Progress, markers: tuple[str, ...]) -> bool:
    """Whether there is something to resume: the run of this progress came some way and did not end well."""
    return facts.outcome_of(task.paths, progress.run) != "success" and bool(markers or progress.completed)


def _carry_over(task: Task, earlier: Resumption) -> None:
    """Begin this revision's progress with the completed services whose folder is the same in both revisions."""
    revision = task.request.revision
    kept = [each.name for each in task.order.services if _is_carried(task, each, earlier.progress)]
    state.write_progress(task.paths, Progress(task.request.run, revision, tuple(kept)))


def _is_carried(task: Task, service: ServiceOrder, progress: Progress) -> bool:
    if service.name not in progress.completed:
        return False
    if progress.revision == task.request.revision:
        return True
    return git.is_folder_unchanged(task.order.checkout, progress.revision, task.request.revision, service.folder)


def _settled(task: Task) -> tuple[str, ...]:
    """The services that need no `up`: completed, and nothing that lies on this node alone has moved since."""
    progress = state.read_progress(task.paths) or Progress("", "")
    return tuple(name for name in progress.completed if _is_local_same(task, name))


def _is_local_same(task: Task, service: str) -> bool:
    record = state.read_record(task.paths, service)
    return record is not None and record.local == state.local_digest(task.paths, service)


def _unsettled(task: Task) -> bool:
    settled = _settled(task)
    return any(each.name not in settled for each in task.order.services)


def _prepare(task: Task) -> None:
    reached = checkout.bring(task.order, task.request.revision, _supply(task), task.say)
    _forget_bundle(task)
    state.write_stale(task.paths, reached.stale)
    tell_reached(task, reached)


def _supply(task: Task) -> checkout.Supply:
    is_fetched = state.prefetched_revision(task.paths) == task.request.revision
    return checkout.Supply(task.bundle, is_fetched and not task.request.prefetch)


def _forget_bundle(task: Task) -> None:
    """The checkout has its commits now: a small disk shall not keep them once more with every run."""
    if task.bundle:
        os.unlink(task.bundle)


def tell_reached(task: Task, reached: checkout.Reached) -> None:
    """Say which revision the checkout has now, and where it came from."""
    task.sink.send(
        CheckedOut,
        revision_before=reached.before,
        revision_after=reached.after,
        source=reached.source,
        stale=reached.stale,
        message=reached.message,
    )


def _deploy(task: Task) -> None:
    deployment.deploy(task, _settled(task))


def _verify(task: Task) -> None:
    health.verify(task, task.order.services)


def _complete(task: Task) -> None:
    run, revision, at = task.request.run, task.request.revision, now_at()
    state.write_json(os.path.join(task.paths.state, "deployed.json"), {"run": run, "revision": revision, "at": at})
    names = (name for name in state.recorded_services(task.paths) if name in _assigned(task))
    records = {name: state.read_record(task.paths, name) for name in names}
    images = {name: record.containers for name, record in records.items() if record}
    state.remember_deployment(task.paths, state.Deployment(run, revision, at, images))
    state.prune(task.paths, run)


def _assigned(task: Task) -> frozenset[str]:
    return frozenset((*task.order.assigned, *(each.name for each in task.order.services)))


def prefetch(task: Task) -> None:
    """The harmless part of a run alone: the commit, the rules, the images. Nothing that runs or stands is touched."""
    revision = task.request.revision
    _run_apart(task, "prepare", lambda: checkout.fetch(task.order, revision, _supply(task), task.say))
    _forget_bundle(task)
    with snapshot.snapshot(Survey(task.order), revision, "") as files:
        if files is None:
            raise NodeError("revision_missing", f"{revision[:12]} is not in the checkout", "saturn deploy")
        node = replace(task.order, checkout=files.folder)
        ahead = task._replace(request=replace(task.request, node=node))
        _run_apart(task, "validate", lambda: validation.validate(ahead))
        look = deployment.Look(Survey(node), files.tree)
        _run_apart(task, "prefetch", lambda: _pull(ahead, look))
    state.write_prefetched(task.paths, revision)


def _pull(task: Task, look: deployment.Look) -> None:
    """Fetch the images of all services together; each is told of, in the order of the services."""
    began = time.monotonic()
    for service in task.order.services:
        task.sink.send(ServiceStarted, service=service.name)
    deployment.fetch(task, look, task.order.services, builds=False)
    took_s = round(time.monotonic() - began, 3)
    for service in task.order.services:
        task.sink.send(ServiceFinished, service=service.name, status="fetched", duration_s=took_s)


def save(task: Task) -> None:
    """A backup of every service that has one in its service.yaml; those behind one that fails still get theirs."""
    _run_apart(task, "backup", lambda: _saved(task))


def _saved(task: Task) -> None:
    first: NodeError | None = None
    for service in task.order.services:
        task.check_cancelled()
        reason = _nothing_to_save(task, service)
        if reason:
            task.sink.send(ServiceSkipped, service=service.name, reason=reason)
            continue
        began = time.monotonic()
        task.begin(service.name)
        task.sink.send(ServiceStarted, service=service.name)
        try:
            backup.write(task, service, backup.ORDERED)
        except Cancelled:
            raise
        except NodeError as error:
            deployment.report(task, error, service.name)
            first = first or error
            continue
        took_s = round(time.monotonic() - began, 3)
        task.sink.send(ServiceFinished, service=service.name, status="saved", duration_s=took_s)
    if first:
        raise first


def _nothing_to_save(task: Task, service: ServiceOrder) -> str:
    if not service.backup:
        return "it has no backup in its service.yaml"
    return "" if backup.parts(task.paths, service) else "it has no folders on this node yet"


def restore(task: Task) -> None:
    """Bring one backup of one service back, and watch the service afterwards."""
    _run_apart(task, "restore", lambda: _restored(task))


def _restored(task: Task) -> None:
    (service,) = task.order.services
    began = time.monotonic()
    task.begin(service.name)
    task.sink.send(ServiceStarted, service=service.name)
    try:
        kept = restoration.restore(task, service)
    except Cancelled:
        raise
    except NodeError as error:
        deployment.report(task, error, service.name)
        raise
    if compose.containers(task.order, service.name):
        try:
            health.verify(task, (service,))
        except Cancelled:
            raise
        except NodeError as error:
            hint = f"saturn restore {task.order.host} {service.name} --from {kept}   # what stood before"
            raise NodeError(error.code, error.message, hint, service.name, error.tail) from error
    else:
        task.say(f"{service.name} has no containers here: saturn deploy --hosts {task.order.host}", service.name)
    took_s = round(time.monotonic() - began, 3)
    task.sink.send(ServiceFinished, service=service.name, status="changed", duration_s=took_s)


def _run_apart(task: Task, stage: str, work: Callable[[], object]) -> None:
    """A stage that is no part of a deploy: it leaves no marker."""
    began = time.monotonic()
    task.check_cancelled()
    task.sink.stage = stage
    task.sink.send(StageStarted)
    work()
    task.sink.send(StageFinished, duration_s=round(time.monotonic() - began, 3))


_WORK: Mapping[str, Callable[[Task], None]] = {
    "prepare": _prepare,
    "validate": validation.validate,
    "deploy": _deploy,
    "verify": _verify,
    "complete": _complete,
}
