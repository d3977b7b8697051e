"""A node of the demo as folders: its home, its root, its secrets, its PATH; and the end of what still runs on it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import signal
import site
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from saturn_orchestrator.app.demo_docker import DemoDocker, simulated_command
from saturn_orchestrator.records import dataclass

USER = "homelab"

_GRACE_S = 10.0


@dataclass(frozen=True)
class DemoNode:
    """One node. folder: its home. services: secrets of each service, by the service's name."""

    host: str
    folder: Path
    secrets: Mapping[str, str]

    @property
    def root(self) -> Path:
        """What /opt/homelab is elsewhere."""
        return self.folder / "homelab"

    def prepare(self, docker: DemoDocker) -> None:
        """Make the folders, the programs on its PATH and the `.env` files. The node finds nothing of saturn's own."""
        for name in ("bin", "tmp", "docker"):
            (self.folder / name).mkdir(parents=True)
        # The person's own `python3` may be missing or too old; this one is neither.
        self._write_program("python3", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        if docker.is_simulated:
            self._write_program("docker", simulated_command(self.folder / "docker"))
        for service, text in self.secrets.items():
            file = self.root / "config" / service / ".env"
            file.parent.mkdir(parents=True)
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")

    def environ(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """What its commands find in their environment: nothing of the person's but the way to docker."""
        path = inherited.get("PATH") or os.defpath
        docker = {name: value for name, value in inherited.items() if name.startswith("DOCKER_")}
        return {
            "DOCKER_CONFIG": str(Path.home() / ".docker"),
            **docker,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{path}",
            "HOME": str(self.folder),
            "USER": USER,
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUSERBASE": site.getuserbase(),
        }

    async def end_workers(self) -> None:
        """End every run that still goes on; a worker that does not obey is killed."""
        deadline = time.monotonic() + _GRACE_S
        while workers := set(self._workers()):
            for worker in workers:
                _send(worker, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            await asyncio.sleep(0.05)

    def _workers(self) -> Iterator[int]:
        """Process ids: a worker holds its run's events.jsonl for its whole life, and names itself in the first line."""
        for events in self.root.glob("state/deploy/runs/*/events.jsonl"):
            with events.open(encoding="utf-8") as file:
                line = file.readline() if _is_held(file.fileno()) else ""
            if line.endswith("\n"):
                yield int(json.loads(line)["pid"])

    def _write_program(self, name: str, script: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(script, encoding="utf-8")
        file.chmod(0o755)


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
