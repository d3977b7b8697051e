"""How what runs on the node differs from what saturn last left there: containers changed by hand, and orphans.

Apart from the plan, which compares with what files want and loads all rules: a status needs none of them.
"""

from __future__ import annotations

from typing import Sequence

from . import state
from .compose import Container
from .state import Paths, ServiceRecord
from .wire import NodeOrder

_LIST = 12


def orphans(order: NodeOrder, containers: Sequence[Container]) -> tuple[str, ...]:
    """Services that a run brought up on this node, that still have containers, and that are assigned to it no more.

    A project of a person's own is none, whatever its name: it was made in another folder, or by no run.
    """
    assigned = {*order.assigned, *(each.name for each in order.services)}
    own = set(state.recorded_services(Paths(order.root))) - assigned
    below = order.checkout.rstrip("/") + "/"
    return tuple(sorted({each.project for each in containers if each.project in own and each.folder.startswith(below)}))


def moved(record: ServiceRecord | None, containers: Sequence[Container]) -> tuple[str, ...]:
    """How the containers of a service differ from those of its last deploy, a sentence each. Pure."""
    if record is None or not record.containers:
        return ()
    present, known_services = {each.service for each in containers}, set(record.containers)
    found = [f"container {service} is missing" for service in sorted(known_services - present)]
    found += [f"container {service} is not of the last deploy" for service in sorted(present - known_services)]
    for each in containers:
        known = record.containers.get(each.service)
        if known and each.hash != known.get("hash"):
            found.append(f"container {each.name} was changed by hand")
        elif known and each.image_id != known.get("image_id"):
            found.append(f"container {each.name} runs another image than the last deploy left")
    return tuple(dict.fromkeys(found))[:_LIST]
