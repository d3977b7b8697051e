"""The plan of a run: what it would do to each service, why, and a digest that binds a consent to what it is based on.

Everything is compared with what the last deploy left: the record of the service and its containers. Nothing is written.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from . import blueprint, drift, git, policy, registry, state, validation, wire
from .blueprint import Blueprint
from .compose import Container, Image
from .errors import NodeError
from .log import cut_in_the_middle
from .records import replace
from .snapshot import Snapshot, snapshot
from .state import Paths, ServiceRecord
from .survey import Survey
from .wire import ImageChange, Judgement, NodeOrder, Request, ServiceChange

_REASONS = 6
_LIST = 12
_LINE = 40_000
_FINDINGS = 15_000
_FINDINGS_MAX = 500
_WORDS = 500
_GRAVITY = ("error", "waived", "warning")


class Desired(NamedTuple):
    """A service as the wanted revision has it. images: what its image names mean on the node now.

    restored: compose service to the image id that a rollback returns to. complaint: why compose refuses the files.
    is_sure: whether the complaint is the files' fault; not when the service may use others that git does not know.
    sizes: bytes to download of images that are not on the node, by name. definition: what validate would judge.
    """

    blueprints: Mapping[str, Blueprint] = {}
    images: Mapping[str, Image] = {}
    restored: Mapping[str, str] = {}
    complaint: str = ""
    is_sure: bool = True
    sizes: Mapping[str, int] = {}
    definition: policy.Definition | None = None

    @property
    def absent(self) -> frozenset[str]:
        """Images that a registry must be asked for, since the node has none of that name and returns to no other."""
        wanted = ((name, each) for name, each in self.blueprints.items() if not each.is_built)
        return frozenset(
            each.image for name, each in wanted if each.image not in self.images and name not in self.restored
        )


# --- the digest -------------------------------------------------------------------------------------------------------


def digest(request: Request, survey: Survey) -> str:
    """The digest of what a run of this request is based on and what it wants.

    Anything that moves it between plan and start makes the plan stale.
    """
    order, paths = request.node, Paths(request.node.root)
    projects = {*order.assigned, *(each.name for each in order.services), *state.recorded_services(paths)}
    standing = sorted(
        (each.project, each.service, each.id, each.image_id, each.hash)
        for each in survey.containers()
        if each.project in projects
    )
    local = {each.name: state.local_digest(paths, each.name) for each in order.services}
    wanted = (request.revision, wire.encode(order), request.prune, request.rollback, request.restore)
    basis = (salt(order), survey.head(), state.current_run(paths), standing, local)
    return hashlib.sha256(json.dumps([basis, wanted], sort_keys=True).encode()).hexdigest()


def salt(order: NodeOrder) -> str:
    """What only this machine knows, so that digests of short secrets are worth nothing elsewhere."""
    return state.read_text("/etc/machine-id") + order.root


def stale(request: Request) -> NodeError | None:
    """The failure of a run whose plan is not true any more; None when it is, or when nobody saw a plan."""
    if not request.plan or digest(request, Survey(request.node)) == request.plan:
        return None
    message = "something moved on the node since its plan was shown: its revision, a container, or a local file"
    return NodeError("plan_stale", message, f"saturn deploy --hosts {request.node.host}")


# --- the plan ---------------------------------------------------------------------------------------------------------


def made(request: Request, bundle: str, survey: Survey) -> dict[str, Any]:
    """The fields of a `plan` event. bundle: the file that SATURN sent, or ""."""
    order, paths = request.node, Paths(request.node.root)
    containers = survey.containers()
    fields: dict[str, Any] = {"digest": digest(request, survey), "revision": request.revision}
    with snapshot(survey, request.revision, bundle) as files:
        if files is None:
            return {**fields, "is_foreseen": False}
        ahead = validation.definitions_of(replace(order, checkout=files.folder), order.services)
        wanted = {each.service.name: desired(request, each, files) for each in ahead}
        wanted = _with_images(request, wanted, survey)
    sizes = registry.sizes(order, {image for each in wanted.values() for image in each.absent})
    changes = [
        service_change(
            name,
            each._replace(sizes=sizes),
            state.read_record(paths, name),
            [one for one in containers if one.project == name],
        )
        for name, each in wanted.items()
    ]
    if order.pull == "always" and not request.restore:
        changes = [_pulled_anew(each) for each in changes]
    changes = [_asked_again(each) if state.is_unacknowledged(paths, each.service) else each for each in changes]
    if request.prune:
        changes += [_removal(name, containers) for name in drift.orphans(order, containers)]
    definitions = [each.definition for each in wanted.values() if each.definition]
    return {**fields, "is_foreseen": True, "changes": bounded(changes), "findings": judged(order, definitions)}


def judged(order: NodeOrder, definitions: Sequence[policy.Definition]) -> tuple[Judgement, ...]:
    """What validate would say, the gravest first; of very many findings the mildest are left out."""
    found = sorted(policy.violations(order, definitions), key=lambda each: _GRAVITY.index(each.severity))
    judgements = [Judgement(each.code, each.severity, *_bounded_words(each)) for each in found[:_FINDINGS_MAX]]
    sizes = itertools.accumulate(len(wire.encode(each)) + 1 for each in judgements)
    return tuple(each for each, size in zip(judgements, sizes) if size <= _FINDINGS)


def _bounded_words(found: policy.Violation) -> tuple[str, str, str, str, str]:
    words = (found.message, found.service, found.file, found.key, found.hint)
    return tuple(cut_in_the_middle(each, _WORDS) for each in words)  # type: ignore[return-value]


def _pulled_anew(change: ServiceChange) -> ServiceChange:
    """What is said of a service that stays as it is, unless its registry has another image by now."""
    if change.action != "unchanged":
        return change
    return replace(change, reasons=("unless the pull brings another image",))


def _asked_again(change: ServiceChange) -> ServiceChange:
    """What is said of a service that stays as it is, though its last change waits for an acknowledgement."""
    if change.action != "unchanged":
        return change
    return replace(change, reasons=("nobody has acknowledged its last change",))


def _removal(name: str, containers: Sequence[Container]) -> ServiceChange:
    runs = any(each.project == name and each.state == "running" for each in containers)
    return ServiceChange(name, "remove", ("assigned to this host no more",), downtime=runs)


def bounded(changes: Sequence[ServiceChange]) -> tuple[ServiceChange, ...]:
    """The changes so that they fit one event: of too many, details go first."""
    if len(wire.encode(wire.Plan(1, "", "", "", "", changes=tuple(changes)))) <= _LINE:
        return tuple(changes)
    return tuple(replace(each, reasons=each.reasons[:1], images=(), ports=each.ports[:2]) for each in changes)


def desired(request: Request, ahead: policy.Definition, files: Snapshot) -> Desired:
    """The service as the files of the revision, and what lies on this node alone, want it; its images are not asked.

    ahead: its definition, as the files that were looked at have it.
    """
    order, service = request.node, ahead.service
    definition = _at_home(ahead, files, order.checkout)
    if definition.config is None or policy.is_empty(definition.config):
        complaint = definition.complaint or f"there is no service in {service.folder}"
        is_sure = not (files.is_apart and git.has_unknown_files(order, service))
        return Desired(complaint=complaint, is_sure=is_sure, definition=definition if is_sure else None)
    config = definition.config
    wanted = blueprint.blueprints(config, order.checkout, files.tree.id_of, salt(order))
    return Desired(wanted, definition=definition)


def _with_images(request: Request, wanted: Mapping[str, Desired], survey: Survey) -> dict[str, Desired]:
    """The services with what the node has of their images, and of those that a rollback returns to; asked at once."""
    pins = {service: _pins(request, service, each.blueprints) for service, each in wanted.items()}
    names = {one.image for each in wanted.values() for one in each.blueprints.values()}
    here = survey.images(names.union(pin["image_id"] for each in pins.values() for pin in each.values()))
    found = {}
    for service, each in wanted.items():
        restored = {
            name: pin["image_id"] for name, pin in pins[service].items() if pin.get("digest") or pin["image_id"] in here
        }
        named = {*(one.image for one in each.blueprints.values()), *restored.values()}
        images = {name: image for name, image in here.items() if name in named}
        found[service] = each._replace(images=images, restored=restored)
    return found


def _at_home(definition: policy.Definition, files: Snapshot, checkout: str) -> policy.Definition:
    """The definition as it will be once the checkout has the files that were looked at."""
    config = None if definition.config is None else files.at_home(definition.config, checkout)
    file = definition.compose_file
    if file.startswith(files.folder):
        file = checkout + file[len(files.folder) :]
    return definition._replace(config=config, compose_file=file, checkout=checkout)


def _pins(request: Request, service: str, wanted: Mapping[str, Blueprint]) -> dict[str, Mapping[str, str]]:
    """The images of the deployment that is returned to, of those compose services that still name the same one."""
    pins = pinned(request, service)
    return {name: pins[name] for name, each in wanted.items() if name in pins and pins[name].get("image") == each.image}


def pinned(request: Request, service: str) -> Mapping[str, Mapping[str, str]]:
    """The images that the service had in the deployment which the request restores; none when it restores nothing."""
    if not request.restore:
        return {}
    known = state.deployments(Paths(request.node.root))
    found = next((each for each in known if each.run == request.restore), None)
    images = found.images.get(service, {}) if found else {}
    return {name: each for name, each in images.items() if each.get("image_id")}


# --- one service: pure ------------------------------------------------------------------------------------------------


def service_change(
    name: str, wanted: Desired, record: ServiceRecord | None, containers: Sequence[Container]
) -> ServiceChange:
    """What `up` would do to a service, and why. Pure.

    record: what the last deploy left, None when there was none. containers: those of the service now.
    """
    if wanted.complaint:
        doubt = () if wanted.is_sure else ("its folder on the node has files that git does not know",)
        return ServiceChange(name, "invalid" if wanted.is_sure else "unknown", (wanted.complaint, *doubt))
    images = tuple(_image_changes(wanted, containers))[:_LIST]
    published = {port for each in wanted.blueprints.values() for port in each.ports}
    ports = tuple(sorted(published - set(record.ports if record else ())))[:_LIST]
    if wanted.blueprints and not containers:
        return ServiceChange(name, "create", ("no containers yet",), images, ports)
    moved = list(_moves(wanted, record, containers))
    replaced = [each for each in moved if each.stops]
    if moved:
        is_down = any(each.service in {one.service for one in replaced} for each in containers if _runs(each))
        reasons = tuple(dict.fromkeys(each.reason for each in moved))
        is_start = all(each.starts for each in moved)
        return ServiceChange(name, "start" if is_start else "recreate", reasons[:_REASONS], images, ports, is_down)
    return ServiceChange(name, "unchanged", images=images)


def is_as_it_was(wanted: Desired, config: str, record: ServiceRecord | None, containers: Sequence[Container]) -> bool:
    """Whether `up` would find nothing to do, beyond all doubt. Pure.

    config: the digest of the whole config. Everything is as the last `up` left it, down to the networks, and every
    container runs and is not sick; a one-shot never counts, for it runs once more with every `up`.
    """
    if record is None or not containers or record.config != config:
        return False
    if not all(each.image in wanted.images for each in wanted.blueprints.values()):
        return False
    stands = all(
        each.state == "running"
        and each.health in ("", "healthy")
        and each.networks == record.containers.get(each.service, {}).get("networks")
        for each in containers
    )
    return stands and service_change("", wanted, record, containers).action == "unchanged"


class _Move(NamedTuple):
    """One reason to touch a compose service. stops: its containers are replaced or removed. starts: only started."""

    service: str
    reason: str
    stops: bool = True
    starts: bool = False


def _runs(container: Container) -> bool:
    return container.state in ("running", "restarting", "paused")


def _moves(wanted: Desired, record: ServiceRecord | None, containers: Sequence[Container]) -> Iterator[_Move]:
    present = {each.service for each in containers}
    for service in sorted(present - set(wanted.blueprints)):
        yield _Move(service, f"container {service} is wanted no more")
    for service, plan in wanted.blueprints.items():
        own = [each for each in containers if each.service == service]
        if not own:
            yield _Move(service, f"container {service} is missing", stops=False)
            continue
        if len(own) != plan.copies:
            reason = f"{service} has {len(own)} of {plan.copies} wanted containers"
            yield _Move(service, reason, stops=len(own) > plan.copies)
        yield from _replacements(service, plan, wanted, record, own)
        if any(each.state in ("exited", "created", "dead") and not _stays_down(each) for each in own):
            yield _Move(service, f"container {service} is stopped", stops=False, starts=True)


def _stays_down(container: Container) -> bool:
    """Whether starting it is no change: a one-shot runs once more with every `up`, which counts for nothing."""
    return not container.stays_up


def _replacements(
    service: str, plan: Blueprint, wanted: Desired, record: ServiceRecord | None, own: Sequence[Container]
) -> Iterator[_Move]:
    known = record.containers.get(service) if record else None
    if record is None or known is None:
        yield _Move(service, "no deploy of this node made its containers, so it may be")
        return
    if any(each.hash != known.get("hash") for each in own):
        yield _Move(service, "its container was changed by hand since the last deploy")
    before, after = dict(record.keys.get(service, {})), dict(plan.keys)
    moved = [key for key in blueprint.moved_keys(before, after) if key != "scale"]  # its containers are counted
    for reason in named_moves(moved, before, after):
        yield _Move(service, reason)
    pin = wanted.restored.get(service)
    here = wanted.images.get(plan.image)
    target = pin or (here.id if here else "")
    if known.get("image") == plan.image or pin:
        if target and any(each.image_id != target for each in own):
            words = f"the image of {service} goes back" if pin else f"another {plan.image} is on the node"
            yield _Move(service, words)
        elif not target and not plan.is_built:
            yield _Move(service, f"image {plan.image} is gone from the node and is pulled again")


def named_moves(keys: Sequence[str], before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Phrases for what moved: names only, never a value."""
    for section, word in (("environment.", "environment"), ("labels.", "labels")):
        names = [key[len(section) :] for key in keys if key.startswith(section)]
        if names:
            yield f"{word}: {_counted(names)} {_how(keys, section, before, after)}"
    for key in keys:
        if key.startswith((blueprint.FILE, blueprint.BUILD)):
            yield f"{key.split(' ', 1)[1]} changed"
        elif "." not in key:
            yield f"{key} changed"


def _counted(names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _how(keys: Sequence[str], section: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    own = [key for key in keys if key.startswith(section)]
    if all(key not in before for key in own):
        return "added"
    return "removed" if all(key not in after for key in own) else "changed"


def _image_changes(wanted: Desired, containers: Sequence[Container]) -> Iterator[ImageChange]:
    present_ids = {image.id for image in wanted.images.values()}
    for service, plan in wanted.blueprints.items():
        if plan.is_built:
            continue
        present = next((each for each in containers if each.service == service), None)
        here = wanted.images.get(plan.image)
        after_id = wanted.restored.get(service) or (here.id if here else "")
        before, before_id = (present.image, present.image_id) if present else ("", "")
        size = wanted.sizes.get(plan.image, registry.UNKNOWN)
        if (before, before_id) != (plan.image, after_id):
            yield ImageChange(service, before, plan.image, before_id, after_id, 0 if after_id in present_ids else size)
