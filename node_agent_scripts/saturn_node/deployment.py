"""deploy: pull every image first, then bring the services up one at a time, in dependency order.

While images are pulled nothing that runs is touched. Health is judged later, in `health`. What was brought up is
recorded, so that the next plan can tell what moved.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

from . import acknowledgement, backup, blueprint, compose, drift, folders, git, plan, proc, state
from .compose import Container, Project
from .errors import Cancelled, NodeError
from .log import now_at
from .state import Progress
from .survey import Survey
from .task import Task
from .wire import ServiceFailed, ServiceFinished, ServiceOrder, ServiceSkipped, ServiceStarted

_PROGRESS_EVERY_S = 2.0
PULLS = 3
"""How many services pull at once: registries are slow to answer, and a slow line is shared without a loss."""


class Wanted(NamedTuple):
    """What the files want of a service now. config: resolved by compose; digest: of all of it."""

    project: Project
    config: Mapping[str, Any]
    digest: str
    blueprints: Mapping[str, blueprint.Blueprint]

    @property
    def images(self) -> tuple[str, ...]:
        """The names of those that a registry has."""
        return tuple(sorted(set(compose.images(self.config).values())))

    @property
    def names(self) -> frozenset[str]:
        """The names of all its images, those that are built here, too."""
        return frozenset(each.image for each in self.blueprints.values())


class Look(NamedTuple):
    """What a stage knows of the node, so that nothing is asked twice."""

    survey: Survey
    tree: git.Tree

    @classmethod
    def of(cls, task: Task) -> Look:
        """A fresh one: nothing was asked yet."""
        return cls(Survey(task.order), git.Tree(task.order.checkout, task.request.revision))


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
    look = Look.of(task)
    fetch(task, look, waiting)
    for service in services:
        if service.name in completed:
            reason = "completed by an earlier run"
            task.sink.send(ServiceSkipped, service=service.name, reason=reason)
            continue
        task.begin(service.name)
        _bring_up(task, look, service, completed)
        completed += (service.name,)
    if task.request.prune:
        _prune(task, look.survey)


def _prune(task: Task, survey: Survey) -> None:
    """Remove what earlier runs brought up and the topology assigns to this node no more."""
    for name in drift.orphans(task.order, survey.containers()):
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


def fetch(task: Task, look: Look, services: Sequence[ServiceOrder], *, builds: bool = True) -> None:
    """Bring every image of the services to the node. builds: make those that are built here, too."""
    compose.resolve(compose.project_of(task.order, each, task.paths) for each in services)
    wanted = [_wanted(task, look, each) for each in services]
    look.survey.images(name for each in wanted for name in each.names)
    pulls: list[Callable[[], None]] = []
    pulled: set[str] = set()
    for service, each in zip(services, wanted):
        task.check_cancelled()
        lacking = _lacking(task, look.survey, service, each, builds=builds)
        images = {name: image for name, image in lacking.items() if image not in pulled}  # one pull serves them all
        pulled |= set(images.values())
        if images:
            pulls.append(_pulling(task, each.project, images))
    if pulls:
        look.survey.forget_images()
        proc.together(pulls, PULLS)


def _lacking(task: Task, survey: Survey, service: ServiceOrder, wanted: Wanted, *, builds: bool) -> dict[str, str]:
    """Compose service to image, of what is still to be pulled once the former images are back and the others built."""
    images = compose.images(wanted.config)
    pinned = task.trail.pins.get(service.name) or plan.pinned(task.request, service.name)
    restored = [
        name
        for name, each in wanted.blueprints.items()
        if name in pinned and _restored(task, survey, service.name, each.image, pinned[name])
    ]
    if builds:
        _build(task, survey, service, wanted, restored)
    here = survey.images(images.values())
    is_fresh = task.order.pull == "always" and not pinned
    lacking = {name: image for name, image in images.items() if is_fresh or image not in here}
    if lacking and task.order.pull == "never":
        names = ", ".join(sorted(set(lacking.values())))
        message = f"{names} is not on the node, and the topology says never to pull"
        raise NodeError("image_missing", message, f"docker pull {next(iter(lacking.values()))}", service.name)
    return lacking


def _restored(task: Task, survey: Survey, service: str, image: str, former: Mapping[str, str]) -> bool:
    """Let the image's name mean again what it meant in the former deployment; whether that was still to be had."""
    if image != former.get("image"):
        return False
    known = former["image_id"]
    here = survey.images((image, known))
    if image in here and here[image].id == known:
        return True
    survey.forget_images()
    if known not in here:
        known = former.get("digest", "")
        if not known or not compose.pull_image(task.order, known, _throttled(task, service)).ok:
            task.say(f"{image} as it was then is on this node no more; the {image} of now is used", service)
            return False
    finished = compose.tag(task.order, known, image)
    if not finished.ok:
        raise compose.failure(finished, "image_missing", f"{image} could not be restored", "docker images", service)
    task.say(f"{image} is again what it was then", service)
    return True


def _build(task: Task, survey: Survey, service: ServiceOrder, wanted: Wanted, restored: Sequence[str]) -> None:
    """Build what is built here, when its files moved since the last deploy: compose would keep the old image.

    restored: those compose services that have their former image again.
    """
    record = state.read_record(task.paths, service.name)
    known = record.keys if record else {}
    stale = [
        name
        for name, each in wanted.blueprints.items()
        if each.is_built and name not in restored and _built(known.get(name, {})) != _built(each.keys)
    ]
    if not stale:
        return
    task.say("building {}".format(", ".join(stale)), service.name)
    survey.forget_images()
    finished = compose.build(wanted.project, stale, _throttled(task, service.name))
    if not finished.ok:
        message = "{} could not be built: {}".format(", ".join(stale), finished.last_line)
        hint = f"saturn deploy --hosts {task.order.host} --resume"
        raise compose.failure(finished, "build_failed", message, hint, service.name)


def _built(keys: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in keys.items() if key.startswith(blueprint.BUILD)}


def _wanted(task: Task, look: Look, service: ServiceOrder) -> Wanted:
    """What the checkout wants, as the plan of the next run will compare it."""
    project = compose.project_of(task.order, service, task.paths)
    config, salt = compose.resolved(project), plan.salt(task.order)
    blueprints = blueprint.blueprints(config, task.order.checkout, look.tree.id_of, salt)
    return Wanted(project, config, blueprint.digest(config, salt), blueprints)


def _pulling(task: Task, project: Project, images: Mapping[str, str]) -> Callable[[], None]:
    """The pull of one service, still to be done."""

    def pull() -> None:
        task.check_cancelled()
        _pull(task, project, images)

    return pull


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


def _bring_up(task: Task, look: Look, service: ServiceOrder, completed: tuple[str, ...]) -> None:
    began = time.monotonic()
    is_touched = service.name in task.trail.touched
    task.sink.send(ServiceStarted, service=service.name)
    try:
        before = look.survey.containers(service.name)
        record = state.read_record(task.paths, service.name)
        if record and _is_left_alone(task, look, service, record):
            _keep(task, service, record)
            after = before
        else:
            _save(task, look, service, record)
            task.trail.touched.add(service.name)
            if service.connectivity:
                after = acknowledgement.bring_up(task, service, before, lambda: up(task, look, service))
            else:
                after = up(task, look, service)
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


def _is_left_alone(task: Task, look: Look, service: ServiceOrder, record: state.ServiceRecord) -> bool:
    """Whether nothing is to be done to the service; in doubt compose has the word, see plan.is_as_it_was."""
    is_open = service.name in task.trail.touched or state.is_unacknowledged(task.paths, service.name)
    if is_open or task.trail.pins or task.request.restore:
        return False
    wanted = _wanted(task, look, service)
    return plan.is_as_it_was(_desired(look, wanted), wanted.digest, record, look.survey.containers(service.name))


def _desired(look: Look, wanted: Wanted) -> plan.Desired:
    return plan.Desired(wanted.blueprints, look.survey.images(wanted.names))


def _keep(task: Task, service: ServiceOrder, record: state.ServiceRecord) -> None:
    """Record that the service stands as this revision wants it."""
    local = state.local_digest(task.paths, service.name)
    known = record._replace(revision=task.request.revision, local=local, at=now_at())
    state.write_record(task.paths, service.name, known)


def _save(task: Task, look: Look, service: ServiceOrder, record: state.ServiceRecord | None) -> None:
    """Write a backup first, when the service has one and its image or configuration is about to change."""
    if not (service.backup and record and backup.parts(task.paths, service)):
        return
    desired = _desired(look, _wanted(task, look, service))
    change = plan.service_change(service.name, desired, record, look.survey.containers(service.name))
    if change.action in ("create", "recreate"):
        backup.write(task, service, backup.DEPLOY)


def up(task: Task, look: Look, service: ServiceOrder) -> tuple[Container, ...]:
    """Bring the service to what its files want, and record that; its containers now."""
    project = compose.project_of(task.order, service, task.paths)
    before = look.survey.containers(service.name)
    limit_s = task.order.up_timeout_s
    log = task.logger(service.name)
    look.survey.forget_containers(service.name)
    _check_up(task, service, compose.up(project, task.order.pull, limit_s, log))
    wanted = _wanted(task, look, service)
    after = _seen(look, wanted, before)
    _check_images(task, service, wanted.images)
    unseen = _unseen(task, service.name, wanted.blueprints, before, after)
    if unseen:
        task.say("replacing {}: a file that it mounts changed".format(", ".join(unseen)), service.name)
        look.survey.forget_containers(service.name)
        _check_up(task, service, compose.renew(project, unseen, limit_s, log))
        after = _seen(look, wanted, after)
    state.write_record(task.paths, service.name, _record(task, look, service, wanted, after))
    return after


def _seen(look: Look, wanted: Wanted, before: Sequence[Container]) -> tuple[Container, ...]:
    """The containers of a service after something was done to it. before: those it had."""
    look.survey.look_again(wanted.project.name, wanted.config, before)
    return look.survey.containers(wanted.project.name)


def _check_images(task: Task, service: ServiceOrder, images: tuple[str, ...]) -> None:
    """On a node that must work by itself every image is here after the deploy: no registry may be in reach later."""
    here = compose.images_here(task.order, images) if task.order.conventions.autonomous else images
    absent = [name for name in images if name not in here]
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
    task: Task, look: Look, service: ServiceOrder, wanted: Wanted, containers: Sequence[Container]
) -> state.ServiceRecord:
    known = look.survey.images(wanted.images)
    standing = {
        each.service: {
            "hash": each.hash,
            "image": each.image,
            "image_id": each.image_id,
            "digest": _digest_of(known.get(each.image), each),
            "networks": each.networks,
        }
        for each in containers
    }
    return state.ServiceRecord(
        revision=task.request.revision,
        local=state.local_digest(task.paths, service.name),
        at=now_at(),
        images=wanted.images,
        containers=standing,
        keys={name: dict(each.keys) for name, each in wanted.blueprints.items()},
        ports=tuple(sorted({port for each in wanted.blueprints.values() for port in each.ports})),
        config=wanted.digest,
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
