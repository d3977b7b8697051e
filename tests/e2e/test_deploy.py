"""One command deploys real hosts: the main path, what it leaves on a node, and what it says."""

import json
from pathlib import Path

from support.homelab import IMAGE_2, container
from support.world import SECRET, World

SERVICES = {"chelsty": {"broker", "bridge"}, "solaria": {"llm"}, "vps": {"proxy", "site"}}


def test_deploy_brings_five_services_to_three_hosts(world: World) -> None:
    said = world.saturn.run("deploy", "--hosts", "chelsty,solaria,vps", "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert said.document["outcome"] == "success"
    assert {host: entry["status"] for host, entry in said.hosts.items()} == dict.fromkeys(SERVICES, "changed")
    assert {host: set(entry["services"]) for host, entry in said.hosts.items()} == SERVICES
    assert said.hosts["chelsty"]["services"]["bridge"] == {"status": "changed", "health": "healthy", "backup": None}
    assert said.hosts["vps"]["services"]["site"] == {"status": "changed", "health": "running", "backup": None}
    assert said.hosts["solaria"]["revision_after"] == said.document["revision"]
    assert world.containers("chelsty") == {"broker-broker-1": "running", "bridge-bridge-1": "running"}
    assert world.containers("vps")["site-build-1"] == "exited"


def test_deploy_leaves_the_documented_files_on_the_node(world: World) -> None:
    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")

    host = world.fleet.host("chelsty")
    state = "/opt/homelab/state/deploy"
    names = set(host.exec("ls", state).stdout.split())
    assert {f"stage_{stage}_complete" for stage in ("prepare", "validate", "deploy", "verify", "complete")} <= names
    assert host.read(f"{state}/current_stage").strip() == "complete"
    assert host.read(f"{state}/last_service").strip() == "bridge"
    for folder in ("config/bridge", "data/broker", "logs/bridge", "repo/.git"):
        assert host.exec("test", "-d", f"/opt/homelab/{folder}", check=False).returncode == 0, folder
    log = host.read(said.hosts["chelsty"]["log"])
    journalled = [
        json.loads(line.removeprefix("[STRUCT] ")) for line in log.splitlines() if line.startswith("[STRUCT] ")
    ]
    assert journalled == world.events("chelsty")
    assert [event["seq"] for event in journalled] == list(range(1, len(journalled) + 1))


def test_second_deploy_is_unchanged_and_touches_no_container(world: World) -> None:
    world.saturn.run("deploy", "--all", "--yes")
    before = {host: world.container_ids(host) for host in SERVICES}

    said = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert said.exit_code == 0
    assert {entry["status"] for entry in said.hosts.values()} == {"unchanged"}
    assert {s["status"] for entry in said.hosts.values() for s in entry["services"].values()} == {"unchanged"}
    assert {host: world.container_ids(host) for host in SERVICES} == before


def test_deploy_recreates_only_the_service_that_changed(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "vps", "--yes")
    before = world.container_ids("vps")
    world.homelab.write_service("proxy", {"proxy": container(image=IMAGE_2)})
    world.push("another image")

    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert "~ recreate" in said.err
    assert {name: s["status"] for name, s in said.hosts["vps"]["services"].items()} == {
        "proxy": "changed",
        "site": "unchanged",
    }
    after = world.container_ids("vps")
    assert {name for name in after if after[name] != before[name]} == {"proxy-proxy-1"}


def test_deploy_uses_override_and_env_of_the_node(world: World) -> None:
    override = "services: {llm: {environment: {GPU: nvidia}}}\n"
    world.fleet.host("solaria").write("/opt/homelab/config/llm/docker-compose.override.yml", override)

    assert world.saturn.run("deploy", "--hosts", "chelsty,solaria", "--yes").exit_code == 0

    seen = world.fleet.host("solaria").exec("docker", "exec", "llm-llm-1", "sh", "-c", "echo $GPU", user="root").stdout
    assert seen.strip() == "nvidia"
    seen = world.fleet.host("chelsty").exec(
        "docker", "exec", "bridge-bridge-1", "sh", "-c", "echo $PASSWORD", user="root"
    )
    assert seen.stdout.strip() == SECRET


def test_secrets_of_the_node_never_leave_it(world: World) -> None:
    leak = f"echo leaking {SECRET} >&2; exit 1"
    world.homelab.write_service("bridge", {"bridge": container()}, healthcheck=leak)
    world.homelab.write("services/bridge/service.yaml", "healthcheck: {timeout_s: 3, interval_s: 1}\n")
    world.push("a health check that prints what it should not")

    said = world.saturn.run("--verbose", "deploy", "--hosts", "chelsty", "--yes", "--json")
    copy = world.saturn.run("diagnose", "--hosts", "chelsty", "--json")

    assert said.exit_code == 1
    diagnosis = Path(copy.hosts["chelsty"]["copy"]).read_text()
    journal = (world.saturn.state / "journal.db").read_bytes()
    everywhere = [said.out, said.err, copy.out, copy.err, diagnosis, journal.decode("latin-1")]
    assert not [text for text in everywhere if SECRET in text]
    assert any("[redacted]" in text for text in everywhere)
    grep = world.fleet.host("chelsty").exec(
        "grep", "-rl", SECRET, "/opt/homelab/logs", "/opt/homelab/state", check=False
    )
    assert grep.stdout == ""


def test_deploy_prints_plain_lines_and_a_summary_without_a_terminal(world: World) -> None:
    said = world.saturn.run("deploy", "--hosts", "chelsty,vps", "--yes")

    columns = [line.split() for line in said.err.splitlines() if line[:2].isdigit()]
    assert ["chelsty", "deploy", "broker", "changed"] in [words[1:5] for words in columns]
    assert said.out.strip().splitlines()[-1].startswith("2 hosts: 2 changed. Run ")
    assert "\x1b" not in said.out + said.err


def test_become_runs_the_executor_as_root(world: World) -> None:
    world.homelab.set_host("solaria", become=True, root="/srv/homelab")
    world.push("as root, elsewhere")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 0, said.err
    owner = world.fleet.host("solaria").exec("stat", "-c", "%U", "/srv/homelab/state/deploy/current_stage", user="root")
    assert owner.stdout.strip() == "root"
