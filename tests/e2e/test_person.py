"""What a person at a terminal does: answer, decline, quit, interrupt, diagnose, and work on the node itself."""

import signal
from pathlib import Path

from support.homelab import container
from support.world import World


def test_deploy_without_a_terminal_and_without_yes_connects_to_nobody(world: World) -> None:
    said = world.saturn.run("deploy", "--all")

    assert said.exit_code == 2
    assert "--yes" in said.err
    assert "connecting" not in said.err


def test_each_host_is_confirmed_by_name_and_a_declined_one_is_untouched(world: World) -> None:
    answers = {"Deploy chelsty?": "y\n", "Deploy solaria?": "\n", "Deploy vps?": "perhaps\n"}

    said = world.saturn.type(("deploy", "--all"), answers)

    assert said.exit_code == 6
    assert "3 hosts: 1 changed, 2 declined" in said.out
    assert set(world.containers("chelsty")) == {"broker-broker-1", "bridge-bridge-1"}
    for host in ("solaria", "vps"):
        assert world.containers(host) == {}
        assert world.fleet.host(host).exec("ls", "-A", "/opt/homelab").stdout == "", "not even a file was left there"


def test_all_remaining_confirms_the_rest_and_quit_declines_it(world: World) -> None:
    quitted = world.saturn.type(("deploy", "--all"), {"[q]uit: ": "q\n"})
    confirmed = world.saturn.type(("deploy", "--all"), {"[q]uit: ": "a\n"})

    assert (quitted.exit_code, "3 declined" in quitted.out) == (6, True)
    assert (confirmed.exit_code, "3 changed" in confirmed.out) == (0, True)


def test_live_view_at_eighty_columns_ends_with_a_clean_screen(world: World) -> None:
    said = world.saturn.type(("deploy", "--hosts", "vps"), {"Deploy vps?": "y\n"}, columns=80)

    assert said.exit_code == 0
    assert "\x1b[?25h" in said.out, "the cursor is shown again"
    assert "1 host: 1 changed" in said.out


def test_ctrl_c_stops_after_the_service_in_hand_and_the_run_resumes(world: World) -> None:
    world.homelab.write_service("proxy", {"proxy": container()}, healthcheck="sleep 5")
    world.push("time to press a key")
    running = world.saturn.start("deploy", "--hosts", "vps", "--yes", "--json")
    assert running.stderr
    for line in running.stderr:
        if "proxy started" in line and "verify" in line:
            break
    running.send_signal(signal.SIGINT)
    running.communicate()

    said = world.saturn.run("deploy", "--hosts", "vps", "--resume", "--yes", "--json")

    assert running.returncode == 6
    assert said.exit_code == 0
    assert said.hosts["vps"]["services"]["proxy"]["status"] == "skipped"


def test_second_ctrl_c_leaves_the_nodes_to_go_on(world: World) -> None:
    world.homelab.write_service("proxy", {"proxy": container()}, healthcheck="sleep 4")
    world.push("time to press a key twice")
    running = world.saturn.start("deploy", "--hosts", "vps", "--yes")
    assert running.stderr
    for line in running.stderr:
        if "proxy started" in line and "verify" in line:
            break
    running.send_signal(signal.SIGINT)
    while "Ctrl-C again" not in running.stderr.readline():
        continue
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()

    assert running.returncode == 130
    assert err.splitlines()[-2:] == [
        "note: still at work: vps; watch: saturn attach --hosts vps",
        "note: to stop: saturn cancel --hosts vps",
    ]


def test_diagnose_collects_on_demand_and_brings_the_file_here(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "chelsty", "--yes")

    said = world.saturn.run("diagnose", "--hosts", "chelsty", "--json")

    assert said.exit_code == 0
    entry = said.hosts["chelsty"]
    here = Path(entry["copy"]).read_text()
    assert here == world.fleet.host("chelsty").read(entry["path"])
    assert "broker-broker-1" in here


def test_person_on_the_node_needs_neither_saturn_nor_the_forge(world: World) -> None:
    world.fleet.host("chelsty").write("/opt/homelab/config/bridge/.env", "OTHER=1234\n")
    assert world.saturn.run("deploy", "--hosts", "chelsty", "--yes").exit_code == 1
    world.fleet.forge.power_off()
    node = world.fleet.host("chelsty")
    node.write("/opt/homelab/config/bridge/.env", "BROKER_PASSWORD=from-the-console\n")

    resumed = node.exec("/opt/homelab/bin/saturn-node", "deploy", "--resume")
    status = node.exec("/opt/homelab/bin/saturn-node", "status")
    diagnosed = node.exec("/opt/homelab/bin/saturn-node", "diagnose")

    assert "bridge" in resumed.stdout
    assert "complete" in status.stdout
    assert node.exec("test", "-s", diagnosed.stdout.split()[-1], check=False).returncode == 0
    assert set(world.containers("chelsty").values()) == {"running"}
