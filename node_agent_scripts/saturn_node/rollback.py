"""The way back by itself: a run that failed returns what it touched to the last deployment that was completed.

Progress is forgotten first: a power cut in the middle leaves a node that the next deploy brings to its order from the
start, and never one that believes a service to be completed which was taken back.
"""

from __future__ import annotations

import time
from typing import Sequence

from . import checkout, compose, deployment, health, stages, state
from .compose import Container
from .errors import Cancelled, NodeError
from .records import replace
from .task import Task, Trail
from .wire import ServiceFailed, ServiceFinished, ServiceOrder, ServiceStarted, StageFinished, StageStarted

STAGE = "rollback"


def is_possible(task: Task) -> bool:
    """Whether the run touched something, and there is a completed deployment to go back to."""
    return bool(task.trail.touched and state.deployments(task.paths))


def go_back(task: Task) -> None:
    """Return every touched service to the last completed deployment, and watch it.

    Raises:
        NodeError: that failed, too.
    """
    began = time.monotonic()
    former = state.deployments(task.paths)[0]
    touched = frozenset(task.trail.touched)
    task.sink.stage = STAGE
    state.forget_progress(task.paths)
    task.begin_stage(STAGE)
    task.sink.send(StageStarted)
    try:
        stages.tell_reached(task, checkout.go_back(task.order, former.revision))
        trail = Trail(former.images, task.trail.unacknowledged)
        then = task._replace(request=replace(task.request, revision=former.revision), trail=trail)
        restored = []
        for service in reversed(deployment.in_dependency_order(task.order.services)):
            if service.name in touched:
                restored += _returned(then, service, is_new=service.name not in former.images)
        health.verify(then, restored)
    except Cancelled:
        raise
    except NodeError as error:
        message = f"the rollback failed, too: {error.message}"
        hint = f"saturn diagnose --hosts {task.order.host}"
        raise NodeError("rollback_failed", message, hint, error.service, error.tail) from error
    task.sink.send(StageFinished, duration_s=round(time.monotonic() - began, 3))


def _returned(task: Task, service: ServiceOrder, *, is_new: bool) -> list[ServiceOrder]:
    """Bring one service back; itself when it is to be watched, nothing when it did not exist before."""
    began = time.monotonic()
    task.sink.send(ServiceStarted, service=service.name)
    try:
        if is_new:
            deployment.remove(task, service.name)
            status = "removed"
        else:
            look = deployment.Look.of(task)
            deployment.fetch(task, look, (service,))
            before = look.survey.containers(service.name)
            after = deployment.up(task, look, service)
            status = "unchanged" if compose.signature(before) == compose.signature(after) else "restored"
            if status == "unchanged" and service.name == task.trail.unacknowledged:
                _check_former(task, service.name, after)
            state.forget_unacknowledged(task.paths, service.name)
    except Cancelled:
        raise
    except NodeError as error:
        task.sink.failed(ServiceFailed, error, service=service.name, tail=error.tail)
        raise
    task.sink.send(ServiceFinished, service=service.name, status=status, duration_s=round(time.monotonic() - began, 3))
    return [] if is_new else [service]


def _check_former(task: Task, service: str, containers: Sequence[Container]) -> None:
    """Refuse to call a service restored that nothing was done to, and that is not what it was."""
    known = task.trail.pins.get(service, {})
    if any(known.get(each.service, {}).get("hash") != each.hash for each in containers):
        message = f"{service} stays as the run made it: what changed lies in its .env or override on this node"
        raise NodeError("rollback_failed", message, f"saturn diagnose --hosts {task.order.host}", service)
