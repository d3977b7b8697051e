"""The status file: what a collector reads of hosts that answer, that are away, and that let nobody in."""

from support.exposition import read
from support.saturn import Saturn
from support.world import World

FILE = "saturn.prom"
READ_ONLY = """
for each in "$@"; do [ "$each" = -- ] && break; mount --bind "$each" "$each"; done
mount -o remount,bind,ro "$1"
while [ "$1" != -- ]; do shift; done; shift
exec "$@"
"""
"""Runs a command where the first folder cannot be written, but for the others inside of it."""


def test_the_status_file_tells_of_every_host_and_is_replaced_as_a_whole(world: World) -> None:
    assert world.saturn.run("deploy", "--all", "--yes").exit_code == 0
    file = world.saturn.folder / FILE
    file.write_text("old")
    world.fleet.host("solaria").power_off()
    world.fleet.host("chelsty").exec("docker", "rm", "--force", "broker-broker-1")

    said = world.saturn.run("status", "--prometheus", FILE)

    assert said.exit_code == 3, said.err
    assert "3 hosts: 2 online, 1 unreachable." in said.out
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in file.parent.iterdir() if each.name.startswith(".tmp")] == []
    found = read(file.read_text())

    def value(name: str, host: str, **labels: str) -> float | None:
        return found.get((f"saturn_{name}", frozenset({"host": host, **labels}.items())))

    assert [value("host_up", host) for host in ("chelsty", "solaria", "vps")] == [1, 0, 1]
    assert value("host_reachability", "solaria", state="unreachable") == 1
    assert value("last_run_outcome", "solaria", outcome="success") == 1
    assert value("host_behind_commits", "vps") == 0
    assert [value("service_running", "chelsty", service=name) for name in ("broker", "bridge")] == [0, 1]
    assert value("service_drifted", "chelsty", service="broker") == 1
    assert value("service_healthy", "vps", service="proxy") == 1
    assert value("lock_held", "solaria") is None


def test_the_metrics_on_standard_output_and_beside_a_document(world: World) -> None:
    printed = world.saturn.run("status", "--hosts", "vps", "--prometheus", "-")
    document = world.saturn.run("status", "--hosts", "vps", "--json", "--prometheus", FILE)
    both = world.saturn.run("status", "--json", "--prometheus", "-")
    nowhere = world.saturn.run("status", "--hosts", "vps", "--prometheus", "none/saturn.prom")

    assert read(printed.out)["saturn_host_up", frozenset({("host", "vps")})] == 1
    assert document.hosts["vps"]["reachability"] == "online"
    assert read((world.saturn.folder / FILE).read_text())
    assert (both.exit_code, both.out) == (2, "")
    assert (nowhere.exit_code, "error[output_unwritable]" in nowhere.err) == (2, True)
    assert "1 host: 1 online." in nowhere.out


def test_on_a_timer_nothing_but_the_state_and_the_file_need_be_writable(world: World) -> None:
    world.fleet.host("vps").power_off()
    deferred = world.saturn.run("deploy", "--hosts", "vps", "--defer-offline", "--yes")
    assert deferred.exit_code == 3, deferred.err
    world.fleet.host("vps").power_on()
    metrics = world.saturn.home / "metrics"
    metrics.mkdir()
    folders = [str(each) for each in (world.saturn.home.parent, world.saturn.state.parent, metrics)]
    saturn = Saturn(
        world.saturn.folder, world.saturn.home, entry=("unshare", "-m", "sh", "-c", READ_ONLY, "sh", *folders, "--")
    )

    caught_up = saturn.run("catch-up")
    looked = saturn.run("status", "--prometheus", str(metrics / FILE))
    elsewhere = saturn.run("status", "--hosts", "vps", "--prometheus", FILE)

    assert (caught_up.exit_code, "1 host: 1 changed" in caught_up.out) == (0, True), caught_up.err
    assert looked.exit_code == 0, looked.err
    assert read((metrics / FILE).read_text())["saturn_host_deferred", frozenset({("host", "vps")})] == 0
    assert (elsewhere.exit_code, "Read-only file system" in elsewhere.err) == (2, True)
