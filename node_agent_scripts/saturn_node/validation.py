"""validate: read every definition, let compose resolve it, apply the rules; all findings at once, nothing touched."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any, Callable, Sequence

from . import claims, compose, policy, proc, state
from .errors import Blocked, NodeError
from .redaction import read_env
from .state import Paths
from .task import Task
from .wire import Finding, NodeOrder, ServiceOrder

_SERIAL_BLOCK = r"(?m)^serial:[ \t]*(?:#.*)?\n(?:[ \t#].*\n|\n)*?[ \t]+port:[ \t]*([^\s#]+)"
_SERIAL_BRACES = r"(?m)^serial:[ \t]*\{[^}\n]*\bport:[ \t]*([^\s,}]+)"


def validate(task: Task) -> None:
    """Send every finding. Raises Blocked when one of them is an error."""
    order = task.order
    questions: list[Callable[[], Any]]
    questions = [partial(compose.engine_version, order), partial(definitions_of, order, order.services)]
    _, definitions = proc.together(questions, len(questions))
    task.check_cancelled()
    found = policy.violations(order, definitions)
    for each in found:
        task.sink.send(Finding, **each._asdict())
    errors = [each for each in found if each.severity == "error"]
    if errors:
        first = errors[0]
        message = f"{_counted(len(errors))} found before anything was touched: {first.message}"
        hint = first.hint or "saturn validate"
        raise Blocked(first.code, message, hint, first.service if len(errors) == 1 else "")


def _counted(errors: int) -> str:
    return "1 error was" if errors == 1 else f"{errors} errors were"


def definitions_of(order: NodeOrder, services: Sequence[ServiceOrder]) -> list[policy.Definition]:
    """The services, each as `definition` has it; compose resolves several at once."""
    compose.resolve(_project(order, each) for each in services)
    return [definition(order, each) for each in services]


def _project(order: NodeOrder, service: ServiceOrder) -> compose.Project:
    """The project with a stand-in for what SATURN brings: `${NAME:?}` would refuse the files before it is there."""
    paths = Paths(order.root)
    project, env = compose.project_of(order, service, paths), read_env(paths.env_file(service.name))
    return project._replace(assumed=tuple(name for name in service.provided if not env.get(name)))


def definition(order: NodeOrder, service: ServiceOrder) -> policy.Definition:
    """The service as it lies in the order's checkout and in <root>/config, and as compose resolves it."""
    paths = Paths(order.root)
    project = _project(order, service)
    healthcheck = os.path.join(project.folder, "healthcheck.sh")
    env_file = paths.env_file(service.name)
    found = policy.Definition(
        checkout=order.checkout,
        service=service,
        folder_exists=os.path.isdir(project.folder),
        compose_file=compose.compose_file(project.folder),
        env_file=env_file,
        env=read_env(env_file),
        env_mode=_mode(env_file),
        healthcheck_exists=os.path.isfile(healthcheck),
        healthcheck_executable=os.access(healthcheck, os.X_OK),
    )
    if not found.compose_file:
        return found
    try:
        return _looked_up(found._replace(config=compose.resolved(project)), paths)
    except NodeError as error:
        if error.code != "compose_invalid":
            raise
        return found._replace(complaint=error.message)


def _looked_up(found: policy.Definition, paths: Paths) -> policy.Definition:
    """The definition with what the disk tells of the paths that its config names."""
    owners: dict[str, int] = {}
    real: dict[str, str] = {}
    coordinator = ""
    for _, each in found.active():
        for _, source, target in claims.binds(each):
            if claims.numeric_user(each) and os.path.exists(source):
                owners[source] = os.stat(source).st_uid
            if target == "/app/data":
                coordinator = coordinator or serial_port(state.read_text(os.path.join(source, "configuration.yaml")))
        real.update((device, _real(device)) for _, device in claims.devices(each) if device.startswith("/dev"))
    if not coordinator:
        own = os.path.join(paths.data, found.service.name, "configuration.yaml")
        coordinator = serial_port(state.read_text(own))
    return found._replace(owners=owners, real=real, coordinator=coordinator)


def _real(device: str) -> str:
    try:
        return os.path.realpath(device)
    except (OSError, ValueError):  # a circle of links, or no path at all
        return device


def serial_port(configuration: str) -> str:
    """The `serial.port` of a zigbee2mqtt configuration.yaml, "" when it names none.

    The node has no YAML reader. Only the two plain ways to write it are known: a block, and braces on one line.
    """
    found = re.search(_SERIAL_BLOCK, configuration) or re.search(_SERIAL_BRACES, configuration)
    return found.group(1).strip("\"'") if found else ""


def _mode(path: str) -> int:
    """The permission bits of a file, 0 when it is not there."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return 0
