"""The executor dies by SIGKILL anywhere, and a resume ends where an undisturbed run ends.

No completed service runs twice.

Each host takes a third of the boundaries, all three at once: what one run costs is mostly waiting for Docker.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.fleet import Fleet
from support.fleet.host import FleetHost
from support.homelab import Homelab, checked, container
from support.saturn import Saturn

HOSTS = ("chelsty", "solaria", "vps")
SERVICES = ("first", "second", "third")
TELLING = {"stage_started", "stage_finished", "service_started", "service_finished", "checked_out", "service_verified"}
"""Events between which state moves; between a log line and the next nothing does."""


def homelab_for(fleet: Fleet, folder: Path) -> Homelab:
    """Three services on each host."""
    ssh = {"user": "deploy", "identity_file": str(fleet.identity), "known_hosts": str(fleet.known_hosts)}
    defaults = {"ssh": ssh, "git": {"url": fleet.forge.url}}
    lab = Homelab(folder / "homelab", {name: {"address": fleet.host(name).address} for name in HOSTS}, defaults)
    for name in SERVICES:
        lab.write_service(name, {name: checked() if name == "second" else container()})
        lab.write(f"services/{name}/service.yaml", "healthcheck: {interval_s: 0.3}\n")
    for host in HOSTS:
        lab.assign(host, SERVICES)
    lab.commit()
    fleet.push(lab.folder)
    return lab


def event_file(host: FleetHost, known: set[Path]) -> Path:
    """The event file of the run that begins now, as seen from outside the host."""
    runs = host.path("/opt/homelab/state/deploy/runs")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for file in set(runs.glob("*/events.jsonl")) - known:
            return file
        time.sleep(0.005)
    raise TimeoutError(f"no run began on {host.name}")


def telling_events(file: Path) -> list[dict[str, object]]:
    """The events of a file that may still be growing, those between which state moves."""
    lines = file.read_text().split("\n")[:-1]
    return [event for event in map(json.loads, lines) if event["type"] in TELLING]


def completed_services(file: Path) -> list[str]:
    """The services that a run's event file says were completed."""
    return [str(event["service"]) for event in telling_events(file) if event["type"] == "service_finished"]


def kill_after(host: FleetHost, boundary: int, file: Path) -> None:
    """SIGKILL the worker as soon as so many telling events stand in its file."""
    deadline = time.monotonic() + 60
    while len(telling_events(file)) < boundary:
        assert time.monotonic() < deadline, f"{host.name} never came to boundary {boundary}"
        time.sleep(0.002)
    host.exec("pkill", "-KILL", "-f", "saturn-node.* worker ", user="root", check=False)


def markers(host: FleetHost) -> set[str]:
    """The names of the stage markers that stand."""
    return {path.name for path in host.path("/opt/homelab/state/deploy").glob("stage_*_complete")}


def kill_and_resume(fleet: Fleet, saturn: Saturn, name: str, boundary: int) -> None:
    """One boundary on one host: a fresh run, killed there, then resumed."""
    host = fleet.host(name)
    host.exec("sh", "-c", "docker ps -aq | xargs -r docker rm -f", user="root")
    known = set(host.path("/opt/homelab/state/deploy/runs").glob("*/events.jsonl"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(saturn.run, "deploy", "--hosts", name, "--yes", "--json")
        killed = event_file(host, known)
        kill_after(host, boundary, killed)
        said = running.result()
    done = completed_services(killed)
    if said.exit_code != 0:
        assert (said.hosts[name]["status"], said.hosts[name]["error"]["code"]) == ("lost", "worker_lost"), said.out

    resumed = saturn.run("deploy", "--hosts", name, "--resume", "--yes", "--json")

    assert resumed.exit_code == 0, (boundary, resumed.err)
    (again,) = set(host.path("/opt/homelab/state/deploy/runs").glob("*/events.jsonl")) - known - {killed}
    if said.exit_code != 0:
        assert not set(completed_services(again)) & set(done), f"ran twice after boundary {boundary}"
    assert {each["Names"]: each["State"] for each in host.containers()} == {f"{s}-{s}-1": "running" for s in SERVICES}
    assert len(markers(host)) == 5
    assert host.path("/opt/homelab/state/deploy/last_service").read_text().strip() == "third"
    assert list(range(1, len(again.read_text().splitlines()) + 1)) == [
        json.loads(line)["seq"] for line in again.read_text().splitlines()
    ]


@pytest.mark.timeout(600)
def test_executor_killed_at_every_event_boundary_resumes_to_the_same_end(hosts: Fleet, tmp_path: Path) -> None:
    lab = homelab_for(hosts, tmp_path)
    first = Saturn(lab.folder, tmp_path / "home").run("deploy", "--all", "--yes", "--json")
    assert first.exit_code == 0, first.err
    (file,) = hosts.host("chelsty").path("/opt/homelab/state/deploy/runs").glob("*/events.jsonl")
    boundaries = range(1, len(telling_events(file)))
    assert len(boundaries) > 20

    def share(number: int) -> None:
        saturn = Saturn(lab.folder, tmp_path / f"home-{HOSTS[number]}")
        for boundary in boundaries[number :: len(HOSTS)]:
            kill_and_resume(hosts, saturn, HOSTS[number], boundary)

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(share, range(len(HOSTS))))
