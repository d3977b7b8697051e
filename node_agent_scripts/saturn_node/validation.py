"""validate: read every definition, let compose resolve it, apply the rules; all findings at once, nothing touched."""

from __future__ import annotations

import os

from . import compose, policy
from .errors import Blocked, NodeError
from .redaction import read_env
from .state import Paths
from .task import Task
from .wire import Finding, NodeOrder, ServiceOrder


def validate(task: Task) -> None:
    """Send every finding. Raises Blocked when one of them is an error."""
    compose.require(task.order)
    definitions = []
    for service in task.order.services:
        task.check_cancelled()
        definitions.append(definition(task.order, service))
    found = policy.violations(task.order, definitions)
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


def definition(order: NodeOrder, service: ServiceOrder) -> policy.Definition:
    """The service as it lies in the order's checkout and in <root>/config, and as compose resolves it."""
    paths = Paths(order.root)
    project = compose.project_of(order, service, paths)
    healthcheck = os.path.join(project.folder, "healthcheck.sh")
    env_file = paths.env_file(service.name)
    found = policy.Definition(
        service=service,
        folder_exists=os.path.isdir(project.folder),
        compose_file=compose.compose_file(project.folder),
        env_file=env_file,
        env=read_env(env_file),
        healthcheck_exists=os.path.isfile(healthcheck),
        healthcheck_executable=os.access(healthcheck, os.X_OK),
    )
    if not found.compose_file:
        return found
    try:
        return found._replace(config=compose.resolved(project))
    except NodeError as error:
        if error.code != "compose_invalid":
            raise
        return found._replace(complaint=error.message)
