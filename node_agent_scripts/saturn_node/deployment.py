"""deploy: pull every image first, then bring the services up one at a time, in dependency order.

While images are pulled nothing that runs is touched. Health is judged later, in `health`. What was brought up is
recorded, so that the next plan can tell what moved.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable, Mapping, Sequence

from . import acknowledgement, backup, blueprint, compose, folders, git, plan, proc, state
from .compose import Container, Project
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
        folders.make(task, service)
    images = {each.name: pulled(task, each) for each in waiting}
    for service in services:
        if service.name in completed:
            reason = "completed by an earlier run"
            task.sink.send(ServiceSkipped, service=service.name, reason=reason)
            continue
        task.begin(service.name)
        _bring_up(task, service, images[service.name], completed)
        completed += (service.name,)
    if task.request.prune:
        _prune(task)


def _prune(task: Task) -> None:
    """Remove what earlier runs brought up and the topology assigns to this node no more."""
    for name in plan.orphans(task.order, compose.containers(task.order)):
        began = time.monotonic()
        task.begin(name)
        task.sink.send(ServiceStarted, service=name)
        try:
            remove(task, name)
        except NodeError as error:
            report(task, error, name)
            raise
        task.sink.send(ServiceFinished, service=name, status="removed", duration_s=_since(began))


def remove(task: Task, name: str) -> None:
    """Take a service down; its volumes, data and config stay."""
    finished = compose.down(task.order, name, task.order.up_timeout_s, task.logger(name))
    if not finished.ok:
        message = f"{name} could not be removed: {finished.last_line}"
        raise compose.failure(finished, "remove_failed", message, f"docker compose -p {name} down", name)
    state.forget_record(task.paths, name)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def report(task: Task, error: NodeError, service: str) -> None:
    """Tell that a service failed, and by what."""
    error.service = service
    task.sink.failed(ServiceFailed, error, service=service, tail=error.tail)


def pulled(task: Task, service: ServiceOrder, *, builds: bool = True) -> tuple[str, ...]:
    """Bring every image of the service to the node; the images' names. builds: make those that are built here, too."""
    task.check_cancelled()
    project = compose.project_of(task.order, service, task.paths)
    config = compose.resolved(project)
    images = compose.images(config)
    pinned = task.trail.pins.get(service.name) or plan.pinned(task.request, service.name)
    restored = [
        name
        for name, each in compose.active_services(config).items()
        if name in pinned and _restored(task, service.name, compose.image_name(project.name, name, each), pinned[name])
    ]
    if builds:
        _build(task, project, service, config, restored)
    is_fresh = task.order.pull == "always" and not pinned
    wanted = images if is_fresh else _absent(task, images)
    if wanted and task.order.pull == "never":
        names = ", ".join(sorted(set(wanted.values())))
        message = f"{names} is not on the node, and the topology says never to pull"
        raise NodeError("image_missing", message, f"docker pull {next(iter(wanted.values()))}", service.name)
    if wanted:
        _pull(task, project, wanted)
    return tuple(sorted(set(images.values())))


def _restored(task: Task, service: str, image: str, former: Mapping[str, str]) -> bool:
    """Let the image's name mean again what it meant in the former deployment; whether that was still to be had."""
    if image != former.get("image"):
        return False
    present = compose.image_here(task.order, image)
    if present and present.id == former["image_id"]:
        return True
    known = former["image_id"]
    if not compose.image_here(task.order, known):
        known = former.get("digest", "")
        if not known or not compose.pull_image(task.order, known, _throttled(task, service)).ok:
            task.say(f"{image} as it was then is on this node no more; the {image} of now is used", service)
            return False
    finished = compose.tag(task.order, known, image)
    if not finished.ok:
        raise compose.failure(finished, "image_missing", f"{image} could not be restored", "docker images", service)
    task.say(f"{image} is again what it was then", service)
    return True


def _build(
    task: Task, project: Project, service: ServiceOrder, config: Mapping[str, Any], restored: Sequence[str]
) -> None:
    """Build what is built here, when its files moved since the last deploy: compose would keep the old image.

    restored: those compose services that have their former image again.
    """
    record = state.read_record(task.paths, service.name)
    known = record.keys if record else {}
    stale = [
        name
        for name, each in _blueprints(task, config).items()
        if each.is_built and name not in restored and _built(known.get(name, {})) != _built(each.keys)
    ]
    if not stale:
        return
    task.say("building {}".format(", ".join(stale)), service.name)
    finished = compose.build(project, stale, _throttled(task, service.name))
    if not finished.ok:
        message = "{} could not be built: {}".format(", ".join(stale), finished.last_line)
        hint = f"saturn deploy --hosts {task.order.host} --resume"
        raise compose.failure(finished, "build_failed", message, hint, service.name)


def _built(keys: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in keys.items() if key.startswith(blueprint.BUILD)}


def _blueprints(task: Task, config: Mapping[str, Any]) -> dict[str, blueprint.Blueprint]:
    """What the checkout wants, as the plan of the next run will compare it."""
    order, revision = task.order, task.request.revision
    return blueprint.blueprints(
        config, order.checkout, lambda path: git.id_of(order.checkout, revision, path), plan.salt(order)
    )


def _absent(task: Task, images: Mapping[str, str]) -> dict[str, str]:
    return {name: image for name, image in images.items() if not compose.image_here(task.order, image)}


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
    is_touched = service.name in task.trail.touched
    task.sink.send(ServiceStarted, service=service.name)
    try:
        before = compose.containers(task.order, service.name)
        _save(task, service, before)
        task.trail.touched.add(service.name)
        if service.connectivity:
            after = acknowledgement.bring_up(task, service, before, lambda: up(task, service, before, images))
        else:
            after = up(task, service, before, images)
    except Cancelled:
        raise
    except NodeError as error:
        report(task, error, service.name)
        raise
    is_same = compose.signature(before) == compose.signature(after)
    if is_same and not is_touched:
        task.trail.touched.discard(service.name)
    request = task.request
    state.write_progress(task.paths, Progress(request.run, request.revision, (*completed, service.name)))
    status = "unchanged" if is_same else "changed"
    task.sink.send(ServiceFinished, service=service.name, status=status, duration_s=_since(began))


def _save(task: Task, service: ServiceOrder, before: Sequence[Container]) -> None:
    """Write a backup first, when the service has one and its image or configuration is about to change."""
    record = state.read_record(task.paths, service.name)
    if not (service.backup and record and backup.parts(task.paths, service)):
        return
    wanted = _blueprints(task, compose.resolved(compose.project_of(task.order, service, task.paths)))
    found = {each.image: compose.image_here(task.order, each.image) for each in wanted.values()}
    images = {name: image for name, image in found.items() if image}
    change = plan.service_change(service.name, plan.Desired(wanted, images), record, before)
    if change.action in ("create", "recreate"):
        backup.write(task, service, backup.DEPLOY)


def up(
    task: Task, service: ServiceOrder, before: Sequence[Container], images: tuple[str, ...]
) -> tuple[Container, ...]:
    """Bring the service to what its files want, and record that; its containers now. before: those it had."""
    project = compose.project_of(task.order, service, task.paths)
    limit_s = task.order.up_timeout_s
    log = task.logger(service.name)
    _check_up(task, service, compose.up(project, task.order.pull, limit_s, log))
    config = compose.resolved(project)
    wanted = _blueprints(task, config)
    after = compose.containers(task.order, service.name)
    _check_images(task, service, images)
    unseen = _unseen(task, service.name, wanted, before, after)
    if unseen:
        task.say("replacing {}: a file that it mounts changed".format(", ".join(unseen)), service.name)
        _check_up(task, service, compose.renew(project, unseen, limit_s, log))
        after = compose.containers(task.order, service.name)
    state.write_record(task.paths, service.name, _record(task, service, wanted, after, images))
    return after


def _check_images(task: Task, service: ServiceOrder, images: tuple[str, ...]) -> None:
    """On a node that must work by itself every image is here after the deploy: no registry may be in reach later."""
    absent = (
        [name for name in images if not compose.image_here(task.order, name)]
        if task.order.conventions.autonomous
        else []
    )
    if absent:
        message = f"{', '.join(absent)} is not on the node after `up`, and {task.order.host} must work by itself"
        raise NodeError("image_missing", message, f"docker pull {absent[0]}", service.name)


def _unseen(
    task: Task,
    service: str,
    wanted: Mapping[str, blueprint.Blueprint],
    before: Sequence[Container],
    after: Sequence[Container],
) -> tuple[str, ...]:
    """The compose services whose mounted files moved, though compose left their containers as they were."""
    record = state.read_record(task.paths, service)
    kept = {each.service for each in after if each.id in {one.id for one in before}}
    known = record.keys if record else {}
    return tuple(
        sorted(
            name
            for name, each in wanted.items()
            if name in kept
            and name in known
            and any(blueprint.is_unseen(key) for key in blueprint.moved_keys(known[name], each.keys))
        )
    )


def _record(
    task: Task,
    service: ServiceOrder,
    wanted: Mapping[str, blueprint.Blueprint],
    containers: Sequence[Container],
    images: tuple[str, ...],
) -> state.ServiceRecord:
    known = {name: compose.image_here(task.order, name) for name in images}
    standing = {
        each.service: {
            "hash": each.hash,
            "image": each.image,
            "image_id": each.image_id,
            "digest": _digest_of(known.get(each.image), each),
        }
        for each in containers
    }
    return state.ServiceRecord(
        revision=task.request.revision,
        local=state.local_digest(task.paths, service.name),
        at=now_at(),
        images=images,
        containers=standing,
        keys={name: dict(each.keys) for name, each in wanted.items()},
        ports=tuple(sorted({port for each in wanted.values() for port in each.ports})),
    )


def _digest_of(image: compose.Image | None, container: Container) -> str:
    """The registry's digest of a container's image, "" when it is not known."""
    return image.digest if image and image.id == container.image_id else ""


def _check_up(task: Task, service: ServiceOrder, finished: proc.Finished) -> None:
    limit_s = task.order.up_timeout_s
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
