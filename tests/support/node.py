"""A node in a folder: a root, an origin, a simulated docker on PATH, and the real executor as its own process."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import saturn_node
from saturn_node import compose, wire

_SOURCE = os.path.dirname(saturn_node.__file__)
_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIMULATED_DOCKER = os.path.join(_REPOSITORY, "saturn_orchestrator", "app", "simulated_docker.py")
_BOOTSTRAP = (
    "import sys\nfrom saturn_node.conversation import converse\nsys.exit(converse(open({0!r}, 'rb').read(), {1!r}))\n"
)
_MAIN = "import sys\nfrom saturn_node.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
PATIENCE_S = 30.0


def payload():
    """The executor's zipped bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(os.listdir(_SOURCE)):
            if name.endswith(".py"):
                archive.write(os.path.join(_SOURCE, name), "saturn_node/" + name)
        archive.writestr("__main__.py", _MAIN)
    return buffer.getvalue()


def compose_json(*services, **definition):
    """A compose file, in the JSON that is YAML too."""
    return json.dumps({"services": {name: {"image": "app:1", **definition} for name in services or ("app",)}})


def carrying(request, data):
    """The request with a bundle that follows it."""
    return replace(request, bundle=hashlib.sha256(data).hexdigest(), bundle_size=len(data))


def order(process, request):
    """Write one request to a session that is open."""
    process.stdin.write((wire.encode(request) + "\n").encode())
    process.stdin.flush()


def answer(stream):
    """The events of one answer, up to the conversation's mark that it is over."""
    events = []
    for line in iter(stream.readline, b""):
        if line == b"[SATURN] end\n":
            return events
        events.append(decoded(line))
    raise AssertionError(f"the executor ended within an answer: {events}")


def decoded(line):
    """The event in one line of the executor's stdout."""
    text = line.decode()
    assert text.startswith(wire.PREFIX), text
    return json.loads(text[len(wire.PREFIX) :])


def kinds(events):
    """What happened, without numbers and times: the type and what tells one event of it from another."""
    names = ("type", "stage", "service", "status", "outcome", "code", "health")
    return [" ".join(str(each[name]) for name in names if each.get(name)) for each in events if not is_chatter(each)]


def is_chatter(event):
    return event["type"] in ("progress", "log", "heartbeat") or event.get("severity") == "warning"


def until(question, what):
    """Wait for a fact of another process."""
    deadline = time.monotonic() + PATIENCE_S
    while not question():
        assert time.monotonic() < deadline, "never happened: " + what
        time.sleep(0.01)


def _command_lines():
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                yield file.read()
        except OSError:
            continue  # no process, or one that ended meanwhile


class Node:
    """Builders first, questions after. Every git and executor process sees only this node's environment."""

    def __init__(self, folder, python=sys.executable):
        self.folder = str(folder)
        self.python = python
        self.root = self.path("root")
        self.checkout = os.path.join(self.root, "repo")
        self.origin = self.path("origin")
        self.docker_folder = self.path("docker")
        for each in ("origin", "docker", "bin", "home"):
            os.makedirs(self.path(each))
        self.env = {
            "PATH": self.path("bin") + os.pathsep + os.environ["PATH"],
            "HOME": self.path("home"),
            "PYTHONPATH": os.path.dirname(_SOURCE),
            "USER": "tester",
        }
        program = f'"{sys.executable}" -I -S "{SIMULATED_DOCKER}" "{self.docker_folder}"'
        self._script("bin/docker", f'#!/bin/sh\nexec {program} "$@"\n')
        self.payload_path = self.path("payload.zip")
        data = payload()
        self.digest = hashlib.sha256(data).hexdigest()
        self.write("payload.zip", data)
        self.git("init", "-q", "-b", "main")
        self.order = wire.NodeOrder("chelsty", self.root, self.checkout, self.origin, "main")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        with open(path, "wb") as file:
            file.write(data)
        return path

    def _script(self, name, text):
        os.chmod(self.write(name, text), 0o755)

    def git(self, *arguments, folder=None):
        name = ("-c", "user.name=t", "-c", "user.email=t@t")
        argv = ("git", "-C", folder or self.origin, *name, *arguments)
        return subprocess.run(argv, env=self.env, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **files):
        """Commit files to origin; `__` in a keyword is `/`, and its value the content. Returns the revision."""
        for name, content in files.items():
            self.write(os.path.join("origin", name), content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def commit_services(self, *names, **definition):
        """Commit one compose file a service, and order them."""
        files = {f"services/{name}/docker-compose.yml": compose_json(name, **definition) for name in names}
        orders = tuple(wire.ServiceOrder(name, "services/" + name, (), (), 5.0, 0.05) for name in names)
        self.order = replace(self.order, services=orders)
        return self.commit(**files)

    def bundle(self, revision, *tips):
        """What SATURN sends: the revision with what it has beyond the tips."""
        self.git("update-ref", "refs/saturn/sent", revision)
        path = self.path("sent.bundle")
        self.git("bundle", "create", "-q", path, "refs/saturn/sent", *("^" + tip for tip in tips))
        self.git("update-ref", "-d", "refs/saturn/sent")
        with open(path, "rb") as file:
            return file.read()

    def lose_origin(self):
        """The forge is down."""
        os.rename(self.origin, self.origin + ".gone")

    def docker(self, *words):
        """What a person does with docker on the node; what it printed."""
        argv = (self.path("bin", "docker"), *words)
        done = subprocess.run(argv, env=self.env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.decode().strip()

    def containers(self, project):
        """The containers of a project, as the executor sees them."""
        ids = self.docker("ps", "--all", "--filter", "label=com.docker.compose.project=" + project).split()
        return compose.parsed_containers(self.docker("inspect", *ids))

    def env_file(self, service, text):
        path = self.write(f"root/config/{service}/.env", text)
        os.chmod(path, 0o600)
        return path

    def control(self, **faults):
        self.write("docker/control.json", json.dumps(faults))

    def docker_calls(self, verb):
        """The project of every compose call of this verb, in order."""
        try:
            with open(self.path("docker", "calls.jsonl"), encoding="utf-8") as file:
                calls = [json.loads(line) for line in file]
        except FileNotFoundError:
            return []
        return [call[call.index("-p") + 1] for call in calls if call[0] == "compose" and verb in call]

    def docker_services(self):
        with open(self.path("docker", "state.json"), encoding="utf-8") as file:
            return sorted(each["service"] for each in json.load(file)["containers"].values())

    def request(self, verb, run="r1", revision="", **facts):
        return wire.Request(verb, run, self.order, revision, by="anna", controller="saturn", **facts)

    def start(self):
        """An executor with open pipes, as a session has it."""
        code = _BOOTSTRAP.format(self.payload_path, self.digest)
        argv = (self.python, "-c", code)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, env=self.env, cwd=self.folder, **pipes)

    def ask(self, *requests):
        """The events that answer these requests (text lines are sent as they are, and bytes behind a request, too)."""
        told = [each if isinstance(each, (str, bytes)) else wire.encode(each) for each in requests]
        with self.start() as process:
            process.stdin.write(b"".join(each if isinstance(each, bytes) else f"{each}\n".encode() for each in told))
            process.stdin.flush()
            events = []
            for each in told:
                events += [] if isinstance(each, bytes) else answer(process.stdout)
            process.stdin.close()
            said = process.stderr.read().decode()
        assert not said, said
        return events

    def deploy(self, run, revision, **facts):
        return self.ask(self.request("run", run, revision, **facts))

    def person(self, *arguments):
        """What a person types on the node."""
        argv = (self.python, os.path.join(self.root, "bin", "saturn-node"), *arguments)
        env = {name: value for name, value in self.env.items() if name != "PYTHONPATH"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)

    def events(self, run):
        """The whole lines of a run's event file."""
        try:
            with open(self.path("root/state/deploy/runs", run, "events.jsonl"), encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def state(self, name):
        with open(self.path("root/state/deploy", name), encoding="utf-8") as file:
            return file.read().strip()

    def read(self, name):
        """The text of a file below this node's folder."""
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def is_working(self, verb):
        """Whether a command of the simulated docker with this verb is at work."""
        wanted = (self.docker_folder.encode(), verb.encode())
        return any(all(word in argv.split(b"\0") for word in wanted) for argv in _command_lines())

    def is_asleep(self):
        """Whether a command of the simulated docker has begun to sleep, as it was told to."""
        return os.path.exists(os.path.join(self.docker_folder, "asleep"))

    def kill_worker(self, run):
        """SIGKILL the worker of a run, as a power cut would; its commands die with it in time."""
        os.kill(self.events(run)[0]["pid"], signal.SIGKILL)
