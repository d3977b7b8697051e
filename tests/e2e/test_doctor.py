"""`saturn doctor` on real hosts: every fault that is planted is found, and its next command named; a sound fleet is."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.fleet.hold import Hold
from support.fleet.host import FleetHost
from support.saturn import Said
from support.world import World

ROOT = "/opt/homelab"
PLUGIN = "/home/deploy/.docker/cli-plugins/docker-compose"
BAD_COMPOSE = """\
#!/bin/sh
case " $* " in
  *" docker-cli-plugin-metadata "*) echo '{"SchemaVersion":"0.1.0","Vendor":"Docker Inc.","Version":"v2.27.1"}';;
  *) echo 2.27.1;;
esac
"""
SMALL = "/srv/small"

Found = tuple[str, str, str]


def told(said: Said, host: str, name: str) -> Found:
    """Status, message and fix of a check; host "" is SATURN."""
    checks = said.document["saturn"] if not host else said.document["hosts"][host]
    (check,) = (each for each in checks if each["name"] == name)
    return check["status"], check["message"], check["fix"] or ""


def is_told(said: Said, host: str, name: str, status: str, message: str, fix: str) -> None:
    """The check has this status, and these words in its message and in its fix."""
    found = told(said, host, name)
    assert found[0] == status, found
    assert message in found[1], found
    assert fix in found[2], found


def hold_the_lock(host: FleetHost, since: str) -> None:
    host.write(f"{ROOT}/state/deploy/lock.json", json.dumps({"run": "r7", "by": "bob", "since": since}))
    held = f"setsid flock --exclusive {ROOT}/state/deploy/lock sleep 1000 </dev/null >/dev/null 2>&1 &"
    host.exec("sh", "-c", held)


@pytest.fixture
def small_disk(world: World) -> Iterator[FleetHost]:
    """A host whose root lies on a disk with room for few files, and they are there."""
    host = world.fleet.host("vps")
    host.exec("mkdir", "-p", SMALL, user="root")
    options = "size=64g,nr_inodes=32,mode=755,uid=" + host.exec("id", "-u").stdout.strip()
    host.exec("mount", "-t", "tmpfs", "-o", options, "tmpfs", SMALL, user="root")
    host.exec("sh", "-c", f"mkdir {SMALL}/repo; for n in $(seq 40); do : > {SMALL}/repo/$n; done", check=False)
    yield host
    host.exec("umount", SMALL, user="root")


def test_a_sound_fleet_has_no_fault(world: World) -> None:
    assert world.saturn.run("deploy", "--all", "--yes").exit_code == 0
    journal = (world.saturn.state / "journal.db").read_bytes()

    said = world.saturn.run("doctor", "--json")
    shown = world.saturn.run("doctor", "--hosts", "chelsty")

    found = {"": said.document["saturn"], **said.document["hosts"]}
    assert [(host, each) for host, checks in found.items() for each in checks if each["status"] == "fail"] == []
    assert (said.exit_code, said.document["exit_code"], said.err) == (0, 0, "")
    assert list(said.document["hosts"]) == ["chelsty", "solaria", "vps"]
    for host in said.document["hosts"]:
        assert told(said, host, "docker")[0] == told(said, host, "checkout")[0] == told(said, host, "origin")[0] == "ok"
        assert told(said, host, "clock")[0] == told(said, host, "secrets")[0] == "ok"
    assert shown.exit_code == 0
    assert shown.out.startswith("SATURN\n")
    assert "\nchelsty\n" in shown.out
    assert "\nsolaria\n" not in shown.out
    assert (world.saturn.state / "journal.db").read_bytes() == journal


def test_nothing_is_written_to_a_node_that_was_never_deployed_to(world: World) -> None:
    said = world.saturn.run("doctor", "--hosts", "solaria", "--json")

    assert said.exit_code == 0, said.out
    assert told(said, "solaria", "checkout")[1] == "there is none yet; the first run makes it"
    assert world.fleet.host("solaria").exec("find", ROOT, "-mindepth", "1").stdout == ""


def test_faults_of_the_nodes_are_found_all_at_once(world: World, small_disk: FleetHost) -> None:
    chelsty, solaria = (world.fleet.host(name) for name in ("chelsty", "solaria"))
    assert world.saturn.run("deploy", "--hosts", "chelsty,solaria", "--yes").exit_code == 0
    world.homelab.set_host("vps", root=SMALL)
    world.push("a root on a small disk")
    hold = Hold(chelsty)
    hold.install()
    hold.set_clock(9000)
    hold_the_lock(chelsty, (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    chelsty.exec("chmod", "644", f"{ROOT}/config/bridge/.env")
    chelsty.exec("rm", "-rf", f"{ROOT}/repo/.git/objects")
    chelsty.exec("iptables", "-I", "OUTPUT", "-d", world.fleet.forge.address, "-j", "REJECT", user="root")
    chelsty.write("/run/reboot-required", "*** System restart required ***\n", owner="root")
    chelsty.write("/run/reboot-required.pkgs", "linux-image-6.1\n", owner="root")
    solaria.write(PLUGIN, BAD_COMPOSE, mode=0o755)
    solaria.hide_program("git")
    solaria.exec("chown", "root", ROOT, user="root")
    solaria.stop_docker()
    solaria.fill_disk()
    try:
        said = world.saturn.run("doctor", "--all", "--json")
        shown = world.saturn.run("doctor", "--all")
    finally:
        chelsty.exec("iptables", "-F", "OUTPUT", user="root")
        chelsty.exec("rm", "-f", "/run/reboot-required", "/run/reboot-required.pkgs", user="root")
        hold.remove()
        solaria.heal()
        solaria.exec("chown", "deploy", ROOT, user="root")
        solaria.exec("rm", "-rf", "/home/deploy/.docker")

    assert said.exit_code == 1
    is_told(said, "chelsty", "clock", "fail", "2 h ahead of", "sudo timedatectl set-ntp true")
    is_told(said, "chelsty", "lock", "warn", "run r7 of bob has held the node for 5 h", "saturn attach --hosts chelsty")
    is_told(said, "chelsty", "secrets", "fail", "bridge/.env", f"chmod 600 {ROOT}/config/bridge/.env")
    is_told(said, "chelsty", "checkout", "fail", "not a usable git checkout", f"mv {ROOT}/repo {ROOT}/repo.broken")
    is_told(said, "chelsty", "origin", "warn", "did not answer", f"git ls-remote {world.fleet.forge.url}")
    is_told(said, "chelsty", "reboot", "warn", "linux-image-6.1", "sudo systemctl reboot")
    is_told(said, "solaria", "disk", "fail", f"are free at {ROOT} (0 %)", "sudo du -xm -d 2")
    is_told(said, "solaria", "docker", "fail", "docker does not answer", "sudo systemctl start docker")
    is_told(said, "solaria", "compose", "fail", "2.27.1 is known to be bad: it ignores --env-file", "Compose 2.40.2")
    is_told(said, "solaria", "git", "fail", "git cannot be started", "sudo apt-get install git")
    is_told(said, "solaria", "root", "fail", f"{ROOT} cannot be written by deploy", "sudo chown -R deploy")
    assert [told(said, "solaria", name)[0] for name in ("checkout", "origin")] == ["skip", "skip"]
    is_told(said, "vps", "inodes", "fail", f"0 of 32 inodes are free at {SMALL}", "sudo du --inodes")
    is_told(said, "vps", "checkout", "fail", "the folder is not empty and has no .git", f"mv {SMALL}/repo")
    assert told(said, "vps", "docker")[0] == "ok"
    assert shown.exit_code == 1
    assert f"  secrets: chmod 600 {ROOT}/config/bridge/.env\n" in shown.out
    assert "s3cr3t" not in said.out + shown.out


def test_hosts_that_no_session_comes_about_with(world: World) -> None:
    fleet = world.fleet
    fleet.host("chelsty").hide_program("python3")
    fleet.host("solaria").cut_network()
    fleet.host("vps").rekey()

    said = world.saturn.run("doctor", "--json")

    assert said.exit_code == 1
    assert told(said, "chelsty", "reachability")[0] == "ok"
    is_told(said, "chelsty", "python", "fail", "there is no python3 on the node", "apt install python3")
    is_told(said, "solaria", "reachability", "fail", "did not answer within", "ping")
    is_told(said, "vps", "reachability", "fail", "showed another host key", "saturn trust vps")
    assert told(said, "", "git")[0] == "ok"


def test_hosts_that_let_nobody_in(world: World) -> None:
    fleet, lines = world.fleet, world.known_hosts.read_text().splitlines()
    fleet.host("chelsty").deny_key()
    fleet.host("solaria").refuse_ssh()
    world.homelab.set_host("solaria", link="intermittent")
    world.push("solaria is often away")
    world.known_hosts.write_text("\n".join(each for each in lines if fleet.host("vps").address not in each) + "\n")

    said = world.saturn.run("doctor", "--json")

    is_told(said, "chelsty", "reachability", "fail", "denied the login of deploy", "authorized_keys")
    is_told(said, "solaria", "reachability", "warn", "refused the connection", "sshd")
    is_told(said, "vps", "reachability", "fail", "no host key is known", "saturn trust vps")
    is_told(said, "", "host_keys", "fail", "vps: no host key is known", "saturn trust vps")


def test_faults_of_saturn_itself_are_found_all_at_once(world: World, tmp_path: Path) -> None:
    identity = tmp_path / "my identity"
    shutil.copy(world.fleet.identity, identity)
    identity.chmod(0o644)
    world.homelab.topology["defaults"]["ssh"]["identity_file"] = str(identity)  # type: ignore[index]
    world.push("a key that everybody may read")
    folder = world.homelab.folder
    world.homelab.write("services/llm/notes.txt", "nobody committed this\n")
    world.saturn.state.mkdir(parents=True)
    (world.saturn.state / "journal.db").write_bytes(b"this is no database" * 500)
    packages = tmp_path / "packages" / "rich-9.1.dist-info"
    packages.mkdir(parents=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: rich\nVersion: 9.1\n")
    world.homelab._git("switch", "--quiet", "--create", "experiment")

    said = world.saturn.run("doctor", "--local", "--json", PYTHONPATH=str(packages.parent))

    assert (said.exit_code, said.document["hosts"]) == (1, {})
    is_told(said, "", "identities", "fail", "can be read by others (mode 0644)", f"chmod 600 '{identity}'")
    is_told(said, "", "clone", "warn", "services/llm/notes.txt", f"git -C {folder} status")
    is_told(said, "", "branch", "warn", "experiment is checked out", f"git -C {folder} switch main")
    is_told(said, "", "journal", "fail", "is damaged: file is not a database", "saturn history")
    is_told(said, "", "packages", "fail", "rich 9.1 is installed, saturn asks for >=13.9", "pip install 'rich>=13.9'")
    assert (world.saturn.state / "journal.db").read_bytes().startswith(b"this is no database")


def test_an_invalid_inventory_does_not_stop_the_other_checks(world: World) -> None:
    world.homelab.append("inventory/topology.yaml", "colour: red\n")
    shutil.rmtree(world.homelab.folder / ".git")
    world.saturn.state.mkdir(parents=True)
    with closing(sqlite3.connect(world.saturn.state / "journal.db")) as newer:
        newer.execute("PRAGMA user_version = 99")

    said = world.saturn.run("doctor", "--json")

    assert (said.exit_code, said.document["hosts"]) == (1, {})
    is_told(said, "", "inventory", "fail", "inventory/topology.yaml", "saturn validate")
    assert "colour" in told(said, "", "inventory")[1]
    is_told(said, "", "hosts", "skip", "the inventory cannot be read", "")
    is_told(said, "", "clone", "fail", "lies in no git repository", "git init")
    is_told(said, "", "journal", "fail", "written by a newer saturn (schema 99", "upgrade saturn")
    assert told(said, "", "packages")[0] == "ok"


def test_without_an_inventory_this_machine_is_looked_at(world: World, tmp_path: Path) -> None:
    said = world.saturn.run("--inventory", str(tmp_path / "absent.yaml"), "doctor", "--json")

    assert said.exit_code == 1
    assert told(said, "", "inventory")[0] == "fail"
    assert told(said, "", "python")[0] == "ok"
    assert world.saturn.run("doctor", "--local", "--all").exit_code == 2
