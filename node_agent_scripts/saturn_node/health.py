"""verify: is every service well? `healthcheck.sh` decides when there is one, else the states of the containers.

All services are watched at once until each is well or its time is over, so one slow service does not delay the others.
The judgement on containers is pure.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from functools import partial
from typing import Callable, Mapping, NamedTuple, Sequence

from . import compose, proc
from .compose import Container, Project
from .errors import Cancelled, FailedBefore, NodeError
from .redaction import read_env
from .state import Paths
from .survey import Survey
from .task import Task
from .wire import Failing, NodeOrder, ServiceFailed, ServiceOrder, ServiceStarted, ServiceVerified

TRY_MAX_S = 30.0
TRIALS = 4
"""How many healthcheck.sh are at work at once: a Pi has four cores."""
_TICK_S = 0.05
"""Looks that are due so close together are one; and how soon the end of a try is seen."""

BASELINE_S = 15.0
"""What all checks before a run may take together: a person waits for the plan."""

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
        self.trial: _Trial | None = None
        self._task = task
        self._project = compose.project_of(task.order, service, task.paths)
        self._earlier: tuple[Container, ...] = ()
        self._expected: tuple[str, ...] | None = None

    @property
    def is_scripted(self) -> bool:
        """Whether the service has a check of its own, which decides alone."""
        return os.path.isfile(healthcheck_of(self._project))

    def begin(self) -> None:
        """Begin a try of its own check."""
        order, revision = self._task.order, self._task.request.revision
        limit_s = min(TRY_MAX_S, self.service.health_timeout_s)
        self.trial = _Trial(lambda: scripted_verdict(order, revision, self._project, limit_s))

    def end(self) -> None:
        """Judge by the try, which is over."""
        trial, self.trial = self.trial, None
        if trial:
            self._judge(trial.verdict)

    def look(self, survey: Survey) -> None:
        """Judge by its containers."""
        self._judge(lambda: self._observed(survey))

    def _judge(self, verdict: Callable[[], Verdict]) -> None:
        """Take a verdict; what is not well at the deadline has failed."""
        try:
            self.verdict = verdict()
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

    def _observed(self, survey: Survey) -> Verdict:
        if self._expected is None:
            self._expected = tuple(compose.active_services(compose.resolved(self._project)))
        containers = survey.containers(self.service.name)
        verdict = service_verdict(containers, self._earlier, self._expected)
        self._earlier = containers
        return verdict


class _Trial(threading.Thread):
    """One try of a service's own check, beside everything else."""

    def __init__(self, check: Callable[[], Verdict]) -> None:
        super().__init__()
        self._check = check
        self._verdict = Verdict("waiting")
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Called by the thread itself."""
        try:
            self._verdict = self._check()
        except Exception as error:  # noqa: BLE001 - raised again where the verdict is asked for
            self._error = error

    def verdict(self) -> Verdict:
        """What it said, once it is over. Raises what the check raised."""
        self.join()
        if self._error:
            raise self._error
        return self._verdict


def healthcheck_of(project: Project) -> str:
    """The service's own check, whether it is there or not."""
    return os.path.join(project.folder, "healthcheck.sh")


def scripted_verdict(order: NodeOrder, revision: str, project: Project, limit_s: float) -> Verdict:
    """What healthcheck.sh says of its service, run once; revision: what the checkout has."""
    path = healthcheck_of(project)
    argv = (path,) if os.access(path, os.X_OK) else ("sh", path)
    limit_s = max(1.0, limit_s)
    env = healthcheck_environment(order, revision, project)
    finished = proc.run(argv, cwd=project.folder, env=env, timeout_s=limit_s)
    if finished.ok:
        return Verdict("well", "healthy")
    how = f"took longer than {limit_s:.0f} s" if finished.cut else f"exit status {finished.status}"
    said = f": {finished.tail[-1]}" if finished.tail else ""
    return Verdict("waiting", "", "healthcheck_failed", f"healthcheck.sh {how}{said}", "", finished.tail)


def failing(survey: Survey) -> tuple[Failing, ...]:
    """The services that stand on the node and are not well, after one look at each.

    All checks together get BASELINE_S; what is not reached by then is judged by its containers.
    """
    deadline = time.monotonic() + BASELINE_S
    survey.containers(), survey.head()  # asked here, and not by two checks at once
    services = survey.order.services
    verdicts = proc.together([partial(_baseline, survey, each, deadline) for each in services], TRIALS)
    judged = zip(services, verdicts)
    return tuple(Failing(each.name, verdict.message) for each, verdict in judged if verdict.state != "well")


def _baseline(survey: Survey, service: ServiceOrder, deadline: float) -> Verdict:
    """What one look says of a service before a run."""
    order, own = survey.order, survey.containers(service.name)
    project = compose.project_of(order, service, Paths(order.root))
    left_s = min(deadline - time.monotonic(), service.health_timeout_s)
    if own and os.path.isfile(healthcheck_of(project)) and left_s > 0:
        return scripted_verdict(order, survey.head(), project, left_s)
    settled = [each for each in own if each.health != "starting"]
    return service_verdict(settled, settled, ())


def healthcheck_environment(order: NodeOrder, revision: str, project: Project) -> dict[str, str]:
    """What healthcheck.sh finds in its environment: `docker compose exec ...` in it means this very project."""
    known = {
        "SATURN_HOST": order.host,
        "SATURN_SERVICE": project.name,
        "SATURN_ROOT": order.root,
        "SATURN_REVISION": revision,
        "SATURN_COMPOSE": " ".join(shlex.quote(word) for word in project.argv()),
        "COMPOSE_PROJECT_NAME": project.name,
        "COMPOSE_FILE": os.pathsep.join(project.files),
    }
    if project.env_file:
        known["COMPOSE_ENV_FILES"] = project.env_file
    values: Mapping[str, str] = read_env(project.env_file) if project.env_file else {}
    return {**values, **known}


def verify(task: Task, services: Sequence[ServiceOrder]) -> None:
    """Watch the services until each is well or failed. Raises NodeError naming those that failed.

    What is decided at the same time is told in the order of the services.
    """
    began = time.monotonic()
    watched = [_Watched(task, service, began) for service in services]
    for each in watched:
        task.sink.send(ServiceStarted, service=each.service.name)
    failed: list[_Watched] = []
    try:
        while watched:
            task.check_cancelled()
            proc.pause(_idle_s(watched))
            _look_round(task, watched)
            for each in [one for one in watched if one.verdict.state != "waiting"]:
                watched.remove(each)
                _tell(task, each)
                failed += [each] if each.verdict.state == "failed" else []
    finally:
        for each in watched:
            if each.trial:
                each.trial.join()
    if failed:
        raise _failure(task, failed)


def _idle_s(watched: Sequence[_Watched]) -> float:
    """How long there is nothing to do: until a look is due, or a try that is at work may be over."""
    if any(each.trial for each in watched):
        return _TICK_S
    return max(0.0, min(each.due for each in watched) - time.monotonic())


def _look_round(task: Task, watched: Sequence[_Watched]) -> None:
    """Take what is over, begin what is due, and judge all whose containers are due by one look at all containers."""
    for each in watched:
        if each.trial and not each.trial.is_alive():
            each.end()
    now = time.monotonic()
    due = [each for each in watched if not each.trial and each.verdict.state == "waiting" and each.due <= now + _TICK_S]
    scripted = [each for each in due if each.is_scripted]
    free = TRIALS - sum(1 for each in watched if each.trial)
    for each in scripted[: max(0, free)]:
        each.begin()
    survey = Survey(task.order)
    for each in due:
        if each not in scripted:
            each.look(survey)


def _tell(task: Task, watched: _Watched) -> None:
    if watched.verdict.state == "well":
        task.sink.send(ServiceVerified, service=watched.service.name, health=watched.verdict.health)
    else:
        _report(task, watched)


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
    names = [each.service.name for each in failed]
    before = [name for name in names if name in task.request.failing]
    message = "{} not well: {}".format(", ".join(names), first.verdict.message)
    if before:
        message += " ({} failing before this run, too)".format(
            "it was" if before == names else ", ".join(before) + " was"
        )
    kind = FailedBefore if before == names else NodeError
    hint = f"saturn deploy --hosts {task.order.host} --resume"
    return kind(first.verdict.code, message, hint, first.service.name if len(failed) == 1 else "")
