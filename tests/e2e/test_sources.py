"""Where a node's commits come from: origin, else what SATURN sends, else what is there; and what each fault ends in."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from support.world import World

REPO = "/opt/homelab/repo"


def git(world: World, host: str, *words: str) -> str:
    """What git says in the checkout of a host."""
    return world.fleet.host(host).exec("git", "-C", REPO, *words).stdout.strip()


def source_of(world: World, host: str) -> str:
    """Where the newest run of the host had its commit from."""
    return next(event["source"] for event in world.events(host) if event["type"] == "checked_out")


def test_with_the_forge_gone_saturn_sends_what_the_nodes_lack(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes")
    world.fleet.forge.refuse_ssh()
    world.homelab.write_service("llm", {"llm": {"image": "saturn-test/busybox:2", "command": "sleep 1000"}})
    revision = world.homelab.commit("while the forge is away")

    said = world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert {host: (entry["status"], entry["stale"]) for host, entry in said.hosts.items()} == {
        "solaria": ("changed", False), "vps": ("changed", False),
    }  # fmt: skip
    for host in ("solaria", "vps"):
        assert (git(world, host, "rev-parse", "HEAD"), source_of(world, host)) == (revision, "saturn")
    assert "saturn-test/busybox:2" in world.fleet.host("solaria").containers()[0]["Image"]


def test_with_the_forge_gone_even_first_contact_deploys(world: World) -> None:
    world.fleet.forge.power_off()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, said.hosts["solaria"]["status"]) == (0, "changed"), said.err
    assert source_of(world, "solaria") == "saturn"
    world.fleet.forge.power_on()
    again = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")
    assert (again.hosts["solaria"]["status"], source_of(world, "solaria")) == ("unchanged", "origin")


def test_work_that_was_not_pushed_is_said_and_sent(world: World) -> None:
    world.homelab.remote(world.fleet.forge.url)
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.homelab.commit("only on SATURN")
    world.homelab.write("services/llm/notes.yml", "not even committed")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, source_of(world, "solaria")) == (0, "saturn")
    assert "1 commit is not pushed" in said.err
    assert "llm has uncommitted changes on SATURN" in said.err
    assert world.fleet.host("solaria").exec("test", "-e", f"{REPO}/services/llm/notes.yml", check=False).returncode == 1


def test_source_saturn_never_asks_origin(world: World) -> None:
    world.homelab.set_host("solaria", git={"source": "saturn", "url": "ssh://git@forge/nowhere.git"})
    world.homelab.commit("no forge at all")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, source_of(world, "solaria")) == (0, "saturn"), said.err
    assert not [event for event in world.events("solaria") if "asking" in event.get("text", "")]


def test_source_origin_takes_nothing_from_saturn_and_touches_no_container(world: World) -> None:
    world.homelab.set_host("solaria", git={"source": "origin"})
    world.push("origin alone")
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    before = world.container_ids("solaria")
    world.homelab.commit("only on SATURN")

    missing = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")
    world.fleet.forge.refuse_ssh()
    gone = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (missing.exit_code, missing.hosts["solaria"]["error"]["code"]) == (1, "revision_missing")
    assert "git push" in missing.hosts["solaria"]["error"]["hint"]
    assert (gone.exit_code, gone.hosts["solaria"]["error"]["code"]) == (1, "origin_unreachable")
    assert gone.hosts["solaria"]["error"]["stage"] == "prepare"
    assert world.container_ids("solaria") == before


@contextmanager
def silent_server(address: str) -> Iterator[int]:
    """A server that accepts and says nothing, on this machine; its port."""
    with socket.create_server((address, 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def test_a_forge_that_accepts_and_says_nothing_is_given_up(world: World) -> None:
    address = world.fleet.host("solaria").address.rsplit(".", 1)[0] + ".1"  # this machine's own end of the cable
    with silent_server(address) as port:
        world.homelab.set_host("solaria", git={"url": f"http://{address}:{port}/homelab.git"})
        world.homelab.commit("a forge that stalls")

        said = world.saturn.run("deploy", "--hosts", "solaria,vps", "--yes", "--json")

    assert (said.exit_code, said.hosts["solaria"]["status"]) == (0, "changed"), said.err
    assert source_of(world, "solaria") == "saturn"
    told = [event["text"] for event in world.events("solaria") if event["type"] == "progress"]
    assert any("did not answer: it was silent for 20 s; what SATURN sent is used" in text for text in told), told
    assert said.hosts["vps"]["duration_s"] < said.hosts["solaria"]["duration_s"], "nobody waited for solaria"


def test_a_forced_push_is_followed_and_what_the_node_had_is_kept(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    before = git(world, "solaria", "rev-parse", "HEAD")
    world.homelab.amend("the same homelab, told otherwise")
    world.fleet.push(world.homelab.folder)

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert "history was rewritten" in said.err
    assert git(world, "solaria", "rev-parse", f"refs/saturn/kept/{before[:12]}") == before


def test_an_index_lock_of_a_dead_git_is_removed_and_said(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    world.fleet.host("solaria").write(f"{REPO}/.git/index.lock", "")
    world.push("another one")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert said.exit_code == 0, said.err
    assert "removed .git/index.lock, left over from an interrupted git" in said.err


def test_a_checkout_that_was_changed_by_hand_is_refused_and_kept(world: World) -> None:
    world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    before = world.container_ids("solaria")
    world.fleet.host("solaria").write(f"{REPO}/services/llm/docker-compose.yml", "# mine\n")
    world.push("another one")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, said.hosts["solaria"]["error"]["code"]) == (1, "checkout_dirty")
    assert "prepare will refuse it" in " ".join(said.err.split()), "the plan said so before the question"
    assert world.fleet.host("solaria").read(f"{REPO}/services/llm/docker-compose.yml") == "# mine\n"
    assert world.container_ids("solaria") == before


def test_a_shallow_clone_on_saturn_says_how_to_deepen_it(world: World) -> None:
    world.push("a second commit")
    world.homelab.make_shallow()
    world.fleet.forge.refuse_ssh()

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--json")

    assert (said.exit_code, said.hosts["solaria"]["error"]["code"]) == (1, "origin_unreachable")
    told = " ".join(said.err.split())
    assert "this clone is shallow" in told
    assert "fetch --unshallow" in told
