from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from support import build
from support.ssh_server import opened_ssh

from saturn_orchestrator.errors import HostKeyRejected
from saturn_orchestrator.session.stream import Conversation


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


def test_asyncssh_is_not_imported_before_a_host_is_dialled():
    program = "import sys, saturn_orchestrator.session.dial; print('asyncssh' in sys.modules)"

    assert (
        subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True).stdout == "False\n"
    )
