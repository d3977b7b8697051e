"""The demo's story with a scripted saturn, and the whole of it as a person runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from support.saturn import SATURN

from saturn_orchestrator.app.demo import Kind, Ports, demo
from saturn_orchestrator.app.validate import validate
from saturn_orchestrator.errors import DemoFailed

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
