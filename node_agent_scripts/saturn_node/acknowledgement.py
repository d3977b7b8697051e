"""The dead-man switch of a service that carries the connection to this node.

What such a service has touched stays only once somebody has said, over a line that stands after it, that the node can
still be reached. Until then a file says that nobody has, which outlives the worker: a run that is resumed, or a fresh
one, asks again, though compose finds nothing to do.
"""

from __future__ import annotations

import os
import time
from typing import Callable, Sequence, Tuple

from . import compose, proc, state
from .compose import Container
from .errors import Cancelled, NodeError
from .state import Paths
from .task import Task
from .wire import AckNeeded, Acknowledged, Request, ServiceOrder

_POLL_S = 0.1
_SOMEBODY = "somebody"


def hand_over(paths: Paths, request: Request) -> bool:
    """Let the worker of a run know that the service of an `ack` is acknowledged; whether that run is at work.

    A disk that takes not even that leaves the run without an acknowledgement: it goes back then.
    """
    run = request.run
    if not (run and request.service) or not os.path.isdir(paths.run(run)):
        return False
    if os.path.exists(paths.run(run, "result.json")):
        return False
    try:
        state.write_text(_word(paths, run, request.service), request.by or _SOMEBODY)
    except OSError:
        return False
    return True


def _word(paths: Paths, run: str, service: str) -> str:
    """The file by which an acknowledgement reaches the worker; its name says of what, so that no other counts."""
    return paths.run(run, f"acknowledged_{service}")


def bring_up(
    task: Task, service: ServiceOrder, before: Sequence[Container], up: Callable[[], Tuple[Container, ...]]
) -> Tuple[Container, ...]:
    """Do `up` for a service that carries the connection, and wait for its acknowledgement; its containers now.

    before: those it had. When nothing was touched, and nothing is open from an earlier run, nobody is asked.

    Raises:
        NodeError: `unacknowledged`; or that of `up`, which touched nothing or is acknowledged. As long as
            `task.trail.unacknowledged` names the service the run must go back, whatever was raised.
    """
    was_open = state.is_unacknowledged(task.paths, service.name)
    state.write_unacknowledged(task.paths, service.name, task.request.run)
    task.trail.unacknowledged = service.name
    try:
        after = up()
    except Exception as error:
        if not was_open and _is_untouched(task, service.name, before):
            _close(task, service.name)
        elif isinstance(error, NodeError) and not isinstance(error, Cancelled):
            _demand(task, service.name, error)
        raise
    if was_open or compose.signature(before) != compose.signature(after):
        _demand(task, service.name)
    else:
        _close(task, service.name)
    return after


def _is_untouched(task: Task, service: str, before: Sequence[Container]) -> bool:
    """Whether a service that failed to come up has the containers of before; when docker does not tell, it has not."""
    try:
        with proc.past_interruption():
            return compose.signature(before) == compose.signature(compose.containers(task.order, service))
    except NodeError:
        return False


def _close(task: Task, service: str) -> None:
    state.forget_unacknowledged(task.paths, service)
    task.trail.unacknowledged = ""


def _demand(task: Task, service: str, cause: NodeError | None = None) -> None:
    """Ask for the acknowledgement and wait for it. cause: why the service did not come up as it should."""
    if task.request.attended:
        task.say("carries the connection, and is acknowledged by the order: it was given on this node itself", service)
        by = task.request.by or _SOMEBODY
    else:
        by = _awaited(task, service, cause)
    task.sink.send(Acknowledged, service=service, by=by)
    _close(task, service)


def _awaited(task: Task, service: str, cause: NodeError | None) -> str:
    """Who acknowledged the service."""
    limit_s = task.order.ack_timeout_s
    word = _word(task.paths, task.request.run, service)
    if os.path.exists(word):
        os.unlink(word)  # said before the service was touched, so it says nothing of that
    task.sink.send(AckNeeded, service=service, timeout_s=limit_s)
    deadline = time.monotonic() + limit_s
    while not os.path.exists(word):
        if time.monotonic() >= deadline:
            raise missing(task, service, f"within {limit_s:g} s", cause)
        proc.pause(_POLL_S)
    return state.read_text(word)


def missing(task: Task, service: str, when: str, cause: NodeError | None = None) -> NodeError:
    """The failure of a service that nobody acknowledged. when: `within 120 s`."""
    host = task.order.host
    said = [cause.message] if cause else []
    said.append(f"{service} carries the connection, and nobody acknowledged it {when}")
    hint = f"saturn diagnose --hosts {host}"
    if not state.deployments(task.paths):
        said.append("no deployment was completed here that it could go back to, so it stays as it is")
        hint = f"saturn deploy --hosts {host} --resume"
    return NodeError("unacknowledged", "; ".join(said), hint, service, cause.tail if cause else ())
