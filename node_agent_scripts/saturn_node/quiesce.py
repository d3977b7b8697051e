"""Holding the containers of a service still while its files are copied, and letting them go again whatever happens.

What was done is written down first, so that the next worker undoes what a killed one left. Against a power cut docker
itself helps: it starts a container again that was stopped by hand when its policy is `always`. For a backup that is
what is wanted, whatever the policy was; for a restore, which swaps the folders below a service, it must not happen.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Sequence

from . import compose, proc, state
from .compose import Container
from .state import Paths
from .wire import NodeOrder

_LIMIT_S = 120.0
_STAYING = ("unless-stopped", "always")
BACK_AFTER_A_POWER_CUT, DOWN_AFTER_A_POWER_CUT = "always", "no"


@contextmanager
def still(
    order: NodeOrder, paths: Paths, service: str, how: str, meanwhile: str = BACK_AFTER_A_POWER_CUT
) -> Iterator[None]:
    """The containers of the service that run now are held still while this lasts. how: stop | pause | none.

    meanwhile: the restart policy of those that stay up, for as long as they are stopped.

    Raises:
        NodeError: they could not be held still (they run again then), or backup_left_stopped: not let go again.
    """
    running = [each for each in compose.containers(order, service) if each.state == "running"] if how != "none" else []
    if not running:
        yield
        return
    record = {"how": how, "containers": {each.id: each.policy for each in running}}
    state.write_json(paths.quiesced(service), record, 0o600)
    try:
        _hold(order, service, how, running, meanwhile)
        yield
    finally:
        with proc.past_interruption():
            let_go(order, paths, service)


def _hold(order: NodeOrder, service: str, how: str, running: Sequence[Container], meanwhile: str) -> None:
    staying = [each.id for each in running if each.policy in _STAYING and each.policy != meanwhile]
    if how == "stop" and staying:
        _docker(order, "update", "--restart", meanwhile, *staying)
    finished = _docker(order, how, *(each.id for each in running))
    if not finished.ok:
        message = f"{service} could not be held still: {finished.last_line}"
        raise compose.failure(finished, "quiesce_failed", message, "docker ps", service)


def let_go(order: NodeOrder, paths: Paths, service: str) -> bool:
    """Undo what was written down for the service, if anything was; whether there was something.

    Raises:
        NodeError: backup_left_stopped; what was written down stays, and the next worker tries again.
    """
    record = state.read_json(paths.quiesced(service))
    known = record.get("containers")
    policies: Mapping[str, Any] = known if isinstance(known, dict) else {}
    if policies:
        _started(order, service, str(record.get("how")), policies)
    state.forget(paths.quiesced(service))
    return bool(policies)


def _started(order: NodeOrder, service: str, how: str, policies: Mapping[str, Any]) -> None:
    present = {each.id: each for each in compose.containers(order, service)}
    ids = [each for each in policies if each in present]  # one that was replaced meanwhile needs nothing
    asleep = [each for each in ids if present[each].state in ("exited", "created", "paused")]
    paused = [each for each in asleep if present[each].state == "paused"]
    stopped = [each for each in asleep if present[each].state != "paused"] if how == "stop" else []
    for verb, chosen in (("unpause", paused), ("start", stopped)):
        finished = _docker(order, verb, *chosen) if chosen else None
        if finished and not finished.ok:
            message = f"{service} was held still for a backup, and does not start again: {finished.last_line}"
            hint = f"docker {verb} {' '.join(each[:12] for each in chosen)}"
            raise compose.failure(finished, "backup_left_stopped", message, hint, service)
    for policy in _STAYING if how == "stop" else ():
        changed = [each for each in ids if policies[each] == policy != present[each].policy]
        if changed:
            _docker(order, "update", "--restart", policy, *changed)


def _docker(order: NodeOrder, *words: str) -> proc.Finished:
    """A command of the container engine; it may take as long as containers may take to stop."""
    return proc.run((*compose.docker_of(order.compose), *words), timeout_s=_LIMIT_S)


def held(paths: Paths) -> tuple[str, ...]:
    """The services that a killed worker left held still."""
    return state.marked_services(paths, ".quiesced")
