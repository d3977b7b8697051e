from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from support import build
from support.backup_node import CONTENT, NAME, BackupNode, archive, manifest, snapshot
from support.fake_session import FakeDoor

from saturn_orchestrator.app import fetch as use_case
from saturn_orchestrator.app.fetch import Wish, fetch
from saturn_orchestrator.app.pieces import Pieces
from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.events import BackupPart
from saturn_orchestrator.rollout.survey import ATTEMPTS
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.backups import Copy

WHOLE = sum(map(len, CONTENT.values()))
HOST, SERVICE = build.host(connect_timeout_s=5), build.service()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(use_case, "PAUSE_S", 0.001)


def fetched(folder: Path, node: OpenSession, wanted: str = "", told: list[tuple[int, int]] | None = None) -> Copy:
    progress = lambda host, service, done, total: told.append((done, total)) if told is not None else None  # noqa: E731
    (copy,) = asyncio.run(fetch([Wish(HOST, SERVICE, folder, wanted)], node, progress))
    return copy


def files(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_backup_comes_home_whole_for_its_owner_alone_and_its_manifest_last(tmp_path):
    node, told = BackupNode(snapshot()), []

    copy = fetched(tmp_path / "a" / "web", node, told=told)

    folder = tmp_path / "a" / "web" / NAME
    assert copy == Copy("alpha", "web", NAME, folder, WHOLE)
    assert files(folder) == {**CONTENT, "manifest.json": manifest(snapshot())}
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent, folder.parents[1])} == {0o700}
    assert node.fetched == [("config.tar.gz", 0), ("data.tar.gz", 0), ("manifest.json", 0)]
    assert (node.opened, told[-1]) == (1, (WHOLE, WHOLE))


def test_a_line_that_breaks_in_the_middle_costs_no_byte_twice(tmp_path):
    node = BackupNode(snapshot(), breaks=(1, 1, 1), piece=3000)

    copy = fetched(tmp_path, node)

    assert (copy.error, files(tmp_path / NAME)["data.tar.gz"]) == (None, CONTENT["data.tar.gz"])
    assert node.fetched == [
        ("config.tar.gz", 0), ("data.tar.gz", 0), ("data.tar.gz", 3000), ("data.tar.gz", 6000), ("data.tar.gz", 9000),
        ("manifest.json", 0),
    ]  # fmt: skip
    assert node.opened == 4


def test_a_line_that_brings_nothing_is_given_up_and_a_later_command_goes_on(tmp_path):
    broken = BackupNode(snapshot(), breaks=(1, 1, *[0] * 20), piece=3000)
    told: list[tuple[int, int]] = []

    copy = fetched(tmp_path, broken)
    left = files(tmp_path / NAME)
    again = BackupNode(snapshot())
    done = fetched(tmp_path, again, told=told)

    assert (copy.error.code, copy.exit_code, copy.folder) == ("session_lost", 1, None)
    assert left == {"config.tar.gz": CONTENT["config.tar.gz"], "data.tar.gz.part": CONTENT["data.tar.gz"][:6000]}
    assert (done.error, again.fetched) == (None, [("data.tar.gz", 6000), ("manifest.json", 0)])
    assert (told[0], told[-1]) == ((100, WHOLE), (WHOLE, WHOLE))


def test_breaks_are_counted_anew_with_every_byte(tmp_path):
    node = BackupNode(snapshot(), breaks=(1, 0, 0, 0, 1, 0, 0, 0, 1), piece=3000)

    assert fetched(tmp_path, node).error is None


def test_what_is_here_already_is_not_fetched_again(tmp_path):
    fetched(tmp_path, BackupNode(snapshot()))
    node = BackupNode(snapshot())

    copy = fetched(tmp_path, node)

    assert (copy.was_here, copy.error, node.fetched) == (True, None, [])


def test_a_copy_that_was_damaged_here_is_mended(tmp_path):
    fetched(tmp_path, BackupNode(snapshot()))
    (tmp_path / NAME / "config.tar.gz").write_bytes(b"x" * 100)
    node = BackupNode(snapshot())

    copy = fetched(tmp_path, node)

    assert (copy.was_here, files(tmp_path / NAME)["config.tar.gz"]) == (False, CONTENT["config.tar.gz"])
    assert node.fetched == [("config.tar.gz", 0), ("manifest.json", 0)]


def test_what_belongs_to_the_node_alone_is_not_asked_for(tmp_path):
    local = archive("local.tar.gz", b"secret", is_local=True)
    node = BackupNode(snapshot(archives=(*snapshot().archives, local)))

    copy = fetched(tmp_path, node)

    assert (copy.local, copy.size, copy.error) == (1, WHOLE, None)
    assert "local.tar.gz" not in {*dict(node.fetched), *files(tmp_path / NAME)}


def test_a_backup_is_named_by_the_beginning_of_its_name(tmp_path):
    node = BackupNode(snapshot("20261126T000000Z"), snapshot(NAME))

    assert fetched(tmp_path, node, "20261125").name == NAME
    assert fetched(tmp_path, node).name == "20261126T000000Z"
    assert fetched(tmp_path, node, "2025").error.code == "unknown_backup"


def test_an_empty_file_is_a_file(tmp_path):
    node = BackupNode(snapshot(archives=(archive("data.tar.gz", b""),)), content={"data.tar.gz": b""})

    assert (fetched(tmp_path, node).error, files(tmp_path / NAME)["data.tar.gz"]) == (None, b"")


# --- nodes that lie ---------------------------------------------------------------------------------------------------


def lied(field: str, value: object) -> BackupNode:
    def lie(part: BackupPart) -> BackupPart:
        return replace(part, **{field: value}) if part.file == "data.tar.gz" and part.offset else part

    return BackupNode(snapshot(), lie=lie)


def swollen() -> BackupNode:
    return BackupNode(snapshot(), content={**CONTENT, "data.tar.gz": CONTENT["data.tar.gz"] + b"more"})


def shrunk() -> BackupNode:
    return BackupNode(snapshot(), content={**CONTENT, "data.tar.gz": CONTENT["data.tar.gz"][:-1]})


def changed() -> BackupNode:
    return BackupNode(snapshot(), content={**CONTENT, "data.tar.gz": CONTENT["data.tar.gz"][::-1]})


@pytest.mark.parametrize(
    "node, why",
    [
        pytest.param(swollen(), "data.tar.gz: it is longer than 10240 bytes", id="longer than told"),
        pytest.param(shrunk(), "data.tar.gz has 10240 bytes, and the node sent 10239", id="shorter than told"),
        pytest.param(changed(), "data.tar.gz is not what its sha256 says", id="other bytes"),
        pytest.param(lied("offset", 0), "data.tar.gz: a piece begins at byte 0, and 4000 were here", id="back"),
        pytest.param(lied("offset", 9000), "data.tar.gz: a piece begins at byte 9000, and 4000 were here", id="gap"),
        pytest.param(lied("file", "config.tar.gz"), "data.tar.gz: a piece is of another file", id="another file"),
        pytest.param(lied("file", "../x"), "data.tar.gz: a piece is of another file", id="a path"),
        pytest.param(lied("service", "db"), "data.tar.gz: a piece is of another file", id="another service"),
        pytest.param(lied("snapshot", "n2"), "data.tar.gz: a piece is of another file", id="another backup"),
        pytest.param(lied("data", "%%%%"), "data.tar.gz: a piece is not base64", id="no base64"),
        pytest.param(lied("data", ""), "data.tar.gz: a piece is empty", id="nothing"),
        pytest.param(
            BackupNode(snapshot(), manifest=b"{}"),
            "its manifest is not what the node told before: it is of another backup",
            id="another manifest",
        ),
    ],
)
def test_a_damaged_copy_is_removed_and_that_is_said(tmp_path, node, why):
    copy = fetched(tmp_path, node)

    assert (copy.error.code, copy.folder, copy.exit_code) == ("copy_damaged", None, 1)
    assert copy.error.message == f"the copy of {NAME} is damaged and was removed: {why}"
    damaged = "manifest.json" if "manifest" in why else "data.tar.gz"
    assert [name for name in files(tmp_path) if damaged in name] == []
    assert files(tmp_path)[f"{NAME}/config.tar.gz"] == CONTENT["config.tar.gz"]


def test_a_manifest_without_end_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(use_case, "MANIFEST_MAX", 2000)

    copy = fetched(tmp_path, BackupNode(snapshot(), manifest=b" " * 5000))

    assert copy.error.message.endswith("manifest.json: it is longer than 2000 bytes")
    assert sorted(files(tmp_path / NAME)) == sorted(CONTENT)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "..", "a/b", "manifest.json", "x.part", "", ".bashrc"])
def test_a_name_that_is_none_becomes_no_path(tmp_path, name):
    evil = archive(name, b"x")
    node = BackupNode(snapshot(archives=(evil,)), content={name: b"x"})

    copy = fetched(tmp_path / "copies", node)

    assert (copy.error.code, node.fetched, list(tmp_path.iterdir())) == ("backup_unfit", [], [])


@pytest.mark.parametrize("name", ["../evil", "..", "a/b", ".x", "a b"])
def test_a_backup_whose_name_is_none_is_not_there(tmp_path, name):
    copy = fetched(tmp_path / "copies", BackupNode(snapshot(name)))

    assert (copy.error.code, list(tmp_path.iterdir())) == ("no_backups", [])


def test_more_than_the_disk_holds_is_not_begun(tmp_path):
    huge = replace(archive("data.tar.gz", b""), size=2**62)
    node = BackupNode(snapshot(archives=(huge,)))

    copy = fetched(tmp_path, node)

    assert (copy.error.code, node.fetched) == ("copy_failed", [])


# --- what else goes wrong ---------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    copy = fetched(tmp_path / "file", BackupNode(snapshot()))

    assert (copy.error.code, copy.exit_code) == ("copy_failed", 1)


def test_a_host_that_is_away_costs_the_others_no_copy(tmp_path):
    node = BackupNode(snapshot())
    away = FakeDoor(beta=[Unreachable("no route")] * 30)

    async def door(host, tell):
        return await (away if host.name == "beta" else node)(host, tell)

    hosts = [build.host(name, connect_timeout_s=0.1) for name in ("beta", "alpha")]
    wishes = [Wish(host, SERVICE, tmp_path / host.name) for host in hosts]
    copies = asyncio.run(fetch(wishes, door, lambda *_: None))

    assert [(each.host, each.exit_code) for each in copies] == [("beta", 3), ("alpha", 0)]
    assert len(away.opened) <= ATTEMPTS


def test_a_host_that_was_reached_is_tried_again_though_it_is_away_for_a_moment(tmp_path):
    node = BackupNode(snapshot(), breaks=(1,), piece=3000)
    troubles = [None, *[Unreachable("no route")] * ATTEMPTS]

    async def door(host, tell):
        trouble = troubles.pop(0) if troubles else None
        if trouble:
            raise trouble
        return await node(host, tell)

    assert (fetched(tmp_path, door).error, troubles) == (None, [])


def test_two_at_once_do_not_mix_their_bytes(tmp_path):
    (tmp_path / NAME).mkdir()
    with Pieces(tmp_path / NAME / "config.tar.gz", 100):
        copy = fetched(tmp_path, BackupNode(snapshot()))

    assert (copy.error.code, "another saturn is fetching it" in copy.error.message) == ("copy_failed", True)


def test_the_services_of_a_host_come_one_after_another_over_lines_of_their_own(tmp_path):
    names = ("web", "db")
    told = tuple(snapshot(service=name) for name in names)
    host = build.host(services=tuple(build.service(name) for name in names))

    node = BackupNode(*told)
    wishes = [Wish(host, service, tmp_path / service.name) for service in host.services]
    copies = asyncio.run(fetch(wishes, node, lambda *_: None))

    assert [(each.service, each.error) for each in copies] == [("web", None), ("db", None)]
    asked = [each.node.services[0].name for each in node.asked if each.verb == "fetch"]
    assert (asked, node.opened) == (["web"] * 3 + ["db"] * 3, 2)
