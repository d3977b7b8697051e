"""The way back: a person's, to a deployment that the node remembers; and a failed run's own."""

from support.homelab import IMAGE, IMAGE_2, container
from support.world import World

HOST = "vps"
QUICK = "healthcheck: {timeout_s: 3, interval_s: 1}\n"


def image_and_variable(world: World, name: str) -> tuple[str, str]:
    """What a container runs, and what its variable A holds."""
    form = "{{.Config.Image}} {{range .Config.Env}}{{println .}}{{end}}"
    told = world.fleet.host(HOST).exec("docker", "inspect", "--format", form, name, user="root").stdout.split()
    return told[0], next((word.partition("=")[2] for word in told if word.startswith("A=")), "")


def upgrade(world: World, **keys: object) -> None:
    world.homelab.write_service("proxy", {"proxy": container(image=IMAGE_2, environment={"A": "new"}, **keys)})
    world.push("an upgrade")


def first(world: World) -> str:
    """Deploy a proxy of the first image; its revision."""
    world.homelab.write_service("proxy", {"proxy": container(environment={"A": "old"})})
    revision = world.push("before the upgrade")
    assert world.saturn.run("deploy", "--hosts", HOST, "--yes").exit_code == 0
    return revision


def test_rollback_restores_revision_image_and_config(world: World) -> None:
    revision = first(world)
    upgrade(world)
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE_2, "new")

    said = world.saturn.type(("rollback", "--hosts", HOST), {"Roll back vps?": "y\n"})

    assert said.exit_code == 0, said.out
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE, "old")
    assert world.fleet.host(HOST).exec("git", "-C", "/opt/homelab/repo", "rev-parse", "HEAD").stdout.strip() == revision
    status = world.saturn.run("status", "--hosts", HOST, "--json").hosts[HOST]
    assert (status["revision"], status["behind"], status["services"]["proxy"]["drift"]) == (revision, 1, [])


def test_rollback_brings_back_the_image_that_a_name_meant_then(world: World) -> None:
    """A tag such as `latest` moves: the recorded image comes back, not what the name means now."""
    host = world.fleet.host(HOST)
    host.exec("docker", "tag", IMAGE, "local/app:latest", user="root")
    world.homelab.write_service("proxy", {"proxy": container(image="local/app:latest")})
    world.push("a moving tag")
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    before = host.exec("docker", "inspect", "--format", "{{.Image}}", "proxy-proxy-1", user="root").stdout
    host.exec("docker", "tag", IMAGE_2, "local/app:latest", user="root")
    world.homelab.write_service("proxy", {"proxy": container(image="local/app:latest", environment={"A": "1"})})
    world.push("and something else")
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    assert host.exec("docker", "inspect", "--format", "{{.Image}}", "proxy-proxy-1", user="root").stdout != before

    said = world.saturn.run("rollback", "--hosts", HOST, "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert host.exec("docker", "inspect", "--format", "{{.Image}}", "proxy-proxy-1", user="root").stdout == before


def test_rollback_to_a_named_run_and_to_nowhere(world: World) -> None:
    unknown = world.saturn.run("rollback", "--hosts", HOST, "--yes", "--json")
    revision = first(world)
    run = world.saturn.run("history", "--json").document["runs"][0]["run"]
    for number in (1, 2):
        world.homelab.write_service("proxy", {"proxy": container(environment={"A": f"{number}"})})
        world.push(f"change {number}")
        world.saturn.run("deploy", "--hosts", HOST, "--yes")

    said = world.saturn.run("rollback", "--hosts", HOST, "--to", run, "--yes", "--json")

    assert unknown.hosts[HOST]["error"]["code"] == "nothing_to_return_to"
    assert (said.exit_code, said.hosts[HOST]["revision_after"]) == (0, revision), said.err
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE, "old")


def test_a_failed_upgrade_goes_back_by_itself_and_is_never_called_a_success(world: World) -> None:
    revision = first(world)
    world.homelab.set_host(HOST, rollback_on_failure=True)
    world.homelab.write("services/proxy/service.yaml", QUICK)
    world.homelab.write_service("fresh", {"fresh": container()})
    world.homelab.assign(HOST, ["fresh", "proxy", "site"])
    upgrade(world, command=["sh", "-c", "echo no such coordinator >&2; exit 3"])
    world.homelab.write("services/proxy/service.yaml", QUICK)
    world.push("which fails")
    before = world.container_ids(HOST)["site-site-1"]

    said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")
    summary = world.saturn.run("show", said.document["run"])

    entry = said.hosts[HOST]
    assert (said.exit_code, said.document["outcome"], entry["status"]) == (4, "failure", "rolled_back"), said.err
    assert (entry["revision_after"], entry["services"]["proxy"]["status"]) == (revision, "restored")
    assert entry["services"]["fresh"]["status"] == "removed"
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE, "old")
    assert world.container_ids(HOST)["site-site-1"] == before, "what the run had not touched stands"
    assert "fresh-fresh-1" not in world.containers(HOST)
    for words in ("no such coordinator", "rolled back: what this run touched", "1 host: 1 rolled back"):
        assert words in summary.out, words


def test_without_being_told_so_a_failed_upgrade_stays_and_can_be_taken_back(world: World) -> None:
    first(world)
    world.homelab.write("services/proxy/service.yaml", QUICK)
    upgrade(world, command=["sh", "-c", "exit 3"])
    world.homelab.write("services/proxy/service.yaml", QUICK)
    world.push("which fails")
    failed = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json")

    said = world.saturn.run("rollback", "--hosts", HOST, "--yes", "--json")

    assert (failed.exit_code, failed.hosts[HOST]["status"]) == (1, "failed")
    assert (said.exit_code, said.hosts[HOST]["status"]) == (0, "changed"), said.err
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE, "old")


def test_a_resumed_run_that_fails_again_goes_back_to_the_last_good_deployment(world: World) -> None:
    revision = first(world)
    upgrade(world, command=["sh", "-c", "exit 3"])
    world.homelab.write("services/proxy/service.yaml", QUICK)
    world.push("which fails")
    world.saturn.run("deploy", "--hosts", HOST, "--yes")
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE_2, "new")

    said = world.saturn.run("deploy", "--hosts", HOST, "--resume", "--rollback-on-failure", "--yes", "--json")

    assert (said.exit_code, said.hosts[HOST]["status"]) == (4, "rolled_back"), said.err
    assert said.hosts[HOST]["revision_after"] == revision
    assert image_and_variable(world, "proxy-proxy-1") == (IMAGE, "old")
