"""How often saturn and a node wait for each other, counted on the line: that says what no clock here can."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.fleet import Fleet
from support.fleet.process import wait_until
from support.homelab import checked
from support.relay import Line, relay
from support.saturn import Said
from support.world import World

DIALLING = 1
"""The round trip of TCP itself, which a relay on this machine does not see."""

DROPBEAR = """
dropbearkey -t ed25519 -f /etc/dropbear_key >/dev/null
dropbear -s -p 2222 -r /etc/dropbear_key -P /run/dropbear.pid </dev/null >/dev/null 2>&1
"""


def through(world: World, host: str, port: int, *words: str, key: str = "") -> tuple[Said, Line]:
    """What saturn says when the host lies behind a relay to that port, and what passed there."""
    address = world.fleet.host(host).address
    key = key or next(
        line.split(" ", 1)[1] for line in world.fleet.known_hosts.read_text().splitlines() if line.startswith(address)
    )

    async def run() -> tuple[Said, Line]:
        async with relay(port, host=address) as line:
            world.known_hosts.write_text(f"[127.0.0.1]:{line.port} {key}\n")
            world.homelab.set_host(host, address="127.0.0.1", transport="ssh")
            world.homelab.set_host(host, ssh={"port": line.port})
            world.push("through a relay")
            return await asyncio.to_thread(world.saturn.run, *words), line

    return asyncio.run(run())


@contextmanager
def dropbear(fleet: Fleet, host: str) -> Iterator[tuple[int, str]]:
    """dropbear on the host, beside its sshd: the port and the host key."""
    machine = fleet.host(host)
    machine.exec("sh", "-c", DROPBEAR, user="root")
    wait_until("dropbear to listen", lambda: machine.path("/run/dropbear.pid").exists())
    try:
        told = machine.exec("dropbearkey", "-y", "-f", "/etc/dropbear_key", user="root").stdout
        yield 2222, next(line for line in told.splitlines() if line.startswith("ssh-ed25519"))
    finally:
        machine.exec("sh", "-c", "kill $(cat /run/dropbear.pid); rm -f /etc/dropbear_key", user="root")


def five_services(world: World) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in names:
        world.homelab.write_service(name, {name: checked()})
    world.homelab.assign("solaria", names)
    world.push("five services")


def test_status_of_a_warm_node_takes_four_round_trips(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")

    said, line = through(world, "solaria", 22, "status", "--hosts", "solaria", "--json")

    assert said.exit_code == 0, said.err
    assert line.round_trips + DIALLING == 4, line.words
    assert line.pieces <= 5, "what leaves together leaves as one"


@pytest.mark.parametrize("services", [1, 5])
def test_a_deploy_on_a_warm_node_takes_four_whatever_it_brings(world: World, services: int) -> None:
    """What it lacks goes along with the question, and the yes that was said beforehand, too."""
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    if services == 5:
        five_services(world)
    else:
        world.homelab.write_service("llm", {"llm": checked()})
        world.push("another llm")

    said, line = through(world, "solaria", 22, "deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.hosts["solaria"]["status"] == "changed", said.err
    assert line.round_trips + DIALLING == 4, line.words


def test_what_stands_between_plan_and_run_costs_one_more(world: World) -> None:
    """A hook, as the answer of a person would: the order waits for it."""
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    hook = world.homelab.folder / "hooks" / "pre-deploy"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    world.homelab.write_service("llm", {"llm": checked()})
    world.push("another llm")

    said, line = through(world, "solaria", 22, "deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.hosts["solaria"]["status"] == "changed", said.err
    assert line.round_trips + DIALLING == 5, line.words


def test_a_node_that_lost_what_the_guess_builds_on_is_asked_twice_and_then_ordered(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.fleet.host("solaria").exec("rm", "-rf", "/opt/homelab/repo", user="root")
    world.homelab.write_service("llm", {"llm": checked()})
    world.push("another llm")

    said, line = through(world, "solaria", 22, "deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.hosts["solaria"]["status"] == "changed", said.err
    assert line.round_trips + DIALLING == 6, line.words


def test_dropbear_is_asked_for_one_thing_after_another(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")

    with dropbear(world.fleet, "solaria") as (port, key):
        said, line = through(world, "solaria", port, "status", "--hosts", "solaria", "--json", key=key)

    assert said.exit_code == 0, said.err
    assert said.hosts["solaria"]["reachability"] == "online"
    assert line.round_trips + DIALLING <= 10, line.words


@pytest.mark.parametrize("verb", ["status", "deploy"])
def test_a_trace_tells_what_each_step_took(world: World, verb: str) -> None:
    answer = ("--yes",) if verb == "deploy" else ()

    said = world.saturn.run(verb, "--hosts", "solaria", *answer, SATURN_TRACE="1")

    titles, row = said.err.splitlines()[-2:]
    assert titles.split() == [
        "host",
        "dial",
        "key",
        "exchange",
        "login",
        "exec",
        "executor",
        "first",
        "event",
        "in",
        "all",
    ]
    assert row.split()[0] == "solaria"
    assert row.split().count("ms") == 7, said.err
