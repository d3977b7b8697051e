"""What is sent ahead, to whom, and what comes of it where a server does not bear it; real servers are in e2e."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from support.build import RUN
from support.relay import relay
from support.ssh_server import SshServer, new_identity, opened_ssh, ssh_server

from saturn_orchestrator.errors import Denied, HostKeyRejected
from saturn_orchestrator.events import Facts, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host

POSING = {"server_version": "OpenSSH_9.2p1"}
"""A server that is taken for one that bears everything at once, and does not."""


class Logins(asyncssh.SSHServer):
    """Notes whom it was asked to let in."""

    began: list[str]

    def begin_auth(self, username: str) -> bool:
        type(self).began.append(username)
        return True


def noting() -> type[Logins]:
    return type("Noting", (Logins,), {"began": []})


async def facts(session: Session, host: Host) -> int:
    """How many answers of facts came to one question."""
    lines = [line async for line in session.ask(Request("facts", RUN, node_order(host)))]
    return sum(isinstance(line, Facts) for line in lines)


async def asked(host: Host) -> int:
    session = await opened_ssh(host)
    try:
        return await facts(session, host)
    finally:
        await session.close()


def test_the_key_is_used_at_once_and_no_question_asked_before(tmp_path):
    async def story() -> None:
        server_kind = noting()
        async with ssh_server(tmp_path, server=server_kind) as server, relay(server.port) as line:
            host = SshServer(line.port, tmp_path, server.host_key).host()
            session = await opened_ssh(host)
            try:
                assert server_kind.began == ["homelab"]
                # Version, key exchange, service, login, channel, command: `none` and the question are left out.
                assert line.round_trips == 6
            finally:
                await session.close()

    asyncio.run(story())


def test_a_server_that_does_not_bear_it_is_asked_for_one_thing_after_another(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path, **POSING) as server:
            assert await asked(server.host()) == 1
            assert len(server.connections) == 2

    asyncio.run(story())


def test_nothing_is_said_to_an_impostor(tmp_path):
    async def story() -> None:
        server_kind = noting()
        async with ssh_server(tmp_path, server=server_kind, **POSING) as server:
            other = asyncssh.generate_private_key("ssh-ed25519")
            with pytest.raises(HostKeyRejected):
                await opened_ssh(SshServer(server.port, tmp_path, other).host())
            assert server_kind.began == []

    asyncio.run(story())


@pytest.mark.parametrize("version", [{}, POSING])
def test_a_key_that_is_not_let_in_is_denied(tmp_path, version):
    async def story() -> None:
        async with ssh_server(tmp_path, **version) as server:
            new_identity(tmp_path / "other")
            with pytest.raises(Denied) as caught:
                await asked(server.host(identity_file=tmp_path / "other"))
            assert caught.value.code == "permission_denied"

    asyncio.run(story())


def test_a_key_that_leaves_open_how_it_signs_is_asked_about(tmp_path):
    async def story() -> None:
        key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        key.write_private_key(tmp_path / "id_ed25519")
        async with ssh_server(tmp_path) as server, relay(server.port) as line:
            session = await opened_ssh(SshServer(line.port, tmp_path, server.host_key).host())
            await session.close()
            assert line.round_trips == 8

    asyncio.run(story())


def test_what_is_written_before_the_login_ended_arrives_once_and_whole(tmp_path: Path):
    """More than may be sent before the server told how much it takes."""

    async def story() -> None:
        async with ssh_server(tmp_path, **POSING) as server:
            host = server.host()
            long = replace(host, git=replace(host.git, url="ssh://git@forge/" + "x" * 60_000))
            assert await asked(long) == 1

    asyncio.run(story())
