"""A stand-in for `docker` and `docker compose`, run as a program: `python simulated_docker.py FOLDER ARGUMENT...`.

Containers, images and projects are records in one JSON file; nothing is ever started or fetched, and every line for a
person says `simulated`. It knows what the executor calls and no more. Standard library only, Python 3.8 or newer;
compose files that are not JSON need yaml. `control.json` in the folder makes things go wrong:

    down, denied: true        the daemon does not answer, or not to this user
    pull_fails: [image]       up_fails: [service]      unhealthy: [service]      restarting: [service]
    exits: {service: status}  sleep: {command: seconds}, which leaves a file `asleep`

Without it one thing does: a service whose environment points at `scheme://name:port`, where no such service runs here
and the name has no dot, is unhealthy.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

VERSION = "2.26.1-simulated"

_VARIABLE = re.compile(r"\$(?:\$|(?P<plain>\w+)|\{(?P<name>\w+)(?P<how>:?[-?])?(?P<rest>[^}]*)\})")
_POINTS_AT = re.compile(r"\w+://(?P<name>[\w-]+):\d+(?:/.*)?")
_GLOBAL = ("-p", "-f", "--env-file", "--project-directory")


class DockerError(Exception):
    """Printed to standard error; the status is 1."""


class Docker:
    """The daemon's memory, loaded and saved around one command."""

    def __init__(self, folder: Path) -> None:
        """The folder exists; without a state file in it there is no container yet."""
        self._folder = folder
        self.control = self._load("control.json")
        data = self._load("state.json")
        self.containers: dict[str, dict[str, Any]] = data.get("containers", {})
        self.images: list[str] = data.get("images", [])
        self.tags: dict[str, str] = data.get("tags", {})
        self._count: int = data.get("count", 0)

    def _load(self, name: str) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return loaded

    def save(self) -> None:
        """Keep what the command did; atomic, since a test may end it at any moment."""
        data = {"containers": self.containers, "images": self.images, "tags": self.tags, "count": self._count}
        temporary = self._folder / "state.json.tmp"
        temporary.write_text(json.dumps(data), encoding="utf-8")
        temporary.replace(self._folder / "state.json")

    def require_daemon(self) -> None:
        """Raise DockerError in the daemon's own words when it shall not answer."""
        socket = "unix:///var/run/docker.sock (simulated)"
        if self.control.get("denied"):
            raise DockerError(f"permission denied while trying to connect to the Docker daemon socket at {socket}")
        if self.control.get("down"):
            raise DockerError(f"Cannot connect to the Docker daemon at {socket}. Is the docker daemon running?")

    def of_project(self, project: str) -> dict[str, str]:
        """The containers of a project: compose service to id."""
        return {each["service"]: key for key, each in self.containers.items() if each["project"] == project}

    def create(self, project: str, service: str, definition: Mapping[str, Any], digest: str) -> None:
        """A new container, which runs."""
        self._count += 1
        identity = hashlib.sha256(str(self._count).encode()).hexdigest()
        self.containers[identity] = {
            "project": project,
            "service": service,
            "digest": digest,
            "image": definition.get("image", f"{project}-{service}"),
            "image_id": self.image_id(definition.get("image", f"{project}-{service}")),
            "started_at": f"2026-01-01T00:00:00.{self._count:09d}Z",
            "policy": definition.get("restart", "no"),
            "check": "healthcheck" in definition,
            "targets": [str(each) for each in (definition.get("environment") or {}).values()],
        }

    def image_id(self, name: str) -> str:
        """What the name of an image means now: what it was tagged as, or itself."""
        return str(self.tags.get(name) or (name if name.startswith("sha256:") else "sha256:" + name))

    def complaint(self, container: Mapping[str, Any]) -> str:
        """Why the container is unhealthy, or ""."""
        if container["service"] in self.control.get("unhealthy", []):
            return "its health check fails"
        present = {each["service"] for each in self.containers.values()}
        for target in container["targets"]:
            found = _POINTS_AT.fullmatch(target)
            if found and found.group("name") not in present:
                return f"cannot reach {target}: no such host"
        return ""

    def record(self, identity: str) -> dict[str, Any]:
        """What `inspect` says of a container."""
        each = self.containers[identity]
        name, is_restarting = each["service"], each["service"] in self.control.get("restarting", [])
        exits = self.control.get("exits", {})
        status = "restarting" if is_restarting else "exited" if name in exits else "running"
        state = {"Status": status, "ExitCode": exits.get(name, 0), "StartedAt": each["started_at"]}
        if each["check"]:
            state["Health"] = {"Status": "unhealthy" if self.complaint(each) else "healthy"}
        labels = {"com.docker.compose.project": each["project"], "com.docker.compose.service": name}
        labels["com.docker.compose.config-hash"] = each["digest"]
        return {
            "Id": identity,
            "Name": "/{}-{}-1".format(each["project"], name),
            "Image": each["image_id"],
            "Config": {"Image": each["image"], "Labels": {**labels, "com.docker.compose.oneoff": "False"}},
            "State": state,
            "RestartCount": 3 if is_restarting else 0,
            "HostConfig": {"RestartPolicy": {"Name": each["policy"], "MaximumRetryCount": 0}},
        }


def said(line: str) -> None:
    """One line of progress for a person."""
    sys.stderr.write(f" {line} (simulated)\n")


def option(arguments: Sequence[str], name: str, otherwise: str = "") -> str:
    """The value behind an option."""
    return arguments[arguments.index(name) + 1] if name in arguments else otherwise


# --- docker -----------------------------------------------------------------------------------------------------------


def docker(memory: Docker, arguments: Sequence[str]) -> str:
    """What a command prints on standard output. Raises DockerError."""
    verb, rest = arguments[0], arguments[1:]
    if verb == "compose":
        return compose(memory, rest)
    memory.require_daemon()
    if verb == "image":
        if rest[-1] not in memory.images and rest[-1].removeprefix("sha256:") not in memory.images:
            raise DockerError(f"Error response from daemon: No such image: {rest[-1]} (simulated)")
        return memory.image_id(rest[-1]) + " []"
    if verb == "version":
        return "20.10.24-simulated"
    answer = _ANSWERS.get(verb)
    return answer(memory, rest) if answer else f"simulated: docker {verb} has nothing to tell"


def ps(memory: Docker, arguments: Sequence[str]) -> str:
    """The ids of all containers, or of one project's."""
    project = option(arguments, "--filter").partition("com.docker.compose.project")[2].lstrip("=")
    return "\n".join(key for key, each in memory.containers.items() if not project or each["project"] == project)


def inspect(memory: Docker, arguments: Sequence[str]) -> str:
    """The records of those containers that are there."""
    return json.dumps([memory.record(each) for each in arguments if each in memory.containers])


def logs(memory: Docker, arguments: Sequence[str]) -> str:
    """One line that says how the container is, and what it lacks."""
    container = memory.containers.get(arguments[-1])
    if container is None:
        raise DockerError(f"Error response from daemon: No such container: {arguments[-1]} (simulated)")
    complaint = memory.complaint(container)
    return "simulated log of {}: {}".format(container["service"], complaint or "at work")


def tag(memory: Docker, arguments: Sequence[str]) -> str:
    """Let a name mean another image."""
    memory.tags[arguments[1]] = memory.image_id(arguments[0])
    return ""


_ANSWERS: dict[str, Callable[[Docker, Sequence[str]], str]] = {
    "ps": ps, "inspect": inspect, "logs": logs, "tag": tag,
}  # fmt: skip


# --- docker compose ---------------------------------------------------------------------------------------------------


def compose(memory: Docker, arguments: Sequence[str]) -> str:
    """What a compose command prints on standard output. Raises DockerError."""
    if arguments[0] == "version":
        return VERSION
    verb_at = next(index for index in range(len(arguments)) if not _is_global(arguments, index))
    verb, rest = arguments[verb_at], arguments[verb_at + 1 :]
    chosen = [arguments[index + 1] for index in range(verb_at) if arguments[index] == "-f"]
    files = chosen or os.environ.get("COMPOSE_FILE", "").split(os.pathsep)
    project = option(arguments[:verb_at], "-p", os.environ.get("COMPOSE_PROJECT_NAME", ""))
    config = (
        resolved(project, files, environment(option(arguments[:verb_at], "--env-file"))) if verb in _READERS else {}
    )
    if verb == "config":
        return json.dumps(config)
    memory.require_daemon()
    return _VERBS[verb](memory, project, config, rest)


def _is_global(arguments: Sequence[str], index: int) -> bool:
    return arguments[index].startswith("-") or (index > 0 and arguments[index - 1] in _GLOBAL)


def environment(path: str) -> dict[str, str]:
    """The names and values of an env file; of none for ""."""
    if not path:
        return {}
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def resolved(project: str, files: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """The project's config: files merged service by service, variables replaced, short forms of ports written out."""
    services: dict[str, dict[str, Any]] = {}
    for path in files:
        data = filled(_parsed(Path(path).read_text(encoding="utf-8")), env)
        for name, definition in data["services"].items():
            services.setdefault(name, {}).update(definition)
    for definition in services.values():
        if isinstance(definition.get("environment"), list):
            definition["environment"] = dict(str(each).partition("=")[::2] for each in definition["environment"])
        if "ports" in definition:
            definition["ports"] = [
                each if isinstance(each, dict) else long_port(str(each)) for each in definition["ports"]
            ]
    return {"name": project, "services": services}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass  # most compose files are YAML, of which JSON is the part that needs no library
    try:
        import yaml
    except ImportError as error:
        raise DockerError("simulated: this Python has no yaml, so compose files must be JSON") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DockerError(f"yaml: {error} (simulated)") from error


def filled(value: Any, env: Mapping[str, str]) -> Any:
    """The tree with every variable of its texts replaced."""
    if isinstance(value, dict):
        return {key: filled(each, env) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, env) for each in value]
    return _VARIABLE.sub(lambda found: _variable(found, env), value) if isinstance(value, str) else value


def _variable(found: re.Match[str], env: Mapping[str, str]) -> str:
    name, how, rest = found.group("plain") or found.group("name"), found.group("how") or "", found.group("rest")
    if not name:
        return "$"
    value = env.get(name)
    is_lacking = not value if how.startswith(":") else value is None
    if how.endswith("?") and is_lacking:
        raise DockerError(f"required variable {name} is missing a value: {rest} (simulated)")
    return str(rest) if how.endswith("-") and is_lacking else value or ""


def long_port(text: str) -> dict[str, Any]:
    """`127.0.0.1:80:8080/udp` as compose writes it out; an address in brackets is an IPv6 one."""
    place, _, protocol = text.partition("/")
    head, _, target = place.rpartition(":")
    host_ip, _, published = head.rpartition(":")
    port = {"mode": "ingress", "target": int(target) if target.isdigit() else target, "protocol": protocol or "tcp"}
    known = {"published": published, "host_ip": host_ip.strip("[]")}
    return {**port, **{name: each for name, each in known.items() if each}}


def pull(memory: Docker, _project: str, config: Mapping[str, Any], names: Sequence[str]) -> str:
    """Remember the images of some compose services; nothing is fetched."""
    for name in [each for each in names if not each.startswith("-")]:
        image = config["services"][name]["image"]
        if image in memory.control.get("pull_fails", []):
            raise DockerError(
                f"Error response from daemon: manifest for {image} not found: manifest unknown (simulated)"
            )
        memory.images.append(image)
        said(f"{name} Pulled")
    return ""


def up(memory: Docker, project: str, config: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """Bring the project's containers to its config; those that are named again, when told so."""
    present = memory.of_project(project)
    is_forced = "--force-recreate" in arguments
    for name in set(present) - set(config["services"]):
        del memory.containers[present[name]]
    for name, definition in config["services"].items():
        if is_forced and name not in arguments:
            continue
        if name in memory.control.get("up_fails", []):
            words = f"driver failed programming external connectivity on {name} (simulated)"
            raise DockerError(f"Error response from daemon: {words}")
        image = definition["image"]
        if image not in memory.images:
            raise DockerError(f"Error response from daemon: No such image: {image} (simulated)")
        digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
        known = memory.containers.get(present.get(name, ""))
        is_same = bool(known and known["digest"] == digest and known["image_id"] == memory.image_id(image))
        is_same = is_same and not is_forced
        if not is_same:
            memory.containers.pop(present.get(name, ""), None)
            memory.create(project, name, definition, digest)
        said("Container {}-{}-1  {}".format(project, name, "Running" if is_same else "Started"))
    return ""


def compose_ps(memory: Docker, project: str, _config: Mapping[str, Any], _arguments: Sequence[str]) -> str:
    """A line for each container of the project."""
    lines = []
    for name, key in memory.of_project(project).items():
        state = memory.record(key)["State"]
        health = state.get("Health", {}).get("Status", "no health check")
        lines.append("{}-{}-1  {}, {} (simulated)".format(project, name, state["Status"], health))
    return "\n".join(lines)


def execute(memory: Docker, project: str, _config: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """`exec SERVICE COMMAND...`: nothing is run; it works when the container is well."""
    service, *command = [each for each in arguments if each != "-T"]
    identity = memory.of_project(project).get(service)
    if identity is None:
        raise DockerError(f'service "{service}" is not running (simulated)')
    complaint = memory.complaint(memory.containers[identity])
    if complaint:
        raise DockerError(f"simulated: {service} {complaint}")
    return "simulated, not run in {}: {}".format(service, " ".join(command))


def down(memory: Docker, project: str, _config: Mapping[str, Any], _arguments: Sequence[str]) -> str:
    """Forget the project's containers."""
    for key in memory.of_project(project).values():
        del memory.containers[key]
    said(f"Project {project} Removed")
    return ""


_READERS = ("config", "pull", "up")
_VERBS: dict[str, Callable[[Docker, str, Mapping[str, Any], Sequence[str]], str]] = {
    "pull": pull, "up": up, "ps": compose_ps, "exec": execute, "down": down,
}  # fmt: skip


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Obey one command line, alone: the real daemon takes one change at a time, too."""
    for word, seconds in Docker(folder).control.get("sleep", {}).items():
        if word in arguments:
            (folder / "asleep").write_text(word, encoding="utf-8")
            time.sleep(seconds)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (folder / "calls.jsonl").open("a", encoding="utf-8") as calls:
            calls.write(json.dumps(list(arguments)) + "\n")
        memory = Docker(folder)
        try:
            answer = docker(memory, arguments)
        except DockerError as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
        finally:
            memory.save()
    sys.stdout.write(answer + "\n" if answer else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
