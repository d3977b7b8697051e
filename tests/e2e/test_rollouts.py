"""Canary and gate, some services, those that failed; hosts that are away and come back; prefetch; drift."""

from support.homelab import IMAGE_2, container
from support.world import World

QUICK = "healthcheck: {timeout_s: 3, interval_s: 1}\n"


def break_broker(world: World) -> None:
    """Push a broker, of chelsty, that ends at once."""
    world.homelab.write_service("broker", {"broker": container("exit 3")})
    world.homelab.write("services/broker/service.yaml", QUICK)
    world.push("break the broker")


def test_a_sick_canary_halts_the_rollout_and_the_others_are_skipped(world: World) -> None:
    break_broker(world)

    said = world.saturn.run("deploy", "--all", "--batch", "1,100%", "--yes", "--json")

    assert (said.exit_code, said.document["outcome"]) == (1, "failure")
    assert {host: entry["status"] for host, entry in said.hosts.items()} == {
        "chelsty": "failed", "solaria": "skipped", "vps": "skipped",
    }  # fmt: skip
    assert "canary chelsty restarting in verify, so the other 2 hosts were not started" in said.err
    assert said.hosts["vps"]["error"]["hint"] == "saturn deploy --hosts vps"
    assert (world.containers("solaria"), world.containers("vps")) == ({}, {})


def test_failures_within_the_allowance_do_not_halt_and_the_gate_says_why(world: World) -> None:
    break_broker(world)

    said = world.saturn.run("deploy", "--all", "--batch", "1", "--max-failures", "50%", "--yes", "--json")
    failed = said.document["run"]
    world.homelab.write_service("broker", {"broker": container()})
    world.push("mend the broker")
    again = world.saturn.run("deploy", "--retry-failed", failed, "--yes", "--json")

    assert said.exit_code == 1
    assert [entry["status"] for entry in said.hosts.values()] == ["failed", "changed", "changed"]
    assert "note: batch 1: 0 of 1 host well; the next batch starts" in said.err
    assert {host: entry["status"] for host, entry in again.hosts.items()} == {"chelsty": "changed"}


def test_batches_of_the_topology_hold_without_an_option(world: World) -> None:
    world.homelab.topology["rollout"] = {"batches": [1, "100%"]}
    world.push("a canary, always")

    said = world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes")

    lines = said.err.splitlines()
    gate = next(n for n, line in enumerate(lines) if "batch 1: 1 of 1 host well; the next batch starts" in line)
    began = next(n for n, line in enumerate(lines) if " vps " in line and " executor " in line)
    assert (said.exit_code, began > gate) == (0, True)
    assert "waits for its batch, 2 of 2" in said.err


def test_services_limits_a_deploy(world: World) -> None:
    said = world.saturn.run("deploy", "--all", "--services", "proxy,llm", "--yes", "--json")

    assert {host: list(entry["services"]) for host, entry in said.hosts.items()} == {
        "solaria": ["llm"],
        "vps": ["proxy"],
    }
    assert world.containers("vps") == {"proxy-proxy-1": "running"}
    unknown = world.saturn.run("deploy", "--all", "--services", "prxy", "--yes")
    assert (unknown.exit_code, 'did you mean "proxy"?' in unknown.err) == (2, True)


def test_what_was_confirmed_for_an_absent_host_is_done_once_it_is_back(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.homelab.write_service("llm", {"llm": container(image=IMAGE_2)})
    revision = world.push("another model")
    world.fleet.host("solaria").refuse_ssh()

    deferred = world.saturn.run("deploy", "--hosts", "solaria", "--defer-offline", "--yes", "--json")
    away = world.saturn.run("catch-up", "--json")
    status = world.saturn.run("status", "--hosts", "solaria", "--json")
    world.push("a later commit, which nobody confirmed")
    world.fleet.host("solaria").allow_ssh()
    done = world.saturn.run("catch-up", "--json")
    nothing = world.saturn.run("catch-up")

    assert (deferred.exit_code, deferred.hosts["solaria"]["status"]) == (3, "deferred"), deferred.err
    assert (away.exit_code, away.document["away"]["solaria"]["code"]) == (3, "unreachable")
    assert status.hosts["solaria"]["deferred"]["revision"] == revision
    assert (done.exit_code, done.hosts["solaria"]["status"]) == (0, "changed"), done.err
    assert done.hosts["solaria"]["revision_after"] == revision, "just what was confirmed"
    assert (nothing.exit_code, "nothing was deferred" in nothing.err) == (0, True)


def test_what_moved_beyond_the_consent_is_refused(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.homelab.write_service("llm", {"llm": container(image=IMAGE_2)})
    world.push("another model")
    world.fleet.host("solaria").refuse_ssh()
    world.saturn.run("deploy", "--hosts", "solaria", "--defer-offline", "--yes")
    world.fleet.host("solaria").allow_ssh()
    elsewhere = type(world.saturn)(world.homelab.folder, world.homelab.folder.parent / "elsewhere", {"USER": "bob"})
    world.homelab.write_service("llm", {"llm": container(environment={"A": "1"})})
    world.push("somebody else was faster")
    elsewhere.run("deploy", "--hosts", "solaria", "--yes")

    said = world.saturn.run("catch-up", "--json")

    assert (said.exit_code, said.hosts["solaria"]["error"]["code"]) == (1, "plan_moved")
    assert "when this was confirmed" in said.hosts["solaria"]["error"]["message"]


def test_a_newer_deploy_takes_the_place_of_a_deferred_one(world: World) -> None:
    world.fleet.host("solaria").refuse_ssh()
    world.saturn.run("deploy", "--hosts", "solaria", "--defer-offline", "--yes")
    world.fleet.host("solaria").allow_ssh()
    waiting = world.saturn.run("status", "--hosts", "solaria")
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")

    said = world.saturn.run("catch-up")

    assert "note[deferred]" in waiting.out
    assert (said.exit_code, "nothing was deferred" in said.err) == (0, True)


def test_prefetch_brings_commit_and_rules_and_the_deploy_asks_nobody(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "vps", "--yes")
    before = world.container_ids("vps")
    world.homelab.write_service("proxy", {"proxy": container(image=IMAGE_2)})
    revision = world.push("another proxy")

    fetched = world.saturn.run("prefetch", "--hosts", "vps", "--json")
    untouched = (
        world.container_ids("vps"),
        world.fleet.host("vps").read("/opt/homelab/repo/services/proxy/docker-compose.yml"),
    )
    world.fleet.forge.refuse_ssh()
    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert (fetched.exit_code, fetched.hosts["vps"]["status"]) == (0, "unchanged"), fetched.err
    assert {service["status"] for service in fetched.hosts["vps"]["services"].values()} == {"fetched"}
    assert (untouched[0], IMAGE_2 in untouched[1]) == (before, False)
    assert (said.exit_code, said.hosts["vps"]["stale"]) == (0, False), said.err
    assert said.hosts["vps"]["revision_after"] == revision
    assert "from cache" in said.err


def test_prune_removes_what_is_assigned_no_more_and_nothing_else(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "vps", "--yes")
    world.fleet.host("vps").exec(
        "docker", "run", "-d", "--name", "mine", "saturn-test/busybox:1", "sleep", "1000", user="root"
    )
    world.homelab.assign("vps", ["proxy"])
    world.push("no site any more")

    kept = world.saturn.run("deploy", "--hosts", "vps", "--yes")
    orphaned = world.saturn.run("status", "--hosts", "vps", "--json").hosts["vps"]["orphans"]
    said = world.saturn.run("deploy", "--hosts", "vps", "--prune", "--yes", "--json")

    assert "assigned to vps no more, and left alone: site" in " ".join(kept.err.split())
    assert orphaned == ["site"]
    assert said.hosts["vps"]["services"]["site"]["status"] == "removed"
    assert set(world.containers("vps")) == {"proxy-proxy-1", "mine"}


def test_status_tells_drift_and_where_a_node_stands(world: World) -> None:
    world.homelab.remote(world.fleet.forge.url)
    world.saturn.run("deploy", "--all", "--yes")
    host = world.fleet.host("vps")
    host.exec("docker", "rm", "-f", "proxy-proxy-1", user="root")
    world.homelab.amend("told otherwise")
    world.homelab.commit("and one more")

    said = world.saturn.run("status", "--json")
    table = world.saturn.run("status")

    vps = said.hosts["vps"]
    assert (vps["behind"], vps["ahead"], vps["stale"]) == (2, 1, False)
    assert vps["services"]["proxy"]["drift"] == ["container proxy is missing"]
    assert said.hosts["chelsty"]["services"]["broker"]["drift"] == []
    assert "proxy is not as its last deploy left it: container proxy is missing" in " ".join(table.out.split())
