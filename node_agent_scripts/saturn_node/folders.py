"""The folders of a service below the root: there before `up`, and of the user that will write to them.

Docker would make a missing one itself, as root's, and a service that runs as somebody else could not use it.
"""

from __future__ import annotations

import os
from typing import Any, Mapping

from . import claims, compose
from .errors import NodeError
from .state import PARTS
from .task import Task
from .wire import ServiceOrder


def make(task: Task, service: ServiceOrder) -> None:
    """Make what is missing of the service's config, data and logs. What is there already keeps its owner.

    The owner is the numeric `user` of the compose service that mounts the folder. Only root can give files away;
    whoever else runs this makes folders of their own, and validate warns of what does not fit.
    """
    wanted = (task.paths.of_service(part, service.name) for part in PARTS)
    made = [folder for folder in wanted if _is_made(folder)]
    if made and os.geteuid() == 0:
        config = compose.resolved(compose.project_of(task.order, service, task.paths))
        for folder, (user, group) in owners(config, made).items():
            os.chown(folder, user, group)


def _is_made(folder: str) -> bool:
    """Make the folder; whether it was not there."""
    try:
        os.makedirs(folder)
    except FileExistsError as error:
        if not os.path.isdir(folder):
            message = f"{folder} should be a folder, and something else is there"
            raise NodeError("folder_missing", message, f"ls -l {folder}") from error
        return False
    return True


def owners(config: Mapping[str, Any], folders: list[str]) -> dict[str, tuple[int, int]]:
    """Who shall own which of the folders: the first compose service that mounts it and has a numeric user."""
    found: dict[str, tuple[int, int]] = {}
    for each in compose.active_services(config).values():
        user = claims.numeric_user(each)
        for _, source, _ in claims.binds(each) if user else ():
            if user and source in folders:
                found.setdefault(source, user)
    return found
