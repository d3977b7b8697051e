from __future__ import annotations

import asyncio
import subprocess
import sys

import asyncssh
import pytest
from support import build
from support.ssh_server import opened_ssh
from support.tailscaled import FakeTailscaled, NoTailnet, peer, tailnet

from saturn_orchestrator.errors import HostKeyRejected, OffTailnet
from saturn_orchestrator.session import dial
from saturn_orchestrator.session.base import nobody
from saturn_orchestrator.session.dial import Switchboard, Watched
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.daemon import Tailscaled
from saturn_orchestrator.tailnet.model import Path
from saturn_orchestrator.topology.model import Host, Ssh


def test_a_local_host_needs_no_ssh(tmp_path):
    async def story() -> None:
        session = await opened_ssh(build.host(transport="local", root=str(tmp_path)))
        await session.close()

        assert isinstance(session, Conversation)

    asyncio.run(story())


@pytest.mark.parametrize("transport", ["auto", "ssh"])
def test_every_other_host_is_dialled_over_ssh_with_its_key_verified(transport):
    with pytest.raises(HostKeyRejected):
        asyncio.run(opened_ssh(build.host(transport=transport)))


def test_a_host_that_can_only_be_on_the_tailnet_is_not_dialled_without_one():
    with pytest.raises(OffTailnet) as caught:
        asyncio.run(opened_ssh(build.host(transport="tailscale")))

    assert caught.value.code == "tailscale_missing"


@pytest.mark.parametrize(
    "fields, asked",
    [
        ({"transport": "ssh"}, 0),
        ({"transport": "local"}, 0),
        ({"transport": "auto", "ssh": Ssh(user="ada", jump="gate")}, 0),
        ({"transport": "auto"}, 1),
        ({"transport": "tailscale"}, 1),
    ],
    ids=["ssh", "local", "jump", "auto", "tailscale"],
)
def test_the_tailnet_is_asked_only_where_a_host_may_be_on_it(fields, asked):
    daemon = FakeTailscaled(tailnet(peer("alpha")))
    board = Switchboard({}, book=AddressBook(daemon))

    asyncio.run(board.route(build.host(**fields)))

    assert daemon.asked == asked


class Pinged(FakeTailscaled):
    """Answers pings by these paths, one after the other, and then by none."""

    def __init__(self, *paths: Path) -> None:
        super().__init__(tailnet())
        self.answers = list(paths)

    async def ping(self, address: str) -> Path:
        return self.answers.pop(0) if self.answers else Path()


DIRECT, DERP = Path("direct", "10.0.0.2:41641"), Path("derp", "fra")


@pytest.mark.parametrize(
    "paths, seen, left",
    [
        ([DIRECT, DERP], DIRECT, 1),
        ([DERP, DERP, DIRECT, DERP], DIRECT, 1),
        ([DERP] * 9, DERP, 9 - dial.PINGS),
        ([DERP, Path(), Path()], DERP, 0),
        ([], Path("derp", "old"), 0),
    ],
    ids=["direct", "warming up", "relayed", "silent in between", "silent"],
)
def test_a_path_is_looked_at_until_it_is_direct_or_long_enough(paths, seen, left, monkeypatch):
    monkeypatch.setattr(dial, "PING_S", 0.0)
    sighting, daemon = Watched(peer("alpha", path=Path("derp", "old"))), Pinged(*paths)

    asyncio.run(sighting.look(daemon, "100.64.0.2"))

    assert (sighting.peer.path, len(daemon.answers)) == (seen, left)


def test_a_command_that_ends_looks_at_no_path_any_more():
    async def story() -> None:
        known = peer("alpha", is_self=False)
        async with Switchboard({}, book=AddressBook(FakeTailscaled(tailnet(known, is_userspace=True)))) as board:
            with pytest.raises(HostKeyRejected):
                await board(build.host(), nobody)
            (looking,) = board._looking

        await asyncio.gather(looking, return_exceptions=True)
        assert looking.cancelled()

    asyncio.run(story())


def test_a_command_that_dials_nobody_has_nothing_to_close():
    async def story() -> None:
        async with Switchboard({}, book=AddressBook(NoTailnet())) as board:
            assert board._jumps is None

    asyncio.run(story())


def test_asyncssh_is_not_imported_before_a_host_is_dialled():
    program = "import sys, saturn_orchestrator.cli.dialling; print('asyncssh' in sys.modules)"

    assert (
        subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True).stdout == "False\n"
    )


def troubles(host: Host, daemon: Tailscaled) -> tuple[str, str, bool]:
    """The codes of what is wrong with the keys, and whether none of ours is needed."""

    async def asked() -> tuple[str, str, bool]:
        board = Switchboard({}, book=AddressBook(daemon))
        identity, host_key = await board.identity_trouble(host), await board.host_key_trouble(host)
        codes = [each.code if each else "" for each in (identity, host_key)]
        return codes[0], codes[1], await board.is_tailscale_ssh(host)

    return asyncio.run(asked())


def test_what_is_wrong_with_the_keys_is_known_without_dialling(tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    host = build.host(ssh=Ssh(user="ada", identity_file=tmp_path / "absent", known_hosts=tmp_path / "none"))

    assert troubles(host, NoTailnet()) == ("identity_missing", "host_key_unknown", False)
    assert troubles(host, FakeTailscaled(tailnet(peer("alpha", host_keys=(key,))))) == ("", "", True)


def test_a_host_without_a_way_has_no_trouble_with_keys():
    assert troubles(build.host(transport="tailscale"), NoTailnet()) == ("", "", False)
