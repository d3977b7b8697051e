"""What may run where: a host that breaks a convention is blocked before anything of it is touched; others go on."""

from datetime import UTC, datetime, timedelta

from support.homelab import container
from support.world import World

CONFIG = "/opt/homelab/config"
TODAY = datetime.now(UTC).date()


def publish(world: World, port: str) -> None:
    """Push a proxy that publishes a port."""
    world.homelab.write_service("proxy", {"proxy": container(ports=[port])})
    world.push(f"publish {port}")


def allow(world: World, until: str) -> None:
    """Push a waiver for the proxy's port."""
    waiver = {"code": "port_exposed", "host": "vps", "service": "proxy", "reason": "a test of the line", "until": until}
    world.homelab.topology["policy"] = {"waivers": [waiver]}
    world.push(f"allow it until {until}")


def findings(entry: dict[str, object]) -> list[tuple[str, str, str]]:
    """Severity, code and service of what a document says."""
    listed = entry["findings"]
    assert isinstance(listed, list)
    return [(each["severity"], each["code"], each["service"]) for each in listed if each["severity"] != "warning"]


def test_a_host_that_breaks_a_convention_is_blocked_and_others_go_on(world: World) -> None:
    publish(world, "8081:80")
    planned = world.saturn.run("plan", "--hosts", "vps")

    said = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert "port 8081 answers on every address of the node, but proxy is local-only [port_exposed]" in planned.out
    assert "validate will block vps: 1 error" in planned.out
    assert {host: entry["status"] for host, entry in said.hosts.items()} == {
        "chelsty": "changed", "solaria": "changed", "vps": "blocked",
    }  # fmt: skip
    assert said.exit_code == 1
    vps = said.hosts["vps"]
    assert (vps["error"]["code"], vps["error"]["stage"], vps["error"]["service"]) == (
        "port_exposed", "validate", "proxy",
    )  # fmt: skip
    assert findings(vps) == [("error", "port_exposed", "proxy")]
    assert world.containers("vps") == {}
    world.fleet.host("vps").exec("test", "!", "-e", "/opt/homelab/data/proxy")


def test_saturn_validate_finds_the_same_in_the_files(world: World) -> None:
    publish(world, "8081:80")

    said = world.saturn.run("validate", "--json")

    (finding,) = [each for each in said.document["findings"] if each["severity"] == "error"]
    assert (finding["code"], finding["key"], said.exit_code) == ("port_exposed", "services.proxy.ports[0]", 2)
    assert finding["file"].endswith("services/proxy/docker-compose.yml")
    assert finding["line"] > 0


def test_a_waiver_lowers_an_error_and_is_shown(world: World) -> None:
    publish(world, "8081:80")
    allow(world, (TODAY + timedelta(days=30)).isoformat())

    planned = world.saturn.run("plan", "--hosts", "vps")
    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert "~ proxy: port 8081 answers on every address" in planned.out
    assert "a test of the line" in planned.out
    assert (said.exit_code, findings(said.hosts["vps"])) == (0, [("waived", "port_exposed", "proxy")]), said.err


def test_a_waiver_that_ended_lowers_nothing_and_says_so(world: World) -> None:
    publish(world, "8081:80")
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    allow(world, yesterday)

    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert (said.exit_code, said.hosts["vps"]["status"]) == (1, "blocked")
    assert f"its waiver ended on {yesterday}: a test of the line" in said.hosts["vps"]["findings"][0]["message"]
    assert world.containers("vps") == {}


def test_an_override_on_the_node_is_judged_named_and_left_as_it_is(world: World) -> None:
    host, override = world.fleet.host("vps"), f"{CONFIG}/proxy/docker-compose.override.yml"
    text = 'services: {proxy: {ports: ["8099:80"]}}\n'
    host.write(override, text)

    valid = world.saturn.run("validate")
    planned = world.saturn.run("plan", "--hosts", "vps")
    said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert valid.exit_code == 0
    assert "with docker-compose.override.yml of the node" in planned.out
    assert (said.hosts["vps"]["status"], said.hosts["vps"]["error"]["code"]) == ("blocked", "port_exposed")
    assert host.read(override) == text
    assert not list(world.saturn.home.rglob("*override*"))


def test_a_local_file_that_changed_since_the_last_deploy_is_named_so(world: World) -> None:
    assert world.saturn.run("deploy", "--hosts", "chelsty", "--yes").exit_code == 0
    before = world.saturn.run("plan", "--hosts", "chelsty")
    env = world.fleet.host("chelsty").read(f"{CONFIG}/bridge/.env")
    world.fleet.host("chelsty").write(f"{CONFIG}/bridge/.env", env + "MORE=another\n", mode=0o644)

    after = world.saturn.run("plan", "--hosts", "chelsty")

    assert "with .env of the node\n" in before.out
    assert "with .env of the node, changed since the last deploy" in after.out
    assert "everybody on the node may use it [env_readable]" in after.out


def test_an_autonomous_host_needs_nobody_outside(world: World) -> None:
    world.homelab.set_host("chelsty", autonomous=True)
    world.homelab.write_service("broker", {"broker": container(environment={"UPSTREAM": "mqtt://saturn:1883"})})
    world.homelab.write_service("bridge", {"bridge": container(restart="on-failure")}, depends_on=["broker"])
    (world.homelab.folder / "services/bridge/healthcheck.sh").unlink()
    world.push("lean on SATURN")

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")

    assert said.hosts["chelsty"]["status"] == "blocked"
    assert sorted(findings(said.hosts["chelsty"])) == [
        ("error", "autonomy_dependency", "broker"),
        ("error", "restart_missing", "bridge"),
    ]
    assert world.containers("chelsty") == {}


def test_a_new_folder_belongs_to_the_user_that_the_service_runs_as(world: World) -> None:
    volumes = ["/opt/homelab/data/llm:/data"]
    world.homelab.set_host("solaria", become=True)
    world.homelab.write_service(
        "llm", {"llm": container("touch /data/mine; exec sleep 1000000", user="1234:1235", volumes=volumes)}
    )
    world.push("run as somebody")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 0, said.err
    stat = world.fleet.host("solaria").exec(
        "stat", "-c", "%u:%g", "/opt/homelab/data/llm", "/opt/homelab/data/llm/mine"
    )
    assert stat.stdout.split() == ["1234:1235", "1234:1235"]
