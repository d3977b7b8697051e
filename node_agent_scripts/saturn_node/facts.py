"""The answer to `facts`: what is true on the node now. Strictly read-only, quick, and never without an answer."""

from __future__ import annotations

import json
import os
import shlex
import sys
from functools import partial
from typing import Any, Callable, Sequence, TypeVar

from . import compose, drift, git, lock, proc, state, wire
from .compose import Container
from .errors import Cancelled, NodeError
from .redaction import read_env
from .state import Paths
from .survey import Survey
from .wire import ContainerFact, DeploymentFact, Problem, RunFact, ServiceFact, ServiceOrder

_MAX_DIRTY = 20

_NO_TIPS: tuple[str, ...] = ()
_NO_CHECKOUT: tuple[str, tuple[str, ...]] = ("", ())

T = TypeVar("T")


class _Problems:
    """Collects what cannot be told, so that the rest still is."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def instead(self, ask: Callable[[], T], otherwise: T) -> T:
        """The answer, or `otherwise` when there is none; the problem is kept."""
        try:
            return ask()
        except NodeError as error:
            self.found.append(Problem(error.code, error.message, error.hint))
            return otherwise


def observed(survey: Survey, executor: str, revision: str = "") -> dict[str, Any]:
    """The fields of a `facts` event. revision: the commit that somebody may want the node to have."""
    order = survey.order
    paths = Paths(order.root)
    problems = _Problems()
    nothing: dict[str, str] = {}
    versions = {"python": sys.version.split()[0], "saturn": executor}
    git_known, engine_known, listed, stood = _answered(
        git_version, lambda: compose.require(order), survey.containers, lambda: _checkout(survey)
    )
    versions.update(problems.instead(git_known, nothing))
    engine = problems.instead(engine_known, nothing)
    versions.update(engine)
    containers = problems.instead(listed, None) if engine else None
    present, dirty = problems.instead(stood, _NO_CHECKOUT) if "git" in versions else _NO_CHECKOUT
    has_commits = bool(present) or ("git" in versions and git.is_unused(order.checkout))
    problems.instead(lambda: check_root(order.root), None)
    return {
        "revision": present,
        "dirty": dirty,
        "stage": state.current_stage(paths),
        "completed": state.completed_stages(paths),
        "last_service": state.last_service(paths),
        "services": tuple(_service(paths, each, containers) for each in order.services),
        "lock": lock.holder(paths),
        "last_run": last_run(paths),
        "problems": tuple(problems.found),
        "versions": versions,
        "has_revision": bool(has_commits and revision) and problems.instead(lambda: _has(survey, revision), False),
        "tips": problems.instead(survey.tips, _NO_TIPS) if has_commits else (),
        "deployments": tuple(_deployment(each) for each in state.deployments(paths)),
        "orphans": drift.orphans(order, containers or ()),
        "stale": state.is_stale(paths),
    }


def _has(survey: Survey, revision: str) -> bool:
    return git.is_revision(revision) and survey.has_commit(revision)


def _deployment(known: state.Deployment) -> DeploymentFact:
    return DeploymentFact(known.run, known.revision, known.at, tuple(sorted(known.images)))


def _answered(*questions: Callable[[], Any]) -> list[Callable[[], Any]]:
    """The questions, all asked at once: each gives its answer now without a wait, or fails with what it failed with."""
    return proc.together([partial(_kept, each) for each in questions], len(questions))


def _kept(ask: Callable[[], Any]) -> Callable[[], Any]:
    try:
        return partial(_given, ask(), None)
    except Cancelled:
        raise
    except NodeError as error:
        return partial(_given, None, error)


def _given(answer: Any, error: NodeError | None) -> Any:
    if error:
        raise error
    return answer


def git_version() -> dict[str, str]:
    """The version of git, by its name. Fails with no_git."""
    finished = proc.run(("git", "--version"), timeout_s=git.LOCAL_TIMEOUT_S)
    return {"git": finished.stdout.strip().replace("git version ", "")}


def _checkout(survey: Survey) -> tuple[str, tuple[str, ...]]:
    """The revision and the dirty files; a node without a checkout, or where nothing was checked out yet, has neither.

    Nor has one whose refs a power cut emptied: that is for prepare to repair, not a reason to give up beforehand.
    """
    revision = "" if git.is_unused(survey.order.checkout) else survey.head()
    if not revision:
        return _NO_CHECKOUT
    try:
        return revision, survey.dirty_files()[:_MAX_DIRTY]
    except NodeError:  # an index that a power cut emptied: prepare's to repair, too
        return revision, ()


def check_root(root: str) -> None:
    """Whether a run could create and replace what it needs below the root."""
    paths = Paths(root)
    nearest = nearest_folder(root)
    needed = (path for path in paths.folders() if os.path.exists(path))
    for path in (nearest, *needed, *_replaced(paths)):
        is_usable = os.access(path, os.W_OK | os.X_OK) and os.path.isdir(path)
        if not (is_usable or (os.path.isfile(path) and os.access(path, os.W_OK))):
            raise unwritable(path, root)


def _replaced(paths: Paths) -> tuple[str, ...]:
    """Files that every run opens again, rather than replacing them."""
    return tuple(path for path in (paths.lock,) if os.path.exists(path))


def nearest_folder(path: str) -> str:
    """The path itself, or the nearest above it that is there."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def unwritable(path: str, root: str) -> NodeError:
    """The failure of something below the root that this user cannot write to."""
    user = os.environ.get("USER") or str(os.getuid())
    if os.path.isdir(root):
        repair = f"sudo chown -R {shlex.quote(user)} {shlex.quote(path)}"
    else:
        repair = f"sudo install -d -o {shlex.quote(user)} {shlex.quote(root)}"
    return NodeError("root_unwritable", f"{path} cannot be written by {user}", repair)


def root_unwritable(root: str) -> NodeError:
    """The failure of a root that this user cannot write to."""
    return unwritable(root, root)


def _service(paths: Paths, service: ServiceOrder, containers: Sequence[Container] | None) -> ServiceFact:
    own = [each for each in containers or () if each.project == service.name]
    record = state.read_record(paths, service.name)
    env_file = paths.env_file(service.name)
    return ServiceFact(
        name=service.name,
        state="unknown" if containers is None else service_state(own),
        health=service_health(own),
        containers=tuple(_container(each) for each in own),
        deployed_revision=record.revision if record else "",
        local_changed=bool(record and record.local != state.local_digest(paths, service.name)),
        override=bool(paths.override(service.name)),
        env=os.path.isfile(env_file),
        missing_env=service.missing_env(read_env(env_file)),
        drift=() if containers is None else (*_half_done(paths, service.name), *drift.moved(record, own)),
    )


def _half_done(paths: Paths, service: str) -> tuple[str, ...]:
    """What a worker that was killed left of a backup or a restore; the next one ends it."""
    is_restoring, is_held = os.path.exists(paths.restoring(service)), os.path.exists(paths.quiesced(service))
    if not (is_restoring or is_held) or lock.holder(paths):  # else a run is just about it
        return ()
    if is_restoring:
        return ("a restore of it did not end; the next run ends it",)
    return ("it was held still for a backup that did not end; the next run starts it again",)


def service_state(containers: Sequence[Container]) -> str:
    """Absent | running | partial | stopped | restarting; a one-shot that exited 0 takes nothing from `running`."""
    if not containers:
        return "absent"
    if any(each.state == "restarting" for each in containers):
        return "restarting"
    running = [each.state == "running" for each in containers]
    done = [each.is_done for each in containers]
    if any(running):
        return "running" if all(map(max, running, done)) else "partial"
    return "stopped"


def service_health(containers: Sequence[Container]) -> str:
    """The worst health of the running containers: unhealthy | starting | healthy | none."""
    known = {each.health for each in containers if each.state == "running"}
    return next((each for each in ("unhealthy", "starting", "healthy") if each in known), "none")


def _container(container: Container) -> ContainerFact:
    return ContainerFact(
        name=container.name,
        service=container.service,
        id=container.id,
        image=container.image,
        state=container.state,
        health=container.health,
        exit_code=container.exit_code,
        restarts=container.restarts,
    )


def last_run(paths: Paths) -> RunFact | None:
    """The newest run that the node remembers."""
    runs = state.newest_runs(paths)
    return run_fact(paths, runs[0]) if runs else None


def run_fact(paths: Paths, run: str) -> RunFact:
    """What became of a run: its result, or "" while its worker lives, else `lost`."""
    result = state.read_json(paths.run(run, "result.json"))
    request = state.read_json(paths.run(run, "request.json"))
    return RunFact(
        run=run,
        outcome=outcome_of(paths, run),
        revision=str(result.get("revision", "") or request.get("revision", "")),
        stage=str(result.get("stage", "")) or state.current_stage(paths),
        at=str(result.get("at", "")),
        is_prefetch=any(request.get(key) for key in ("prefetch", "backup", "snapshot")),
    )


def outcome_of(paths: Paths, run: str) -> str:
    """How the run ended: what its goodbye says; "" while its worker lives, `lost` when it died without one."""
    events = paths.run(run, "events.jsonl")
    if lock.is_held(events):
        return ""
    try:
        last = json.loads(state.read_end(events).rstrip("\n").rsplit("\n", 1)[-1] or "{}")
    except ValueError:
        return "lost"
    return str(last.get("outcome", "")) if last.get("type") == wire.Goodbye.type else "lost"
