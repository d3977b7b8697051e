from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace

import pytest
from support.backup_node import archive, manifest, snapshot

from saturn_orchestrator.app.pieces import Pieces, is_whole, make_private, manifest_complaint, present_size

LOCAL = archive("local.tar.gz", b"secret", is_local=True)


def piece(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_pieces_grow_beside_the_name_and_get_it_when_they_are_whole(tmp_path):
    target = tmp_path / "data"
    with Pieces(target, 6) as pieces:
        assert [pieces.add(0, piece(b"abc")), pieces.add(3, piece(b"def"))] == ["", ""]
        assert [each.name for each in tmp_path.iterdir()] == ["data.part"]
        pieces.finish()

    assert (target.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"abcdef", ["data"])
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_came_before_is_gone_on_with(tmp_path):
    with Pieces(tmp_path / "data", 6) as pieces:
        pieces.add(0, piece(b"abc"))
    with Pieces(tmp_path / "data", 6) as pieces:
        assert (pieces.size, pieces.add(3, piece(b"def"))) == (3, "")

    assert (tmp_path / "data.part").read_bytes() == b"abcdef"


@pytest.mark.parametrize("limit, anew", [(2, False), (6, True)])
def test_what_cannot_be_a_beginning_is_not_built_on(tmp_path, limit, anew):
    (tmp_path / "data.part").write_bytes(b"abc")

    with Pieces(tmp_path / "data", limit, anew=anew) as pieces:
        assert (pieces.size, (tmp_path / "data.part").stat().st_size) == (0, 0)


@pytest.mark.parametrize(
    "offset, data, why",
    [
        (2, piece(b"abc"), "a piece begins at byte 2, and 0 were here"),
        (-1, piece(b"abc"), "a piece begins at byte -1, and 0 were here"),
        (0, "a b!", "a piece is not base64"),
        (0, "ä" * 4, "a piece is not base64"),
        (0, "", "a piece is empty"),
        (0, piece(b"abcdefg"), "it is longer than 6 bytes"),
    ],
)
def test_a_piece_that_does_not_fit_is_not_taken(tmp_path, offset, data, why):
    with Pieces(tmp_path / "data", 6) as pieces:
        assert (pieces.add(offset, data), pieces.size) == (why, 0)

    assert (tmp_path / "data.part").read_bytes() == b""


def test_two_at_once_do_not_mix_their_pieces(tmp_path):
    with Pieces(tmp_path / "data", 6), pytest.raises(BlockingIOError), Pieces(tmp_path / "data", 6):
        pass


def test_a_link_that_lies_there_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "data.part").symlink_to(victim)

    with pytest.raises(OSError), Pieces(tmp_path / "data", 6):
        pass

    assert victim.read_bytes() == b"mine"


def test_a_file_is_whole_when_size_and_sha_are_right(tmp_path):
    file, told = tmp_path / "data", archive("data", b"abc")
    assert not is_whole(file, told)

    file.write_bytes(b"abc")
    assert is_whole(file, told)
    assert not is_whole(file, replace(told, size=2))
    file.write_bytes(b"abd")
    assert not is_whole(file, told)


def test_what_is_here_of_a_file_counts_whether_it_is_whole_or_begun(tmp_path):
    assert present_size(tmp_path / "data") == 0
    (tmp_path / "data.part").write_bytes(b"ab")
    assert present_size(tmp_path / "data") == 2
    (tmp_path / "data").write_bytes(b"abc")
    assert present_size(tmp_path / "data") == 3


def test_folders_that_are_made_are_their_owners_alone(tmp_path):
    make_private(tmp_path / "a" / "b" / "c")

    assert [stat.S_IMODE(each.stat().st_mode) for each in sorted(tmp_path.rglob("*"))] == [0o700] * 3
    make_private(tmp_path / "a" / "b" / "c")


def body(**fields: object) -> bytes:
    return json.dumps({**json.loads(manifest(snapshot())), **fields}).encode()


def entries(*changed: dict[str, object]) -> list[dict[str, object]]:
    whole = json.loads(manifest(snapshot()))["archives"]
    return [{**each, **change} for each, change in zip(whole, [*changed, {}, {}], strict=False)]


@pytest.mark.parametrize(
    "text, why",
    [
        pytest.param(body(), "", id="as told"),
        pytest.param(body(archives=[*entries(), {"name": "local", "is_local": True}]), "", id="what stays there"),
        pytest.param(body(archives=entries()[::-1], notes=["x"]), "", id="another order"),
        pytest.param(b"{", "it is no JSON", id="torn"),
        pytest.param(b"\xff\xfe", "it is no JSON", id="no text"),
        pytest.param(b"[" * 100_000, "it is no JSON", id="deep"),
        pytest.param(b"[]", "it is of another backup", id="no object"),
        pytest.param(body(name="n2"), "it is of another backup", id="another name"),
        pytest.param(body(service="db"), "it is of another backup", id="another service"),
        pytest.param(body(archives=None), "it lists other archives", id="no archives"),
        pytest.param(body(archives=entries({"size": 1})), "it lists other archives", id="another size"),
        pytest.param(body(archives=entries({"sha256": ["x"]})), "it lists other archives", id="another sha"),
        pytest.param(body(archives=entries({"name": "n"}, {"file": "m"})), "", id="names in another manner"),
        pytest.param(body(archives=entries()[:1]), "it lists other archives", id="one less"),
        pytest.param(body(archives=entries()[:1] * 2), "it lists other archives", id="one twice"),
        pytest.param(body(archives=entries() + entries()[:1]), "it lists other archives", id="one more"),
    ],
)  # fmt: skip
def test_a_manifest_must_be_that_of_the_backup(text, why):
    assert manifest_complaint(text, snapshot(archives=(*snapshot().archives, LOCAL))) == why
