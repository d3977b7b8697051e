"""A line without SSH: what answers, what does not, and that asyncssh is imported for neither."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import build

from saturn_orchestrator.session.line import connected, unreached
from saturn_orchestrator.session.route import Route

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkFJcBGqBqMWnwdRyOwuYjSCeOYLmXbRmdCUYGDTcXv"


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_an_address_and_a_name_lead_to_whoever_listens(address):
    async def story() -> int:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1")
        async with server:
            port = server.sockets[0].getsockname()[1]
            with await connected(address, port) as line:
                return int(line.getpeername()[1]) - int(port)

    assert asyncio.run(story()) == 0


def test_where_nobody_listens_the_line_is_refused():
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(connected("127.0.0.1", closed_port()))


@pytest.mark.parametrize(
    "error, message",
    [
        (TimeoutError(), "alpha port 22 did not answer within 5 s"),
        (socket.gaierror(-2, "unknown"), "the name alpha does not resolve"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "alpha port 22 refused the connection"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "alpha port 22 closed the connection: [Errno 104] reset"),
        (OSError(errno.ENETUNREACH, "no way\x1b"), "alpha port 22 cannot be reached: [Errno 101] no way"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_why_there_is_none(error, message):
    found = unreached(error, Route(build.host(), "alpha"), ("noted",))

    assert (found.message, found.notes, found.retryable) == (message, ("noted",), True)


def test_asyncssh_is_not_imported_for_a_host_that_refuses(tmp_path: Path):
    port = closed_port()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {KEY}\n")
    program = f"""
import asyncio, sys
from pathlib import Path
from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.session.base import nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.topology.model import Host, Ssh
ssh = Ssh(user="ada", port={port}, identity_file=None, known_hosts=Path({str(tmp_path / "known_hosts")!r}))
host = Host(name="alpha", address="127.0.0.1", transport="ssh", ssh=ssh)
async def story():
    async with Switchboard({{}}) as board:
        try:
            await board(host, nobody)
        except Unreachable as error:
            print(error.message, "asyncssh" in sys.modules)
asyncio.run(story())
"""
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)

    assert done.stdout == f"127.0.0.1 port {port} refused the connection False\n"


def test_importing_asyncssh_starts_no_program():
    program = (
        "import sys; starts = ('subprocess.Popen', 'os.posix_spawn')\n"
        "sys.addaudithook(lambda name, args: name in starts and print(args))\n"
        "import saturn_orchestrator.session.ssh; print('asyncssh' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
