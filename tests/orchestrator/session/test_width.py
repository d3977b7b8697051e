"""A few hundred hosts on a real sshd: connections and descriptors are counted, and every host answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from support import build
from support.tailscaled import NoTailnet

from saturn_orchestrator.session import places as rule
from saturn_orchestrator.session.base import nobody
from saturn_orchestrator.session.dial import Switchboard
from saturn_orchestrator.session.places import Places
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host, Ssh

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
HOSTS, LIMIT = 150, 20
ANSWER = "echo '[SATURN] have'; while read -r question; do echo said; echo '[SATURN] end'; done\n"

pytestmark = pytest.mark.skipif(
    SSHD is None or os.geteuid() != 0 or not Path("/proc/self/fd").exists(), reason="needs sshd, root and /proc"
)


@pytest.fixture
def hosts(tmp_path):
    """Hosts that are one sshd under many addresses; whatever is asked there, it says a word."""
    for name in ("host_key", "identity"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)), check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "answer").write_text(ANSWER)
    file = tmp_path / "sshd_config"
    file.write_text(
        f"Port {port}\nListenAddress 0.0.0.0\nHostKey {tmp_path}/host_key\nAuthorizedKeysFile {tmp_path}/identity.pub\n"
        f"PidFile {tmp_path}/pid\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nMaxStartups 500\n"
        f"ForceCommand sh {tmp_path}/answer\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    key = " ".join((tmp_path / "host_key.pub").read_text().split()[:2])
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"[127.0.12.{number + 1}]:{port} {key}\n" for number in range(HOSTS)))
    ssh = Ssh(user="root", port=port, identity_file=tmp_path / "identity", known_hosts=known, connect_timeout_s=30)
    with subprocess.Popen((SSHD, "-D", "-f", str(file))) as daemon:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                daemon.poll()
        yield [build.host(f"h{number}", address=f"127.0.12.{number + 1}", ssh=ssh) for number in range(HOSTS)]
        daemon.terminate()


class Counted(Conversation):
    """Notes how many lines stand, and how many descriptors there are, whenever something is said."""

    most = 0

    async def ask(self, request, bundle=b"", secrets=b""):
        async for line in super().ask(request, bundle, secrets):
            Counted.most = max(Counted.most, _descriptors())
            yield line


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_many_hosts_answer_over_few_connections(hosts, monkeypatch):
    from orchestrator.session.test_places import question

    monkeypatch.setattr("saturn_orchestrator.session.ssh.opening.Conversation", Counted)
    monkeypatch.setattr(rule, "IDLE_S", 0.1)
    before = _descriptors()

    async def asked(board: Switchboard, host: Host) -> list[str]:
        session = await board(host, nobody)
        first = [line.text async for line in session.ask(question())]
        await asyncio.sleep(0.05)  # on a busy machine it is hung up here for another
        second = [line.text async for line in session.ask(question())]
        await session.close()
        return [*first, *second]

    async def story() -> list[list[str]]:
        places = Places(LIMIT)
        known = {host.name: host for host in hosts}
        async with Switchboard(known, book=AddressBook(NoTailnet()), places=places) as board:
            found = await asyncio.gather(*(asked(board, host) for host in hosts))
            assert not places.is_full
        return found

    assert asyncio.run(story()) == [["said", "said"]] * HOSTS
    assert 0 < Counted.most - before <= LIMIT + 40
    assert _descriptors() <= before + 2
