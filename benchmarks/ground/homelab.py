"""The job: a repository of a few services, hosts that run them, and for each competitor a way to bring them up to date.

Every competitor has hosts of its own, so that each of its runs brings them from the release before to the newest.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import HERE, SATURN, Ground, Places, Row, ansible_inventory, peers, quietly, stopped
from .steps import brought_up, checked, fetched, steps


@dataclass
class Homelab:
    """hosts machines with the same services. docker_calls: of each competitor, in its last run, on one host.

    costs: what docker takes there, see docker.sh.
    """

    where: Ground
    name: str
    hosts: int
    services: tuple[str, ...]
    costs: str
    docker_calls: dict[str, int] = field(default_factory=dict)
    release: int = 0

    @property
    def folder(self) -> Path:
        """The repository, and the folder to run in."""
        return self.where.folder / self.name

    def root(self, who: str, host: int) -> Path:
        """Where a competitor's host has everything."""
        return self.where.folder / "nodes" / f"{self.name}-{who}" / f"h{host}"

    def founded(self, competitors: Sequence[str]) -> None:
        """Make the repository, and a checkout of it on every host."""
        self.folder.mkdir()
        self._git("init", "-q", "-b", "main")
        self.released()
        for who in competitors:
            for host in range(self.hosts):
                root = self.root(who, host)
                (root / "containers").mkdir(parents=True)
                (root / "docker").symlink_to(HERE / "docker.sh")
                (root / "costs").write_text(f"{self.costs}\n")
                quietly(("git", "clone", "-q", str(self.folder), str(root / "repo")))

    def released(self) -> None:
        """A commit that changes every service."""
        self.release += 1
        for service in self.services:
            folder = self.folder / "services" / service
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "docker-compose.yml").write_text(compose_file(service, self.release))
        self._git("add", "services")
        self._git("commit", "-qm", f"release {self.release}")

    def aimed(self, places: Places) -> None:
        """Write whatever tells saturn and its peers that the hosts are to be found there."""
        self.where.known(places)
        self._write("inventory/topology.yaml", json.dumps(self._topology(places), indent=1))
        self._git("add", "inventory")
        self._git("commit", "-qm", f"port {places[0][1]}", "--allow-empty")
        self._write("ansible.ini", ansible_inventory(places, self.where.options))
        self._write("linear.yml", playbook(steps("{{ root }}", self.services)))
        self._write("lean.yml", playbook(lean("{{ root }}", self.services)))
        self._write("pyinfra_hosts.py", f"hosts = {self._pyinfra(places)!r}\n")
        self._write("pyinfra_job.py", _PYINFRA.format(steps=steps("ROOT", self.services)))
        for who in ("asyncssh", "fabric", "parallel-ssh"):
            self._write(f"{who}.json", json.dumps(self._orders(who, places)))
        self._write("sh", "".join(self._script(host, place) for host, place in enumerate(places)))
        self._write("master", "".join(self._mastered(host, place) for host, place in enumerate(places)))

    def row(self, who: str, name: str, rounds: int) -> Row:
        """A competitor, with the proof that it did the job."""
        argv, environ = self._commands()[who]
        home = {"HOME": str(self.where.folder / "home"), "XDG_STATE_HOME": str(self.where.folder / "state")}
        return Row(
            name, argv, self.folder, {**home, **environ}, rounds,
            before=lambda: self._forgotten(who), after=lambda: self._proved(who),
        )  # fmt: skip

    def _commands(self) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
        programs, wide = peers(), str(self.hosts)
        every = ",".join(f"h{host}" for host in range(self.hosts))
        # Ansible may keep its connections from task to task, and closes them after its run: see _forgotten.
        quick = {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_TIMEOUT": "60",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
        }
        mitogen = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(strategies())}

        def playing(book: str, who: str) -> tuple[str, ...]:
            base = f"base={self.root(who, 0).parent}"
            return (str(programs / "ansible-playbook"), "-i", "ansible.ini", "-f", wide, "-e", base, book)

        def scripted(who: str) -> tuple[str, ...]:
            return (str(programs / "python"), str(HERE / f"by_{who.replace('-', '_')}.py"), f"{who}.json")

        return {
            "saturn": ((SATURN, "deploy", "--hosts", every, "--yes"), {}),
            "asyncssh": ((sys.executable, str(HERE / "by_asyncssh.py"), "asyncssh.json"), {}),
            "sh": (("sh", "-c", f"xargs -P {wide} -I LINE sh -c LINE < sh"), {}),
            "master": (("sh", "-c", f"xargs -P {wide} -I LINE sh LINE < master"), {}),
            "pyinfra": ((str(programs / "pyinfra"), "-y", "pyinfra_hosts.py", "pyinfra_job.py"), {}),
            "fabric": (scripted("fabric"), {}),
            "parallel-ssh": (scripted("parallel-ssh"), {}),
            "ansible": (playing("linear.yml", "ansible"), quick),
            "mitogen": (playing("lean.yml", "mitogen"), {**quick, **mitogen}),
        }

    def _forgotten(self, who: str) -> None:
        """Nothing of a former run is kept: neither the calls of docker, nor connections."""
        for host in range(self.hosts):
            (self.root(who, host) / "calls").write_text("")
        for socket in (self.folder / "cp").glob("*"):
            subprocess.run(("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "x"), capture_output=True, check=False)
            socket.unlink(missing_ok=True)

    def _proved(self, who: str) -> None:
        """End the benchmark unless every host has the newest commit, and every service of it came up in this run."""
        wanted, seen = self._git("rev-parse", "HEAD"), set()
        for host in range(self.hosts):
            root = self.root(who, host)
            found = quietly(("git", "-C", str(root / "repo"), "rev-parse", "HEAD"))
            calls = (root / "calls").read_text().splitlines()
            if found != wanted:
                raise stopped(f"{who} left h{host} at {found[:12]}, not at {wanted[:12]}")
            for service in self.services:
                ups = [each for each in calls if f"-p {service} " in each and " up " in each]
                container = root / "containers" / service
                release = container.read_text().split()[0] if container.exists() else "none"
                if not ups or release != str(self.release):
                    raise stopped(f"{who} left {service} of h{host} at release {release}, not at {self.release}")
            seen.add(len(calls))
        self.docker_calls[who] = max(seen)

    def _topology(self, places: Places) -> dict[str, object]:
        ssh = {"user": self.where.user, "identity_file": str(self.where.identity)}
        hosts = {
            f"h{host}": {
                "address": address,
                "ssh": {"port": port},
                "root": str(self.root("saturn", host)),
                "compose": {"command": [str(self.root("saturn", host) / "docker"), "compose"]},
                "services": list(self.services),
            }
            for host, (address, port) in enumerate(places)
        }
        defaults = {
            "ssh": {**ssh, "known_hosts": str(self.where.known_hosts)},
            "git": {"url": str(self.folder)},
        }
        return {"version": 1, "defaults": defaults, "rollout": {"parallel": self.hosts}, "hosts": hosts}

    def _pyinfra(self, places: Places) -> list[tuple[str, dict[str, object]]]:
        hosts = self.where.pyinfra_hosts(places)
        return [(name, {**data, "root": str(self.root("pyinfra", host))}) for host, (name, data) in enumerate(hosts)]

    def _orders(self, who: str, places: Places) -> dict[str, object]:
        hosts = [
            {
                "address": address,
                "port": port,
                "root": str(self.root(who, host)),
                "steps": steps(str(self.root(who, host)), self.services),
            }
            for host, (address, port) in enumerate(places)
        ]
        known = {"identity": str(self.where.identity), "known_hosts": str(self.where.known_hosts)}
        return {**known, "user": self.where.user, "services": self.services, "hosts": hosts}

    def _script(self, host: int, place: tuple[str, int]) -> str:
        """One line: the whole job as a script on standard input."""
        script = self._write(
            f"sh-h{host}", "\n".join(("set -e", *steps(str(self.root("sh", host)), self.services), ""))
        )
        return f"{self.where.ssh(place)} sh -s < {script}\n"

    def _mastered(self, host: int, place: tuple[str, int]) -> str:
        """One line: a script that runs one ssh a step over a connection that it opens and closes."""
        shared = f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={self.where.folder}/cm-{self.name}-{host}"
        ssh = self.where.ssh(place).replace("ssh ", f"ssh {shared} ", 1)
        runs = [f"{ssh} {shlex.quote(each)}" for each in steps(str(self.root("master", host)), self.services)]
        script = "\n".join(("set -e", *runs, f"{ssh} -O exit 2>/dev/null", ""))
        return f"{self._write(f'master-h{host}', script)}\n"

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def _git(self, *words: str) -> str:
        who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
        return quietly(("git", "-C", str(self.folder), *who, *words))


_PYINFRA = """\
from pyinfra import host
from pyinfra.operations import server

for step in {steps!r}:
    server.shell(name=step, commands=[step.replace("ROOT", host.data.root)])
"""


def compose_file(service: str, release: int) -> str:
    """As compose resolves it, in JSON."""
    definition = {
        "image": f"bench/{service}:1",
        "restart": "unless-stopped",
        "environment": {"RELEASE": str(release)},
        "healthcheck": {"test": ["CMD", "true"]},
    }
    return json.dumps({"name": service, "services": {service: definition}}, indent=1) + "\n"


def lean(root: str, services: Sequence[str]) -> list[str]:
    """The job in three scripts."""
    ups = (f"({brought_up(root, each)})" for each in services)
    return [fetched(root), " && ".join(ups), " && ".join(checked(root, each) for each in services)]


def playbook(commands: Sequence[str]) -> str:
    """For Ansible: a task a command. JSON is YAML, too."""
    tasks = [{"name": f"step {number}", "shell": command} for number, command in enumerate(commands)]
    play = {"hosts": "all", "gather_facts": False, "vars": {"root": "{{ base }}/{{ inventory_hostname }}"}}
    return json.dumps([{**play, "tasks": tasks}], indent=1)


def strategies() -> Path:
    """Where mitogen keeps its strategies for Ansible."""
    return next((peers().parent / "lib").glob("python*/site-packages/ansible_mitogen/plugins/strategy"))
