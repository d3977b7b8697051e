"""Hosts on a tailnet, through the switchboard: SSH servers that behave as Tailscale's do, and a scripted tailscaled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncssh
import pytest
from support import build
from support.build import RUN
from support.ssh_server import SshServer, new_identity, ssh_server, stalling_server, tcp_server
from support.tailscale_ssh import (
    Check,
    Login,
    TailscaleSsh,
    accepted,
    denied,
    denied_as_of_old,
    tailscale_ssh,
    welcomed,
)
from support.tailscaled import FakeTailscaled, peer, tailnet

from saturn_orchestrator import events
from saturn_orchestrator.errors import Denied, HostKeyRejected, OffTailnet, SaturnError, Unreachable
from saturn_orchestrator.events import OwnEvent, Request, SessionWaiting
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session import approval, dial
from saturn_orchestrator.session.base import Session, Tell, nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.session.ssh import client
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.model import Path as WayThere
from saturn_orchestrator.tailnet.model import Peer, Tailnet
from saturn_orchestrator.topology.model import Host

POLICY = 'tailscale: tailnet policy does not permit you to SSH as user "homelab"'


@pytest.fixture(autouse=True)
def nothing_hurries_nor_waits(monkeypatch):
    monkeypatch.setattr(dial, "PING_S", 0.0)
    monkeypatch.setattr(approval, "CANARY_S", 3600.0)


class Told:
    """Takes word of how a session comes about, and lets a test wait for it."""

    def __init__(self) -> None:
        self.waiting: list[SessionWaiting] = []
        self._met = 0
        self._moved = asyncio.Event()

    def __call__(self, event: OwnEvent) -> None:
        if isinstance(event, SessionWaiting):
            self.waiting.append(event)
            self._moved.set()

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.waiting]

    async def until(self, code: str) -> SessionWaiting:
        """The next word of that kind: each is waited for once."""
        while code not in self.codes[self._met :]:
            self._moved.clear()
            await self._moved.wait()
        self._met = self.codes.index(code, self._met) + 1
        return self.waiting[self._met - 1]


def through_tailscaled(servers: Mapping[str, TailscaleSsh], *peers: Peer, **facts: object) -> FakeTailscaled:
    """A tailscaled that dials itself: the servers have the addresses 100.64.0.2 and on, in their order."""
    addresses = {name: f"100.64.0.{number}" for number, name in enumerate(servers, 2)}
    known = peers or tuple(server.peer(name, addresses[name]) for name, server in servers.items())
    lines = {addresses[name]: server.end for name, server in servers.items()}
    return FakeTailscaled(tailnet(*known, **{"is_userspace": True, **facts}), lines=lines)


@asynccontextmanager
async def switchboard(daemon: FakeTailscaled, *hosts: Host) -> AsyncIterator[Switchboard]:
    async with Switchboard({host.name: host for host in hosts}, book=AddressBook(daemon)) as opened:
        yield opened


async def opened(daemon: FakeTailscaled, host: Host, tell: Tell = nobody) -> None:
    """A session was opened, and closed again."""
    async with switchboard(daemon, host) as board:
        session = await board(host, tell)
        await session.close()


async def error_of(daemon: FakeTailscaled, host: Host, tell: Tell = nobody) -> SaturnError:
    with pytest.raises(SaturnError) as caught:
        await opened(daemon, host, tell)
    return caught.value


async def answer_of(session: Session, host: Host) -> list[type]:
    return [type(line) async for line in session.ask(Request("facts", RUN, node_order(host)))]


def fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


# --- the way in -------------------------------------------------------------------------------------------------------


def test_a_host_is_let_in_without_a_key_of_ours_or_a_known_one_of_its_own(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            host, told = server.host(), Told()
            async with switchboard(through_tailscaled({"alpha": server}), host) as board:
                session = await board(host, told)

                assert await answer_of(session, host) == [events.Hello, events.Facts, events.Goodbye]
                assert told.waiting == []
                await session.close()

    asyncio.run(story())


def test_what_a_login_profile_prints_is_no_answer(tmp_path):
    async def story() -> None:
        noise = "printf 'Welcome to alpha'; echo '[STRUCT] {}'; printf 'no line end'; "
        async with tailscale_ssh(tmp_path, rewritten=lambda command: noise + command) as server:
            host = server.host()
            async with switchboard(through_tailscaled({"alpha": server}), host) as board:
                session = await board(host, nobody)

                assert await answer_of(session, host) == [events.Hello, events.Facts, events.Goodbye]
                await session.close()

    asyncio.run(story())


def test_a_system_without_a_route_lets_tailscaled_dial(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon = through_tailscaled({"alpha": server})

            await opened(daemon, server.host())

            assert daemon.dialled == [("100.64.0.2", 22)]

    asyncio.run(story())


def test_a_system_with_a_route_dials_itself(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon = FakeTailscaled(tailnet(server.peer(address="127.0.0.1")))

            await opened(daemon, server.host(port=server.port))

            assert daemon.dialled == []

    asyncio.run(story())


def test_what_tailscaled_has_no_route_to_is_dialled_by_the_system(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            known = tailnet(server.peer(address="127.0.0.1"), is_userspace=True)

            await opened(FakeTailscaled(known, lines={"127.0.0.1": None}), server.host(port=server.port))

    asyncio.run(story())


def test_tailscaled_is_asked_once_in_a_command(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon, host = through_tailscaled({"alpha": server}), server.host()
            async with switchboard(daemon, host) as board:
                for _ in range(3):
                    await (await board(host, nobody)).close()

            assert daemon.asked == 1

    asyncio.run(story())


def test_a_host_that_is_saturn_itself_is_worked_on_without_ssh(tmp_path):
    async def story() -> None:
        own = peer("saturn", ("100.64.0.1",), is_self=True)
        daemon = FakeTailscaled(tailnet(own=own))

        await opened(daemon, build.host(address="saturn", root=str(tmp_path)))

        assert daemon.dialled == []

    asyncio.run(story())


# --- host keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_known", [False, True])
def test_a_host_is_held_to_the_keys_that_the_tailnet_tells_whatever_stands_in_known_hosts(tmp_path, is_known):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            another = asyncssh.generate_private_key("ssh-ed25519").export_public_key()
            known_hosts = tmp_path / "known_hosts"
            known_hosts.write_bytes(b"100.64.0.2,alpha,alpha.tail1234.ts.net " + another)
            host = server.host(known_hosts=known_hosts if is_known else tmp_path / "absent")

            await opened(through_tailscaled({"alpha": server}), host)

    asyncio.run(story())


def test_a_key_that_the_tailnet_does_not_tell_is_rejected_though_known_hosts_has_it(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            other = asyncssh.generate_private_key("ssh-ed25519")
            known_hosts = tmp_path / "known_hosts"
            known_hosts.write_bytes(
                b"".join(b"100.64.0.2,alpha " + key.export_public_key() for key in server.host_keys)
            )
            told_of = server.peer(host_keys=(other.export_public_key().decode(),))
            daemon, host = through_tailscaled({"alpha": server}, told_of), server.host(known_hosts=known_hosts)

            with pytest.raises(HostKeyRejected) as caught:
                async with switchboard(daemon, host) as board:
                    await connect(host, board)

            error = caught.value
            assert (error.code, error.place, len(server.connections)) == ("host_key_changed", "the tailnet", 1)
            assert error.message == "alpha (100.64.0.2) port 22 showed another host key than the tailnet tells"
            assert error.notes == (
                f"tailnet: {fingerprint(other)}", f"shown:   {fingerprint(server.host_keys[1])}",
            )  # fmt: skip

    asyncio.run(story())


@pytest.mark.parametrize(
    "line", ["ssh-ed25519 AAAA", "ssh-nonsense AAAAC3NzaC1lZDI1NTE5", "no key at all", "ssh-ed25519 \u00e4", "@revoked"]
)
def test_keys_that_cannot_be_read_trust_nobody(tmp_path, line):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon = through_tailscaled({"alpha": server}, server.peer(host_keys=(line,)))

            error = await error_of(daemon, server.host())

            assert (type(error), error.code, error.place) == (HostKeyRejected, "host_key_unknown", "the tailnet")
            assert daemon.dialled == []

    asyncio.run(story())


def test_a_key_that_cannot_be_read_does_not_spoil_the_others(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            known = server.peer()
            mixed = server.peer(host_keys=("ssh-future AAAA", *known.host_keys))

            await opened(through_tailscaled({"alpha": server}, mixed), server.host())

    asyncio.run(story())


@pytest.mark.parametrize("name", ["127.0.0.1", "alpha", "alpha.tail1234.ts.net"])
def test_a_plain_sshd_on_the_tailnet_is_held_to_known_hosts_under_any_of_its_names(tmp_path, name):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            key = server.host_key.export_public_key()
            host = replace(server.host(), address="alpha")
            (tmp_path / "known_hosts").write_bytes(f"[{name}]:{server.port} ".encode() + key)
            daemon = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",))))

            await opened(daemon, host)

    asyncio.run(story())


def test_of_a_machine_that_is_away_it_is_no_matter_that_its_key_is_not_known(tmp_path, silent_address, monkeypatch):
    monkeypatch.setattr(dial, "PROBE_S", 0.2)
    address, port = silent_address

    async def story() -> None:
        away = FakeTailscaled(tailnet(peer("alpha", (address,), is_online=False)))
        host = SshServer(port, tmp_path, asyncssh.generate_private_key("ssh-ed25519")).host()
        (tmp_path / "known_hosts").write_text("")

        error = await error_of(away, replace(host, address="alpha"))

        assert (type(error), error.code) == (OffTailnet, "offline")

    asyncio.run(story())


def test_a_host_that_only_the_tailnet_could_know_is_unreachable_while_saturn_is_off_it(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            off = FakeTailscaled(Tailnet("Stopped"))
            host = server.host()

            await opened(off, host)
            (tmp_path / "known_hosts").write_text("")
            error = await error_of(off, host)

            assert (type(error), error.code, error.hint) == (OffTailnet, "tailnet_stopped", "sudo tailscale up")
            assert error.message == (
                "no host key is known for 127.0.0.1 outside the tailnet, and tailscale is switched off on SATURN"
            )

    asyncio.run(story())


def test_an_sshd_on_another_port_is_held_to_the_keys_of_the_tailnet_too(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            own = server.host_key.export_public_key().decode()

            told_right = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",), host_keys=(own,))))
            told_otherwise = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",), host_keys=(other,))))

            await opened(told_right, server.host())
            assert (await error_of(told_otherwise, server.host())).code == "host_key_changed"

    asyncio.run(story())


@pytest.mark.parametrize("has_keys_on_the_tailnet", [False, True])
def test_a_plain_sshd_that_forbids_in_its_banner_is_not_taken_for_a_policy(tmp_path, has_keys_on_the_tailnet):
    class Stern(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        def begin_auth(self, username: str) -> bool:
            self._connection.send_auth_banner("Unauthorized access denied and prosecuted.\n")
            return True

    async def story() -> None:
        async with ssh_server(tmp_path, server=Stern) as server:
            new_identity(tmp_path / "stranger")
            keys = (server.host_key.export_public_key().decode(),) if has_keys_on_the_tailnet else ()
            daemon = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",), host_keys=keys)))

            error = await error_of(daemon, server.host(identity_file=tmp_path / "stranger"))

            assert (type(error), error.code) == (Denied, "permission_denied")
            assert error.notes == ("Unauthorized access denied and prosecuted.",)

    asyncio.run(story())


# --- approvals --------------------------------------------------------------------------------------------------------


def test_an_approval_is_asked_for_with_its_address_and_the_session_opens_afterwards(tmp_path):
    async def story() -> None:
        check, told = Check(), Told()
        async with tailscale_ssh(tmp_path, check) as server:
            opening = asyncio.create_task(opened(through_tailscaled({"alpha": server}), server.host(), told))

            asked = await told.until("approval")
            assert (asked.url, asked.message) == (check.shown[0], f"needs approval: {check.shown[0]}")
            check.approve(asked.url)
            await opening

            assert told.codes == ["approval"]

    asyncio.run(story())


def test_an_approval_may_take_longer_than_a_host_that_does_not_answer(tmp_path):
    async def story() -> None:
        check, told = Check(), Told()
        async with tailscale_ssh(tmp_path, check) as server:
            host = server.host(connect_timeout_s=1.0)
            async with switchboard(through_tailscaled({"alpha": server}), host) as board:
                opening = asyncio.create_task(connect(host, board, told))
                asked = await told.until("approval")
                await asyncio.sleep(1.2 * host.ssh.connect_timeout_s)
                assert not opening.done()

                check.approve(asked.url)
                await (await opening).close()

    asyncio.run(story())


def test_an_approval_that_nobody_gives_is_missing_and_is_not_asked_for_again(tmp_path):
    async def story() -> None:
        check, told = Check(), Told()
        async with tailscale_ssh(tmp_path, check) as server:
            host = server.host()
            async with switchboard(through_tailscaled({"alpha": server}), host) as board:
                opening = asyncio.create_task(connect(host, board, told))
                check.let_end((await told.until("approval")).url)
                with pytest.raises(Denied) as caught:
                    await opening

            assert (caught.value.code, len(server.connections)) == ("approval_missing", 1)
            assert caught.value.message.startswith("alpha (100.64.0.2) port 22 was not approved")
            assert "To authenticate, visit: https://login.tailscale.com/a/" in caught.value.notes[0]

    asyncio.run(story())


def test_an_approval_that_a_person_rejects_is_a_denial(tmp_path):
    async def asked_and_rejected(login: Login) -> None:
        login.say("# Headscale SSH requires an additional check.\n# To authenticate, visit: http://10.0.0.1/auth/x\n")
        login.say("tailscale: access denied")
        await login.hang_up()

    async def story() -> None:
        async with tailscale_ssh(tmp_path, asked_and_rejected) as server:
            error = await error_of(through_tailscaled({"alpha": server}), server.host())

            assert (error.code, error.message) == (
                "denied_by_policy", "alpha (100.64.0.2) port 22 denied the login of homelab: access denied",
            )  # fmt: skip

    asyncio.run(story())


def test_a_host_that_breaks_after_an_approval_is_not_called_unapproved(tmp_path):
    check = Check()

    class Ending(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        async def begin_auth(self, username: str) -> bool:
            await check(Login(self._connection, username))
            return False

        def auth_completed(self) -> None:
            self._connection._transport.close()

    async def story() -> None:
        told = Told()
        async with ssh_server(tmp_path, server=Ending) as server:
            daemon = FakeTailscaled(tailnet(peer("alpha", ("127.0.0.1",))))
            opening = asyncio.create_task(error_of(daemon, server.host(), told))
            check.approve((await told.until("approval")).url)

            error = await opening
            assert (type(error), error.code) == (Unreachable, "unreachable")
            assert error.message.startswith(f"alpha (127.0.0.1) port {server.port} closed the connection: ")

    asyncio.run(story())


def test_with_several_hosts_one_address_is_shown_at_a_time_and_the_others_wait_their_turn(tmp_path):
    async def story() -> None:
        check = Check(is_always=True)
        async with tailscale_ssh(tmp_path, check) as one, tailscale_ssh(tmp_path, check) as two:
            hosts = [one.host("alpha"), two.host("beta")]
            told = {host.name: Told() for host in hosts}
            async with switchboard(through_tailscaled({"alpha": one, "beta": two}), *hosts) as board:
                first, second = (asyncio.create_task(board(host, told[host.name])) for host in hosts)

                asked = await told["alpha"].until("approval")
                turn = await told["beta"].until("turn")
                assert (turn.message, turn.url, check.shown) == ("waits: alpha needs approval first", "", [asked.url])
                assert turn.patience_s == client.APPROVAL_S
                check.approve(asked.url)
                await (await first).close()

                check.approve((await told["beta"].until("approval")).url)
                await (await second).close()

            assert (told["alpha"].codes, told["beta"].codes) == (["approval"], ["turn", "approval"])
            assert len(check.shown) == 2

    asyncio.run(story())


def test_an_approval_that_lasts_lets_all_the_others_in(tmp_path):
    async def story() -> None:
        check, told = Check(), Told()
        async with tailscale_ssh(tmp_path, check) as server:
            hosts = [server.host(name) for name in ("alpha", "beta", "gamma")]
            daemon = through_tailscaled({host.name: server for host in hosts})
            async with switchboard(daemon, *hosts) as board:
                opening = [asyncio.create_task(board(host, told)) for host in hosts]
                check.approve((await told.until("approval")).url)
                for session in await asyncio.gather(*opening):
                    await session.close()

            assert len(check.shown) == 1

    asyncio.run(story())


def test_prompts_that_void_each_other_are_asked_anew_one_by_one(tmp_path):
    """The canary was let in without a question; then the policy changed, and two are asked at once."""

    async def story() -> None:
        check, told = Check(is_always=True), {name: Told() for name in ("beta", "gamma")}
        both = asyncio.Barrier(2)  # of the first logins
        held: list[str] = []

        async def policy(login: Login) -> None:
            if len(held) < 2:
                held.append(login.user)
                await both.wait()
            await check(login)

        async with (
            tailscale_ssh(tmp_path) as free,
            tailscale_ssh(tmp_path, policy) as one,
            tailscale_ssh(tmp_path, policy) as two,
        ):
            hosts = [free.host("alpha"), one.host("beta"), two.host("gamma")]
            daemon = through_tailscaled({"alpha": free, "beta": one, "gamma": two})
            async with switchboard(daemon, *hosts) as board:
                await (await board(hosts[0], nobody)).close()
                opening = {host.name: asyncio.create_task(board(host, told[host.name])) for host in hosts[1:]}

                turns = {name: asyncio.create_task(each.until("turn")) for name, each in told.items()}
                await asyncio.wait(turns.values(), return_when=asyncio.FIRST_COMPLETED)
                waits, goes = sorted(turns, key=lambda name: turns[name].done(), reverse=True)
                turns[goes].cancel()
                assert len(check.shown) == 3
                check.approve(told[goes].waiting[-1].url)
                await (await opening[goes]).close()
                check.approve((await told[waits].until("approval")).url)
                await (await opening[waits]).close()

    asyncio.run(story())


def test_a_canary_that_is_stuck_holds_the_others_back_for_a_moment_only(tmp_path, monkeypatch):
    monkeypatch.setattr(approval, "CANARY_S", 0.05)

    async def never(_) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        async with tailscale_ssh(tmp_path, never) as stuck, tailscale_ssh(tmp_path) as server:
            hosts = [stuck.host("alpha"), server.host("beta")]
            async with switchboard(through_tailscaled({"alpha": stuck, "beta": server}), *hosts) as board:
                canary = asyncio.create_task(board(hosts[0], nobody))
                await asyncio.sleep(0)
                await (await board(hosts[1], nobody)).close()
                assert not canary.done()
                canary.cancel()
                await asyncio.gather(canary, return_exceptions=True)

    asyncio.run(story())


def test_the_time_that_a_turn_took_is_not_given_to_the_login_as_well(tmp_path):
    """After half an hour of waiting for another's approval a host that does not answer is given up like any other."""

    async def never(_) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        check, told = Check(is_always=True), Told()
        async with tailscale_ssh(tmp_path, check) as first, tailscale_ssh(tmp_path, never) as stuck:
            hosts = [first.host("alpha"), stuck.host("beta", connect_timeout_s=1.0)]
            async with switchboard(through_tailscaled({"alpha": first, "beta": stuck}), *hosts) as board:
                canary = asyncio.create_task(board(hosts[0], nobody))
                second = asyncio.create_task(board(hosts[1], told))
                await told.until("turn")
                check.approve(check.shown[0])
                await (await canary).close()

                with pytest.raises(Unreachable, match="did not answer within 1 s"):
                    await second

    asyncio.run(story())


@pytest.mark.parametrize("is_let_in", [True, False])
def test_tailscale_asks_and_denies_alike_where_the_tailnet_was_not_asked(tmp_path, is_let_in):
    async def story() -> None:
        check, told = Check(), Told()
        async with tailscale_ssh(tmp_path, check if is_let_in else denied(POLICY)) as server:
            known_hosts = tmp_path / "known_hosts"
            known_hosts.write_bytes(f"[127.0.0.1]:{server.port} ".encode() + server.host_keys[1].export_public_key())
            host = server.host(port=server.port, known_hosts=known_hosts, identity_file=None)
            host = replace(host, address="127.0.0.1", transport="ssh")
            daemon = FakeTailscaled(tailnet())
            if is_let_in:
                opening = asyncio.create_task(opened(daemon, host, told))
                check.approve((await told.until("approval")).url)
                await opening
            else:
                assert (await error_of(daemon, host)).code == "denied_by_policy"

            assert daemon.asked == 0

    asyncio.run(story())


# --- denials ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, said",
    [
        (denied(f"{POLICY}\n"), POLICY.removeprefix("tailscale: ")),
        (denied("tailscale: tailnet policy does not permit you to SSH to this node\n"),
         "tailnet policy does not permit you to SSH to this node"),
        (denied('tailscale: failed to look up local user "homelab" \n'), 'failed to look up local user "homelab"'),
        (denied("tailscale: failed to evaluate tailnet policy\n"), "failed to evaluate tailnet policy"),
        (denied("Tailscale SSH check mode unavailable. Please contact support with code TSS_SSH_FIX.\n"),
         "Tailscale SSH check mode unavailable. Please contact support with code TSS_SSH_FIX."),
        (denied("tailscale: access denied"), "access denied"),
        (denied("# Welcome.\ntailscale: go away\n"), "go away"),
        (denied_as_of_old("tailscale: access denied\n"), "access denied"),
        (denied_as_of_old(""), "its policy does not say why"),
    ],
    ids=["user", "node", "no such user", "broken policy", "no check mode", "rejected", "own words", "old", "old, mute"],
)  # fmt: skip
def test_a_denial_has_the_words_of_the_policy_and_is_not_tried_twice(tmp_path, policy, said):
    async def story() -> None:
        async with tailscale_ssh(tmp_path, policy) as server:
            host = server.host()
            with pytest.raises(Denied) as caught:
                async with switchboard(through_tailscaled({"alpha": server}), host) as board:
                    await connect(host, board)

            assert (caught.value.code, len(server.connections)) == ("denied_by_policy", 1)
            assert caught.value.message == f"alpha (100.64.0.2) port 22 denied the login of homelab: {said}"
            assert "docs/tailscale.md" in caught.value.hint

    asyncio.run(story())


def test_a_banner_that_only_welcomes_keeps_nobody_out(tmp_path):
    async def story() -> None:
        told = Told()
        async with tailscale_ssh(tmp_path, welcomed("# Be nice. https://example.com/rules\n")) as server:
            await opened(through_tailscaled({"alpha": server}), server.host(), told)

        assert told.waiting == []

    asyncio.run(story())


HOSTILE = [
    "\x1b[2J\x1b]8;;https://evil.example\x07[link=https://evil.example]click[/link]\u202e tailscale: no\r\nx\n",
    "tailscale: " + "no " * 50_000,
    "tailscale: [red]no[/red] :smile: \ud83d\ude00\n\n\n\n",
    "\0" * 3000 + "\ntailscale: no\x9b31m\n",
]


@pytest.mark.parametrize("banner", HOSTILE, ids=["escapes", "long", "markup", "control"])
def test_a_hostile_banner_is_neutral_and_bounded(tmp_path, banner):
    async def story() -> SaturnError:
        text = banner.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        async with tailscale_ssh(tmp_path, denied(text)) as server:
            return await error_of(through_tailscaled({"alpha": server}), server.host())

    error = asyncio.run(story())

    for said in (error.message, error.hint, *error.notes):
        assert events.neutral(said) == said
        assert len(said) <= 4000


def test_a_hostile_address_to_open_is_one_plain_web_address(tmp_path):
    text = "# To authenticate, visit: https://login.example/a\x1b[31m/\u202eb\n# To authenticate, visit: https://two.example\n"

    async def policy(login: Login) -> None:
        login.say(text)
        await asyncio.Event().wait()

    async def story() -> None:
        told = Told()
        async with tailscale_ssh(tmp_path, policy) as server:
            opening = asyncio.create_task(opened(through_tailscaled({"alpha": server}), server.host(), told))
            asked = await told.until("approval")
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

        assert (asked.url, told.codes) == ("https://login.example/a", ["approval"])

    asyncio.run(story())


def test_banners_without_end_are_given_up_and_not_kept(tmp_path):
    async def policy(login: Login) -> None:
        while True:
            login.say("spam " * 1000)
            await asyncio.sleep(0.001)

    async def story() -> None:
        async with tailscale_ssh(tmp_path, policy) as server:
            error = await error_of(through_tailscaled({"alpha": server}), server.host(connect_timeout_s=0.5))

        assert type(error) is Unreachable
        assert sum(map(len, error.notes)) <= 4000

    asyncio.run(story())


# --- those that are away ----------------------------------------------------------------------------------------------


@pytest.fixture
def silent_address():
    """A port of this machine that takes no connection any more: one that waits in the queue fills it."""
    with socket.socket() as listening, socket.socket() as filling:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filling.setblocking(False)
        filling.connect_ex(listening.getsockname())
        yield listening.getsockname()


def test_a_host_that_is_offline_is_said_to_be_at_once_and_tried_once(tmp_path, monkeypatch, silent_address):
    monkeypatch.setattr(dial, "PROBE_S", 0.1)

    async def story() -> None:
        told = Told()
        away = peer("alpha", (silent_address[0],), is_online=False, last_seen="2020-01-01T00:00:00Z")
        host = build.host(connect_timeout_s=3600.0)
        known_hosts = tmp_path / "known_hosts"
        port = silent_address[1]
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key()
        known_hosts.write_bytes(f"[alpha]:{port} ".encode() + key)
        host = replace(host, ssh=replace(host.ssh, port=port, known_hosts=known_hosts))
        async with switchboard(FakeTailscaled(tailnet(away)), host) as board:
            with pytest.raises(OffTailnet) as caught:
                await connect(host, board, told)

        assert told.codes == ["offline"]
        assert told.waiting[0].message.startswith("offline, last seen ")
        assert told.waiting[0].message.endswith(" days ago; trying once")
        assert (caught.value.code, caught.value.exit_code) == ("offline", 3)
        assert caught.value.message.startswith("alpha is offline, last seen ")
        assert "--defer-offline" in caught.value.hint

    asyncio.run(story())


def test_a_host_that_the_tailnet_wrongly_calls_offline_opens_all_the_same(tmp_path):
    async def story() -> None:
        told = Told()
        async with tailscale_ssh(tmp_path) as server:
            daemon = through_tailscaled({"alpha": server}, server.peer(is_online=False))

            await opened(daemon, server.host(), told)

        assert told.codes == ["offline"]

    asyncio.run(story())


def test_a_host_that_refuses_is_not_offline_whatever_the_tailnet_says(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon = FakeTailscaled(tailnet(server.peer(is_online=False), is_userspace=True))

            error = await error_of(daemon, server.host())

        assert (type(error), error.message) == (Unreachable, "alpha (100.64.0.2) port 22 refused the connection")

    asyncio.run(story())


@pytest.mark.parametrize(
    "address, peers, code",
    [
        ("alpha", (peer("alpha"), Peer("alpha", "alpha.elsewhere.ts.net", ("100.99.0.1",))), "tailnet_ambiguous"),
        ("100.64.0.77", (peer("alpha"),), "not_on_tailnet"),
        ("alpha", (peer("alpha", is_expired=True),), "tailnet_key_expired"),
    ],
)
def test_nobody_is_dialled_where_it_is_not_known_whom(address, peers, code):
    async def story() -> None:
        daemon = FakeTailscaled(tailnet(*peers, is_userspace=True))

        assert (await error_of(daemon, build.host(address=address))).code == code
        assert daemon.dialled == []

    asyncio.run(story())


def test_a_first_contact_that_takes_its_time_says_why_and_is_given_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dial, "SLOW_S", 0.0)
    found = asyncio.Event()

    class FindsAPath(FakeTailscaled):
        async def dial(self, address: str, port: int) -> socket.socket | None:
            await found.wait()
            return await super().dial(address, port)

    async def story() -> None:
        told = Told()
        async with tailscale_ssh(tmp_path) as server:
            daemon = FindsAPath(tailnet(server.peer(), is_userspace=True), lines={"100.64.0.2": server.end})
            host = server.host(connect_timeout_s=1.0)
            async with switchboard(daemon, host) as board:
                opening = asyncio.create_task(connect(host, board, told))
                assert (await told.until("first_contact")).patience_s == dial.FIRST_CONTACT_S
                await asyncio.sleep(1.2 * host.ssh.connect_timeout_s)
                found.set()
                await (await opening).close()

    asyncio.run(story())


def test_a_dial_that_fails_has_the_words_of_tailscaled(tmp_path):
    class Lost(FakeTailscaled):
        async def dial(self, address: str, port: int) -> socket.socket | None:
            raise OSError("dial failure: no route")

    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            error = await error_of(Lost(tailnet(server.peer(), is_userspace=True)), server.host())

        assert error.message == "alpha (100.64.0.2) port 22 cannot be reached: dial failure: no route"

    asyncio.run(story())


# --- the path ---------------------------------------------------------------------------------------------------------


def test_a_session_tells_the_path_that_a_ping_found(tmp_path):
    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            daemon, host = through_tailscaled({"alpha": server}), server.host()
            daemon.paths = {"100.64.0.2": WayThere("direct", "10.0.0.2:41641")}
            async with switchboard(daemon, host) as board:
                session = await board(host, nobody)

                assert session.peer.path == WayThere("direct", "10.0.0.2:41641")
                await session.close()

    asyncio.run(story())


def test_a_path_that_becomes_direct_is_seen_while_the_session_stands(tmp_path):
    class Warming(FakeTailscaled):
        pings = 0

        async def ping(self, address: str) -> WayThere:
            self.pings += 1
            await asyncio.sleep(0)
            return WayThere("derp", "fra") if self.pings < 3 else WayThere("direct", "10.0.0.2:41641")

    async def story() -> None:
        async with tailscale_ssh(tmp_path) as server:
            away = server.peer(is_online=False, last_seen="2020-01-01T00:00:00Z")
            daemon = Warming(tailnet(away, is_userspace=True), lines={"100.64.0.2": server.end})
            host = server.host()
            async with switchboard(daemon, host) as board:
                session = await board(host, nobody)
                await asyncio.gather(*board._looking)

                assert session.peer.path.words == "direct"
                assert (session.peer.is_online, session.peer.last_seen, daemon.pings) == (True, "", 3)
                await session.close()

    asyncio.run(story())


def test_a_host_outside_the_tailnet_has_no_peer(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            host = server.host()
            async with switchboard(FakeTailscaled(tailnet()), host) as board:
                session = await board(host, nobody)

                assert session.peer is None
                await session.close()

    asyncio.run(story())


# --- a key exchange that stalls ---------------------------------------------------------------------------------------


def test_a_key_exchange_that_stalls_is_tried_once_more_with_a_small_one(tmp_path):
    async def story() -> None:
        told, proposals = Told(), []

        async with stalling_server(proposals) as end:
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            known = tailnet(peer("alpha", host_keys=(key,)), is_userspace=True)
            host = TailscaleSsh(0, tmp_path, (), []).host(connect_timeout_s=1.0)

            error = await error_of(FakeTailscaled(known, lines={"100.64.0.2": end}), host, told)

        assert (type(error), error.code) == (Unreachable, "key_exchange_stalled")
        assert error.message == "alpha (100.64.0.2) port 22 stalled in the key exchange, twice"
        assert "MTU" in error.notes[0]
        assert error.hint == "what arrives? tailscale ping --size 1200 100.64.0.2"
        assert told.codes == ["key_exchange"]
        assert [b"mlkem768" in proposal for proposal in proposals] == [True, False]

    asyncio.run(story())


def test_a_server_that_does_not_even_introduce_itself_is_no_stalled_exchange(tmp_path):
    async def story() -> None:
        async with tcp_server(lambda _: None) as port:
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            known = tailnet(peer("alpha", host_keys=(key,)), is_userspace=True)
            host = TailscaleSsh(0, tmp_path, (), []).host(connect_timeout_s=0.3)

            error = await error_of(FakeTailscaled(known, lines={"100.64.0.2": ("127.0.0.1", port)}), host)

        assert (error.code, error.message) == ("unreachable", "alpha (100.64.0.2) port 22 did not answer within 0.3 s")
        assert error.hint == "is it powered and online? try: tailscale ping 100.64.0.2"

    asyncio.run(story())


# --- what a person hears ----------------------------------------------------------------------------------------------


def test_what_keeps_one_waiting_is_announced_with_the_name_of_the_host(tmp_path):
    async def story() -> None:
        announced: list[tuple[str, str]] = []
        async with tailscale_ssh(tmp_path, accepted) as server:
            host = server.host()
            daemon = through_tailscaled({"alpha": server}, server.peer(is_online=False))

            def announce(name: str, event: SessionWaiting) -> None:
                announced.append((name, event.message))

            async with Switchboard({"alpha": host}, announce, AddressBook(daemon)) as board:
                await (await board(host, nobody)).close()

        assert announced == [("alpha", "offline; trying once")]

    asyncio.run(story())


def test_a_trouble_of_the_tailnet_is_told_when_a_host_is_not_reached_without_it(tmp_path):
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            known_hosts = tmp_path / "known_hosts"
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key()
            known_hosts.write_bytes(f"[127.0.0.1]:{port} ".encode() + key)
            host = build.host(address="127.0.0.1")
            ssh = replace(host.ssh, port=port, known_hosts=known_hosts)
            daemon = FakeTailscaled(tailnet(state="Stopped"))

            error = await error_of(daemon, replace(host, ssh=ssh))

        assert error.message == f"127.0.0.1 port {port} refused the connection"
        assert error.notes == ("tailscale is switched off on SATURN: sudo tailscale up",)

    asyncio.run(story())
