"""deploy: pull every image first, then bring the services up one at a time, in dependency order.

While images are pulled nothing that runs is touched. Health is judged later, in `health`.
"""

from __future__ import annotations

import os
import time
from typing import Callable, Iterable, Mapping, Sequence

from . import compose, proc, state
from .compose import Project
from .errors import Cancelled, NodeError
from .log import now_at
from .state import Progress
from .task import Task
from .wire import ServiceFailed, ServiceFinished, ServiceOrder, ServiceSkipped, ServiceStarted

_PROGRESS_EVERY_S = 2.0


def in_dependency_order(services: Sequence[ServiceOrder]) -> tuple[ServiceOrder, ...]:
    """The services with each after what it depends on, else in the given order. Names outside the list do not count."""
    waiting = {each.name: each for each in services}
    ordered: list[ServiceOrder] = []
    while waiting:
        free = (each for each in waiting.values() if not any(name in waiting for name in each.depends_on))
        chosen = next(free, None) or next(iter(waiting.values()))  # a circle has no order: the given one stands
        ordered.append(waiting.pop(chosen.name))
    return tuple(ordered)


def deploy(task: Task, settled: Iterable[str]) -> None:
    """Bring up every service that is not settled. Each is remembered as completed before its event is sent."""
    completed = tuple(settled)
    services = in_dependency_order(task.order.services)
    waiting = [each for each in services if each.name not in completed]
    for service in services:
        _make_folders(task, service.name)
    images = {each.name: _pulled(task, each) for each in waiting}
    for service in services:
        if service.name in completed:
            reason = "completed by an earlier run"
            task.sink.send(ServiceSkipped, service=service.name, reason=reason)
            continue
        task.begin(service.name)
        _bring_up(task, service, images[service.name], completed)
        completed += (service.name,)


def _make_folders(task: Task, service: str) -> None:
    for parent in (task.paths.config, task.paths.data, task.paths.logs):
        os.makedirs(os.path.join(parent, service), exist_ok=True)


def _pulled(task: Task, service: ServiceOrder) -> tuple[str, ...]:
    """Bring every image of the service to the node; the images' names."""
    task.check_cancelled()
    project = compose.project_of(task.order, service, task.paths)
    images = compose.images(compose.resolved(project))
    wanted = images if task.order.pull == "always" else _absent(task, images)
    if wanted and task.order.pull == "never":
        names = ", ".join(sorted(set(wanted.values())))
        message = f"{names} is not on the node, and the topology says never to pull"
        raise NodeError("image_missing", message, f"docker pull {next(iter(wanted.values()))}", service.name)
    if wanted:
        _pull(task, project, wanted)
    return tuple(sorted(set(images.values())))


def _absent(task: Task, images: Mapping[str, str]) -> dict[str, str]:
    return {name: image for name, image in images.items() if not compose.is_image_here(task.order, image)}


def _pull(task: Task, project: Project, wanted: Mapping[str, str]) -> None:
    names = ", ".join(sorted(set(wanted.values())))
    task.say(f"pulling {names}", project.name)
    finished = compose.pull(project, tuple(wanted), _throttled(task, project.name))
    if not finished.ok:
        silent = f"nothing came for {compose.PULL_IDLE_S:.0f} s"
        message = f"{names} could not be pulled: {silent if finished.cut else finished.last_line}"
        hint = f"saturn deploy --hosts {task.order.host} --resume"
        raise compose.failure(finished, "pull_failed", message, hint, project.name)


def _throttled(task: Task, service: str) -> Callable[[str], None]:
    """A pull prints a line a layer and step: enough of them to show that it moves."""
    said_at = 0.0

    def say(line: str) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= _PROGRESS_EVERY_S:
            said_at = now
            task.say(line.strip(), service)

    return say


def _bring_up(task: Task, service: ServiceOrder, images: tuple[str, ...], completed: tuple[str, ...]) -> None:
    began = time.monotonic()
    task.sink.send(ServiceStarted, service=service.name)
    try:
        before = compose.signature(compose.containers(task.order, service.name))
        _up(task, service)
        after = compose.signature(compose.containers(task.order, service.name))
    except Cancelled:
        raise
    except NodeError as error:
        error.service = service.name
        task.sink.failed(ServiceFailed, error, service=service.name, tail=error.tail)
        raise
    task.record(service.name, images, now_at())
    request = task.request
    state.write_progress(task.paths, Progress(request.run, request.revision, (*completed, service.name)))
    status = "unchanged" if before == after else "changed"
    duration_s = round(time.monotonic() - began, 3)
    task.sink.send(ServiceFinished, service=service.name, status=status, duration_s=duration_s)


def _up(task: Task, service: ServiceOrder) -> None:
    project = compose.project_of(task.order, service, task.paths)
    limit_s = task.order.up_timeout_s
    finished = compose.up(project, task.order.pull, limit_s, task.logger(service.name))
    hint = f"saturn deploy --hosts {task.order.host} --resume"
    if finished.cut:
        message = f"`up` of {service.name} took longer than {limit_s:.0f} s"
        raise NodeError("up_timeout", message, hint, service.name, finished.tail)
    if not finished.ok:
        message = f"`up` of {service.name} failed: {_reason(finished)}"
        raise compose.failure(finished, "up_failed", message, hint, service.name)


def _reason(finished: proc.Finished) -> str:
    """The line that says why: compose may print a cheerful one after it."""
    errors = [line for line in finished.tail if "error" in line.lower()]
    return (errors or [finished.last_line])[-1].strip()
