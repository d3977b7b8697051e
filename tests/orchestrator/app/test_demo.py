"""The demo's story with a scripted saturn, its homelab, and the whole of it as a person runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from support.saturn import SATURN

from saturn_orchestrator.app.demo import DemoFailed, Kind, Ports, demo
from saturn_orchestrator.app.demo_docker import DemoDocker, chosen_docker
from saturn_orchestrator.app.demo_homelab import stand_in
from saturn_orchestrator.app.demo_node import DemoNode
from saturn_orchestrator.app.validate import validate

STORY = (
    ("validate", 0),
    ("deploy --all --yes", 0),
    ("deploy --all --yes", 0),
    ("deploy --all --yes", 1),
    ("diagnose --hosts chelsty", 0),
    ("deploy --hosts chelsty --resume --yes", 0),
    ("status", 0),
)


@dataclass
class ScriptedSaturn:
    """Answers each command with the next status, and keeps what it saw: the command, the homelab, its environment."""

    statuses: Sequence[int] = tuple(status for _, status in STORY)
    commands: list[str] = field(default_factory=list)
    brokers: list[str] = field(default_factory=list)
    counts: tuple[int, int] = (0, 0)
    environ: Mapping[str, str] = field(default_factory=dict)

    async def run(self, words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
        self.environ = environ
        file = folder / environ["SATURN_INVENTORY"]
        valid = validate(file)
        self.counts = (valid.hosts, valid.services)
        compose = yaml.safe_load((folder / "services/demo-zigbee2mqtt/docker-compose.yml").read_text())
        self.brokers.append(compose["services"]["zigbee2mqtt"]["environment"]["ZIGBEE2MQTT_CONFIG_MQTT_SERVER"])
        diagnostics = Path(environ["XDG_STATE_HOME"]) / "saturn" / "diagnostics" / "chelsty"
        diagnostics.mkdir(parents=True, exist_ok=True)
        (diagnostics / "diagnostics_1.txt").write_text("host chelsty\n" + "x" * 200 + "\n")
        self.commands.append(" ".join(words))
        return self.statuses[len(self.commands) - 1]


@dataclass
class StillServer:
    """A server that is only told to start and to close."""

    folder: Path
    environ: Mapping[str, str]
    port: int = 2222
    host_key: str = "[127.0.0.1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/x"
    told: list[str] = field(default_factory=list)

    async def start(self, user: str, authorised: str) -> None:
        self.told.append(f"start for {user} with {authorised}")

    async def close(self) -> None:
        self.told.append("close")


@dataclass
class Told:
    """What a demo with a scripted saturn did and said."""

    saturn: ScriptedSaturn
    servers: list[StillServer] = field(default_factory=list)
    said: list[tuple[str, Kind]] = field(default_factory=list)

    def tell(self) -> Told:
        ports = Ports(
            self._server, lambda _: "the public key", self.saturn.run, lambda text, kind: self.said.append((text, kind))
        )
        asyncio.run(demo(ports, simulated=True))
        return self

    def _server(self, folder: Path, environ: Mapping[str, str]) -> StillServer:
        self.servers.append(StillServer(folder, environ))
        return self.servers[-1]


def test_the_story_runs_its_commands_in_order():
    told = Told(ScriptedSaturn()).tell()
    assert told.saturn.commands == [command for command, _ in STORY]
    assert told.saturn.counts == (3, 5)
    right, wrong = "mqtt://mosquitto:1883", "mqtt://mosqitto:1883"
    assert told.saturn.brokers == [right, right, right, wrong, wrong, right, right]
    headings = [text.split(".")[0] for text, kind in told.said if kind == "heading"]
    assert headings == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]


def test_the_servers_are_closed_and_the_folder_is_gone():
    told = Told(ScriptedSaturn()).tell()
    assert [server.told for server in told.servers] == [["start for homelab with the public key", "close"]] * 3
    assert [server.folder.exists() for server in told.servers] == [False] * 3


def test_neither_saturn_nor_a_node_sees_the_persons_home():
    told = Told(ScriptedSaturn()).tell()
    demo_folder = told.servers[0].folder.parent.parent
    assert told.saturn.environ["HOME"] == str(demo_folder)
    assert [server.environ["HOME"] for server in told.servers] == [str(server.folder) for server in told.servers]
    names = {name for name in told.servers[0].environ if not name.startswith("DOCKER_")}
    assert names == {"PATH", "HOME", "USER", "TMPDIR", "LANG", "PYTHONUSERBASE"}


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ((2,), "act 2: `saturn validate` ended with status 2, not 0"),
        ((0, 0, 0, 0), "act 5: `saturn deploy --all --yes` ended with status 0, not 1"),
    ],
)
def test_an_act_that_ends_otherwise_ends_the_demo(statuses, message):
    told = Told(ScriptedSaturn(statuses))
    with pytest.raises(DemoFailed) as caught:
        told.tell()
    assert (caught.value.message, caught.value.exit_code) == (message, 1)
    assert [(server.told[-1], server.folder.exists()) for server in told.servers] == [("close", False)] * 3


def test_a_stand_in_keeps_nothing_of_the_machine():
    real = {
        "services": {
            "bridge": {
                "image": "bridge:1",
                "environment": {"SERVER": "mqtt://mosquitto:1883"},
                "ports": ["80:80"],
                "volumes": ["/data:/data"],
                "devices": ["/dev/dri"],
                "privileged": True,
                "restart": "always",
                "networks": ["mqtt"],
            }
        },
        "networks": {"mqtt": {"name": "mqtt", "external": True}},
    }
    made = stand_in(real)
    assert set(made["services"]["bridge"]) == {"image", "init", "command", "healthcheck", "environment", "networks"}
    assert made["services"]["bridge"]["image"] == "busybox:1.36"
    assert '"http:$${SERVER#*:}/"' in made["services"]["bridge"]["healthcheck"]["test"][1]
    assert made["networks"] == {"mqtt": {"name": "demo-mqtt", "external": True}}


def test_without_docker_the_simulated_one_is_chosen_and_says_why(tmp_path):
    chosen = asyncio.run(chosen_docker(["demo-web"], {"PATH": str(tmp_path)}))
    assert chosen == DemoDocker("no docker answers on this machine")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("[ $1 != compose ]", DemoDocker("docker is here, but not its compose plugin")),
        ("echo 1", DemoDocker("a project demo-web is on this machine's docker already")),
        ("[ $1 != image ] && [ $1 != pull ]", DemoDocker("busybox:1.36 is not here and cannot be pulled")),
        ("[ $1 != image ]", DemoDocker(is_image_ours=True)),
        ("true", DemoDocker()),
    ],
)
def test_chosen_docker_is_the_real_one_only_when_it_can_be_used_without_a_trace(tmp_path, answers, expected):
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{answers}\n")
    docker.chmod(0o755)
    assert asyncio.run(chosen_docker(["demo-web"], {"PATH": f"{tmp_path}:{os.environ['PATH']}"})) == expected


WORKER = """
import fcntl, json, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(json.dumps({"pid": os.getpid()}) + "\\n")
file.flush()
print("at work", flush=True)
time.sleep(1000)
"""


def test_end_workers_ends_a_run_that_still_goes_on(tmp_path):
    node = DemoNode("chelsty", tmp_path, {})
    events = node.root / "state/deploy/runs/r1/events.jsonl"
    events.parent.mkdir(parents=True)
    ended = node.root / "state/deploy/runs/r0/events.jsonl"
    ended.parent.mkdir(parents=True)
    ended.write_text(f'{{"pid": {os.getpid()}}}\n')  # nobody holds it, so nobody is meant by it
    with subprocess.Popen((sys.executable, "-c", WORKER, str(events)), stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "at work\n"
        asyncio.run(node.end_workers())
        assert worker.wait(10) == -signal.SIGTERM


# --- the whole of it --------------------------------------------------------------------------------------------------


def started_demo(folder: Path) -> subprocess.Popen[str]:
    """`saturn demo` in a home and a temporary folder of its own, without a terminal."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "NO_COLOR": "1"}
    return subprocess.Popen(
        (str(SATURN), "demo", "--simulated"), cwd=folder, env={**environ, "COLUMNS": "80"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def leftovers(folder: Path) -> list[str]:
    """Files below the folder, and processes that have its name in their command."""
    files = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    processes = subprocess.run(("ps", "-eo", "args="), capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(files) + [line for line in processes if f"{folder}/tmp/" in line]


def test_the_whole_demo_succeeds_and_leaves_nothing(tmp_path):
    with started_demo(tmp_path) as process:
        assert process.stdout
        text = process.stdout.read()
    assert process.returncode == 0, text
    assert "docker    simulated, because --simulated was given; no container is started" in text
    assert "cannot reach mqtt://mosqitto:1883" in text
    docker_lines = [line for line in text.splitlines() if "Container " in line or " Pulled" in line]
    assert len(docker_lines) > 10
    assert [line for line in docker_lines if "simulated" not in line] == []
    assert "\x1b" not in text
    assert leftovers(tmp_path) == ["home", "tmp"]


def test_a_demo_that_is_interrupted_in_a_deploy_leaves_nothing(tmp_path):
    with started_demo(tmp_path) as process:
        assert process.stdout
        for line in process.stdout:
            if "deploy demo-mosquitto" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert "error[interrupted]: the demo was interrupted; nothing of it is left" in rest
    assert leftovers(tmp_path) == ["home", "tmp"]
