"""A small honest docker: containers, images and compose projects kept in one JSON file, commands like the real ones.

It supports what saturn_node.compose calls and nothing else; tests/contract/ runs the same questions against a real
docker. Compose files must be JSON (which is YAML too). `control.json` beside the state makes things go wrong:

    down, denied: true        the daemon does not answer, or not to this user
    pull_fails: [image]       up_fails: [service]      unhealthy: [service]      restarting: [service]
    exits: {service: status}  sleep: {command: seconds}
"""

import fcntl
import hashlib
import json
import os
import re
import sys
import time

VERSION = "2.26.1"


class DockerError(Exception):
    """Printed to stderr; the status is 1."""


class Docker:
    """The daemon's memory, loaded and saved around one command."""

    def __init__(self, folder):
        self.folder = folder
        self.control = self._load("control.json", {})
        data = self._load("state.json", {})
        self.containers = data.get("containers", {})
        self.images = data.get("images", [])
        self.count = data.get("count", 0)

    def _load(self, name, otherwise):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return otherwise

    def save(self):
        data = {"containers": self.containers, "images": self.images, "count": self.count}
        path = os.path.join(self.folder, "state.json")
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(data, file)
        os.replace(path + ".tmp", path)

    def require_daemon(self):
        socket = "unix:///var/run/docker.sock"
        if self.control.get("denied"):
            raise DockerError("permission denied while trying to connect to the Docker daemon socket at " + socket)
        if self.control.get("down"):
            raise DockerError(f"Cannot connect to the Docker daemon at {socket}. Is the docker daemon running?")

    def is_here(self, image):
        return image in self.images

    def of_project(self, project):
        return {key: each for key, each in self.containers.items() if each["project"] == project}

    def create(self, project, service, definition, digest):
        self.count += 1
        identity = hashlib.sha256(str(self.count).encode()).hexdigest()
        self.containers[identity] = {
            "project": project, "service": service, "digest": digest, "image": definition.get("image", ""),
            "started_at": f"2026-01-01T00:00:00.{self.count:09d}Z", "policy": definition.get("restart", "no"),
            "check": "healthcheck" in definition, "stopped": False,
        }  # fmt: skip

    def record(self, identity):
        """What `inspect` says."""
        each = self.containers[identity]
        name, restarting = each["service"], each["service"] in self.control.get("restarting", [])
        exits = self.control.get("exits", {})
        status = "restarting" if restarting else "exited" if name in exits or each["stopped"] else "running"
        state = {"Status": status, "ExitCode": exits.get(name, 0), "StartedAt": each["started_at"]}
        if each["check"]:
            sick = name in self.control.get("unhealthy", [])
            state["Health"] = {"Status": "unhealthy" if sick else "healthy"}
        labels = {"com.docker.compose.project": each["project"], "com.docker.compose.service": name}
        return {
            "Id": identity, "Name": "/{}-{}-1".format(each["project"], name), "Image": "sha256:" + each["image"],
            "Config": {"Image": each["image"], "Labels": {**labels, "com.docker.compose.oneoff": "False"}},
            "State": state, "RestartCount": 3 if restarting else 0,
            "HostConfig": {"RestartPolicy": {"Name": each["policy"], "MaximumRetryCount": 0}},
        }  # fmt: skip


def option(arguments, name, otherwise=None):
    return arguments[arguments.index(name) + 1] if name in arguments else otherwise


def docker(memory, arguments):
    verb, rest = arguments[0], arguments[1:]
    if verb == "compose":
        return compose(memory, rest)
    memory.require_daemon()
    if verb == "image":
        if not memory.is_here(rest[-1]):
            raise DockerError(f"Error response from daemon: No such image: {rest[-1]}")
        return "sha256:" + rest[-1]
    answers = {"version": lambda _memory, _rest: "20.10.24", "ps": ps, "inspect": inspect, "logs": logs}
    return answers.get(verb, lambda _memory, _rest: verb + " of the fake")(memory, rest)


def ps(memory, arguments):
    _, _, project = option(arguments, "--filter").partition("com.docker.compose.project")
    wanted = project.lstrip("=")
    return "\n".join(key for key, each in memory.containers.items() if not wanted or each["project"] == wanted)


def inspect(memory, arguments):
    return json.dumps([memory.record(each) for each in arguments if each in memory.containers])


def logs(memory, arguments):
    return "log of {}".format(memory.containers[arguments[-1]]["service"])


def compose(memory, arguments):
    if arguments[0] == "version":
        return VERSION
    files = [arguments[index + 1] for index, word in enumerate(arguments) if word == "-f"]
    verb_at = next(index for index, word in enumerate(arguments) if index and not is_global(arguments, index))
    project, verb, rest = option(arguments, "-p"), arguments[verb_at], arguments[verb_at + 1 :]
    config = resolved(project, files, environment(option(arguments, "--env-file")))
    if verb == "config":
        return json.dumps(config)
    memory.require_daemon()
    return {"pull": pull, "up": up, "ps": compose_ps, "down": down}[verb](memory, project, config, rest)


def is_global(arguments, index):
    return arguments[index].startswith("-") or arguments[index - 1] in ("-p", "-f", "--env-file", "--project-directory")


def environment(path):
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(line.strip().split("=", 1) for line in file if "=" in line)


def resolved(project, files, env):
    services = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: variable(found, env), file.read())
        try:
            data = json.loads(text)
        except ValueError as error:
            raise DockerError(f"yaml: {error}") from error
        for name, definition in data["services"].items():
            services.setdefault(name, {}).update(definition)
    return {"name": project, "services": services}


def variable(found, env):
    name, demand = found.groups()
    if demand and not env.get(name):
        raise DockerError(f"required variable {name} is missing a value: {demand[2:]}")
    return env.get(name, "")


def pull(memory, _project, config, names):
    for name in [each for each in names if not each.startswith("-")]:
        image = config["services"][name]["image"]
        if image in memory.control.get("pull_fails", []):
            raise DockerError(f"Error response from daemon: manifest for {image} not found: manifest unknown")
        memory.images.append(image)
        sys.stderr.write(f" {name} Pulled\n")
    return ""


def up(memory, project, config, _arguments):
    present = {each["service"]: key for key, each in memory.of_project(project).items()}
    for name in set(present) - set(config["services"]):
        del memory.containers[present[name]]
    for name, definition in config["services"].items():
        if name in memory.control.get("up_fails", []):
            raise DockerError("Error response from daemon: driver failed programming external connectivity on " + name)
        if not memory.is_here(definition["image"]):
            raise DockerError("Error response from daemon: No such image: " + definition["image"])
        digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
        known = memory.containers.get(present.get(name, ""))
        if known and known["digest"] == digest and not known["stopped"]:
            sys.stderr.write(f" Container {project}-{name}-1  Running\n")
            continue
        memory.containers.pop(present.get(name, ""), None)
        memory.create(project, name, definition, digest)
        sys.stderr.write(f" Container {project}-{name}-1  Started\n")
    return ""


def compose_ps(memory, project, _config, _arguments):
    return "\n".join("{}-{}-1".format(project, each["service"]) for each in memory.of_project(project).values())


def down(memory, project, _config, _arguments):
    for key in memory.of_project(project):
        del memory.containers[key]
    return ""


def main(folder, arguments):
    for word, seconds in Docker(folder).control.get("sleep", {}).items():
        if word in arguments:
            time.sleep(seconds)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(os.path.join(folder, "calls.jsonl"), "a", encoding="utf-8") as calls:
            calls.write(json.dumps(arguments) + "\n")
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
    sys.exit(main(sys.argv[1], sys.argv[2:]))
