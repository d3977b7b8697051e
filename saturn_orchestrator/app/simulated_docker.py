"""A stand-in for `docker` and `docker compose`, run as a program: `python simulated_docker.py FOLDER ARGUMENT...`.

Containers, images and projects are records in one JSON file; nothing is ever started or fetched, and every line for a
person says `simulated`. It knows what the executor calls and no more. Standard library only, Python 3.8 or newer;
compose files that are not JSON need yaml. `control.json` in the folder makes things go wrong:

    down, denied: true        the daemon does not answer, or not to this user
    pull_fails: [image]       restarting: [service]    up_fails, unhealthy: [service or image]
    start_fails: [service]
    exits: {service: status}  sleep: {command: seconds}, which leaves a file `asleep`
    registry: {image: text}   another text is another image under the same name
    sizes: {image: bytes}     what the registry tells of an image; of others it tells nothing

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
_UNHASHED = frozenset({"build", "pull_policy", "scale", "depends_on", "profiles"})


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
        self.images: dict[str, str] = data.get("images", {})
        self.digests: dict[str, str] = data.get("digests", {})
        self._count: int = data.get("count", 0)

    def _load(self, name: str) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return loaded

    def save(self) -> None:
        """Keep what the command did; atomic, since a test may end it at any moment."""
        data = {"containers": self.containers, "images": self.images, "digests": self.digests, "count": self._count}
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

    def of_project(self, project: str) -> dict[str, list[str]]:
        """The containers of a project: compose service to ids, oldest first."""
        found: dict[str, list[str]] = {}
        for key, each in self.containers.items():
            if each["project"] == project:
                found.setdefault(each["service"], []).append(key)
        return found

    def create(self, project: Mapping[str, Any], service: str, number: int, digest: str) -> None:
        """A new container of a resolved project, which runs."""
        definition, name = project["services"][service], project["name"]
        identity = hashlib.sha256(f"container {self._count}".encode()).hexdigest()
        image = image_name(name, service, definition)
        self.containers[identity] = {
            "project": name,
            "service": service,
            "number": number,
            "folder": project["folder"],
            "digest": digest,
            "image": image,
            "image_id": self.images[image],
            "policy": definition.get("restart", "no"),
            "check": "healthcheck" in definition,
            "targets": [str(each) for each in (definition.get("environment") or {}).values()],
        }
        self.start(identity)

    def start(self, identity: str) -> None:
        """Let a container run from now on."""
        self._count += 1
        container = self.containers[identity]
        container.update(started_at=f"2026-01-01T00:00:00.{self._count:09d}Z", is_stopped=False)

    def image_id(self, name: str) -> str:
        """The id behind a name, an id or a digest, "" when there is no such image here."""
        known = {*self.images.values(), *self.digests}
        by_digest = {digest: identity for identity, digest in self.digests.items()}
        return self.images.get(name) or by_digest.get(name) or (name if name in known else "")

    def fetch(self, name: str) -> None:
        """The image as the registry has it now; one that is asked for by its digest gets no name here."""
        if name in self.control.get("pull_fails", []):
            words = f"manifest for {name} not found: manifest unknown (simulated)"
            raise DockerError(f"Error response from daemon: {words}")
        repository, at, identity = name.partition("@")
        if not at:
            text = f"{name} {self.control.get('registry', {}).get(name, '')}"
            repository = name.rpartition(":")[0] or name
            identity = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
            self.images[name] = identity
        self.digests[identity] = f"{repository}@{identity}"

    def is_told(self, fault: str, service: str, image: str) -> bool:
        """Whether the control file names the service or the image for that fault."""
        return bool({service, image} & set(self.control.get(fault, [])))

    def complaint(self, container: Mapping[str, Any]) -> str:
        """Why the container is unhealthy, or ""."""
        if self.is_told("unhealthy", container["service"], container["image"]):
            return "its health check fails"
        present = {each["service"] for each in self.containers.values()}
        for target in container["targets"]:
            found = _POINTS_AT.fullmatch(target)
            if found and found.group("name") not in present:
                return f"cannot reach {target}: no such host"
        return ""

    def name(self, identity: str) -> str:
        """What compose calls a container."""
        each = self.containers[identity]
        return "{}-{}-{}".format(each["project"], each["service"], each["number"])

    def record(self, identity: str) -> dict[str, Any]:
        """What `inspect` says of a container."""
        each = self.containers[identity]
        name, is_restarting = each["service"], each["service"] in self.control.get("restarting", [])
        exits = self.control.get("exits", {})
        is_over = each["is_stopped"] or name in exits
        at_work = "paused" if each.get("is_paused") else "running"
        status = "restarting" if is_restarting else "exited" if is_over else at_work
        state = {"Status": status, "ExitCode": exits.get(name, 0), "StartedAt": each["started_at"]}
        if each["check"]:
            state["Health"] = {"Status": "unhealthy" if self.complaint(each) else "healthy"}
        labels = {"com.docker.compose.project": each["project"], "com.docker.compose.service": name}
        labels["com.docker.compose.config-hash"] = each["digest"]
        labels["com.docker.compose.project.working_dir"] = each["folder"]
        return {
            "Id": identity,
            "Name": "/" + self.name(identity),
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
    if verb == "version":
        return "linux amd64" if any("Arch" in word for word in rest) else "20.10.24-simulated"
    answer = _ANSWERS.get(verb)
    return answer(memory, rest) if answer else f"simulated: docker {verb} has nothing to tell"


def ps(memory: Docker, arguments: Sequence[str]) -> str:
    """The ids of all containers, or of one project's."""
    project = option(arguments, "--filter").partition("com.docker.compose.project")[2].lstrip("=")
    return "\n".join(key for key, each in memory.containers.items() if not project or each["project"] == project)


def inspect(memory: Docker, arguments: Sequence[str]) -> str:
    """The records of those containers that are there, asked for by id or by name."""
    known = {**{each: each for each in memory.containers}, **{memory.name(each): each for each in memory.containers}}
    return json.dumps([memory.record(known[each]) for each in arguments if each in known])


def logs(memory: Docker, arguments: Sequence[str]) -> str:
    """One line that says how the container is, and what it lacks."""
    container = memory.containers.get(arguments[-1])
    if container is None:
        raise DockerError(f"Error response from daemon: No such container: {arguments[-1]} (simulated)")
    complaint = memory.complaint(container)
    return "simulated log of {}: {}".format(container["service"], complaint or "at work")


def image(memory: Docker, arguments: Sequence[str]) -> str:
    """The ids of images and, in JSON, the digests they were fetched by: the one thing that `image` is asked for."""
    names = arguments[arguments.index("--format") + 2 :] if "--format" in arguments else arguments[1:]
    lines = []
    for identity in filter(None, map(memory.image_id, names)):
        digest = memory.digests.get(identity)
        lines.append(f"{identity} {json.dumps([digest] if digest else [])}")
    absent = [name for name in names if not memory.image_id(name)]
    if absent:  # docker tells the others all the same
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        words = (f"Error response from daemon: No such image: {name} (simulated)" for name in absent)
        raise DockerError("\n".join(words))
    return "\n".join(lines)


def known_image(memory: Docker, name: str) -> str:
    """The id of an image that is here. Raises DockerError."""
    identity = memory.image_id(name)
    if not identity:
        raise DockerError(f"Error response from daemon: No such image: {name} (simulated)")
    return identity


def tag(memory: Docker, arguments: Sequence[str]) -> str:
    """Let a name mean another image."""
    memory.images[arguments[1]] = known_image(memory, arguments[0])
    return ""


def fetched(memory: Docker, arguments: Sequence[str]) -> str:
    """Remember an image; nothing is fetched."""
    memory.fetch(arguments[-1])
    return f"{arguments[-1]}: Pulled (simulated)"


def manifest(memory: Docker, arguments: Sequence[str]) -> str:
    """What the registry tells of an image: one layer of the size that it was told, or nothing."""
    name = arguments[-1]
    if name not in memory.control.get("sizes", {}):
        raise DockerError(f"no such manifest: {name} (simulated)")
    return json.dumps({"schemaVersion": 2, "layers": [{"size": memory.control["sizes"][name]}]})


def forget_image(memory: Docker, arguments: Sequence[str]) -> str:
    """Forget an image with all of its names."""
    identity = known_image(memory, arguments[-1])
    memory.images = {name: each for name, each in memory.images.items() if each != identity}
    memory.digests.pop(identity, None)
    return ""


def stop(memory: Docker, arguments: Sequence[str]) -> str:
    """Stop containers."""
    for each in arguments:
        memory.containers[each]["is_stopped"] = True
    return ""


def start(memory: Docker, arguments: Sequence[str]) -> str:
    """Start containers that were stopped."""
    for each in arguments:
        if memory.is_told("start_fails", memory.containers[each]["service"], ""):
            raise DockerError(f"Error response from daemon: driver failed, container {each} (simulated)")
        memory.start(each)
    return ""


def pause(memory: Docker, arguments: Sequence[str]) -> str:
    """Freeze containers."""
    for each in arguments:
        memory.containers[each]["is_paused"] = True
    return ""


def unpause(memory: Docker, arguments: Sequence[str]) -> str:
    """Let frozen containers go on."""
    for each in arguments:
        memory.containers[each]["is_paused"] = False
    return ""


def update(memory: Docker, arguments: Sequence[str]) -> str:
    """Give containers another restart policy: the one thing that `update` is asked for."""
    for each in arguments[2:]:
        memory.containers[each]["policy"] = option(arguments, "--restart")
    return ""


def forget(memory: Docker, arguments: Sequence[str]) -> str:
    """Remove containers, whether they run or not."""
    for each in arguments:
        memory.containers.pop(each, None)
    return ""


_ANSWERS: dict[str, Callable[[Docker, Sequence[str]], str]] = {
    "ps": ps, "inspect": inspect, "logs": logs, "tag": tag, "image": image, "pull": fetched, "rmi": forget_image,
    "stop": stop, "start": start, "pause": pause, "unpause": unpause, "update": update, "rm": forget,
    "manifest": manifest,
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
    place = option(arguments[:verb_at], "--project-directory", str(Path(files[0]).parent))
    config: dict[str, Any] = {}
    if verb in _READERS:
        env = {**environment(option(arguments[:verb_at], "--env-file")), **os.environ}
        config = resolved(project, files, env, Path(place))
    if verb == "config":
        return json.dumps(config)
    memory.require_daemon()
    return _VERBS[verb](memory, project, {**config, "folder": os.path.realpath(place)}, rest)


def _is_global(arguments: Sequence[str], index: int) -> bool:
    return arguments[index].startswith("-") or (index > 0 and arguments[index - 1] in _GLOBAL)


def environment(path: str) -> dict[str, str]:
    """The names and values of an env file; of none for ""."""
    if not path:
        return {}
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def resolved(project: str, files: Sequence[str], env: Mapping[str, str], place: Path) -> dict[str, Any]:
    """The project's config: files merged service by service, variables replaced, short forms and paths written out."""
    services: dict[str, dict[str, Any]] = {}
    shared: dict[str, dict[str, Any]] = {}
    for path in files:
        data = filled(_parsed(Path(path).read_text(encoding="utf-8")), env)
        for name, definition in data["services"].items():
            services.setdefault(name, {}).update(definition)
        for section in {"configs", "secrets"} & set(data):
            shared.setdefault(section, {}).update(data[section])
    for definition in services.values():
        _write_out(definition, place)
    for each in (one for section in shared.values() for one in section.values() if "file" in one):
        each["file"] = absolute(place, each["file"])
    return {"name": project, "services": services, **shared}


def _write_out(definition: dict[str, Any], place: Path) -> None:
    for section in ("environment", "labels"):
        if isinstance(definition.get(section), list):
            definition[section] = dict(str(each).partition("=")[::2] for each in definition[section])
    for section, long in (("ports", long_port), ("volumes", lambda text: long_volume(text, place))):
        if section in definition:
            definition[section] = [each if isinstance(each, dict) else long(str(each)) for each in definition[section]]
    if "build" in definition:
        build = definition["build"] if isinstance(definition["build"], dict) else {"context": definition["build"]}
        definition["build"] = {**build, "context": absolute(place, build["context"])}


def absolute(place: Path, path: str) -> str:
    """A path of a compose file, which is relative to the project's folder."""
    return os.path.normpath(place / path)


def long_volume(text: str, place: Path) -> dict[str, Any]:
    """`./conf:/etc/conf:ro` as compose writes it out; a name instead of a path is a volume."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    is_path = source.startswith((".", "/"))
    mount = {"type": "bind" if is_path else "volume", "source": absolute(place, source) if is_path else source}
    return {**mount, "target": target, **({"read_only": True} if mode == "ro" else {})}


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


def image_name(project: str, service: str, definition: Mapping[str, Any]) -> str:
    """What the image of a compose service is called; one that is built needs no name of its own."""
    return str(definition.get("image") or f"{project}-{service}")


def pull(memory: Docker, _project: str, config: Mapping[str, Any], names: Sequence[str]) -> str:
    """Remember the images of some compose services; nothing is fetched."""
    for name in [each for each in names if not each.startswith("-")]:
        memory.fetch(config["services"][name]["image"])
        said(f"{name} Pulled")
    return ""


def build(memory: Docker, project: str, config: Mapping[str, Any], names: Sequence[str]) -> str:
    """Remember images that depend on the files they are built from; nothing is built."""
    for name in names:
        definition = config["services"][name]
        files = sorted(each for each in Path(definition["build"]["context"]).rglob("*") if each.is_file())
        content = b"".join(str(each.name).encode() + each.read_bytes() for each in files)
        identity = "sha256:" + hashlib.sha256(content).hexdigest()
        memory.images[image_name(project, name, definition)] = identity
        memory.digests.setdefault(identity, "")
        said(f"{name} Built")
    return ""


def up(memory: Docker, project: str, config: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """Bring the project's containers to its config; those that are named again, when told so."""
    present = memory.of_project(project)
    is_forced = "--force-recreate" in arguments
    for name in set(present) - set(config["services"]):
        forget(memory, present[name])
    for name, definition in config["services"].items():
        if is_forced and name not in arguments:
            continue
        image = image_name(project, name, definition)
        if memory.is_told("up_fails", name, image):
            words = f"driver failed programming external connectivity on {name} (simulated)"
            raise DockerError(f"Error response from daemon: {words}")
        if "build" in definition and image not in memory.images:
            build(memory, project, config, (name,))
        known_image(memory, image)
        _bring_up(memory, config, name, () if is_forced else present.get(name, ()))
        if is_forced:
            forget(memory, present.get(name, ()))
    return ""


def _bring_up(memory: Docker, config: Mapping[str, Any], name: str, present: Sequence[str]) -> None:
    """Keep the containers of a service that are as they should be, and make what is lacking."""
    definition, project = config["services"][name], config["name"]
    digest = config_hash(definition)
    numbered = {memory.containers[each]["number"]: each for each in present}
    for number in range(1, scale(definition) + 1):
        identity = numbered.get(number, "")
        known = memory.containers.get(identity, {})
        made_of = (known.get("digest"), known.get("image_id"))
        is_same = made_of == (digest, memory.images[image_name(project, name, definition)])
        if not is_same:
            memory.containers.pop(identity, None)
            memory.create(config, name, number, digest)
        elif known["is_stopped"]:
            memory.start(identity)
        said("Container {}-{}-{}  {}".format(project, name, number, "Running" if is_same else "Started"))
    forget(memory, [each for number, each in numbered.items() if number > scale(definition)])


def scale(definition: Mapping[str, Any]) -> int:
    """How many containers a service shall have."""
    return int(definition.get("scale", (definition.get("deploy") or {}).get("replicas", 1)))


def config_hash(definition: Mapping[str, Any]) -> str:
    """Compose's digest of a service: what it leaves out replaces no container."""
    hashed = {key: value for key, value in definition.items() if key not in _UNHASHED}
    if "deploy" in hashed:
        hashed["deploy"] = {key: value for key, value in hashed["deploy"].items() if key != "replicas"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def compose_ps(memory: Docker, project: str, _config: Mapping[str, Any], _arguments: Sequence[str]) -> str:
    """A line for each container of the project."""
    lines = []
    for key in [each for keys in memory.of_project(project).values() for each in keys]:
        record = memory.record(key)
        health = record["State"].get("Health", {}).get("Status", "no health check")
        lines.append("{}  {}, {} (simulated)".format(record["Name"].lstrip("/"), record["State"]["Status"], health))
    return "\n".join(lines)


def execute(memory: Docker, project: str, _config: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """`exec SERVICE COMMAND...`: nothing is run; it works when the container is well."""
    service, *command = [each for each in arguments if each != "-T"]
    identities = memory.of_project(project).get(service)
    if not identities:
        raise DockerError(f'service "{service}" is not running (simulated)')
    complaint = memory.complaint(memory.containers[identities[0]])
    if complaint:
        raise DockerError(f"simulated: {service} {complaint}")
    return "simulated, not run in {}: {}".format(service, " ".join(command))


def down(memory: Docker, project: str, _config: Mapping[str, Any], _arguments: Sequence[str]) -> str:
    """Forget the project's containers."""
    for keys in memory.of_project(project).values():
        forget(memory, keys)
    said(f"Project {project} Removed")
    return ""


_READERS = ("config", "pull", "build", "up")
_VERBS: dict[str, Callable[[Docker, str, Mapping[str, Any], Sequence[str]], str]] = {
    "pull": pull, "build": build, "up": up, "ps": compose_ps, "exec": execute, "down": down,
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
