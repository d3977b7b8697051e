"""Backups of real services: a database bit for bit, before an upgrade, with a full disk, and through a kill."""

import json
import subprocess
from typing import Any

from support.homelab import FOREVER, IMAGE_2, container
from support.world import SECRET, World

HOST = "chelsty"
BACKUPS = "/opt/homelab/backups/broker"
DATA = "/opt/homelab/data/broker"
BACKUP = {"paths": ["config", "data"], "quiesce": "stop", "keep": 3}


def give_broker_data(world: World, image: str = "", **backup: object) -> None:
    """Push a broker that keeps its data in its folder and is backed up."""
    keys: dict[str, Any] = {"volumes": [f"{DATA}:/data"], "environment": {"IMAGE": image or "1"}}
    if image:
        keys["image"] = image
    world.homelab.write_service("broker", {"broker": container(FOREVER, **keys)}, backup={**BACKUP, **backup})
    world.push(f"a broker with data {image}")


def prepared(world: World) -> bytes:
    """Deploy the broker and give it a database; the bytes of it."""
    give_broker_data(world)
    said = world.saturn.run("deploy", "--hosts", HOST, "--yes")
    assert said.exit_code == 0, said.err
    program = (
        "import sqlite3; base = sqlite3.connect('/opt/homelab/data/broker/home.db')\n"
        "base.execute('create table t (x)'); base.executemany('insert into t values (?)', [('x' * 500,)] * 5000)\n"
        "base.commit()"
    )
    world.fleet.host(HOST).exec("python3", "-c", program)
    return database(world)


def database(world: World) -> bytes:
    return world.fleet.host(HOST).path(f"{DATA}/home.db").read_bytes()


def listed(world: World) -> list[dict[str, Any]]:
    said = world.saturn.run("backup", "list", "--hosts", HOST, "--json")
    assert said.exit_code == 0, said.err
    backups: list[dict[str, Any]] = said.hosts[HOST]["backups"]
    return backups


def is_running(world: World) -> bool:
    return world.containers(HOST)["broker-broker-1"] == "running"


def test_a_database_of_a_running_service_is_restored_bit_for_bit(world: World) -> None:
    before = prepared(world)
    said = world.saturn.run("backup", "--hosts", HOST, "--services", "broker", "--yes", "--json")
    assert said.exit_code == 0, said.err
    assert is_running(world)
    (kept,) = listed(world)
    world.fleet.host(HOST).write(f"{DATA}/home.db", "ruined")

    restored = world.saturn.run("restore", HOST, "broker", "--from", kept["name"], "--yes", "--json")

    assert restored.exit_code == 0, restored.err
    assert database(world) == before
    assert is_running(world)
    reasons = [each["reason"] for each in listed(world)]
    assert sorted(reasons) == ["ordered", "replaced"]
    verified = world.saturn.run("backup", "verify", "--hosts", HOST)
    assert (verified.exit_code, "sound" in verified.out) == (0, True)


def test_an_upgrade_is_preceded_by_a_backup(world: World) -> None:
    prepared(world)
    give_broker_data(world, IMAGE_2)

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert [each["reason"] for each in listed(world)] == ["deploy"]
    told = [each for each in world.events(HOST) if each.get("stage") == "deploy"]
    deploy = [each["type"] for each in told if each.get("service") == "broker"]
    assert deploy[:3] == ["service_started", "progress", "backup_written"]


def test_a_full_disk_leaves_the_service_running_and_nothing_half(world: World) -> None:
    before = prepared(world)
    host = world.fleet.host(HOST)
    host.exec(
        "sh", "-c", f"mkdir -p {BACKUPS} && mount -t tmpfs -o size=1m,uid=$(id -u deploy) tmpfs {BACKUPS}", user="root"
    )
    try:
        said = world.saturn.run("backup", "--hosts", HOST, "--services", "broker", "--yes", "--json")
        assert (said.exit_code, said.hosts[HOST]["error"]["code"]) == (1, "backup_no_room")
        assert is_running(world)
        assert host.exec("ls", "-A", BACKUPS).stdout == ""
        assert database(world) == before
    finally:
        host.exec("umount", BACKUPS, user="root")


def test_a_worker_killed_in_a_restore_leaves_old_or_new_and_the_next_run_mends_it(world: World) -> None:
    before = prepared(world)
    world.saturn.run("backup", "--hosts", HOST, "--services", "broker", "--yes")
    host = world.fleet.host(HOST)
    host.write(f"{DATA}/home.db", "newer")
    for delay in ("0.4", "0.8", "1.4"):
        started = subprocess.Popen(
            (*world.saturn.command, "restore", HOST, "broker", "--yes", "--link-patience", "1s"),
            cwd=world.saturn.folder, env=world.saturn.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait = "until pgrep -f 'saturn-nod[e].*worker' >/dev/null; do sleep 0.05; done"
        host.exec("sh", "-c", f"{wait}; sleep {delay}; pkill -KILL -f 'saturn-nod[e].*worker' || true", user="root")
        started.wait(timeout=120)
        assert database(world) in (b"newer", before)

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes")

    assert said.exit_code == 0, said.err
    assert is_running(world)
    assert database(world) in (b"newer", before)
    assert ".broker.restoring" not in host.exec("ls", "-A", "/opt/homelab/data").stdout


def test_a_backup_comes_home_without_what_belongs_to_the_node(world: World) -> None:
    host = world.fleet.host(HOST)
    prepared(world)
    host.write("/opt/homelab/config/broker/.env", f"BROKER={SECRET}\n", mode=0o600)
    said = world.saturn.run("backup", "--hosts", HOST, "--services", "broker", "--yes", "--fetch", "--json")
    assert said.exit_code == 0, said.err
    again = world.saturn.run("backup", "fetch", HOST, "broker", "--json")
    assert again.exit_code == 0, again.err

    copies = world.saturn.state / "backups" / HOST / "broker"

    names = sorted(file.name for file in copies.rglob("*") if file.is_file())
    assert names == ["config.tar.gz", "data.tar.gz", "manifest.json"]
    manifest = json.loads(next(copies.rglob("manifest.json")).read_text())
    assert [each["part"] for each in manifest["archives"] if each["is_local"]] == ["local"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in copies.rglob("*"))
    everything = b"".join(file.read_bytes() for file in world.saturn.home.rglob("*") if file.is_file())
    assert SECRET.encode() not in everything
