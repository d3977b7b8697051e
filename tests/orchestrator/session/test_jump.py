"""Hosts that are reached through another machine: two real SSH servers, the first of which leads on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from support import build
from support.build import RUN
from support.ssh_server import Forwarding, SshServer, ssh_server, tcp_server
from support.tailscale_ssh import Check, Login
from support.tailscaled import FakeTailscaled, NoTailnet, peer, tailnet

from saturn_orchestrator import events
from saturn_orchestrator.errors import HostKeyRejected, SaturnError, SessionError, Unreachable
from saturn_orchestrator.events import OwnEvent, Request, SessionWaiting
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Tell, nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.session.ssh import Jumps
from saturn_orchestrator.session.ssh.jump import AT_ONCE, jump_host
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.daemon import Tailscaled
from saturn_orchestrator.topology.model import Host, Ssh


def named(*hosts: Host) -> dict[str, Host]:
    return {host.name: host for host in hosts}


def behind(server: SshServer, jump: str, name: str = "attic", **ssh: object) -> Host:
    """A host that listens where the server does, and is reached through the jump."""
    return server.host(name, jump=jump, **ssh)


def trusting(folder: Path, *servers: SshServer) -> None:
    """Let the folder's known_hosts name all of them."""
    (folder / "known_hosts").write_bytes(b"".join(server.known_line for server in servers))


@asynccontextmanager
async def two_servers(
    folder: Path, jump: type[asyncssh.SSHServer] = Forwarding
) -> AsyncIterator[tuple[SshServer, SshServer]]:
    """A machine that leads on, and one behind it; both are known, and authorise the same key."""
    async with ssh_server(folder, server=jump) as gate, ssh_server(folder) as attic:
        yield gate, attic


async def opened(
    host: Host, hosts: Sequence[Host], tell: Tell = nobody, daemon: Tailscaled | None = None
) -> list[type]:
    """What the host answers; everything is closed again."""
    async with Switchboard(named(host, *hosts), book=AddressBook(daemon or NoTailnet())) as board:
        session = await board(host, tell)
        answer = [type(line) async for line in session.ask(Request("facts", RUN, node_order(host)))]
        await session.close()
        return answer


async def error_of(host: Host, *hosts: Host) -> SaturnError:
    with pytest.raises(SaturnError) as caught:
        await opened(host, hosts)
    return caught.value


# --- what a jump means ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "jump, user, address, port",
    [
        ("gate.example", "homelab", "gate.example", 22),
        ("ada@gate.example", "ada", "gate.example", 22),
        ("gate.example:2200", "homelab", "gate.example", 2200),
        ("ada@gate.example:2200", "ada", "gate.example", 2200),
        ("ada@lab@gate:2200", "ada@lab", "gate", 2200),
        ("192.0.2.7:2200", "homelab", "192.0.2.7", 2200),
        ("[2001:db8::7]:2200", "homelab", "2001:db8::7", 2200),
        ("ada@[2001:db8::7]:2200", "ada", "2001:db8::7", 2200),
        ("ada@[2001:db8::7]", "ada", "2001:db8::7", 22),
        ("2001:db8::7", "homelab", "2001:db8::7", 22),
        ("gate:\u00b2", "homelab", "gate:\u00b2", 22),
    ],
)
def test_an_address_is_a_machine_with_the_keys_of_the_host_behind_it(jump, user, address, port):
    host = build.host(ssh=Ssh(user="homelab", port=2222, identity_file=Path("/k"), jump=jump))

    machine = jump_host(host, {})

    assert (machine.name, machine.address, machine.transport) == (address, address, "auto")
    assert machine.ssh == replace(host.ssh, user=user, port=port, jump=None)


def test_a_name_of_the_topology_is_that_host_with_its_own_way_in():
    gate = build.host("gate", address="192.0.2.7", ssh=Ssh(user="ops", port=2200))
    host = build.host(ssh=Ssh(user="homelab", jump="gate"))

    assert jump_host(host, named(gate)) == gate


def test_what_is_written_beside_a_name_of_the_topology_goes_before_it():
    gate = build.host("gate", ssh=Ssh(user="ops", port=2200))
    host = build.host(ssh=Ssh(user="homelab", jump="ada@gate:2300"))

    assert jump_host(host, named(gate)).ssh == replace(gate.ssh, user="ada", port=2300)


# --- through ----------------------------------------------------------------------------------------------------------


def test_a_host_is_reached_through_a_host_of_the_topology(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            trusting(tmp_path, gate, attic)

            assert await opened(host, [machine]) == [events.Hello, events.Facts, events.Goodbye]
            assert (len(gate.connections), len(attic.connections)) == (1, 1)

    asyncio.run(story())


def test_a_host_is_reached_through_an_address(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host = behind(attic, f"homelab@127.0.0.1:{gate.port}")
            trusting(tmp_path, gate, attic)

            assert await opened(host, []) == [events.Hello, events.Facts, events.Goodbye]
            assert gate.connections[0].get_extra_info("username") == "homelab"

    asyncio.run(story())


def test_a_way_may_have_two_machines_on_it(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path, server=Forwarding) as outer, two_servers(tmp_path) as (inner, attic):
            host = behind(attic, "inner")
            machines = [inner.host("inner", jump="outer"), outer.host("outer")]
            trusting(tmp_path, outer, inner, attic)

            assert await opened(host, machines) == [events.Hello, events.Facts, events.Goodbye]
            ports = {connection.get_extra_info("peername")[1] for connection in inner.connections}
            assert len(outer.connections) == len(inner.connections) == len(ports) == 1

    asyncio.run(story())


def test_many_hosts_share_one_connection(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            hosts = [behind(attic, "gate", f"attic{number}") for number in range(5)]
            machine = gate.host("gate")
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, *hosts), book=AddressBook(NoTailnet())) as board:
                for session in await asyncio.gather(*(board(host, nobody) for host in hosts)):
                    await session.close()
                await (await board(hosts[0], nobody)).close()

            assert (len(gate.connections), len(attic.connections)) == (1, 6)

    asyncio.run(story())


def test_two_users_of_one_machine_share_nothing(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            hosts = [behind(attic, f"{user}@gate", user) for user in ("ada", "bob")]
            machine = gate.host("gate")
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, *hosts), book=AddressBook(NoTailnet())) as board:
                for host in hosts:
                    await (await board(host, nobody)).close()

            assert [each.get_extra_info("username") for each in gate.connections] == ["ada", "bob"]

    asyncio.run(story())


def test_a_connection_that_broke_is_made_anew(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, host), book=AddressBook(NoTailnet())) as board:
                await (await board(host, nobody)).close()
                gate.connections[0].abort()
                (shared,) = board._jumps._standing.values()
                await (await shared.task).wait_closed()

                await (await board(host, nobody)).close()

            assert len(gate.connections) == 2

    asyncio.run(story())


def test_only_some_begin_at_once_through_one_machine(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            machine = gate.host("gate")
            hosts = [behind(attic, "gate", f"attic{number}") for number in range(AT_ONCE + 3)]
            trusting(tmp_path, gate, attic)
            board = Switchboard(named(machine, *hosts), book=AddressBook(NoTailnet()))
            jumps = Jumps(board._hosts, board.route, board._dial, Approvals())
            release = {host.name: asyncio.Event() for host in hosts}
            begun: list[str] = []

            async def begin(host: Host) -> None:
                async with jumps.line(host, nobody):
                    begun.append(host.name)
                    await release[host.name].wait()

            async with jumps.line(hosts[0], nobody):
                pass  # the connection stands; what follows waits for no network
            tasks = [asyncio.create_task(begin(host)) for host in hosts]
            await settled()
            assert len(begun) == AT_ONCE

            release[begun[0]].set()
            await settled()
            assert len(begun) == AT_ONCE + 1

            for each in release.values():
                each.set()
            await asyncio.gather(*tasks)
            await jumps.close()

    asyncio.run(story())


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_host_that_is_given_up_does_not_take_the_connection_from_the_others(tmp_path):
    async def story() -> None:
        slow = asyncio.Event()

        class Slow(Forwarding):
            async def begin_auth(self, username: str) -> bool:
                slow.set()
                await go.wait()
                return True

        go = asyncio.Event()
        async with two_servers(tmp_path, Slow) as (gate, attic):
            hosts = [behind(attic, "gate", name) for name in ("one", "two")]
            machine = gate.host("gate")
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, *hosts), book=AddressBook(NoTailnet())) as board:
                first, second = (asyncio.create_task(board(host, nobody)) for host in hosts)
                await slow.wait()
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
                go.set()
                await (await second).close()

            assert len(gate.connections) == 1

    asyncio.run(story())


def test_what_the_machine_waits_for_is_told_to_all_behind_it(tmp_path):
    check = Check()

    class Checked(Forwarding):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        async def begin_auth(self, username: str) -> bool:
            await check(Login(self._connection, username))
            return False

    async def story() -> None:
        told: dict[str, list[SessionWaiting]] = {"one": [], "two": [], "late": []}
        all_told = asyncio.Event()

        def tell(name: str) -> Tell:
            def noted(event: OwnEvent) -> None:
                if isinstance(event, SessionWaiting):
                    told[name].append(event)
                if all(told.values()):
                    all_told.set()
                elif told["one"] and told["two"]:
                    asked.set()

            return noted

        asked = asyncio.Event()
        async with two_servers(tmp_path, Checked) as (gate, attic):
            hosts = {name: behind(attic, "gate", name, connect_timeout_s=1.0) for name in told}
            machine = gate.host("gate", connect_timeout_s=1.0)
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, *hosts.values()), book=AddressBook(NoTailnet())) as board:
                opening = [asyncio.create_task(board(hosts[name], tell(name))) for name in ("one", "two")]
                await asked.wait()
                opening.append(asyncio.create_task(board(hosts["late"], tell("late"))))
                await all_told.wait()
                check.approve(check.shown[0])
                for session in await asyncio.gather(*opening):
                    await session.close()

        said = {(event.code, event.message, event.url) for events_ in told.values() for event in events_}
        assert said == {("approval", f"gate: needs approval: {check.shown[0]}", check.shown[0])}

    asyncio.run(story())


# --- not through ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "jumps, way",
    [
        ({"attic": "attic"}, "attic -> attic"),
        ({"attic": "ada@gate:2200", "gate": "attic"}, "attic -> gate -> attic"),
        ({"attic": "one", "one": "two", "two": "one"}, "attic -> one -> two -> one"),
    ],
)
def test_a_way_that_leads_in_a_circle_is_an_error(jumps, way):
    async def story() -> None:
        hosts = named(*(build.host(name, ssh=Ssh(user="ada", jump=jump)) for name, jump in jumps.items()))

        error = await error_of(hosts["attic"], *hosts.values())

        assert (type(error), error.code) == (SessionError, "jump_circle")
        assert error.message == f"the way to attic leads in a circle: {way}"

    asyncio.run(story())


def test_a_machine_that_is_down_makes_the_host_unreachable_and_both_are_named(tmp_path):
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            gate = SshServer(taken.getsockname()[1], tmp_path, asyncssh.generate_private_key("ssh-ed25519"))
            async with ssh_server(tmp_path) as attic:
                host, machine = behind(attic, "gate"), gate.host("gate")
                trusting(tmp_path, gate, attic)

                error = await error_of(host, machine)

            assert (type(error), error.retryable) == (Unreachable, True)
            assert error.message == (
                f"attic is reached through gate, and 127.0.0.1 port {gate.port} refused the connection"
            )

    asyncio.run(story())


def test_a_machine_that_does_not_answer_is_named_before_the_patience_with_the_host_ends(tmp_path):
    async def story() -> None:
        async with tcp_server(lambda _: None) as port, ssh_server(tmp_path) as attic:
            gate = SshServer(port, tmp_path, asyncssh.generate_private_key("ssh-ed25519"))
            host, machine = behind(attic, "gate", connect_timeout_s=1.0), gate.host("gate", connect_timeout_s=1.0)
            trusting(tmp_path, gate, attic)
            async with Switchboard(named(machine, host), book=AddressBook(NoTailnet())) as board:
                with pytest.raises(Unreachable) as caught:
                    await connect(host, board, attempts=1)

            assert caught.value.message == (
                f"attic is reached through gate, and 127.0.0.1 port {port} did not answer within 1 s"
            )

    asyncio.run(story())


def test_a_machine_that_shows_another_key_is_not_gone_through(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            other = replace(gate, host_key=asyncssh.generate_private_key("ssh-ed25519"))
            trusting(tmp_path, other, attic)

            error = await error_of(host, machine)

            assert (type(error), error.code, len(attic.connections)) == (HostKeyRejected, "host_key_changed", 0)
            assert error.message.startswith(f"attic is reached through gate, and 127.0.0.1 port {gate.port} showed ")
            assert len(error.notes) == 2
            assert error.hint == "only if the host was reinstalled: saturn trust gate"

    asyncio.run(story())


def test_the_key_of_a_machine_that_is_no_host_is_pinned_by_hand(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host = behind(attic, f"homelab@127.0.0.1:{gate.port}")
            trusting(tmp_path, attic)

            error = await error_of(host)

            assert error.code == "host_key_unknown"
            assert error.hint.startswith(f"ssh-keyscan -t ed25519 -p {gate.port} 127.0.0.1 ")

    asyncio.run(story())


def test_the_host_behind_is_held_to_its_own_key(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            trusting(tmp_path, gate, replace(attic, host_key=gate.host_key))

            error = await error_of(host, machine)

            assert (error.code, error.message) == (
                "host_key_changed",
                f"127.0.0.1 port {attic.port} showed another host key than the one on file",
            )

    asyncio.run(story())


def test_a_host_without_a_known_key_behind_a_machine_is_for_saturn_trust(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            trusting(tmp_path, gate)

            error = await error_of(host, machine)

            assert error.code == "host_key_unknown"
            assert error.hint.startswith("saturn trust attic ")

    asyncio.run(story())


def test_a_host_that_is_down_behind_a_machine_that_is_not_is_unreachable(tmp_path):
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            attic = SshServer(taken.getsockname()[1], tmp_path, asyncssh.generate_private_key("ssh-ed25519"))
            async with ssh_server(tmp_path, server=Forwarding) as gate:
                host, machine = behind(attic, "gate"), gate.host("gate")
                trusting(tmp_path, gate, attic)

                error = await error_of(host, machine)

            assert (type(error), error.code) == (Unreachable, "unreachable")
            assert error.message.startswith(f"127.0.0.1 port {attic.port} cannot be reached from gate: ")
            assert error.hint == f"is it powered? try: ssh -J gate -p {attic.port} homelab@127.0.0.1"

    asyncio.run(story())


def test_a_machine_that_leads_nobody_on_is_told_how_to(tmp_path):
    class Closed(asyncssh.SSHServer):
        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")

    async def story() -> None:
        async with two_servers(tmp_path, Closed) as (gate, attic):
            host, machine = behind(attic, "gate"), gate.host("gate")
            trusting(tmp_path, gate, attic)

            error = await error_of(host, machine)

            assert (type(error), error.code) == (SessionError, "channel_refused")
            assert error.message == f"gate would not lead on to 127.0.0.1 port {attic.port}: open failed"
            assert error.hint.startswith("allow it on gate: AllowTcpForwarding ")

    asyncio.run(story())


def test_a_host_behind_a_machine_is_not_looked_for_on_the_tailnet_and_the_machine_is(tmp_path):
    async def story() -> None:
        async with two_servers(tmp_path) as (gate, attic):
            host = behind(attic, "gate")
            machine = replace(gate.host("gate"), address="gate")
            (tmp_path / "known_hosts").write_bytes(
                gate.known_line.replace(b"[127.0.0.1]", b"[gate.tail1234.ts.net]") + attic.known_line
            )
            daemon = FakeTailscaled(
                tailnet(peer("gate"), peer("attic", ("100.64.0.9",)), is_userspace=True),
                lines={"100.64.0.2": ("127.0.0.1", gate.port)},
            )

            assert await opened(host, [machine], daemon=daemon) == [events.Hello, events.Facts, events.Goodbye]
            assert daemon.dialled == [("100.64.0.2", gate.port)]

    asyncio.run(story())
