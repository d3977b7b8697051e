"""Compose's and docker's command lines as data, and what their answers mean.

A service is the compose project of the same name. Which service is handled when belongs to `deployment` and `health`.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from functools import partial
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence, Tuple

from . import claims, proc
from .errors import Cancelled, NodeError
from .state import Paths
from .wire import NodeOrder, ServiceOrder

ASK_TIMEOUT_S = 60.0
QUICK_TIMEOUT_S = 10.0
PULL_IDLE_S = 600.0
RESOLVING = 4
"""How many configs are resolved at once: a Pi has four cores."""
ASSUMED = "comes-with-the-run"

_FILES = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")
_PROJECT_LABEL = "com.docker.compose.project"
_DENIED = r"(?i)permission denied.*(?:docker|socket|daemon)|dial unix .*permission denied"
_DOWN = r"(?i)cannot connect to the docker daemon|is the docker daemon running|error during connect"


class Project(NamedTuple):
    """A service as compose sees it. folder and files are absolute; env_file is "" when the node has none.

    assumed: names that have no value yet and will have one when the project is brought up; compose is given a stand-in.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    env_file: str
    command: tuple[str, ...]
    assumed: tuple[str, ...] = ()

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """A compose command line for this project, to be run in its folder."""
        chosen = [word for path in self.files for word in ("-f", path)]
        chosen += ["--env-file", self.env_file] if self.env_file else []
        return (*self.command, "-p", self.name, "--project-directory", self.folder, *chosen, *arguments)


class Container(NamedTuple):
    """One container as docker tells it. image: the name it was created from. policy: its restart policy.

    hash: compose's digest of the config it was made from. folder: the project folder it was made in. networks: the
    names of those it is connected to, sorted, with a blank between them.
    """

    id: str
    name: str
    project: str
    service: str
    image: str
    image_id: str
    state: str
    health: str
    exit_code: int
    restarts: int
    started_at: str
    policy: str
    hash: str = ""
    folder: str = ""
    networks: str = ""

    @property
    def stays_up(self) -> bool:
        """Whether docker starts it again by itself, however it ended."""
        return self.policy in ("always", "unless-stopped")

    @property
    def is_done(self) -> bool:
        """Whether it is a one-shot that ended well."""
        return self.state == "exited" and self.exit_code == 0 and self.policy in ("no", "on-failure")


class Image(NamedTuple):
    """An image on the node. id: of its content here; digest: `name@sha256:...` of the registry it came from, or ""."""

    id: str
    digest: str = ""


def project_of(order: NodeOrder, service: ServiceOrder, paths: Paths) -> Project:
    """The compose project of a service, with the files that stand on this node now; no files when it has none."""
    folder = os.path.join(order.checkout, service.folder)
    main = compose_file(folder)
    override = paths.override(service.name)
    files = tuple(path for path in (main, override) if path) if main else ()
    env_file = paths.env_file(service.name)
    return Project(service.name, folder, files, env_file if os.path.isfile(env_file) else "", order.compose)


def compose_file(folder: str) -> str:
    """The compose file of a service folder, or ""."""
    paths = (os.path.join(folder, name) for name in _FILES)
    return next((path for path in paths if os.path.isfile(path)), "")


def docker_of(command: Sequence[str]) -> tuple[str, ...]:
    """The container engine's own command behind a compose command: `docker compose` is `docker`'s."""
    if len(command) >= 2 and command[-1].endswith("compose"):
        return tuple(command[:-1])
    return ("docker",)


def parsed_version(text: str) -> tuple[int, ...]:
    """The numbers of a version such as `v2.26.1-desktop.1`; empty when there are none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(each) for each in found.group(1).split(".")) if found else ()


def parsed_containers(text: str) -> tuple[Container, ...]:
    """The containers in the answer of `inspect`; those of `compose run` are nobody's service and left out."""
    containers = {_container(each) for each in json.loads(text or "[]") if not _is_one_off(each)}
    return tuple(sorted(containers, key=lambda each: (each.project, each.service, each.name)))


def _is_one_off(record: Mapping[str, Any]) -> bool:
    return str(_labels(record).get("com.docker.compose.oneoff", "")).lower() == "true"


def _labels(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return (record.get("Config") or {}).get("Labels") or {}


def _container(record: Mapping[str, Any]) -> Container:
    state = record.get("State") or {}
    health = str((state.get("Health") or {}).get("Status") or "")
    return Container(
        id=str(record.get("Id", "")),
        name=str(record.get("Name", "")).lstrip("/"),
        project=str(_labels(record).get(_PROJECT_LABEL, "")),
        service=str(_labels(record).get("com.docker.compose.service", "")),
        image=str((record.get("Config") or {}).get("Image", "")),
        image_id=str(record.get("Image", "")),
        state=str(state.get("Status", "")),
        health="" if health == "none" else health,
        exit_code=int(state.get("ExitCode") or 0),
        restarts=int(record.get("RestartCount") or 0),
        started_at=str(state.get("StartedAt", "")),
        policy=str(((record.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"),
        hash=str(_labels(record).get("com.docker.compose.config-hash", "")),
        folder=str(_labels(record).get("com.docker.compose.project.working_dir", "")),
        networks=" ".join(sorted((record.get("NetworkSettings") or {}).get("Networks") or ())),
    )


def signature(containers: Iterable[Container]) -> frozenset[tuple[str, str, str]]:
    """What moves when a container is created, replaced, removed or started again.

    A one-shot runs once more with every `up`; that alone changes nothing, so its start does not count.
    """
    return frozenset((each.id, each.image_id, each.started_at if each.stays_up else "") for each in containers)


def active_services(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The services of a resolved config that should have a container: not those scaled to nothing."""
    services = config.get("services") or {}
    return {name: each for name, each in services.items() if scale(each) > 0}


def scale(service: Mapping[str, Any]) -> int:
    """How many containers the service shall have."""
    return int(claims.copies(service))


def image_name(project: str, name: str, service: Mapping[str, Any]) -> str:
    """What the image of a compose service is called; one that is built here needs no name of its own."""
    return str(service.get("image") or f"{project}-{name}")


def images(config: Mapping[str, Any]) -> dict[str, str]:
    """Compose service to image, for what a registry has: a service that is built here is left out."""
    services = active_services(config)
    return {name: str(each["image"]) for name, each in services.items() if each.get("image") and not each.get("build")}


def failure(finished: proc.Finished, code: str, message: str, hint: str = "", service: str = "") -> NodeError:
    """What a failed command means: a silent daemon or a lacking permission comes before the caller's own reading."""
    if finished.is_disk_full:
        return proc.disk_full(finished)
    words = "\n".join(finished.tail)
    if re.search(_DENIED, words):
        user = os.environ.get("USER") or str(os.getuid())
        hint = f"sudo usermod -aG docker {user}"
        return NodeError("docker_denied", "this user may not talk to docker", hint, service, finished.tail)
    if re.search(_DOWN, words):
        return NodeError("docker_down", "docker does not answer", "sudo systemctl start docker", service, finished.tail)
    return NodeError(code, message, hint, service, finished.tail)


def require(order: NodeOrder) -> dict[str, str]:
    """The versions of the engine and of compose. Fails with no_docker, docker_down, docker_denied or no_compose."""
    return {"docker": engine_version(order), "compose": compose_version(order.compose)}


def engine_version(order: NodeOrder) -> str:
    """The version of the engine, which answers. Fails with no_docker, docker_down or docker_denied."""
    docker = docker_of(order.compose)
    asked = proc.run((*docker, "version", "--format", "{{.Server.Version}}"), timeout_s=ASK_TIMEOUT_S)
    if not asked.ok:
        raise failure(asked, "docker_down", f"docker does not answer: {asked.last_line}", "docker info")
    return asked.stdout.strip()


def data_root(order: NodeOrder) -> str:
    """Where the engine keeps images, volumes and containers; "" when it does not tell."""
    asked = proc.run((*docker_of(order.compose), "info", "--format", "{{.DockerRootDir}}"), timeout_s=QUICK_TIMEOUT_S)
    place = asked.stdout.strip()
    return place if asked.ok and place.startswith("/") else ""


def compose_version(command: Sequence[str]) -> str:
    """The version of compose, 2 or newer; the engine is not asked. Fails with no_docker or no_compose."""
    compose = proc.run((*command, "version", "--short"), timeout_s=ASK_TIMEOUT_S)
    hint = "install the Compose v2 plugin: https://docs.docker.com/compose/install/linux/"
    if not compose.ok:
        message = "`{}` is not there: {}".format(" ".join(command), compose.last_line)
        raise NodeError("no_compose", message, hint, tail=compose.tail)
    if parsed_version(compose.stdout) < (2,):
        message = "`{}` is version {}, version 2 is needed".format(" ".join(command), compose.stdout.strip())
        raise NodeError("no_compose", message, hint)
    return compose.stdout.strip()


def containers(order: NodeOrder, project: str = "") -> tuple[Container, ...]:
    """Every compose container on the node, or those of one project."""
    docker = docker_of(order.compose)
    label = f"label={_PROJECT_LABEL}={project}" if project else "label=" + _PROJECT_LABEL
    listed = proc.run((*docker, "ps", "--all", "--quiet", "--no-trunc", "--filter", label), timeout_s=ASK_TIMEOUT_S)
    if not listed.ok:
        raise failure(listed, "docker_down", f"containers cannot be listed: {listed.last_line}", "docker info")
    return inspected(order, listed.stdout.split())


def inspected(order: NodeOrder, wanted: Sequence[str]) -> tuple[Container, ...]:
    """The containers of these ids and names that are there."""
    if not wanted:
        return ()
    asked = proc.run((*docker_of(order.compose), "inspect", "--type", "container", *wanted), timeout_s=ASK_TIMEOUT_S)
    try:  # one that is not there makes the status 1, the others are still told
        return parsed_containers(asked.stdout)
    except ValueError as error:
        message = f"containers cannot be inspected: {asked.last_line}"
        raise failure(asked, "docker_down", message, "docker info") from error


def names(project: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """What compose calls the containers of a project, unless a person or an older compose called them otherwise."""
    return tuple(
        str(each.get("container_name") or f"{project}-{service}-{number}")
        for service, each in active_services(config).items()
        for number in range(1, scale(each) + 1)
    )


def is_complete(config: Mapping[str, Any], found: Iterable[Container]) -> bool:
    """Whether every service of a project has as many containers as it should."""
    counted = Counter(each.service for each in found)
    return all(counted[name] == scale(each) for name, each in active_services(config).items())


_Stamp = Tuple[str, int, int]
_known: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[_Stamp, ...]], dict[str, Any]] = {}
"""What compose resolved in this process, by its command and the stamps of its files: it takes a Pi half a second."""


def forget_resolved() -> None:
    """The checkout moved: files that a compose file includes may be others now."""
    _known.clear()


def resolve(projects: Iterable[Project]) -> None:
    """Have the configs of the projects resolved, several at once. What compose refuses is told by `resolved`."""
    proc.together([partial(_is_resolved, each) for each in projects if each.files], RESOLVING)


def _is_resolved(project: Project) -> bool:
    try:
        return bool(resolved(project))
    except Cancelled:
        raise
    except NodeError:
        return False


def resolved(project: Project) -> dict[str, Any]:
    """The project's config as compose resolves it, secrets included: never to be logged. Fails with compose_invalid.

    Asked once for the same files; not to be changed by the caller.
    """
    key = (project.argv(), project.assumed, tuple(_stamp(path) for path in (*project.files, project.env_file) if path))
    if key not in _known:
        _known[key] = _resolved(project)
    return _known[key]


def _stamp(path: str) -> _Stamp:
    """What moves when a file is written: its name, the time in ns, and its size."""
    try:
        facts = os.stat(path)
    except OSError:
        return path, 0, 0
    return path, facts.st_mtime_ns, facts.st_size


def _resolved(project: Project) -> dict[str, Any]:
    argv, env = project.argv("config", "--format", "json"), dict.fromkeys(project.assumed, ASSUMED)
    finished = proc.run(argv, cwd=project.folder, env=env, timeout_s=ASK_TIMEOUT_S)
    try:
        if finished.ok:
            config = json.loads(finished.stdout)
            return config if isinstance(config, dict) else {}
    except ValueError as error:
        message = "compose does not answer in JSON: it is too old"
        raise NodeError("no_compose", message, "docker compose version", project.name) from error
    compose_version(project.command)  # without one of version 2 its words would say nothing of the files
    message = f"compose refuses its files: {finished.last_line}"
    raise failure(finished, "compose_invalid", message, service=project.name)


def image_here(order: NodeOrder, image: str) -> Image | None:
    """The image on the node, or None when it is not there."""
    return images_here(order, (image,)).get(image)


def images_here(order: NodeOrder, names: Sequence[str]) -> dict[str, Image]:
    """Those of the images that are on the node, by the name they were asked for; all are asked for at once."""
    if not names:
        return {}
    argv = (*docker_of(order.compose), "image", "inspect", "--format", "{{.Id}} {{json .RepoDigests}}", *names)
    finished = proc.run(argv, timeout_s=ASK_TIMEOUT_S)
    lost = None if finished.ok else failure(finished, "", "")
    if lost and lost.code:
        raise lost
    found = finished.stdout.splitlines()
    present = names if finished.ok else _not_missed(names, finished.tail)
    if len(found) == len(present):
        return {name: _image(line) for name, line in zip(present, found)}
    if len(names) == 1:
        return {}
    return {name: image for each in names for name, image in images_here(order, (each,)).items()}


def _not_missed(names: Sequence[str], words: Sequence[str]) -> list[str]:
    """The names of which docker did not say `No such image: NAME`. It tells the others in the order they were asked."""
    missed = {line.rpartition("No such image: ")[2].split(" ")[0] for line in words if "No such image: " in line}
    return [name for name in names if name not in missed]


def _image(line: str) -> Image:
    identity, _, digests = line.strip().partition(" ")
    return Image(identity, next(iter(_texts(digests)), ""))


def _texts(text: str) -> list[str]:
    try:
        return [str(each) for each in json.loads(text or "null") or ()]
    except ValueError:
        return []


def tag(order: NodeOrder, image: str, name: str) -> proc.Finished:
    """Let the name mean this image on the node."""
    return proc.run((*docker_of(order.compose), "tag", image, name), timeout_s=ASK_TIMEOUT_S)


def pull_image(order: NodeOrder, image: str, on_line: Callable[[str], None]) -> proc.Finished:
    """Pull one image by name; limited by silence."""
    return proc.run((*docker_of(order.compose), "pull", image), idle_s=PULL_IDLE_S, on_line=on_line)


def build(project: Project, names: Sequence[str], on_line: Callable[[str], None]) -> proc.Finished:
    """Build the images of some compose services; limited by silence."""
    return proc.run(project.argv("build", *names), cwd=project.folder, idle_s=PULL_IDLE_S, on_line=on_line)


def renew(project: Project, names: Sequence[str], timeout_s: float, on_line: Callable[[str], None]) -> proc.Finished:
    """Replace the containers of some compose services, though compose sees no reason to."""
    argv = project.argv("up", "--detach", "--no-deps", "--force-recreate", "--pull", "never", *names)
    return proc.run(argv, cwd=project.folder, timeout_s=timeout_s, on_line=on_line)


def down(order: NodeOrder, name: str, timeout_s: float, on_line: Callable[[str], None]) -> proc.Finished:
    """Remove the containers and networks of a project by name alone; its volumes and data stay."""
    argv = (*order.compose, "-p", name, "down", "--remove-orphans")
    return proc.run(argv, timeout_s=timeout_s, on_line=on_line)


def pull(project: Project, names: Sequence[str], on_line: Callable[[str], None]) -> proc.Finished:
    """Pull the images of some compose services; limited by silence, not by time: a slow line is no error."""
    argv = project.argv("pull", "--ignore-buildable", *names)
    return proc.run(argv, cwd=project.folder, idle_s=PULL_IDLE_S, on_line=on_line)


def up(project: Project, policy: str, timeout_s: float, on_line: Callable[[str], None]) -> proc.Finished:
    """Bring the project to its config. Images were pulled before."""
    argv = project.argv("up", "--detach", "--remove-orphans", "--pull", "never" if policy == "never" else "missing")
    return proc.run(argv, cwd=project.folder, timeout_s=timeout_s, on_line=on_line)


def log_tail(order: NodeOrder, container: str, lines: int) -> tuple[str, ...]:
    """The last log lines of a container; empty when docker does not tell."""
    argv = (*docker_of(order.compose), "logs", "--tail", str(lines), container)
    return proc.run(argv, timeout_s=ASK_TIMEOUT_S).tail
