"""Hosts that are away, impostors, denied logins, a forge that is gone: told apart, and harming nobody else."""

import time

from support.world import World


def test_host_without_power_is_unreachable_and_delays_nobody(world: World) -> None:
    world.homelab.set_host("chelsty", ssh={"connect_timeout_s": 25})
    world.push("patience for chelsty")
    world.fleet.host("chelsty").power_off()
    world.saturn.run("deploy", "--hosts", "vps", "--yes")  # so that the run measured below is short

    said = world.saturn.run("deploy", "--hosts", "chelsty,vps", "--yes", "--json")

    assert said.exit_code == 3
    assert said.document["outcome"] == "partial"
    assert said.hosts["chelsty"]["status"] == "unreachable"
    assert said.hosts["chelsty"]["error"]["code"] == "unreachable"
    assert said.hosts["vps"]["status"] == "unchanged"
    lines = said.err.splitlines()
    finished = next(n for n, line in enumerate(lines) if " vps " in line and "unchanged" in line and " - - " in line)
    given_up = next(n for n, line in enumerate(lines) if "chelsty" in line and "unreachable" in line)
    assert finished < given_up, "vps was done before saturn gave chelsty up"


def test_host_that_refuses_is_unreachable(world: World) -> None:
    world.fleet.host("solaria").refuse_ssh()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, said.document["outcome"]) == (3, "failure")
    assert "refused the connection" in said.hosts["solaria"]["error"]["message"]


def test_host_with_another_key_is_never_spoken_to(world: World) -> None:
    world.fleet.host("vps").rekey()

    said = world.saturn.run("deploy", "--hosts", "vps,solaria", "--yes", "--json")

    error = said.hosts["vps"]["error"]
    assert said.exit_code == 1
    assert (said.hosts["vps"]["status"], error["code"]) == ("failed", "host_key_changed")
    assert error["message"].count("SHA256:") == 2
    assert said.hosts["solaria"]["status"] == "changed"
    assert "saturn trust vps" in error["hint"]


def test_host_without_a_known_key_is_not_trusted_on_first_use(world: World) -> None:
    lines = world.known_hosts.read_text().splitlines()
    address = world.fleet.host("vps").address
    world.known_hosts.write_text("\n".join(line for line in lines if not line.startswith(f"{address} ")) + "\n")

    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert said.exit_code == 1
    assert said.hosts["vps"]["error"]["code"] == "host_key_unknown"
    assert "saturn trust vps" in said.hosts["vps"]["error"]["hint"]


def test_denied_login_is_permission_denied(world: World) -> None:
    world.fleet.host("solaria").deny_key()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 1
    assert said.hosts["solaria"]["error"]["code"] == "permission_denied"


def test_forge_that_is_gone_leaves_the_cached_revision_said_as_stale(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.fleet.forge.refuse_ssh()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 0
    assert (said.hosts["solaria"]["status"], said.hosts["solaria"]["stale"]) == ("unchanged", True)
    assert "STALE" in said.err


def test_status_shows_every_host_and_waits_for_none_longer_than_its_patience(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "vps", "--yes")
    world.push("one commit more")
    world.fleet.host("chelsty").power_off()

    began = time.monotonic()
    said = world.saturn.run("status", "--json")
    table = world.saturn.run("status")
    taken = time.monotonic() - began

    assert said.exit_code == 3
    assert {host: entry["reachability"] for host, entry in said.hosts.items()} == {
        "chelsty": "unreachable", "solaria": "online", "vps": "online",
    }  # fmt: skip
    vps = said.hosts["vps"]
    assert (vps["behind"], vps["stage"], vps["last_run"]["outcome"]) == (1, "complete", "success")
    assert vps["services"] == {
        "proxy": {"state": "running", "health": "healthy", "drift": []},
        "site": {"state": "running", "health": "none", "drift": []},
    }
    assert "chelsty" in table.out
    assert "1 behind" in table.out
    assert taken < 60, "twice connect_timeout_s of 8 s, with room for a busy machine"
