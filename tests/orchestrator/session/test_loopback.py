"""A node on this machine, as any SSH client finds it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from saturn_orchestrator.session.loopback import LoopbackNode, new_identity

PATH = {"PATH": os.environ["PATH"]}


@asynccontextmanager
async def loopback_node(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[LoopbackNode]:
    node = LoopbackNode(folder, environ)
    await node.start("homelab", new_identity(folder / "id_ed25519"))
    try:
        yield node
    finally:
        await node.close()


async def connected(node: LoopbackNode, identity: Path, user: str = "homelab") -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", node.port, username=user, client_keys=[str(identity)], agent_path=None, config=None,
        known_hosts=asyncssh.import_known_hosts(node.host_key + "\n"),
    )  # fmt: skip


def outcome_of(command: str, folder: Path, said: bytes = b"") -> tuple[int | None, bytes, bytes]:
    """Exit status, output and errors of a command on a node in the folder."""

    async def story() -> tuple[int | None, bytes, bytes]:
        async with (
            loopback_node(folder, {**PATH, "PLACE": "node"}) as node,
            await connected(node, folder / "id_ed25519") as connection,
        ):
            done = await connection.run(command, input=said, encoding=None)
        return done.exit_status, done.stdout, done.stderr

    return asyncio.run(story())


def test_a_command_runs_in_the_nodes_folder_and_environment(tmp_path):
    status, out, err = outcome_of('pwd; echo "$PLACE${HOME-, no home}"; echo problem >&2; exit 7', tmp_path)
    assert (status, out, err) == (7, f"{tmp_path}\nnode, no home\n".encode(), b"problem\n")


def test_a_command_hears_what_the_client_says(tmp_path):
    assert outcome_of("cat", tmp_path, b"one\0two") == (0, b"one\0two", b"")


def test_every_byte_arrives_before_the_exit_status(tmp_path):
    status, out, _ = outcome_of("dd if=/dev/zero bs=1048576 count=3 2>/dev/null; exit 5", tmp_path)
    assert (status, len(out)) == (5, 3 * 1048576)


def test_a_command_ended_by_a_signal_has_the_shells_status(tmp_path):
    assert outcome_of("kill -KILL $$", tmp_path) == (137, b"", b"")


def test_a_login_without_a_command_is_turned_away(tmp_path):
    async def story() -> int | None:
        async with (
            loopback_node(tmp_path, PATH) as node,
            await connected(node, tmp_path / "id_ed25519") as connection,
        ):
            return (await connection.run()).exit_status

    assert asyncio.run(story()) == 1


@pytest.mark.parametrize(("user", "identity"), [("root", "id_ed25519"), ("homelab", "another")])
def test_another_user_or_key_is_denied(tmp_path, user, identity):
    async def story() -> None:
        async with loopback_node(tmp_path, PATH) as node:
            new_identity(tmp_path / "another")
            with pytest.raises(asyncssh.PermissionDenied):
                await connected(node, tmp_path / identity, user)

    asyncio.run(story())


def test_close_ends_what_still_runs(tmp_path):
    async def story() -> int:
        async with loopback_node(tmp_path, PATH) as node:
            connection = await connected(node, tmp_path / "id_ed25519")
            process = await connection.create_process("sleep 1000 & echo $!; wait")
            return int(await process.stdout.readline())

    sleeper = asyncio.run(story())
    stat_file = Path(f"/proc/{sleeper}/stat")
    is_gone = not stat_file.exists() or stat_file.read_text().rpartition(")")[2].split()[0] == "Z"
    assert is_gone


def test_new_identity_is_for_its_owner_only(tmp_path):
    public = new_identity(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert asyncssh.read_private_key(tmp_path / "key").public_data == asyncssh.import_public_key(public).public_data
