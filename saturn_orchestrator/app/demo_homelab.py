"""The demo's homelab: saturn's own sample, turned into a git repository whose nodes are on this machine.

Every service gets the prefix of the demo, so that no project of the person's is ever meant. With a real docker the
sample's images, ports, volumes and devices make way for one tiny image; with the simulated one they stay as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from saturn_orchestrator.app.demo_docker import IMAGE, PREFIX, DemoDocker
from saturn_orchestrator.app.demo_node import USER, DemoNode
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.records import dataclass

BROKER = "mqtt://mosquitto:1883"
MISSPELT = "mqtt://mosqitto:1883"
COMPOSE = "services/demo-zigbee2mqtt/docker-compose.yml"

_PATIENCE = {"timeout_s": 8, "interval_s": 0.5}
_SERVE = """
echo in place of the real image, at work
mkdir -p /www && echo well > /www/index.html
exec httpd -f -p 1883 -h /www
"""
_FETCH = "wget -q -O /dev/null"


@dataclass(frozen=True)
class Sample:
    """saturn's sample inventory, as far as the demo needs it."""

    folder: Path
    topology: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Sample:
        """The sample in that `inventory/` folder."""
        return cls(folder, _yaml(folder / "topology.yaml"))

    @property
    def services(self) -> dict[str, tuple[str, ...]]:
        """Host to its services, under their own names."""
        return {host: tuple(entry.get("services", ())) for host, entry in self.topology["hosts"].items()}

    def secrets(self, service: str) -> str:
        """What a person would have put into the service's `.env`."""
        return (self.folder / "services" / service / ".env.example").read_text(encoding="utf-8")


def prefixed(names: Sequence[str]) -> list[str]:
    """The services' names in the demo."""
    return [PREFIX + name for name in names]


class DemoHomelab:
    """The person's repository, and the bare one that the nodes clone: both below one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written until `write`."""
        self.folder = folder / "homelab"
        self.forge = folder / "forge.git"
        self._home = folder

    def write(self, sample: Sample, docker: DemoDocker, ports: Mapping[str, int], nodes: Sequence[DemoNode]) -> None:
        """Write the whole repository, but for its known_hosts. ports: host to where its SSH server listens."""
        hosts = {node.host: _host_entry(sample, node, ports[node.host]) for node in nodes}
        ssh = {"user": USER, "identity_file": str(self.identity), "known_hosts": "inventory/known_hosts"}
        defaults = {"ssh": ssh, "git": {"url": str(self.forge), "branch": "main"}}
        topology = {"version": 1, "controller": "saturn", "defaults": defaults, "hosts": hosts}
        self._write("inventory/topology.yaml", _dumped(topology))
        for service in dict.fromkeys(name for names in sample.services.values() for name in names):
            self._write_service(sample.folder / "services" / service, PREFIX + service, docker)

    @property
    def identity(self) -> Path:
        """The private key of the person of the demo."""
        return self._home / "id_ed25519"

    def trust(self, lines: Sequence[str]) -> None:
        """Write the nodes' host keys into known_hosts."""
        self._write("inventory/known_hosts", "".join(line + "\n" for line in lines))

    def create(self) -> None:
        """Make both repositories, with everything written so far as the first commit."""
        _git(self._home, "init", "--quiet", "--bare", "--initial-branch=main", str(self.forge))
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", str(self.forge))
        self.push("The homelab")

    def push(self, message: str) -> None:
        """Commit everything and push it to the forge."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        self._git("push", "--quiet", "origin", "main")

    def point_bridge_at(self, broker: str, instead_of: str) -> None:
        """Change where zigbee2mqtt looks for its broker; nothing is committed."""
        file = self.folder / COMPOSE
        text = file.read_text(encoding="utf-8")
        assert instead_of in text
        file.write_text(text.replace(instead_of, broker), encoding="utf-8")

    def _write_service(self, source: Path, name: str, docker: DemoDocker) -> None:
        folder = f"services/{name}"
        shutil.copytree(source, self.folder / folder)
        entry = _yaml(source / "service.yaml")
        entry["depends_on"] = prefixed(entry.get("depends_on", ()))
        self._write(f"{folder}/service.yaml", _dumped({**entry, "healthcheck": _PATIENCE}))
        compose = _yaml(source / "docker-compose.yml")
        if docker.is_simulated:
            shutil.copy(source / "docker-compose.yml", self.folder / folder)
        else:
            self._write(f"{folder}/docker-compose.yml", _dumped(stand_in(compose)))
        if (source / "healthcheck.sh").exists():
            checks = "".join(f"docker compose exec -T {each} true\n" for each in compose["services"])
            self._write(f"{folder}/healthcheck.sh", f"#!/bin/sh\nset -eu\n{checks}")

    def _write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _git(self, *words: str) -> None:
        _git(self._home, "-C", str(self.folder), *words)


def stand_in(compose: Mapping[str, Any]) -> dict[str, Any]:
    """The compose file with tiny containers: the same services, environments and networks, and nothing of the machine.

    Each serves a page on its broker's port; each is well when its own page answers, and that of every service without
    a dot in its name that its environment points at.
    """
    services = {name: _tiny(definition) for name, definition in compose["services"].items()}
    networks = {
        name: {**entry, **({"name": PREFIX + entry["name"]} if "name" in entry else {})}
        for name, entry in (compose.get("networks") or {}).items()
    }
    return {"services": services, **({"networks": networks} if networks else {})}


def _tiny(definition: Mapping[str, Any]) -> dict[str, Any]:
    environment = definition.get("environment", {})
    pointing = [name for name, value in environment.items() if str(value) == BROKER]
    tests = [f"{_FETCH} http://127.0.0.1:1883/", *(f'{_FETCH} "http:$${{{name}#*:}}/"' for name in pointing)]
    # What a test complains of goes to the container's log, where a person looks for it.
    check = {
        "test": ["CMD-SHELL", f"{{ {' && '.join(tests)}; }} 2>/proc/1/fd/2"],
        "interval": "1s",
        "timeout": "3s",
        "retries": 2,
    }
    kept = {name: definition[name] for name in ("environment", "networks") if name in definition}
    return {"image": IMAGE, "init": True, "command": ["sh", "-c", _SERVE], "healthcheck": check, **kept}


def _host_entry(sample: Sample, node: DemoNode, port: int) -> dict[str, Any]:
    """A host as the sample has it, its host.yaml merged in, but on this machine."""
    file = sample.folder / "hosts" / node.host / "host.yaml"
    entry = {**sample.topology["hosts"][node.host], **(_yaml(file) if file.exists() else {})}
    if "ingress" in entry:
        entry["ingress"] = {"public": prefixed(entry["ingress"]["public"])}
    here = {"address": "127.0.0.1", "transport": "ssh", "root": str(node.root)}
    return {**entry, **here, "ssh": {**entry.get("ssh", {}), "port": port}, "services": prefixed(entry["services"])}


def _yaml(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def _dumped(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False)


def _git(home: Path, *words: str) -> None:
    """Run git as nobody in particular: the person's own settings, hooks and names stay out of it.

    Raises:
        UsageError: there is no git.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _NOBODY.items()}
    environ = {**kept, **who, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        subprocess.run(("git", *words), env=environ, stdin=subprocess.DEVNULL, check=True)
    except FileNotFoundError as error:
        raise UsageError(
            "git is not installed on this machine", code="no_git", hint="install git, for example: apt install git"
        ) from error


_NOBODY = {"NAME": "saturn demo", "EMAIL": "demo@example.invalid"}
