from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import node_event
from support.fake_session import FakeDoor, FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.app import diagnose as use_case
from saturn_orchestrator.app.diagnose import diagnose
from saturn_orchestrator.errors import Denied, SessionLost
from saturn_orchestrator.state.diagnosis import Diagnosis

REMOTE = "/opt/homelab/logs/deploy/diagnostics_1.txt"


def answer(host: str, *parts: str, path: str = REMOTE) -> FakeSession:
    said = [node_event(events.DiagnosticsPart, 3 + number, host, text=part) for number, part in enumerate(parts)]
    return FakeSession([node_event(events.DiagnosticsCollected, 2, host, path=path), *said])


def diagnosed(folder: Path, **nodes: object) -> dict[str, Diagnosis]:
    door = FakeDoor(**{name: [each] for name, each in nodes.items()})
    hosts = [build.host(name, connect_timeout_s=0.2) for name in nodes]
    return {each.host: each for each in asyncio.run(diagnose(hosts, door, folder))}


def test_the_pieces_in_order_make_the_copy(tmp_path):
    found = diagnosed(tmp_path, alpha=answer("alpha", "one\n", "two\n"))

    assert found == {"alpha": Diagnosis("alpha", REMOTE, tmp_path / "alpha" / "diagnostics_1.txt")}
    assert (tmp_path / "alpha" / "diagnostics_1.txt").read_text() == "one\ntwo\n"
    assert [path.name for path in (tmp_path / "alpha").iterdir()] == ["diagnostics_1.txt"]


def test_one_host_that_fails_spoils_no_other(tmp_path):
    refused = FakeSession(
        [node_event(events.Refused, 2, "busy", code="root_unwritable", message="cannot write", hint="chown")]
    )
    found = diagnosed(
        tmp_path, alpha=answer("alpha", "x"), denied=Denied("no"), lost=FakeSession([SessionLost("cut")]), busy=refused,
        silent=FakeSession([]),
    )  # fmt: skip

    assert {name: each.error.code if each.error else "" for name, each in found.items()} == {
        "alpha": "", "denied": "permission_denied", "lost": "session_lost", "busy": "root_unwritable",
        "silent": "diagnostics_missing",
    }  # fmt: skip
    assert {name: each.exit_code for name, each in found.items()} == {
        "alpha": 0, "denied": 1, "lost": 1, "busy": 1, "silent": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "path, name",
    [
        ("/a/../../etc/cron.d/x", "x"),
        ("/a/.bashrc", "bashrc"),
        ("/a/", "diagnostics.txt"),
        ("a b;c$.txt", "abc.txt"),
        ("..", "diagnostics.txt"),
    ],
)
def test_of_the_nodes_path_only_a_harmless_name_is_used(tmp_path, path, name):
    diagnosed(tmp_path, alpha=answer("alpha", "x", path=path))

    assert [each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file()] == [
        f"alpha/{name}"
    ]


def test_a_node_cannot_make_us_keep_more_than_the_limit(tmp_path):
    part = "x" * (use_case.MAX_BYTES // 2)
    found = diagnosed(tmp_path, alpha=answer("alpha", part, part, part, part))

    assert found["alpha"].copy.stat().st_size == use_case.MAX_BYTES
