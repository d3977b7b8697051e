"""The way back by itself: a run that failed returns what it touched to the revision and images it had before.

Progress is forgotten first: a power cut in the middle leaves a node that the next deploy brings to its order from the
start, and never one that believes a service to be completed which was taken back.
"""

from __future__ import annotations

import time
from dataclasses import replace

from . import checkout, compose, deployment, health, stages, state
from .errors import Cancelled, NodeError
from .state import ServiceRecord
from .task import Task, Trail
from .wire import ServiceFailed, ServiceFinished, ServiceOrder, ServiceStarted, StageFinished, StageStarted

STAGE = "rollback"


def is_possible(task: Task) -> bool:
    """Whether the run touched something that has a former state."""
    return bool(task.trail.revision and task.trail.touched)


def go_back(task: Task) -> None:
    """Return every touched service to what it was, and watch it. Raises NodeError when that fails, too."""
    began = time.monotonic()
    touched = dict(task.trail.touched)
    task.sink.stage = STAGE
    state.forget_progress(task.paths)
    task.begin_stage(STAGE)
    task.sink.send(StageStarted)
    try:
        stages.tell_reached(task, checkout.go_back(task.order, task.trail.revision))
        former = _former(task, touched)
        restored = []
        for service in reversed(deployment.in_dependency_order(task.order.services)):
            if service.name in touched:
                restored += _returned(former, service, touched[service.name])
        health.verify(former, restored)
    except Cancelled:
        raise
    except NodeError as error:
        message = f"the rollback failed, too: {error.message}"
        hint = f"saturn diagnose --hosts {task.order.host}"
        raise NodeError("rollback_failed", message, hint, error.service, error.tail) from error
    task.sink.send(StageFinished, duration_s=round(time.monotonic() - began, 3))


def _former(task: Task, touched: dict[str, ServiceRecord | None]) -> Task:
    """The same run, asked for what was before: the images of the services' last records are pinned."""
    trail = Trail()
    trail.pins = {name: record.containers for name, record in touched.items() if record}
    return task._replace(request=replace(task.request, revision=task.trail.revision), trail=trail)


def _returned(task: Task, service: ServiceOrder, record: ServiceRecord | None) -> list[ServiceOrder]:
    """Bring one service back; itself when it is to be watched, nothing when it did not exist before."""
    began = time.monotonic()
    task.sink.send(ServiceStarted, service=service.name)
    try:
        if record is None:
            deployment.remove(task, service.name)
            status, watched = "removed", []
        else:
            images = deployment.pulled(task, service)
            deployment.up(task, service, compose.containers(task.order, service.name), images)
            status, watched = "restored", [service]
    except Cancelled:
        raise
    except NodeError as error:
        task.sink.failed(ServiceFailed, error, service=service.name, tail=error.tail)
        raise
    task.sink.send(ServiceFinished, service=service.name, status=status, duration_s=round(time.monotonic() - began, 3))
    return watched
