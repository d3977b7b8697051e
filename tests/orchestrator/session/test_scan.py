"""The keys that real servers offer, seen without a login."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest
from support import build
from support.ssh_server import executing, ssh_server, stalling_server, tcp_server
from support.tailscaled import FakeTailscaled, NoTailnet, peer, tailnet

from saturn_orchestrator.errors import SessionError, Unreachable
from saturn_orchestrator.session.base import Offer, nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host, Ssh


async def offer(host: Host, daemon: object = None, hosts: tuple[Host, ...] = ()) -> Offer:
    async with Switchboard(
        {each.name: each for each in (host, *hosts)}, book=AddressBook(daemon or NoTailnet())
    ) as board:
        found = await board.scan(host, nobody)
    assert found
    return found


def host_at(port: int, **ssh: object) -> Host:
    return build.host("alpha", address="127.0.0.1", ssh=Ssh(user="x", port=port, **ssh))


def key_of(key: asyncssh.SSHKey) -> Key:
    return Key.of(key.export_public_key().decode())


def test_every_kind_of_key_is_seen_the_one_to_prefer_first_and_nobody_logs_in():
    async def story() -> None:
        keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-rsa", "ecdsa-sha2-nistp384", "ssh-ed25519")]
        logins: list[str] = []

        class Asked(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                logins.append(username)
                return True

        async with executing(Asked, keys) as (port, _):
            found = await offer(host_at(port))

        assert found.keys == tuple(key_of(key) for key in reversed(keys))
        assert found.names == ("127.0.0.1", "alpha")
        assert (found.told, logins) == ((), [])

    asyncio.run(story())


def test_a_server_with_one_kind_of_key_offers_one(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            assert (await offer(server.host())).keys == (key_of(server.host_key),)

    asyncio.run(story())


def test_what_the_tailnet_tells_comes_along(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            line = server.host_key.export_public_key().decode()
            told = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",), host_keys=(line,))))

            assert (await offer(server.host(), told)).told == (key_of(server.host_key),)

    asyncio.run(story())


def test_nobody_there_is_unreachable():
    async def story() -> None:
        with pytest.raises(Unreachable, match="refused"):
            await offer(host_at(1))

    asyncio.run(story())


def test_a_server_that_says_nothing_more_is_given_up():
    async def story() -> None:
        async with stalling_server([]) as (_, port):
            with pytest.raises(Unreachable, match="did not answer within"):
                await offer(host_at(port, connect_timeout_s=0.5))

    asyncio.run(story())


def test_something_that_is_no_ssh_server_is_an_error_in_words():
    async def story() -> None:
        async with tcp_server(lambda writer: writer.write(b"220 smtp\r\n" * 2000)) as port:
            with pytest.raises(SessionError):
                await offer(host_at(port, connect_timeout_s=2))

    asyncio.run(story())
