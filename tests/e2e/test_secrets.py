"""Secrets: one that is planted in `.env`, or comes from a vault, stands there and in no other byte that is left."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from saturn_node import dotenv
from support.fleet import Fleet
from support.homelab import FOREVER, container
from support.world import World

HOST = "chelsty"
ENV = "/opt/homelab/config/broker/.env"
SENTINEL = "S3ntinel/of+the=vault & more"
FORMS = (SENTINEL, json.dumps(SENTINEL)[1:-1], "S3ntinel%2Fof%2Bthe%3Dvault", "UzNudGluZWwvb2YrdGhlPXZhdWx0")


def give_broker_a_password(world: World, command: list[str], script: str = FOREVER) -> None:
    """Push a broker whose password comes from a command on SATURN, and who prints it."""
    world.homelab.write_service(
        "broker",
        {"broker": container(f'echo "password is $$PASSWORD" >&2; {script}', environment={"PASSWORD": "${PASSWORD}"})},
        required_env=["PASSWORD"],
        secrets={"command": command},
    )
    world.homelab.append("services/broker/service.yaml", "healthcheck: {timeout_s: 5, interval_s: 1}\n")
    world.push("a broker with a password")


def vault(world: World, answer: str = SENTINEL) -> list[str]:
    """A vault with a command line: it prints what its file holds, by service and name."""
    folder = world.saturn.home / "vault"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broker-PASSWORD").write_text(answer + "\n")
    return ["sh", "-c", 'cat "$1/$2"', "vault", str(folder), "{service}-{name}"]


def bytes_on_saturn(world: World) -> bytes:
    """Every byte that saturn left on SATURN; the vault itself is the person's."""
    files = [file for file in world.saturn.home.rglob("*") if file.is_file() and "vault" not in file.parts]
    return b"".join(file.read_bytes() for file in files)


def bytes_on_the_node(world: World, but: str = ENV) -> bytes:
    """Every byte below the root on the node, but for the file that may hold it."""
    root = world.fleet.host(HOST).path("/opt/homelab")
    hidden = world.fleet.host(HOST).path(but)
    files = [file for file in root.rglob("*") if file.is_file() and not file.is_symlink() and file != hidden]
    return b"".join(file.read_bytes() for file in files)


def is_in(found: bytes) -> list[str]:
    return [form for form in FORMS if form.encode() in found]


def test_a_vault_on_saturn_fills_the_env_and_nothing_else_knows_it(world: World) -> None:
    give_broker_a_password(world, vault(world))

    planned = world.saturn.run("plan", "--hosts", HOST)
    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")

    assert "broker: writes PASSWORD to its .env on chelsty, from: sh -c" in planned.out
    assert said.exit_code == 0, said.err
    host = world.fleet.host(HOST)
    assert dotenv.parse(host.read(ENV)) == {"PASSWORD": SENTINEL}
    assert host.exec("stat", "-c", "%a %U", ENV).stdout.split() == ["600", "deploy"]
    inside = host.exec("docker", "exec", "broker-broker-1", "sh", "-c", "echo $PASSWORD").stdout
    assert inside.strip() == SENTINEL
    again = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")
    assert again.hosts[HOST]["services"]["broker"]["status"] == "unchanged"
    for where in (bytes_on_saturn(world), bytes_on_the_node(world)):
        assert is_in(where) == []
    for run in (planned, said, again):
        assert is_in((run.out + run.err).encode()) == []


@pytest.mark.timeout(300)
def test_a_failure_that_prints_the_secret_shows_it_nowhere(world: World) -> None:
    give_broker_a_password(world, vault(world), "exit 3")

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")
    shown = world.saturn.run("deploy", "--hosts", HOST, "--yes")
    diagnosed = world.saturn.run("diagnose", "--hosts", HOST)
    events = world.saturn.run("show", said.document["run"], "--events")

    assert (said.exit_code, diagnosed.exit_code) == (1, 0)
    assert "password is [redacted]" in json.dumps(said.document) + shown.out + events.out
    for run in (said, shown, diagnosed, events):
        assert is_in((run.out + run.err).encode()) == []
    assert is_in(bytes_on_saturn(world)) == []
    assert is_in(bytes_on_the_node(world)) == []


def test_a_vault_that_is_locked_fails_its_host_alone_before_it_is_touched(world: World) -> None:
    give_broker_a_password(world, ["sh", "-c", "echo the vault is locked >&2; exit 4"])

    said = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert {host: entry["status"] for host, entry in said.hosts.items()} == {
        "chelsty": "failed", "solaria": "changed", "vps": "changed",
    }  # fmt: skip
    error: dict[str, Any] = said.hosts[HOST]["error"]
    assert error["code"] == "secret_unavailable"
    assert "the vault is locked" in error["message"]
    assert world.containers(HOST) == {}
    assert not world.fleet.host(HOST).path("/opt/homelab/state").exists()


NASTY = {
    "PLAIN": "plain-1.2/x", "SPACES": "  two  words ", "HASH": "a #b", "DOLLAR": "a$HOME$$b${X}", "SINGLE": "it's",
    "DOUBLE": 'say "so"', "BOTH": "it's \"so\"", "BACK": "a\\b\\", "LINES": "one\ntwo\n", "TAB": "a\tb",
    "UNICODE": "ü😀", "EQUALS": "a=b==", "TICK": "`id`", "ESCAPES": "\\n\\$", "PERCENT": "%s%20",
}  # fmt: skip


def test_compose_reads_what_saturn_writes(hosts: Fleet) -> None:
    host = hosts.host(HOST)
    lines = "".join(dotenv.assignment(name, value) + "\n" for name, value in NASTY.items())
    wanted = {name: f"${{{name}}}" for name in NASTY}
    host.write("/tmp/written.env", lines)
    host.write("/tmp/compose.yml", json.dumps({"services": {"a": {"image": "x", "environment": wanted}}}))
    files = ("-f", "/tmp/compose.yml", "--env-file", "/tmp/written.env")
    done = host.exec("docker", "compose", "-p", "p", *files, "config", "--format", "json")
    environment = json.loads(done.stdout)["services"]["a"]["environment"]
    assert environment == {name: value.replace("$", "$$") for name, value in NASTY.items()}


def test_no_process_of_saturn_has_the_secret_among_its_arguments(world: World) -> None:
    slow = ["sh", "-c", 'sleep 2; cat "$1/$2"', *vault(world)[3:]]
    give_broker_a_password(world, slow)
    started = subprocess.Popen(
        (*world.saturn.command, "deploy", "--hosts", HOST, "--yes"), cwd=world.saturn.folder, env=world.saturn.environ,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen = b""
    while started.poll() is None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen += file.read_bytes()
            except OSError:
                continue
    assert started.returncode == 0
    assert is_in(seen) == []
