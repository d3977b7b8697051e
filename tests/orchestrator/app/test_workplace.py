"""Looking at a SATURN whose folders are made for the test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from orchestrator.topology.homelab import GIT, homelab, services
from support.repository import GitFolder
from support.tailscaled import FakeTailscaled, peer, tailnet

from saturn_orchestrator.app.workplace import Inventory, inventory, saturn_checks
from saturn_orchestrator.errors import HostKeyRejected, SessionError, UsageError
from saturn_orchestrator.events import Check
from saturn_orchestrator.state.checkup import SATURN_CHECKS
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host

IDENTITY = "ssh: {identity_file: id}"
TOPOLOGY = (
    "version: 1\n" + GIT + f"hosts: {{vps: {{services: [web], {IDENTITY}}}, llm: {{services: [web], {IDENTITY}}}}}\n"
)


class Keys:
    """llm uses Tailscale SSH; nobody knows a host key of vps."""

    book = AddressBook(FakeTailscaled(tailnet(peer("llm"))))

    async def identity_trouble(self, host: Host) -> SessionError | None:
        return None

    async def host_key_trouble(self, host: Host) -> SessionError | None:
        return HostKeyRejected("no host key is known", hint="ssh-keyscan vps") if host.name == "vps" else None

    async def is_tailscale_ssh(self, host: Host) -> bool:
        return host.name == "llm"


def made(folder: Path) -> tuple[Path, GitFolder]:
    """A homelab in a repository, all of it committed, and a private key beside."""
    git = GitFolder(folder)
    file = homelab(folder, TOPOLOGY, services("web"))
    (folder / ".gitignore").write_text("id\n")
    (folder / "id").write_text("")
    (folder / "id").chmod(0o600)
    git.commit("the homelab")
    return file, git


def looked_at(known: Inventory, folder: Path) -> dict[str, Check]:
    return {each.name: each for each in asyncio.run(saturn_checks(known, folder / "state" / "saturn", Keys()))}


def test_every_check_is_made(tmp_path):
    file, _ = made(tmp_path)

    found = looked_at(inventory(lambda: file), tmp_path)

    assert set(found) == set(SATURN_CHECKS) - {"hosts"}
    bad = {name: each.message for name, each in found.items() if each.status in {"warn", "fail"} and name != "clock"}
    assert bad == {"host_keys": "vps: no host key is known [host_key_changed]"}
    assert not (tmp_path / "state").exists()


def test_what_a_person_forgot_is_told(tmp_path):
    file, git = made(tmp_path)
    (tmp_path / "services" / "web" / "new.txt").write_text("")
    (tmp_path / "id").chmod(0o640)
    git.git("update-ref", "refs/remotes/origin/main", git.git("commit-tree", "-m", "x", "HEAD^{tree}", "-p", "HEAD"))
    git.git("switch", "-q", "-c", "experiment")

    found = looked_at(inventory(lambda: file), tmp_path)

    assert found["clone"].message == "not committed, so no deploy has it: services/web/new.txt"
    assert found["branch"].message == (
        "experiment is checked out, and hosts deploy main; main lacks 1 commits that origin has"
    )
    assert found["identities"].fix == f"chmod 600 {tmp_path / 'id'}"


def test_an_inventory_that_cannot_be_read_leaves_what_needs_none(tmp_path):
    file, _ = made(tmp_path)
    file.write_text("version: 1\ncolour: red\n")
    known = inventory(lambda: file)

    found = looked_at(known, tmp_path)

    assert known.topology is None
    assert found["inventory"].status == "fail"
    assert (found["git"].status, found["clone"].status, found["branch"].status) == ("ok", "warn", "skip")
    assert "host_keys" not in found


def test_an_inventory_whose_services_are_wrong_still_has_hosts(tmp_path):
    file, _ = made(tmp_path)
    (tmp_path / "services" / "web" / "docker-compose.yml").write_text("")

    known = inventory(lambda: file)

    assert known.topology is not None
    assert looked_at(known, tmp_path)["inventory"].status == "fail"


def test_an_inventory_that_is_not_there_is_no_end(tmp_path):
    def find() -> Path:
        raise UsageError("there is none", hint="saturn init")

    found = looked_at(inventory(find), tmp_path)

    assert (found["inventory"].fix, found["clone"].status) == ("saturn init", "skip")


@pytest.mark.parametrize("place", ["", "below"])
def test_a_folder_that_is_no_root_of_a_repository(tmp_path, place):
    if place:
        GitFolder(tmp_path).commit("nothing")
    file = homelab(tmp_path / place, TOPOLOGY, services("web"))

    found = looked_at(inventory(lambda: file), tmp_path)

    assert found["clone"].status == "fail"
    assert found["clone"].fix
    assert "branch" not in found
