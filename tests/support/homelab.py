"""A small homelab in a real git repository: what a person on SATURN writes, commits and pushes."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

IMAGE = "saturn-test/busybox:1"
IMAGE_2 = "saturn-test/busybox:2"
FOREVER = "exec sleep 1000000"


def container(script: str = FOREVER, image: str = IMAGE, **keys: object) -> dict[str, object]:
    """One compose service that runs a shell script and comes back by itself."""
    return {
        "image": image,
        "command": ["sh", "-c", script],
        "init": True,
        "restart": "unless-stopped",
        "stop_grace_period": "1s",
        **keys,
    }


def checked(
    test: str = "test -e /tmp/ready", script: str = f"touch /tmp/ready; {FOREVER}", **keys: object
) -> dict[str, object]:
    """One compose service with a health check of its own."""
    check = {"test": ["CMD-SHELL", test], "interval": "1s", "timeout": "2s", "retries": 3, "start_period": "1s"}
    return container(script, healthcheck=check, **keys)


class Homelab:
    """A repository with `inventory/`, `services/` and `hosts/`. Nothing is committed until `commit` is called."""

    def __init__(self, folder: Path, hosts: Mapping[str, Mapping[str, object]], defaults: Mapping[str, object]) -> None:
        self.folder = folder
        self.topology: dict[str, object] = {
            "version": 1,
            "controller": "saturn",
            "defaults": dict(defaults),
            "hosts": {name: dict(entry) for name, entry in hosts.items()},
        }
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("config", "user.name", "Ada")
        self._git("config", "user.email", "ada@example.invalid")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the repository."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def append(self, path: str, text: str) -> None:
        """Add lines to a file of the repository."""
        file = self.folder / path
        file.write_text(file.read_text() + text)

    def write_service(
        self, name: str, services: Mapping[str, object], healthcheck: str = "", **metadata: object
    ) -> None:
        """Write a service: its compose file, its service.yaml, and a healthcheck.sh when there is one."""
        self.write(f"services/{name}/docker-compose.yml", yaml.safe_dump({"services": dict(services)}))
        self.write(f"services/{name}/service.yaml", yaml.safe_dump({"description": name, **metadata}))
        if healthcheck:
            self.write(f"services/{name}/healthcheck.sh", f"#!/bin/sh\n{healthcheck}\n", 0o755)

    def assign(self, host: str, services: Sequence[str]) -> None:
        """Say in the topology which services a host has."""
        self._hosts[host]["services"] = list(services)

    def set_host(self, host: str, **keys: object) -> None:
        """Set keys of a host's entry."""
        self._hosts[host].update(keys)

    def commit(self, message: str = "a change") -> str:
        """Write the topology, commit everything, and return the revision."""
        self.write("inventory/topology.yaml", yaml.safe_dump(self.topology, sort_keys=False))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def amend(self, message: str) -> str:
        """Write the last commit anew; the revision."""
        self._git("commit", "--quiet", "--amend", "--allow-empty", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def remote(self, url: str) -> None:
        """Know the forge as origin, as it is now: the branch there is where ours is."""
        self._git("remote", "add", "origin", url)
        self._git("update-ref", "refs/remotes/origin/main", "HEAD")

    def make_shallow(self) -> None:
        """Forget every commit but the last, as `git clone --depth 1` does."""
        (self.folder / ".git" / "shallow").write_text(self._git("rev-parse", "HEAD"))
        self._git("reflog", "expire", "--expire=all", "--all")
        self._git("gc", "--quiet", "--prune=all")

    @property
    def _hosts(self) -> dict[str, dict[str, object]]:
        hosts = self.topology["hosts"]
        assert isinstance(hosts, dict)
        return hosts

    def _git(self, *words: str) -> str:
        return subprocess.run(
            ("git", "-C", str(self.folder), *words), check=True, capture_output=True, text=True
        ).stdout
