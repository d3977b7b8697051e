"""SSH against a real server on this machine; what a connection can come to is translated here and nowhere else."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tracemalloc
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from support.build import RUN
from support.ssh_server import SshServer, new_identity, opened_ssh, ssh_server, stalling_server, tcp_server

from saturn_orchestrator import events
from saturn_orchestrator.errors import (
    Denied,
    ExecutorRefused,
    HostKeyRejected,
    SaturnError,
    SessionError,
    SessionLost,
    Unreachable,
)
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session.ssh import SshChannel
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.topology.model import Host

PYTHON36 = Path.home() / ".pyenv" / "versions" / "3.6.15" / "bin" / "python3.6"


def fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def asked(host: Host) -> Request:
    return Request("facts", RUN, node_order(host))


async def error_of_opening(host: Host) -> SaturnError:
    with pytest.raises(SaturnError) as caught:
        await opened_ssh(host)
    return caught.value


async def error_of_asking(host: Host) -> tuple[SaturnError, list[events.Line]]:
    session = await opened_ssh(host)
    lines = []
    try:
        with pytest.raises(SaturnError) as caught:
            lines.extend([line async for line in session.ask(asked(host))])
    finally:
        await session.close()
    return caught.value, lines


async def at(port: int, folder: Path, **ssh: object) -> Host:
    """A host at a port where no SSH server of ours listens; some key is known for it."""
    new_identity(folder / "id_ed25519")
    return SshServer(port, folder, asyncssh.generate_private_key("ssh-ed25519")).host(**ssh)


# --- host keys --------------------------------------------------------------------------------------------------------


def test_another_host_key_is_rejected_with_both_fingerprints(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            other = asyncssh.generate_private_key("ssh-ed25519")
            host = SshServer(server.port, tmp_path, other).host()

            error = await error_of_opening(host)

            assert (type(error), error.code) == (HostKeyRejected, "host_key_changed")
            assert error.notes == (f"on file: {fingerprint(other)}", f"shown:   {fingerprint(server.host_key)}")
            assert error.place == str(tmp_path / "known_hosts")
            assert error.hint == "only if the host was reinstalled: saturn trust alpha"

    asyncio.run(story())


def test_a_host_key_of_another_type_is_rejected(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")

            error = await error_of_opening(SshServer(server.port, tmp_path, other).host())

            assert (type(error), error.notes) == (
                HostKeyRejected, (f"on file: {fingerprint(other)}", "shown:   a key of another type"),
            )  # fmt: skip

    asyncio.run(story())


@pytest.mark.parametrize("content", [None, "", "elsewhere ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n"])
def test_an_unknown_host_key_is_never_trusted_on_first_use(tmp_path, content):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            host = server.host()
            known_hosts = tmp_path / "known_hosts"
            known_hosts.unlink()
            if content is not None:
                known_hosts.write_text(content)

            error = await error_of_opening(host)

            assert (type(error), error.code, error.place) == (HostKeyRejected, "host_key_unknown", str(known_hosts))
            assert error.hint.startswith("saturn trust alpha ")
            assert not known_hosts.exists() or known_hosts.read_text() == content

    asyncio.run(story())


def test_a_known_hosts_file_that_cannot_be_read_trusts_nobody(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            host = server.host()
            (tmp_path / "known_hosts").unlink()
            (tmp_path / "known_hosts").mkdir()

            assert (await error_of_opening(host)).code == "known_hosts_unreadable"

    asyncio.run(story())


def test_a_host_key_may_stand_under_the_hosts_own_name(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            host = server.host()
            known_hosts = tmp_path / "known_hosts"
            known_hosts.write_bytes(f"[alpha]:{server.port} ".encode() + server.host_key.export_public_key())

            await (await opened_ssh(host)).close()

    asyncio.run(story())


def test_a_revoked_host_key_is_rejected(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            host = server.host()
            key = f"[127.0.0.1]:{server.port} ".encode() + server.host_key.export_public_key()
            (tmp_path / "known_hosts").write_bytes(key + b"@revoked " + key)

            error = await error_of_opening(host)

            assert (type(error), error.code) == (HostKeyRejected, "host_key_revoked")
            assert fingerprint(server.host_key) in error.notes[0]
            assert "saturn trust" not in error.hint

    asyncio.run(story())


# --- the login --------------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_authorised_is_denied(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            new_identity(tmp_path / "stranger")

            error = await error_of_opening(server.host(identity_file=tmp_path / "stranger"))

            assert (type(error), error.code) == (Denied, "permission_denied")
            assert error.message == f"127.0.0.1 port {server.port} denied the login of homelab"

    asyncio.run(story())


def test_an_identity_that_is_not_there_is_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            error = await error_of_opening(server.host(identity_file=tmp_path / "absent"))

            assert (type(error), error.code) == (Denied, "identity_missing")

    asyncio.run(story())


def test_an_identity_behind_a_passphrase_names_the_agent(tmp_path):
    locked = tmp_path / "locked"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked), check=True)

    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            error = await error_of_opening(server.host(identity_file=locked))

            assert (type(error), error.code) == (Denied, "identity_locked")
            assert f"ssh-add {locked}" in error.hint

    asyncio.run(story())


def test_an_identity_that_is_no_key_is_said_to_be_unreadable(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            (tmp_path / "junk").write_text("no key")

            assert (await error_of_opening(server.host(identity_file=tmp_path / "junk"))).code == "identity_unreadable"

    asyncio.run(story())


# --- nobody there -----------------------------------------------------------------------------------------------------


def test_a_closed_port_is_unreachable(tmp_path):
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port meanwhile
            port = taken.getsockname()[1]

            error = await error_of_opening(await at(port, tmp_path))

            assert (type(error), error.message, error.retryable) == (
                Unreachable, f"127.0.0.1 port {port} refused the connection", True,
            )  # fmt: skip

    asyncio.run(story())


def test_a_name_that_does_not_resolve_is_unreachable(tmp_path):
    async def story() -> None:
        host = replace(await at(22, tmp_path), address="nowhere.invalid", name="127.0.0.1")

        error = await error_of_opening(host)

        assert (type(error), error.message) == (Unreachable, "the name nowhere.invalid does not resolve")

    (tmp_path / "known_hosts").touch()
    asyncio.run(story())


def test_a_server_that_says_nothing_is_unreachable_once_the_patience_ends(tmp_path):
    async def story() -> None:
        async with tcp_server(lambda _: None) as port:
            error = await error_of_opening(await at(port, tmp_path, connect_timeout_s=0.2))

            assert (type(error), error.message) == (Unreachable, f"127.0.0.1 port {port} did not answer within 0.2 s")

    asyncio.run(story())


def test_a_server_that_hangs_up_at_once_is_unreachable(tmp_path):
    async def story() -> None:
        async with tcp_server(lambda writer: writer.close()) as port:
            error = await error_of_opening(await at(port, tmp_path))

            assert type(error) is Unreachable
            assert error.message.startswith(f"127.0.0.1 port {port} closed the connection: ")

    asyncio.run(story())


def test_something_that_speaks_no_ssh_is_an_ssh_failure(tmp_path):
    async def story() -> None:
        async with tcp_server(lambda writer: writer.write(b"HTTP/1.1 400 Bad Request\r\n" * 2000)) as port:
            assert isinstance(await error_of_opening(await at(port, tmp_path)), SessionError)

    asyncio.run(story())


def test_a_key_exchange_that_stalls_twice_names_the_mtu(tmp_path):
    async def story() -> None:
        proposals: list[bytes] = []
        async with stalling_server(proposals) as (_, port):
            error = await error_of_opening(await at(port, tmp_path, connect_timeout_s=1.0))

            assert (type(error), error.code, len(proposals)) == (Unreachable, "key_exchange_stalled", 2)
            assert error.hint == "what arrives? ping -M do -s 1300 127.0.0.1"

    asyncio.run(story())


@pytest.mark.parametrize("reason", ["no way", "no \x1b[2J\u202eway"])
def test_a_server_that_opens_no_channel_is_not_tried_again(tmp_path, reason):
    class Full(asyncssh.SSHServer):
        def session_requested(self):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason)

    async def story() -> None:
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        keys = tmp_path / "authorized_keys"
        keys.write_bytes(new_identity(tmp_path / "id_ed25519").export_public_key())
        server = await asyncssh.create_server(
            Full, "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=str(keys)
        )
        port = server.get_port()
        error = await error_of_opening(SshServer(port, tmp_path, host_key).host())
        server.close()
        await server.wait_closed()

        assert (type(error), error.code, error.retryable) == (SessionError, "channel_refused", False)
        assert error.message == f"127.0.0.1 port {port} would not open a channel: {events.neutral(reason)}"

    asyncio.run(story())


def test_the_last_words_of_a_server_are_neutral_and_bounded(tmp_path):
    class Parting(asyncssh.SSHServer):
        def connection_made(self, conn):
            self.connection = conn

        def begin_auth(self, username):
            self.connection.disconnect(asyncssh.DISC_BY_APPLICATION, "bye \x1b[2J\u202e\r\n" + "x" * 9000)
            return True

    async def story() -> None:
        async with ssh_server(tmp_path, server=Parting) as server:
            error = await error_of_opening(server.host())

        assert isinstance(error, SessionError)
        assert "bye [2J  xxx" in error.message
        assert (events.neutral(error.message), len(error.message) < 1000) == (error.message, True)

    asyncio.run(story())


def test_opening_that_is_called_off_leaves_no_connection(tmp_path):
    async def story() -> None:
        opened, closed = asyncio.Event(), asyncio.Event()

        class Silent(asyncssh.SSHServer):
            def session_requested(self):
                opened.set()
                return asyncio.get_running_loop().create_future()  # never answers

            def connection_lost(self, exc):
                closed.set()

        host_key = asyncssh.generate_private_key("ssh-ed25519")
        (tmp_path / "authorized_keys").write_bytes(new_identity(tmp_path / "id_ed25519").export_public_key())
        server = await asyncssh.create_server(
            Silent,
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(tmp_path / "authorized_keys"),
        )
        opening = asyncio.create_task(opened_ssh(SshServer(server.get_port(), tmp_path, host_key).host()))
        await opened.wait()

        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(5):
            await closed.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(story())


# --- the far side -----------------------------------------------------------------------------------------------------


def test_a_node_without_python3_is_named(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path, environ={"PATH": str(tmp_path / "empty")}) as server:
            error, _ = await error_of_asking(server.host())

            assert (type(error), error.code) == (ExecutorRefused, "no_python")

    asyncio.run(story())


@pytest.mark.skipif(not PYTHON36.exists(), reason=f"there is no Python older than 3.8 on this machine ({PYTHON36})")
def test_a_node_whose_python_is_too_old_is_named(tmp_path):
    async def story() -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python3").symlink_to(PYTHON36)
        async with ssh_server(tmp_path, environ={"PATH": str(tmp_path / "bin")}) as server:
            error, _ = await error_of_asking(server.host())

            assert (error.code, "3.6" in error.message) == ("python_too_old", True)

    asyncio.run(story())


def test_login_noise_is_no_answer(tmp_path):
    async def story() -> None:
        noise = "echo Welcome; echo '[STRUCT] {}'; echo 'no marker yet'; "
        async with ssh_server(tmp_path, rewritten=lambda command: noise + command) as server:
            host = server.host()
            session = await opened_ssh(host)
            lines = [line async for line in session.ask(asked(host))]
            await session.close()

            assert [type(line) for line in lines] == [events.Hello, events.Facts, events.Goodbye]

    asyncio.run(story())


def test_a_shell_that_ends_without_a_word_says_what_it_left_behind(tmp_path):
    async def story() -> None:
        async with ssh_server(
            tmp_path, rewritten=lambda _: "echo 'This account is not available' >&2; exit 1"
        ) as server:
            error, _ = await error_of_asking(server.host())

            assert (error.code, error.message) == (
                "executor_failed", "the executor did not start: This account is not available",
            )  # fmt: skip

    asyncio.run(story())


def test_a_line_that_breaks_in_an_answer_is_a_lost_session(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path, rewritten=lambda _: "echo '[SATURN] have'; echo 'half an answer'") as server:
            error, lines = await error_of_asking(server.host())

            assert (type(error), error.message) == (SessionLost, "the connection broke")
            assert lines == []  # extend() keeps nothing of a list that was never finished

    asyncio.run(story())


def test_a_server_that_dies_in_an_answer_is_a_lost_session(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path, rewritten=lambda _: "echo '[SATURN] have'; echo begun; cat") as server:
            host = server.host()
            session = await opened_ssh(host)
            answer = session.ask(asked(host))
            assert await anext(answer) == events.LogLine("begun")

            session._session._channel._connection.abort()

            with pytest.raises(SessionLost):
                [line async for line in answer]
            await session.close()

    asyncio.run(story())


def test_a_flood_without_a_line_end_does_not_fill_the_memory_and_is_left(tmp_path):
    async def story() -> tuple[SaturnError, list[events.Line]]:
        flood = "echo '[SATURN] have'; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo '[SATURN] end'"
        async with ssh_server(tmp_path, rewritten=lambda _: flood) as server:
            return await error_of_asking(server.host())

    tracemalloc.start()
    try:
        error, lines = asyncio.run(story())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert error.code == "flood"
    assert sum(len(line.text) for line in lines) <= events.MAX_LINE + 1
    assert peak < 40 * 1024 * 1024


def test_a_session_may_be_closed_twice(tmp_path):
    async def story() -> None:
        async with ssh_server(tmp_path) as server:
            session = await opened_ssh(server.host())

            await session.close()
            await session.close()
            session.tell(asked(server.host()))

    asyncio.run(story())


# --- the channel alone ------------------------------------------------------------------------------------------------


class RecordingChannel:
    """What SshChannel asks of asyncssh's channel."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def get_connection(self) -> None:
        """It has none."""

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


def test_a_channel_holds_the_peer_back_until_it_is_read():
    async def story() -> None:
        below = RecordingChannel()
        channel = SshChannel(Trip())
        channel.connection_made(below)

        for _ in range(3):
            channel.data_received(b"x" * 1024 * 1024, None)
        assert below.calls == ["pause"]
        assert [len(await channel.read()) for _ in range(3)] == [1024 * 1024] * 3
        assert below.calls == ["pause", "resume"]

    asyncio.run(story())


def test_a_channel_takes_all_that_was_kept_below_before_it_holds_the_peer_back_again():
    """asyncssh opens its window wide with each part that it hands over; in parts, what it keeps would grow and grow."""

    class Keeping(RecordingChannel):
        def resume_reading(self) -> None:
            super().resume_reading()
            for _ in range(8):
                channel.data_received(b"y" * 32 * 1024, None)

    below, channel = Keeping(), SshChannel(Trip())

    async def story() -> None:
        channel.connection_made(below)
        channel.data_received(b"x" * 1024 * 1024, None)
        await channel.read()

        assert below.calls == ["pause", "resume", "pause"]
        assert [len(await channel.read()) for _ in range(3)] == [64 * 1024] * 3
        assert below.calls == ["pause", "resume", "pause"]

    asyncio.run(story())


def test_a_channel_keeps_only_the_end_of_standard_error():
    async def story() -> None:
        channel = SshChannel(Trip())

        for _ in range(100):
            channel.data_received(b"noise " * 1000, asyncssh.EXTENDED_DATA_STDERR)
        channel.data_received(b"last words", asyncssh.EXTENDED_DATA_STDERR)

        assert len(channel.last_words) == 4000
        assert channel.last_words.endswith("noise last words")

    asyncio.run(story())


def test_a_channel_gives_what_it_has_before_its_end():
    async def story() -> None:
        channel = SshChannel(Trip())
        channel.data_received(b"one", None)
        channel.data_received(b"two", None)
        channel.connection_lost(ConnectionResetError("reset by peer"))

        assert [await channel.read() for _ in range(3)] == [b"onetwo", b"", b""]
        assert channel.last_words == "reset by peer"

    asyncio.run(story())
