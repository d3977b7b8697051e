"""The fault matrix: every fault strikes in every stage, on real hosts; then the books must agree.

What a fault ends is resumed, what it only hides is attached to. The cells of a row run on three hosts at once, since
most of their time is waiting; each has its own verdict.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from support.fleet import Fleet
from support.fleet.hold import HEALTHCHECK, STAGES, Hold
from support.fleet.host import FleetHost
from support.homelab import Homelab, container
from support.ledger import Ledger
from support.saturn import Saturn

HOSTS = ("chelsty", "solaria", "vps")
SERVICES = ("first", "second")
SILENCE_S = 50
"""Longer than saturn listens to a line that says nothing."""
DAY_S = 86_400
SESSIONS = "sshd: deploy"
FOLLOWER = "import base64,zlib"
WORKER = "saturn-node.* worker "


class Cell:
    """One run on one host, held in one stage."""

    def __init__(self, host: FleetHost, forge: str, homelab: Path, home: Path, stage: str) -> None:
        self.host = host
        self.forge = forge
        self.stage = stage
        self.hold = Hold(host)
        self.saturn = Saturn(homelab, home)
        self.deploy: subprocess.Popen[str] | None = None

    def begin(self, *, fault_of_clock: bool) -> None:
        """Deploy, up to the hold."""
        self.host.reset()
        self.hold.install()
        if fault_of_clock:
            self.hold.set_clock(0)
        self.hold.set(self.stage)
        self.deploy = self.saturn.start("deploy", "--hosts", self.host.name, "--yes", "--json")
        try:
            self.hold.await_held()
        except AssertionError as error:
            self.deploy.kill()
            raise AssertionError(f"{error}: {self.deploy.communicate()}") from error

    def ended(self) -> tuple[int, dict[str, Any]]:
        """How the deploy ended: its exit code, and its host in the document."""
        assert self.deploy
        out, err = self.deploy.communicate(timeout=150)
        assert out, err
        document: dict[str, Any] = json.loads(out)
        host: dict[str, Any] = document["hosts"][self.host.name]
        return self.deploy.returncode, host

    def kill(self, pattern: str) -> None:
        """SIGKILL every process of the host whose command line holds this."""
        self.host.exec("pkill", "-KILL", "-f", pattern, user="root")

    def close(self) -> None:
        """Leave nothing behind for the next cell."""
        if self.deploy:
            self.deploy.kill()
            self.deploy.communicate()
        self.host.heal()
        self.host.exec("iptables", "-F", "OUTPUT", user="root")
        self.hold.lift()

    # What is expected of a run that a fault struck

    def succeeds(self) -> None:
        """The controller that ordered it sees its end."""
        code, host = self.ended()
        assert (code, host["status"], host["error"]) == (0, "changed", None)
        assert 0 <= host["duration_s"] < 600

    def is_brought_home(self) -> None:
        """Another saturn attaches and sees its end."""
        said = self.saturn.run("attach", "--hosts", self.host.name, "--json")
        assert said.exit_code == 0, said.err
        (run,) = said.document["runs"]
        assert run["hosts"][self.host.name]["status"] == "changed"

    def fails(self, status: str, *codes: str) -> None:
        """It ends with one of these errors, and can be resumed to success."""
        code, host = self.ended()
        assert (code, host["status"]) == (1, status), host
        assert host["error"]["code"] in codes, host["error"]
        self.host.heal()
        self.hold.lift()
        resumed = self.saturn.run("deploy", "--hosts", self.host.name, "--resume", "--yes", "--json")
        assert resumed.exit_code == 0, resumed.err


def cut_by_drop(cell: Cell) -> None:
    cell.host.cut_network()
    time.sleep(4)
    cell.host.heal_network()
    cell.hold.lift()
    cell.succeeds()


def cut_by_reset(cell: Cell) -> None:
    port = ("-p", "tcp", "--sport", "22", "-m", "state", "--state", "ESTABLISHED")
    cell.host.exec("iptables", "-I", "OUTPUT", *port, "-j", "REJECT", "--reject-with", "tcp-reset", user="root")
    cell.hold.lift()  # the next line that the node sends resets the connection
    time.sleep(1.5)
    cell.host.exec("iptables", "-F", "OUTPUT", user="root")
    cell.succeeds()


def stalled_half_open(cell: Cell) -> None:
    cell.host.exec("pkill", "-STOP", "-f", SESSIONS, user="root")
    cell.hold.lift()
    time.sleep(SILENCE_S)
    cell.host.exec("pkill", "-CONT", "-f", SESSIONS, user="root", check=False)
    cell.succeeds()


def follower_killed(cell: Cell) -> None:
    cell.kill(FOLLOWER)
    time.sleep(0.5)
    cell.hold.lift()
    cell.succeeds()


def sshd_restarted(cell: Cell) -> None:
    cell.host.refuse_ssh()
    cell.kill(SESSIONS)
    time.sleep(1)
    cell.host.allow_ssh()
    cell.hold.lift()
    cell.succeeds()


def controller_killed(cell: Cell) -> None:
    assert cell.deploy
    cell.deploy.kill()
    cell.deploy.wait()
    cell.hold.lift()
    cell.is_brought_home()


def controller_terminated(cell: Cell) -> None:
    assert cell.deploy
    cell.deploy.send_signal(signal.SIGTERM)
    code, host = cell.ended()
    assert (code, host["status"]) == (130, "running")
    cell.hold.lift()
    cell.is_brought_home()


def worker_killed(cell: Cell) -> None:
    cell.kill(WORKER)
    cell.fails("lost", "worker_lost")


def node_power_cut(cell: Cell) -> None:
    cell.host.power_off()
    cell.host.power_on()
    cell.fails("lost", "node_rebooted")


def dockerd_stopped(cell: Cell) -> None:
    cell.host.stop_docker()
    cell.hold.lift()
    cell.fails("failed", "docker_down")


def disk_full(cell: Cell) -> None:
    cell.host.fill_disk()
    cell.hold.lift()
    cell.fails("failed", "disk_full")


def forge_gone(cell: Cell) -> None:
    address = ("-d", cell.forge)
    cell.host.exec("iptables", "-I", "OUTPUT", *address, "-j", "REJECT", user="root")
    cell.hold.lift()
    try:
        cell.succeeds()  # in prepare, too: what SATURN sent is used
    finally:
        cell.host.exec("iptables", "-F", "OUTPUT", user="root")


def clock_stepped(cell: Cell) -> None:
    cell.hold.set_clock(DAY_S if STAGES.index(cell.stage) % 2 else -DAY_S)
    cell.hold.lift()
    cell.succeeds()


FAULTS: tuple[Callable[[Cell], None], ...] = (
    stalled_half_open, cut_by_drop, cut_by_reset, follower_killed, sshd_restarted, controller_killed,
    controller_terminated, worker_killed, node_power_cut, dockerd_stopped, disk_full, forge_gone, clock_stepped,
)  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """The verdicts to come, by the name of the fault and the stage."""

    verdicts: dict[tuple[str, str], Future[None]]


@pytest.fixture(scope="module")
def matrix(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """Every chosen cell, begun on whichever host is free."""
    fleet.reset()
    folder = tmp_path_factory.mktemp("faults")
    homelab = homelab_of(fleet, folder)
    free: SimpleQueue[FleetHost] = SimpleQueue()
    for name in HOSTS:
        free.put(fleet.host(name))
    chosen = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}

    def struck(fault: Callable[[Cell], None], stage: str) -> None:
        host = free.get()
        home = folder / f"{fault.__name__}-{stage}"
        cell = Cell(host, fleet.forge.address, homelab, home, stage)
        try:
            cell.begin(fault_of_clock=fault is clock_stepped)
            fault(cell)
            ledger = Ledger(host, cell.saturn)
            ledger.check_sequences()
            ledger.check_nothing_ran_twice(cell.hold)
            ledger.check_no_lock()
            ledger.check_containers(*SERVICES)
        finally:
            cell.close()
            free.put(host)

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        yield Matrix(
            {
                (fault.__name__, stage): pool.submit(struck, fault, stage)
                for fault, stage in product(FAULTS, STAGES)
                if f"{fault.__name__}-{stage}" in chosen
            }
        )
    for name in HOSTS:
        Hold(fleet.host(name)).remove()


def homelab_of(fleet: Fleet, folder: Path) -> Path:
    ssh = {"user": "deploy", "identity_file": str(fleet.identity), "known_hosts": str(fleet.known_hosts)}
    defaults = {"ssh": {**ssh, "connect_timeout_s": 8}, "git": {"url": fleet.forge.url}}
    lab = Homelab(folder / "homelab", {name: {"address": fleet.host(name).address} for name in HOSTS}, defaults)
    for name in SERVICES:
        lab.write_service(name, {name: container()}, healthcheck=HEALTHCHECK if name == "first" else "")
    for host in HOSTS:
        lab.assign(host, SERVICES)
    lab.commit()
    fleet.push(lab.folder)
    return lab.folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "fault, stage", [pytest.param(f.__name__, s, id=f"{f.__name__}-{s}") for f, s in product(FAULTS, STAGES)]
)
def test_a_fault_in_a_stage_loses_doubles_and_hides_nothing(matrix: Matrix, fault: str, stage: str) -> None:
    matrix.verdicts[fault, stage].result()
