"""Asking tailscaled over a real socket, and by a program that stands in for the command line of tailscale."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from support.local_api import local_api
from support.ssh_server import tcp_server

from saturn_orchestrator.tailnet import daemon
from saturn_orchestrator.tailnet.daemon import LocalDaemon
from saturn_orchestrator.tailnet.model import Path as WayThere
from saturn_orchestrator.tailnet.model import Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, NOT_RUNNING, UNREADABLE, Trouble

T = TypeVar("T")

CASES = Path(__file__).parents[2] / "cases" / "tailnet"
STATUS = json.loads((CASES / "running-tun.json").read_text(encoding="utf-8"))
NO_DAEMON = "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)"


def asked(use: Callable[[LocalDaemon], Coroutine[Any, Any, T]], **answers: Any) -> T:
    """What a tailscaled that answers so is good for."""

    async def story() -> T:
        async with local_api(**answers) as api:
            return await use(LocalDaemon(api.socket_file))

    return asyncio.run(story())


def program(folder: Path, *lines: str, mode: int = 0o755) -> str:
    """A program in the place of tailscale's."""
    file = folder / "tailscale"
    file.write_text("\n".join(("#!/bin/sh", *lines, "")))
    file.chmod(mode)
    return str(file)


def status_of(tailscaled: LocalDaemon) -> Tailnet | Trouble:
    return asyncio.run(tailscaled.status())


# --- the status -------------------------------------------------------------------------------------------------------


def test_the_status_is_asked_over_the_socket():
    known = asked(lambda tailscaled: tailscaled.status(), status=STATUS)

    assert [peer.name for peer in known.peers] == ["chelsty", "solaria", "vps"]


def test_a_large_status_is_read_whole():
    many = {f"nodekey:{number}": {"DNSName": f"host{number}.t.ts.net."} for number in range(20_000)}

    known = asked(lambda tailscaled: tailscaled.status(), status={"BackendState": "Running", "Peer": many})

    assert len(known.peers) == 20_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.0 200 OK\r\n\r\nno JSON",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 200_000,
        b"HTTP/1.0 403 Forbidden\r\n\r\nforbidden",
        b"HTTP/1.0 500 Internal Server Error\r\n\r\n{}",
        b"\x00\xff" * 5000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "no JSON", "too deep", "403", "500", "bytes", "ssh"],
)
def test_a_socket_that_does_not_answer_like_tailscaled_is_as_good_as_none(raw):
    assert asked(lambda tailscaled: tailscaled.status(), raw=raw) == NOT_RUNNING


def test_an_answer_that_is_no_status_has_no_state():
    assert asked(lambda tailscaled: tailscaled.status(), status=["?"]) == Tailnet("")


def test_a_tailscaled_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(daemon, "ANSWER_S", 0.05)

    assert asked(lambda tailscaled: tailscaled.status(), raw="hang") == UNREADABLE


def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(daemon, "_MAX_ANSWER", 1000)

    assert asked(lambda tailscaled: tailscaled.status(), status=STATUS) == NOT_RUNNING


def test_a_socket_that_nobody_listens_on_is_a_tailscaled_that_does_not_run(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))

        assert status_of(LocalDaemon(str(tmp_path / "s"))) == NOT_RUNNING
    assert status_of(LocalDaemon(str(tmp_path / "absent"))) == NOT_RUNNING


def test_without_socket_and_program_tailscale_is_not_installed():
    assert status_of(LocalDaemon()) == NOT_INSTALLED


# --- the command line -------------------------------------------------------------------------------------------------


def test_without_a_socket_the_program_is_asked(tmp_path):
    (tmp_path / "status.json").write_text(json.dumps(STATUS))
    tailscale = program(tmp_path, f'test "$*" = "status --json" && cat {tmp_path}/status.json')

    assert [peer.name for peer in status_of(LocalDaemon("", tailscale)).peers] == ["chelsty", "solaria", "vps"]


def test_the_program_is_asked_of_the_very_tailscaled_whose_socket_was_named(tmp_path):
    named = str(tmp_path / "other.sock")
    told = """echo '{"BackendState": "Stopped"}'"""
    tailscale = program(tmp_path, f'test "$*" = "--socket={named} status --json" && {told}')

    assert status_of(LocalDaemon(named, tailscale)) == Tailnet("Stopped")


def test_a_warning_beside_the_status_is_no_trouble(tmp_path):
    tailscale = program(
        tmp_path, "echo 'Warning: client version 1.1 != tailscaled server version 1.2' >&2", "echo '{\"TUN\": false}'"
    )

    assert status_of(LocalDaemon("", tailscale)) == Tailnet("", is_userspace=True)


@pytest.mark.parametrize(
    "lines, trouble",
    [
        ((f'echo "{NO_DAEMON}" >&2', "exit 1"), NOT_RUNNING),
        (("echo 'something else' >&2", "exit 1"), UNREADABLE),
        (("echo garbage",), UNREADABLE),
        (("head -c 100000 /dev/zero | tr '\\0' '['",), UNREADABLE),
        (("printf '\\377\\376\\300'",), UNREADABLE),
        (("exit 0",), UNREADABLE),
        (("kill -9 $$",), UNREADABLE),
    ],
    ids=["no daemon", "another error", "garbage", "too deep", "no text", "nothing", "killed"],
)
def test_a_program_that_tells_no_status_tells_why(tmp_path, lines, trouble):
    assert status_of(LocalDaemon("", program(tmp_path, *lines))) == trouble


def test_a_program_that_cannot_be_run_is_none(tmp_path):
    assert status_of(LocalDaemon("", program(tmp_path, "exit 0", mode=0o644))) == NOT_INSTALLED
    assert status_of(LocalDaemon("", str(tmp_path / "absent"))) == NOT_INSTALLED


def test_a_program_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(daemon, "ANSWER_S", 2.0)  # time enough to start it

    assert status_of(LocalDaemon("", program(tmp_path, "exec sleep 100"))) == UNREADABLE


def test_a_script_whose_answer_nobody_wants_any_more_is_ended_with_what_it_started(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "begun")
    tailscale = program(tmp_path, f"sleep 100 & echo $! > {tmp_path}/begun; wait")
    create, created = asyncio.create_subprocess_exec, asyncio.Event()

    async def noted(*words: str, **options: Any) -> asyncio.subprocess.Process:
        process = await create(*words, **options)
        created.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)

    async def story() -> str:
        asking = asyncio.create_task(LocalDaemon("", tailscale).status())
        pid = await asyncio.to_thread((tmp_path / "begun").read_text)
        await created.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return pid.strip()

    pid = asyncio.run(story())

    while is_alive(pid):  # its pipes are closed, or the story would not have ended; the rest is the kernel's
        time.sleep(0.01)


def is_alive(pid: str) -> bool:
    """Whether a process is more than an entry in the table."""
    try:
        return Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- what is installed ------------------------------------------------------------------------------------------------


def test_a_socket_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(daemon, "_SOCKETS", ())

    found = LocalDaemon.found({"SATURN_TAILSCALED_SOCKET": "/run/mine.sock", "PATH": str(tmp_path)})

    assert found == LocalDaemon("/run/mine.sock", "")


def test_a_program_is_found_by_path_and_a_socket_in_its_place(tmp_path, monkeypatch):
    tailscale = program(tmp_path, "exit 0")
    monkeypatch.setattr(daemon, "_SOCKETS", (str(tmp_path / "absent"), tailscale, str(tmp_path / "s")))
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "s"))

        assert LocalDaemon.found({"PATH": str(tmp_path)}) == LocalDaemon(str(tmp_path / "s"), tailscale)


def test_a_folder_that_nobody_may_look_into_holds_no_socket(tmp_path, monkeypatch):
    def denied(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon, "_SOCKETS", ("/var/packages/Tailscale/var/tailscaled.sock",))
    monkeypatch.setattr(Path, "is_socket", denied)

    assert LocalDaemon.found({"PATH": str(tmp_path)}) == LocalDaemon()


# --- a ping -----------------------------------------------------------------------------------------------------------


def test_a_ping_finds_the_path():
    answer = json.loads((CASES / "ping-direct.json").read_text(encoding="utf-8"))

    async def pinged(tailscaled: LocalDaemon) -> WayThere:
        return await tailscaled.ping("100.64.0.1")

    assert asked(pinged, pings={"100.64.0.1": answer}) == WayThere("direct", "10.83.2.12:39934")


def test_a_ping_that_nobody_answers_knows_no_path(monkeypatch):
    monkeypatch.setattr(daemon, "PONG_S", 0.05)

    assert asked(lambda tailscaled: tailscaled.ping("100.64.0.1")) == WayThere()


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.0 200 OK\r\n\r\n{", b"HTTP/1.0 500 no\r\n\r\n", b"\xff" * 100],
    ids=["nothing", "half", "500", "bytes"],
)
def test_a_ping_never_raises(raw):
    assert asked(lambda tailscaled: tailscaled.ping("100.64.0.1"), raw=raw) == WayThere()


def test_without_a_socket_there_is_no_ping(tmp_path):
    assert asyncio.run(LocalDaemon().ping("100.64.0.1")) == WayThere()
    assert asyncio.run(LocalDaemon(str(tmp_path / "absent")).ping("100.64.0.1")) == WayThere()


# --- a dial -----------------------------------------------------------------------------------------------------------


def error_of_dialling(**answers: Any) -> OSError:
    with pytest.raises(OSError) as caught:
        asked(lambda tailscaled: tailscaled.dial("100.64.0.1", 22), **answers)
    return caught.value


def test_a_dial_ends_at_the_peer_and_loses_no_byte_of_what_it_says_first():
    async def story() -> bytes:
        def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-Tailscale\r\n")

        async with tcp_server(answer) as port, local_api(lines={"100.64.0.1": ("127.0.0.1", port)}) as api:
            line = await LocalDaemon(api.socket_file).dial("100.64.0.1", 22)
            with line:
                assert api.asked == ["POST /localapi/v0/dial HTTP/1.1"]
                return await asyncio.get_running_loop().sock_recv(line, 100)

    assert asyncio.run(story()) == b"SSH-2.0-Tailscale\r\n"


def test_what_is_no_part_of_the_tailnet_is_dialled_by_the_system():
    assert asked(lambda tailscaled: tailscaled.dial("10.0.0.7", 22), lines={"10.0.0.7": None}) is None


def test_a_dial_that_is_refused_says_so_in_the_words_of_tailscaled():
    error = error_of_dialling()

    assert isinstance(error, ConnectionRefusedError)
    assert str(error) == "dial failure: connect tcp 100.64.0.1:22: connection was refused"


@pytest.mark.parametrize(
    "raw, words",
    [
        (b"", "tailscaled answered 0"),
        (b"garbage", "tailscaled answered 0"),
        (b"\xff\x00" * 9000, "tailscaled answered 0"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "tailscaled answered 403"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "tailscaled answered 502"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\nno \x1b[2Jway", "no [2Jway"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, "x" * 300),
    ],
    ids=["nothing", "garbage", "bytes", "403", "no words", "hostile words", "many words"],
)
def test_a_dial_that_comes_to_nothing_is_an_error_in_bounded_words(raw, words):
    assert str(error_of_dialling(raw=raw)) == words


def test_a_dial_that_is_called_off_leaves_no_line():
    async def story() -> None:
        async with local_api(raw="hang") as api:
            dialling = asyncio.create_task(LocalDaemon(api.socket_file).dial("100.64.0.1", 22))
            await api.begun.wait()
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling

    asyncio.run(story())  # a socket that nobody closed is a warning, and so a failure


def test_without_a_socket_nothing_can_be_dialled(tmp_path):
    with pytest.raises(OSError, match="SATURN_TAILSCALED_SOCKET can name it"):
        asyncio.run(LocalDaemon().dial("100.64.0.1", 22))
    with pytest.raises(FileNotFoundError):
        asyncio.run(LocalDaemon(str(tmp_path / "absent")).dial("100.64.0.1", 22))
