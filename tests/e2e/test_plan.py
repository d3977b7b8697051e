"""The plan is true and read-only, and a yes is bound to it."""

import json
from collections.abc import Callable

import pytest
from support.homelab import FOREVER, IMAGE_2, checked, container
from support.world import World

HOST = "vps"
NODE_CONFIG = "/opt/homelab/config"


def planned(world: World, *words: str) -> dict[str, str]:
    """Service to action, as `saturn plan` says."""
    said = world.saturn.run("plan", "--hosts", HOST, "--json", *words)
    assert said.exit_code == 0, said.err
    return {change["service"]: change["action"] for change in said.hosts[HOST]["changes"]}


def done(world: World, *words: str) -> dict[str, str]:
    """Service to what a deploy really did to it."""
    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", *words)
    assert said.exit_code in (0, 1), said.err
    return {event["service"]: event["status"] for event in world.events(HOST) if event["type"] == "service_finished"}


def write(world: World, name: str, **keys: object) -> None:
    world.homelab.write_service(name, {name: container(**keys)})


def write_mounted(world: World, text: str) -> None:
    world.homelab.write("services/site/index.html", text)
    write(world, "site", volumes=["./index.html:/index.html:ro"])


def rename(world: World, old: str, new: str) -> None:
    (world.homelab.folder / f"services/{old}").rename(world.homelab.folder / f"services/{new}")
    world.homelab.assign(HOST, ["proxy", new])


def write_built(world: World, line: str) -> None:
    world.homelab.write("services/site/Dockerfile", f"FROM saturn-test/busybox:1\nLABEL line={line}\n")
    world.homelab.write_service("site", {"site": {**container(), "image": "local/site", "build": "."}})


EDITS: dict[str, Callable[[World], None]] = {
    "another image": lambda world: write(world, "proxy", image=IMAGE_2),
    "a variable more": lambda world: write(world, "proxy", image=IMAGE_2, environment={"A": "1"}),
    "another value": lambda world: write(world, "proxy", image=IMAGE_2, environment={"A": "2"}),
    "a variable less": lambda world: write(world, "proxy", image=IMAGE_2),
    "a port": lambda world: write(world, "proxy", ports=["127.0.0.1:8081:80"]),
    "another port": lambda world: write(world, "proxy", ports=["127.0.0.1:8082:80"]),
    "a label": lambda world: write(world, "proxy", labels={"kept": "yes"}),
    "another command": lambda world: write(world, "proxy", script=f"echo hi; {FOREVER}"),
    "a comment": lambda world: world.homelab.append("services/proxy/docker-compose.yml", "# nothing but words\n"),
    "a document": lambda world: world.homelab.write("services/proxy/README.md", "words\n"),
    "a check": lambda world: world.homelab.write_service("proxy", {"proxy": checked()}),
    "a healthcheck.sh": lambda world: world.homelab.write_service("proxy", {"proxy": checked()}, healthcheck="true"),
    "a mounted file": lambda world: write_mounted(world, "one\n"),
    "its content": lambda world: write_mounted(world, "two\n"),
    "two containers": lambda world: write(world, "site", deploy={"replicas": 2}),
    "a container more": lambda world: world.homelab.write_service("site", {"site": container(), "job": container()}),
    "a container less": lambda world: write(world, "site"),
    "an override on the node": lambda world: world.fleet.host(HOST).write(
        f"{NODE_CONFIG}/site/docker-compose.override.yml", "services: {site: {environment: {B: b}}}\n"
    ),
    "an .env that nobody reads": lambda world: world.fleet.host(HOST).write(f"{NODE_CONFIG}/site/.env", "C=cccc\n"),
    "a service more": lambda world: (write(world, "extra"), world.homelab.assign(HOST, ["proxy", "site", "extra"])),
    "a service less": lambda world: world.homelab.assign(HOST, ["proxy", "site"]),
    "another name": lambda world: rename(world, "site", "page"),
}
"""Made one after another, each to what the one before left."""


@pytest.mark.timeout(600)
def test_the_plan_is_what_then_happens(world: World) -> None:
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    told, happened = {}, {}

    for name, edit in EDITS.items():
        edit(world)
        world.push(name)
        plan = planned(world, "--prune")
        told[name] = {service for service, action in plan.items() if action != "unchanged"}
        result = done(world, "--prune")
        happened[name] = {service for service, status in result.items() if status != "unchanged"}

    assert told == happened
    assert {name for name, services in told.items() if not services} == {
        "a comment", "a document", "a healthcheck.sh", "an .env that nobody reads",
    }  # fmt: skip


def test_a_plan_names_reasons_and_never_a_value(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "chelsty", "--yes")
    world.fleet.host("chelsty").write(f"{NODE_CONFIG}/bridge/.env", "BROKER_PASSWORD=an0ther-secret\n", mode=0o600)

    said = world.saturn.run("plan", "--hosts", "chelsty", "--diff")

    assert "~ recreate   bridge  environment: PASSWORD changed" in said.out
    assert "an0ther-secret" not in said.out + said.err
    assert "= unchanged  broker" in said.out


def test_a_plan_touches_nothing_on_the_node(world: World) -> None:
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    write(world, "proxy", image=IMAGE_2)
    world.homelab.commit("not pushed, so that the node must be sent it")
    # Docker's own health checks come and go in /tmp as runc-process….
    listing = "find /opt/homelab -printf '%p %T@ %s\\n' | sort; ls -A -I 'runc-process*' /tmp"
    look = ("sh", "-c", f"{listing}; git -C /opt/homelab/repo log -1")
    before = (world.fleet.host(HOST).exec(*look).stdout, world.container_ids(HOST))

    assert planned(world) == {"proxy": "recreate", "site": "unchanged"}

    assert (world.fleet.host(HOST).exec(*look).stdout, world.container_ids(HOST)) == before


def test_plan_exits_2_for_changes_only_when_asked(world: World) -> None:
    fresh = world.saturn.run("plan", "--hosts", HOST, "--detailed-exitcode")
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    world.fleet.host("chelsty").refuse_ssh()

    assert fresh.exit_code == 2
    assert world.saturn.run("plan", "--hosts", HOST, "--detailed-exitcode").exit_code == 0
    away = world.saturn.run("plan", "--hosts", f"{HOST},chelsty", "--json")
    assert (away.exit_code, away.hosts["chelsty"]["error"]["code"]) == (3, "unreachable")
    assert away.hosts[HOST]["has_changes"] is False


@pytest.mark.parametrize(
    "move",
    [
        pytest.param(lambda host: host.exec("docker", "restart", "proxy-proxy-1", user="root"), id="nothing"),
        pytest.param(lambda host: host.exec("docker", "rm", "-f", "proxy-proxy-1", user="root"), id="container"),
        pytest.param(lambda host: host.write(f"{NODE_CONFIG}/proxy/.env", "NEW=value\n"), id="env"),
    ],
)
def test_what_moved_between_plan_and_yes_is_asked_again(world: World, move, request) -> None:
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    write(world, "site", image=IMAGE_2)
    world.push("another image")
    host = world.fleet.host(HOST)

    said = world.saturn.type(
        ("deploy", "--hosts", HOST), {"Deploy vps?": "y\n"}, before={"Deploy vps?": lambda: move(host)}, repeat=True
    )

    is_moved = request.node.callspec.id != "nothing"
    assert said.exit_code == 0, said.out
    assert said.out.count("Deploy vps?") == (2 if is_moved else 1)
    assert ("asked again: something moved on the node" in said.out) == is_moved


def test_the_journal_keeps_who_confirmed_which_digest(world: World) -> None:
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    write(world, "site", image=IMAGE_2)
    world.push("another image")

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")
    shown = world.saturn.run("show", said.document["run"], "--events")

    confirmed = [json.loads(line) for line in shown.out.splitlines() if '"host_confirmed"' in line]
    assert [(each["by"].split("@")[0], len(each["digest"])) for each in confirmed] == [("ada", 64)]


def test_what_was_failing_before_is_said_and_not_rolled_back(world: World) -> None:
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    quick = "healthcheck: {timeout_s: 2, interval_s: 1}\n"
    world.homelab.write("services/site/healthcheck.sh", "#!/bin/sh\necho the sensor is gone; exit 1\n", 0o755)
    world.homelab.write("services/site/service.yaml", quick)
    world.push("a check that fails")
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    write(world, "proxy", image=IMAGE_2)
    world.push("another image of something else")

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", "--rollback-on-failure")

    told = " ".join(said.err.split())
    assert "site is failing already, before this deploy: healthcheck.sh exit status 1: the sensor is gone" in told
    entry = said.hosts[HOST]
    assert (said.exit_code, entry["status"]) == (1, "failed")
    assert "it was failing before this run, too" in entry["error"]["message"]
    assert entry["services"]["proxy"]["status"] == "changed"
