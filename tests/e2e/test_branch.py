"""What carries the connection: a revision that cuts its host off goes back by itself, a good one is acknowledged."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.homelab import FOREVER, IMAGE, IMAGE_2, container
from support.world import World

HOST = "vps"
TIMEOUT_S = 20
"""Enough for an answer on a machine that is busy with other hosts."""


def gateway(link: str, image: str = IMAGE) -> dict[str, object]:
    """A service in the network of its host, which it brings `up` or `down`."""
    script = f"ip link set eth0 {link}; {FOREVER}"
    return {"gateway": container(script, image, network_mode="host", cap_add=["NET_ADMIN"])}


@pytest.fixture
def branch(world: World) -> Iterator[World]:
    """A host with a gateway, which carries the connection, and a service beside it; deployed nowhere."""
    world.homelab.write_service("gateway", gateway("up"), connectivity=True)
    world.homelab.assign(HOST, ["gateway", "llm"])
    world.homelab.set_host(HOST, ack_timeout_s=TIMEOUT_S)
    allowed = {"code": "network_host", "host": HOST, "service": "gateway", "reason": "a gateway", "until": "2999-12-31"}
    world.homelab.topology["policy"] = {"waivers": [allowed]}
    world.push("a gateway")
    yield world
    world.fleet.host(HOST).exec("ip", "link", "set", "eth0", "up", user="root")


def told(world: World, *kinds: str) -> list[tuple[Any, Any]]:
    """Type and service of the newest run's events of these kinds, in order."""
    deploy = [event for event in world.events(HOST) if event.get("stage") == "deploy"]
    return [(event["type"], event["service"]) for event in deploy if event["type"] in kinds]


def test_an_upgrade_that_leaves_the_host_within_reach_is_acknowledged(branch: World) -> None:
    first = branch.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")
    assert (first.exit_code, first.hosts[HOST]["status"]) == (0, "changed"), first.err
    branch.homelab.write_service("gateway", gateway("up", IMAGE_2), connectivity=True)
    branch.push("a good gateway")
    planned = branch.saturn.run("plan", "--hosts", HOST)

    said = branch.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")

    promise = "carries the connection: goes back by itself unless acknowledged within 20 s"
    assert promise in " ".join(planned.out.split())
    assert (said.exit_code, said.hosts[HOST]["services"]["gateway"]["status"]) == (0, "changed"), said.err
    assert "carries the connection: acknowledge within 20 s" in said.err
    assert told(branch, "service_started", "ack_needed", "acknowledged", "service_finished") == [
        ("service_started", "llm"),
        ("service_finished", "llm"),
        ("service_started", "gateway"),
        ("ack_needed", "gateway"),
        ("acknowledged", "gateway"),
        ("service_finished", "gateway"),
    ]
    (by,) = [event["by"] for event in branch.events(HOST) if event["type"] == "acknowledged"]
    assert by.startswith("ada@")


def test_an_upgrade_that_cuts_its_host_off_goes_back_by_itself(branch: World) -> None:
    revision = branch.push("the first")
    assert branch.saturn.run("deploy", "--hosts", HOST, "--yes").exit_code == 0
    beside = branch.container_ids(HOST)["llm-llm-1"]
    branch.homelab.write_service("gateway", gateway("down"), connectivity=True)
    branch.push("which saws the branch")

    said = branch.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")

    entry = said.hosts[HOST]
    assert (said.exit_code, entry["status"], entry["error"]["code"]) == (4, "rolled_back", "unacknowledged"), said.err
    assert (entry["revision_after"], entry["services"]["gateway"]["status"]) == (revision, "restored")
    assert told(branch, "ack_needed", "acknowledged") == [("ack_needed", "gateway")]
    assert branch.container_ids(HOST)["llm-llm-1"] == beside, "what the run had not touched stands"
    assert branch.saturn.run("status", "--hosts", HOST, "--json").hosts[HOST]["reachability"] == "online"
