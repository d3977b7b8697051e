"""saturn on a real tailnet: tailscaled on every machine, headscale in the middle, and a log-in by Tailscale SSH."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet.hold import Hold
from support.ledger import Ledger
from support.tailnet import Tailnet
from support.tailnet.listener import Listener
from support.tailnet.tailnet import policy, ssh_rule
from support.tailnet.world import HOSTS, TailnetWorld

pytestmark = pytest.mark.timeout(240)

APPROVAL = r"needs approval: https?://\S+/(\S+)"
LONG_S = 300
"""A connect timeout that no test here lasts: waiting for it would end the test."""


@pytest.fixture
def hold(tailnet: Tailnet) -> Iterator[Hold]:
    """The held commands of chelsty."""
    held = Hold(tailnet.host("chelsty"))
    held.install()
    yield held
    held.remove()


def test_deploy_over_tailscale_ssh_needs_no_key_and_no_known_hosts(world: TailnetWorld) -> None:
    first = world.saturn.run("deploy", "--all", "--yes", "--json")
    again = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert first.exit_code == 0, first.err
    assert {host: entry["status"] for host, entry in first.hosts.items()} == dict.fromkeys(HOSTS, "changed")
    assert again.exit_code == 0, again.err
    assert {host: entry["status"] for host, entry in again.hosts.items()} == dict.fromkeys(HOSTS, "unchanged")
    assert world.known_hosts.read_text() == ""
    assert not (world.saturn.home / ".ssh").exists()


def test_status_shows_who_is_online_and_by_which_path(world: TailnetWorld) -> None:
    said = world.saturn.run("status", "--json")

    assert said.exit_code == 0, said.err
    for name in HOSTS:
        entry = said.hosts[name]
        place = world.tailnet.host(name).address
        assert (entry["reachability"], entry["error"]) == ("online", None)
        assert entry["tailnet"]["name"] == f"{name}.tail.example"
        assert entry["tailnet"]["path"] == {"kind": "direct", "via": f"{place}:41641"}
        assert (entry["tailnet"]["online"], entry["tailnet"]["ssh"]) == (True, True)
    assert said.document["tailnet"]["trouble"] is None


def test_status_names_the_relay_that_packets_go_by(world: TailnetWorld) -> None:
    world.tailnet.saturn("relayed")

    said = world.saturn.run("status", "--hosts", "chelsty", "--json")

    assert said.hosts["chelsty"]["reachability"] == "online", said.out
    assert said.hosts["chelsty"]["tailnet"]["path"] == {"kind": "derp", "via": "lab"}


def test_a_login_that_the_policy_denies_fails_at_once(world: TailnetWorld) -> None:
    world.tailnet.policy(policy(ssh_rule(users=["root"])))
    before = world.tailnet.node("chelsty").logins()

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")

    assert said.exit_code == 1
    assert said.hosts["chelsty"]["status"] == "failed"
    error = said.hosts["chelsty"]["error"]
    assert error["code"] == "denied_by_policy"
    assert "denied the login of deploy: tailnet policy does not permit you" in error["message"]
    assert world.tailnet.node("chelsty").logins() == before + 1, "it was tried again"


def test_a_check_is_shown_and_the_deploy_goes_on_once_it_is_approved(world: TailnetWorld) -> None:
    world.tailnet.policy(policy(ssh_rule("check")))

    deploy = Listener(world.saturn.start("deploy", "--hosts", "chelsty", "--yes", "--json"))
    world.tailnet.approve(deploy.await_said(APPROVAL))
    said = deploy.end()

    assert said.exit_code == 0, said.err
    assert said.hosts["chelsty"]["status"] == "changed"


def test_a_check_that_is_rejected_is_a_denial(world: TailnetWorld) -> None:
    world.tailnet.policy(policy(ssh_rule("check")))

    deploy = Listener(world.saturn.start("deploy", "--hosts", "chelsty", "--yes", "--json"))
    world.tailnet.reject(deploy.await_said(APPROVAL))
    said = deploy.end()

    assert said.exit_code == 1
    assert said.hosts["chelsty"]["error"]["code"] == "denied_by_policy"


def test_only_one_check_is_opened_at_a_time(world: TailnetWorld) -> None:
    world.tailnet.policy(policy(ssh_rule("check")))
    before = len(world.tailnet.headscale.checks())

    deploy = Listener(world.saturn.start("deploy", "--hosts", "chelsty,solaria", "--yes", "--json"))
    first = deploy.await_said(APPROVAL)
    deploy.await_said("waits: (chelsty|solaria) needs approval first")
    open_at_first = world.tailnet.headscale.checks()[before:]
    world.tailnet.approve(first)
    second = deploy.await_said(f"(?s){first}.*{APPROVAL}")
    world.tailnet.approve(second)
    said = deploy.end()

    assert open_at_first == [first]
    assert world.tailnet.headscale.checks()[before:] == [first, second]
    assert said.exit_code == 0, said.err
    assert {entry["status"] for entry in said.hosts.values()} == {"changed"}


def test_a_node_that_is_off_the_tailnet_is_offline_and_holds_nobody_up(tailnet: Tailnet, tmp_path: Path) -> None:
    world = TailnetWorld(tailnet, tmp_path, connect_timeout_s=LONG_S)
    tailnet.node("vps").stop_tailscaled()
    tailnet.await_offline("vps")

    status = world.saturn.run("status", "--json")
    deploy = world.saturn.run("deploy", "--hosts", "chelsty,vps", "--yes", "--json")

    assert status.hosts["vps"]["reachability"] == "offline"
    assert status.hosts["vps"]["tailnet"]["online"] is False
    assert deploy.exit_code == 3, deploy.err
    assert deploy.hosts["chelsty"]["status"] == "changed"
    assert deploy.hosts["vps"]["status"] == "unreachable"
    assert deploy.hosts["vps"]["error"]["code"] == "offline"


def test_other_host_keys_that_the_tailnet_tells_are_no_question(world: TailnetWorld) -> None:
    world.saturn.run("deploy", "--hosts", "chelsty", "--yes")
    told = world.tailnet.told_keys("chelsty")
    world.tailnet.node("chelsty").rotate_host_keys()
    world.tailnet.await_other_keys("chelsty", told)

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert said.hosts["chelsty"]["status"] == "unchanged"


def test_another_host_key_than_the_tailnet_tells_is_never_accepted(world: TailnetWorld) -> None:
    world.tailnet.node("chelsty").change_host_keys()

    said = world.saturn.run("deploy", "--hosts", "chelsty", "--yes", "--json")

    assert said.exit_code == 1, said.err
    assert said.hosts["chelsty"]["error"]["code"] == "host_key_changed"
    assert "than the tailnet tells" in said.hosts["chelsty"]["error"]["message"]
    assert world.containers("chelsty") == {}


def test_a_node_whose_key_has_expired_is_said_to_be(tailnet: Tailnet, world: TailnetWorld) -> None:
    with tailnet.expired("vps"):
        said = world.saturn.run("deploy", "--hosts", "vps", "--yes", "--json")

    assert said.exit_code == 3, said.err
    assert said.hosts["vps"]["error"]["code"] == "tailnet_key_expired"


def test_status_says_that_saturn_itself_is_off_the_tailnet(tailnet: Tailnet, world: TailnetWorld) -> None:
    tailnet.saturn().tailscale("down")
    try:
        said = world.saturn.run("status", "--json")
    finally:
        tailnet.saturn().tailscale("up")

    assert said.document["tailnet"]["trouble"]["code"] == "tailnet_stopped"


def test_tailscaled_that_restarts_in_the_middle_costs_no_event(world: TailnetWorld, hold: Hold) -> None:
    node = world.tailnet.node("chelsty")
    hold.set("deploy")
    deploy = Listener(world.saturn.start("deploy", "--hosts", "chelsty", "--yes", "--json"))
    hold.await_held()

    node.stop_tailscaled()
    deploy.await_said("link lost, the node works on")
    node.start_tailscaled()
    hold.lift()
    said = deploy.end()

    assert said.exit_code == 0, said.err
    assert said.hosts["chelsty"]["status"] == "changed"
    books = Ledger(node.host, world.saturn)
    assert len(books.runs) == 1
    books.check_sequences()
    books.check_nothing_ran_twice(hold)
    books.check_no_lock()
    books.check_containers("broker", "bridge")


def test_a_line_that_comes_back_may_need_an_approval(world: TailnetWorld, hold: Hold) -> None:
    node = world.tailnet.node("chelsty")
    hold.set("deploy")
    deploy = Listener(world.saturn.start("deploy", "--hosts", "chelsty", "--yes", "--json"))
    hold.await_held()

    world.tailnet.policy(policy(ssh_rule("check")))
    node.stop_tailscaled()
    node.start_tailscaled()
    world.tailnet.approve(deploy.await_said(APPROVAL))
    deploy.await_said("link restored")
    hold.lift()
    said = deploy.end()

    assert said.exit_code == 0, said.err
    assert said.hosts["chelsty"]["status"] == "changed"
    Ledger(node.host, world.saturn).check_sequences()


def test_saturn_without_a_tun_device_goes_through_tailscaled(world: TailnetWorld) -> None:
    world.tailnet.saturn("userspace")

    status = world.saturn.run("status", "--json")
    deploy = world.saturn.run("deploy", "--all", "--yes", "--json")

    assert {entry["reachability"] for entry in status.hosts.values()} == {"online"}, status.err
    assert deploy.exit_code == 0, deploy.err
    assert {entry["status"] for entry in deploy.hosts.values()} == {"changed"}
