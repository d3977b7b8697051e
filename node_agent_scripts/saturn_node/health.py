"""verify: is every service well? `healthcheck.sh` decides when there is one, else the states of the containers.

All services are polled in turns until each is well or its time is over, so one slow service does not delay the others.
The judgement on containers is pure.
"""

from __future__ import annotations

import os
import shlex
import time
from typing import Mapping, NamedTuple, Sequence

from . import compose, proc
from .compose import Container, Project
from .errors import Cancelled, NodeError
from .redaction import read_env
from .task import Task
from .wire import ServiceFailed, ServiceOrder, ServiceStarted, ServiceVerified

TRY_MAX_S = 30.0
LOG_LINES = 40


class Verdict(NamedTuple):
    """What one look at a service says.

    state: well | waiting (worth another look) | failed. health: healthy | running | finished when well.
    container: the one to blame, by id. tail: evidence, when the look itself brought some.
    """

    state: str
    health: str = ""
    code: str = ""
    message: str = ""
    container: str = ""
    tail: tuple[str, ...] = ()


def container_verdict(container: Container, earlier: Container | None) -> Verdict:
    """What one container's state says. earlier: the same container an interval ago, if it was seen."""
    if container.state == "running":
        return _running_verdict(container, earlier)
    if container.state == "exited":
        return _exited_verdict(container)
    code = "restarting" if container.state == "restarting" else "not_running"
    return Verdict("waiting", "", code, f"container {container.name} is {container.state}", container.id)


def _running_verdict(container: Container, earlier: Container | None) -> Verdict:
    name = container.name
    if container.health == "healthy":
        return Verdict("well", "healthy")
    if container.health:
        return Verdict("waiting", "", "unhealthy", f"container {name} is {container.health}", container.id)
    if earlier and (earlier.restarts, earlier.started_at) == (container.restarts, container.started_at):
        return Verdict("well", "running")
    if earlier or container.restarts:
        message = f"container {name} was restarted {container.restarts} times"
        return Verdict("waiting", "", "restarting", message, container.id)
    return Verdict("waiting", "", "not_running", f"container {name} has only just started", container.id)


def _exited_verdict(container: Container) -> Verdict:
    if container.exit_code == 0 and container.policy in ("no", "on-failure"):
        return Verdict("well", "finished")
    message = f"container {container.name} exited with status {container.exit_code}"
    state = "failed" if container.policy == "no" else "waiting"
    return Verdict(state, "", "not_running", message, container.id)


def service_verdict(containers: Sequence[Container], earlier: Sequence[Container], expected: Sequence[str]) -> Verdict:
    """The worst that its containers say of a service. expected: the compose services that should have a container."""
    seen = {each.id: each for each in earlier}
    verdicts = [container_verdict(each, seen.get(each.id)) for each in containers]
    present = {each.service for each in containers}
    absent = [name for name in expected if name not in present]
    if absent:
        verdicts.append(Verdict("waiting", "", "not_running", "no container of {} is there".format(", ".join(absent))))
    for state in ("failed", "waiting"):
        worst = next((each for each in verdicts if each.state == state), None)
        if worst:
            return worst
    best = {each.health for each in verdicts}
    return Verdict("well", next((each for each in ("healthy", "running") if each in best), "finished"))


class _Watched:
    """One service under observation."""

    def __init__(self, task: Task, service: ServiceOrder, began: float) -> None:
        self.service = service
        self.due = began
        self.deadline = began + service.health_timeout_s
        self.verdict = Verdict("waiting")
        self._task = task
        self._project = compose.project_of(task.order, service, task.paths)
        self._healthcheck = os.path.join(self._project.folder, "healthcheck.sh")
        self._earlier: tuple[Container, ...] = ()
        self._expected: tuple[str, ...] | None = None

    def look(self) -> None:
        """Look once; what is not well at the deadline has failed."""
        try:
            self.verdict = self._scripted() if os.path.isfile(self._healthcheck) else self._observed()
        except Cancelled:
            raise
        except NodeError as error:
            if error.code == "docker_down":
                raise  # every service waits for it in vain
            self.verdict = Verdict("waiting", "", "healthcheck_failed", error.message, "", error.tail)
        now = time.monotonic()
        if self.verdict.state == "waiting" and now >= self.deadline:
            self.verdict = self.verdict._replace(state="failed")
        self.due = now + self.service.health_interval_s

    def _observed(self) -> Verdict:
        if self._expected is None:
            self._expected = tuple(compose.active_services(compose.resolved(self._project)))
        containers = compose.containers(self._task.order, self.service.name)
        verdict = service_verdict(containers, self._earlier, self._expected)
        self._earlier = containers
        return verdict

    def _scripted(self) -> Verdict:
        path = self._healthcheck
        argv = (path,) if os.access(path, os.X_OK) else ("sh", path)
        env = healthcheck_environment(self._task, self._project)
        limit_s = max(1.0, min(TRY_MAX_S, self.service.health_timeout_s))
        finished = proc.run(argv, cwd=self._project.folder, env=env, timeout_s=limit_s)
        if finished.ok:
            return Verdict("well", "healthy")
        how = f"took longer than {limit_s:.0f} s" if finished.cut else f"exit status {finished.status}"
        said = f": {finished.tail[-1]}" if finished.tail else ""
        return Verdict("waiting", "", "healthcheck_failed", f"healthcheck.sh {how}{said}", "", finished.tail)


def healthcheck_environment(task: Task, project: Project) -> dict[str, str]:
    """What healthcheck.sh finds in its environment: `docker compose exec ...` in it means this very project."""
    known = {
        "SATURN_HOST": task.order.host,
        "SATURN_SERVICE": project.name,
        "SATURN_ROOT": task.paths.root,
        "SATURN_REVISION": task.request.revision,
        "SATURN_COMPOSE": " ".join(shlex.quote(word) for word in project.argv()),
        "COMPOSE_PROJECT_NAME": project.name,
        "COMPOSE_FILE": os.pathsep.join(project.files),
    }
    if project.env_file:
        known["COMPOSE_ENV_FILES"] = project.env_file
    values: Mapping[str, str] = read_env(project.env_file) if project.env_file else {}
    return {**values, **known}


def verify(task: Task, services: Sequence[ServiceOrder]) -> None:
    """Watch the services until each is well or failed. Raises NodeError naming those that failed."""
    began = time.monotonic()
    watched = [_Watched(task, service, began) for service in services]
    for each in watched:
        task.sink.send(ServiceStarted, service=each.service.name)
    failed: list[_Watched] = []
    while watched:
        task.check_cancelled()
        each = min(watched, key=lambda one: one.due)
        proc.pause(max(0.0, each.due - time.monotonic()))
        each.look()
        if each.verdict.state == "waiting":
            continue
        watched.remove(each)
        if each.verdict.state == "well":
            task.sink.send(ServiceVerified, service=each.service.name, health=each.verdict.health)
        else:
            _report(task, each)
            failed.append(each)
    if failed:
        raise _failure(task, failed)


def _report(task: Task, watched: _Watched) -> None:
    verdict = watched.verdict
    name = watched.service.name
    tail = verdict.tail
    if verdict.container and not tail:
        tail = compose.log_tail(task.order, verdict.container, LOG_LINES)
    task.sink.send(
        ServiceFailed,
        service=name,
        code=verdict.code,
        message=verdict.message,
        hint=f"docker compose -p {name} logs",
        health="unhealthy" if verdict.code in ("unhealthy", "healthcheck_failed") else verdict.code,
        tail=tail,
    )


def _failure(task: Task, failed: Sequence[_Watched]) -> NodeError:
    first = failed[0]
    names = ", ".join(each.service.name for each in failed)
    message = f"{names} not well: {first.verdict.message}"
    hint = f"saturn deploy --hosts {task.order.host} --resume"
    return NodeError(first.verdict.code, message, hint, first.service.name if len(failed) == 1 else "")
