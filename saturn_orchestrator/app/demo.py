"""`saturn demo`: the sample homelab on nodes of this machine, from the first deploy through a failure to the mending.

The story stands in `_tell`, to be read top to bottom. Nodes and saturn itself come through ports: this module knows
neither SSH nor the screen. Everything lies in one temporary folder, which is gone in the end, however it ends.
"""

from __future__ import annotations

import os
import site
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol

from saturn_orchestrator.app import sample
from saturn_orchestrator.app.demo_docker import IMAGE, DemoDocker, chosen_docker, clear
from saturn_orchestrator.app.demo_homelab import BROKER, COMPOSE, MISSPELT, DemoHomelab, Sample, prefixed
from saturn_orchestrator.app.demo_node import USER, DemoNode
from saturn_orchestrator.errors import DemoFailed
from saturn_orchestrator.records import dataclass

HEAD_LINES, HEAD_COLUMNS = 27, 76
"""How much of a diagnostics file is shown."""


class Server(Protocol):
    """A node's SSH server. port and host_key (its line for known_hosts) are there once it was started."""

    port: int

    @property
    def host_key(self) -> str:
        """The line that a known_hosts file needs."""

    async def start(self, user: str, authorised: str) -> None:
        """Listen, and let that user in with that public key."""

    async def close(self) -> None:
        """Hang up and stop listening."""


Kind = Literal["heading", "command", "text"]


@dataclass(frozen=True)
class Ports:
    """The world outside.

    new_server: a server whose commands run in a folder, with an environment. new_identity: writes a private key and
    returns the public one. run_saturn: a saturn of its own, in a folder, with an environment; its exit status. say:
    one line to the person.
    """

    new_server: Callable[[Path, Mapping[str, str]], Server]
    new_identity: Callable[[Path], str]
    run_saturn: Callable[[Sequence[str], Path, Mapping[str, str]], Awaitable[int]]
    say: Callable[[str, Kind], None]


async def demo(ports: Ports, *, simulated: bool) -> None:
    """Tell the whole story. simulated: do not even ask the docker of this machine.

    Raises:
        DemoFailed: an act did not end as it should; nothing is left behind then, either.
        UsageError: there is no git.
    """
    homelab_sample = Sample.of(sample.folder())
    projects = [name for names in homelab_sample.services.values() for name in prefixed(names)]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        unasked = DemoDocker("--simulated was given")
        docker = unasked if simulated else await chosen_docker(projects, os.environ)
        stack.push_async_callback(clear, docker, projects, os.environ)
        stage = _Stage(folder, docker, ports)
        for host, services in homelab_sample.services.items():
            secrets = {
                name: homelab_sample.secrets(plain) for name, plain in zip(prefixed(services), services, strict=True)
            }
            stage.nodes.append(DemoNode(host, folder / "nodes" / host, secrets))
        await stage.open(homelab_sample, stack)
        await _tell(stage)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="saturn-demo-") as folder:
        yield Path(folder).resolve()


async def _tell(stage: _Stage) -> None:
    stage.act("What stands here")
    stage.introduce()

    stage.act("The inventory is checked, and no node is touched")
    await stage.saturn("validate")

    stage.act("The first deploy: every service is created")
    await stage.saturn("deploy", "--all", "--yes")

    stage.act("The same again: nothing is left to change")
    await stage.saturn("deploy", "--all", "--yes")

    stage.act("A commit misspells the MQTT broker, and chelsty cannot be well")
    stage.commit(MISSPELT, BROKER, "zigbee2mqtt: another broker")
    await stage.saturn("deploy", "--all", "--yes", expected=1)

    stage.act("What the node knows about it")
    await stage.saturn("diagnose", "--hosts", "chelsty")
    stage.show_diagnostics("chelsty")

    stage.act("The fix is committed, and the run resumes where it stopped")
    stage.commit(BROKER, MISSPELT, "zigbee2mqtt: the right broker")
    await stage.saturn("deploy", "--hosts", "chelsty", "--resume", "--yes")

    stage.act("Where every node stands")
    await stage.saturn("status")

    stage.act("The end: everything above is removed from this machine")
    stage.conclude()


class _Stage:
    """Where the story plays: the folder, the nodes, the homelab; and how an act is announced and checked."""

    def __init__(self, folder: Path, docker: DemoDocker, ports: Ports) -> None:
        self.nodes: list[DemoNode] = []
        self._folder = folder
        self._docker = docker
        self._ports = ports
        self._homelab = DemoHomelab(folder)
        self._listening: dict[str, int] = {}
        self._act = 0
        self._is_unread = False

    async def open(self, homelab_sample: Sample, stack: AsyncExitStack) -> None:
        """Start every node, and write the homelab that names them."""
        authorised = self._ports.new_identity(self._homelab.identity)
        host_keys = []
        for node in self.nodes:
            node.prepare(self._docker)
            stack.push_async_callback(node.end_workers)
            server = self._ports.new_server(node.folder, node.environ(os.environ))
            stack.push_async_callback(server.close)
            await server.start(USER, authorised)
            self._listening[node.host] = server.port
            host_keys.append(server.host_key)
        self._homelab.write(homelab_sample, self._docker, self._listening, self.nodes)
        self._homelab.trust(host_keys)
        self._homelab.create()

    def act(self, title: str) -> None:
        """Begin the next act."""
        self._act += 1
        self._say("")
        self._say(f"{self._act}. {title}", "heading")
        self._say("")

    def introduce(self) -> None:
        """Say which nodes there are, and what is real about them."""
        for node in self.nodes:
            self._say(f"  {node.host:<9} SSH on 127.0.0.1:{self._listening[node.host]:<6} {', '.join(node.secrets)}")
        self._say(f"  {'git':<9} {self._homelab.forge}")
        if self._docker.is_simulated:
            self._say(f"  {'docker':<9} simulated, because {self._docker.reason}; no container is started")
        else:
            self._say(f"  {'docker':<9} the one of this machine; {IMAGE} stands in for every image")

    async def saturn(self, *words: str, expected: int = 0) -> None:
        """Run a command as a person types it.

        Raises:
            DemoFailed: it ended with another status than the expected one.
        """
        self._say(f"$ saturn {' '.join(words)}", "command")
        status = await self._ports.run_saturn(words, self._homelab.folder, self._environ())
        if status != expected:
            raise DemoFailed(
                f"act {self._act}: `saturn {' '.join(words)}` ended with status {status}, not {expected}",
                hint="read what it says above; then run it again: saturn demo",
            )
        if expected:
            self._say(f"  That was meant to fail: exit status {status}.")

    def commit(self, broker: str, instead_of: str, message: str) -> None:
        """Change one line of the homelab, show it, and push it."""
        self._homelab.point_bridge_at(broker, instead_of)
        self._say(f"  {COMPOSE}")
        self._say(f"  - {instead_of}")
        self._say(f"  + {broker}")
        self._say(f"$ git commit --all --message '{message}' && git push", "command")
        self._homelab.push(message)

    def show_diagnostics(self, host: str) -> None:
        """The beginning of the file that was just brought here."""
        newest = max((self._folder / "state" / "saturn" / "diagnostics" / host).iterdir())
        self._say(f"$ head -n {HEAD_LINES} {newest.name} | cut -c -{HEAD_COLUMNS}", "command")
        for line in newest.read_text(encoding="utf-8").splitlines()[:HEAD_LINES]:
            self._say(f"  {line[:HEAD_COLUMNS]}")

    def conclude(self) -> None:
        """Say what a person may do next."""
        self._say("  Your own homelab begins with:")
        for line in ("saturn init my-homelab", "cd my-homelab", "saturn validate"):
            self._say(f"$ {line}", "command")

    def _say(self, text: str, kind: Kind = "text") -> None:
        self._ports.say(text, kind)

    def _environ(self) -> dict[str, str]:
        """The environment of the saturn that is shown: no home and no state but the demo's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SATURN_"))}
        return {
            **kept,
            "HOME": str(self._folder),
            "XDG_STATE_HOME": str(self._folder / "state"),
            "SATURN_INVENTORY": "inventory/topology.yaml",
            "PYTHONUSERBASE": site.getuserbase(),  # an installation in the real home must still be found
        }
