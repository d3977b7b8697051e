"""A service or a node that is broken: it fails alone, with the evidence, its diagnosis and the next command."""

import pytest
from support.homelab import FOREVER, checked, container
from support.world import World

QUICK = "healthcheck: {timeout_s: 4, interval_s: 1}\n"


def break_bridge(world: World) -> None:
    """Push a bridge that exits with a last sentence."""
    world.homelab.write_service("bridge", {"bridge": container("echo cannot find the coordinator >&2; exit 3")})
    world.homelab.write("services/bridge/service.yaml", f"depends_on: [broker]\n{QUICK}")
    (world.homelab.folder / "services/bridge/healthcheck.sh").unlink()
    world.push("break the bridge")


def mend_bridge(world: World) -> None:
    """Push a bridge that works."""
    world.homelab.write_service("bridge", {"bridge": checked()}, depends_on=["broker"])
    world.push("mend the bridge")


def test_broken_service_fails_only_its_host_with_the_evidence(world: World) -> None:
    break_bridge(world)

    said = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert (said.exit_code, said.document["outcome"]) == (1, "partial")
    assert {host: entry["status"] for host, entry in said.hosts.items()} == {
        "chelsty": "failed", "solaria": "changed", "vps": "changed",
    }  # fmt: skip
    chelsty = said.hosts["chelsty"]
    assert chelsty["services"]["broker"]["health"] == "healthy"
    assert chelsty["services"]["bridge"]["status"] == "failed"
    assert (chelsty["error"]["stage"], chelsty["error"]["service"]) == ("verify", "bridge")
    report = world.fleet.host("chelsty").read(chelsty["diagnostics"])
    assert "cannot find the coordinator" in report
    assert "bridge-bridge-1" in report


def test_summary_of_a_failure_shows_evidence_files_and_next_command(world: World) -> None:
    break_bridge(world)

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes")

    assert "cannot find the coordinator" in said.out
    assert "/opt/homelab/logs/deploy/diagnostics_" in said.out
    assert "/opt/homelab/logs/deploy/deploy_" in said.out
    assert "saturn deploy --hosts chelsty --resume" in said.out
    assert "Traceback" not in said.out + said.err


def test_resume_after_the_fix_continues_where_it_failed(world: World) -> None:
    break_bridge(world)
    world.saturn.run("deploy", "--hosts", "chelsty", "--yes")
    broker = world.container_ids("chelsty")["broker-broker-1"]
    mend_bridge(world)

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--resume", "--yes", "--json")

    assert said.exit_code == 0, said.err
    services = said.hosts["chelsty"]["services"]
    assert {name: service["status"] for name, service in services.items()} == {"broker": "skipped", "bridge": "changed"}
    assert world.container_ids("chelsty")["broker-broker-1"] == broker


def test_resume_on_the_same_revision_continues_at_the_failed_stage(world: World) -> None:
    env = world.fleet.host("chelsty").read("/opt/homelab/config/bridge/.env")
    world.fleet.host("chelsty").write("/opt/homelab/config/bridge/.env", "OTHER=1234\n")
    blocked = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")
    assert (blocked.exit_code, blocked.hosts["chelsty"]["status"]) == (1, "blocked")
    assert blocked.hosts["chelsty"]["error"]["code"] == "env_missing"
    assert world.containers("chelsty") == {}
    world.fleet.host("chelsty").write("/opt/homelab/config/bridge/.env", env)

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--resume", "--yes", "--json")

    assert said.exit_code == 0, said.err
    types = [(event["type"], event.get("stage")) for event in world.events("chelsty")]
    assert ("stage_skipped", "prepare") in types
    assert ("stage_started", "validate") in types


def test_compose_file_that_compose_refuses_blocks_before_anything_is_touched(world: World) -> None:
    world.homelab.write("services/site/docker-compose.yml", "services:\n  site:\n    image: [not, a, string]\n")
    world.push("not a compose file")

    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert (said.exit_code, said.hosts["vps"]["status"]) == (1, "blocked")
    assert said.hosts["vps"]["error"]["code"] == "compose_invalid"
    assert world.containers("vps") == {}


def test_image_that_nobody_has_fails_before_anything_is_touched(world: World) -> None:
    world.homelab.write_service("site", {"site": container(image="saturn-test/absent:1")})
    world.push("an image that nobody has")

    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert (said.exit_code, said.hosts["vps"]["error"]["code"]) == (1, "pull_failed")
    assert world.containers("vps") == {}


def test_container_that_is_unhealthy_fails_verify(world: World) -> None:
    world.homelab.write_service("llm", {"llm": checked(test="exit 1", script=f"echo no gpu here; {FOREVER}")})
    world.homelab.write("services/llm/service.yaml", QUICK)
    world.push("never healthy")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes")

    assert said.exit_code == 1
    assert "no gpu here" in said.out


def test_dirty_checkout_is_refused_with_its_files(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.fleet.host("solaria").write("/opt/homelab/repo/services/llm/docker-compose.yml", "services: {}\n")
    world.push("a change")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 1
    assert said.hosts["solaria"]["error"]["code"] == "checkout_dirty"
    assert "services/llm/docker-compose.yml" in said.hosts["solaria"]["error"]["message"]
    assert "changed by hand" in said.err


@pytest.mark.parametrize(
    "program, code",
    [("python3", "no_python"), ("git", "no_git"), ("docker", "no_docker"), ("docker-compose", "no_compose")],
)
def test_program_that_is_missing_on_the_node_is_a_clear_error(world: World, program: str, code: str) -> None:
    world.fleet.host("solaria").hide_program(program)

    said = world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes", "--json")

    assert said.exit_code == 1
    error = said.hosts["solaria"]["error"]
    assert (said.hosts["solaria"]["status"], error["code"]) == ("failed", code)
    assert error["hint"]
    assert "Traceback" not in said.err
    assert said.hosts["vps"]["status"] == "changed"


def test_docker_that_is_down_is_told_before_the_question(world: World) -> None:
    world.fleet.host("solaria").stop_docker()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, said.hosts["solaria"]["error"]["code"]) == (1, "docker_down")


def test_root_that_cannot_be_written_is_a_clear_error(world: World) -> None:
    world.homelab.set_host("solaria", root="/srv/nobody")
    world.push("a root that deploy may not make")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    error = said.hosts["solaria"]["error"]
    assert (said.exit_code, error["code"]) == (1, "root_unwritable")
    assert "/srv/nobody" in error["message"] + error["hint"]


def test_full_disk_fails_clearly_and_resumes(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.fleet.host("solaria").fill_disk()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")
    world.fleet.host("solaria").free_disk()
    after = world.saturn.run("deploy", "--hosts", "solaria", "--resume", "--yes", "--json")

    assert said.exit_code == 1
    assert said.hosts["solaria"]["error"]["code"] in {"disk_full", "worker_lost"}
    assert "Traceback" not in said.err
    assert (after.exit_code, after.hosts["solaria"]["status"]) == (0, "unchanged")


def test_second_run_on_a_node_is_told_who_holds_it(world: World) -> None:
    world.homelab.write_service("llm", {"llm": container()}, healthcheck="sleep 20")
    world.push("a slow health check")
    first = world.saturn.start("deploy", "--hosts", "solaria", "--yes", "--json")
    assert first.stderr
    for line in first.stderr:
        if "verify" in line:
            break

    second = world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes", "--json")
    first.communicate()

    assert second.exit_code == 5
    assert second.hosts["solaria"]["error"]["code"] == "locked"
    assert "ada@" in second.hosts["solaria"]["error"]["message"]
    assert second.hosts["vps"]["status"] == "changed"
    assert first.returncode == 0
