from __future__ import annotations

from pathlib import Path

import pytest
from support.backup_node import snapshot
from support.build import node_event
from support.report_values import shown

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, Unreachable
from saturn_orchestrator.report.backups_view import (
    copies_document,
    copies_text,
    holdings_document,
    holdings_text,
    inspections_document,
    inspections_text,
)
from saturn_orchestrator.state.backups import Copy, Holdings, Inspection

NOW = "2026-11-23T19:10:02.000Z"
REVISION = "8be02d44" * 5
BRIDGE = snapshot("20261123T161002Z", "zigbee2mqtt", reason="deploy", revision=REVISION, size=82_000_000, files=412)
KEPT = snapshot("20261122T161002Z", "zigbee2mqtt", reason="replaced", at="2026-11-22T16:10:02Z", revision="", size=740)
AWAY = Unreachable("10.0.0.9 port 22 did not answer within 20 s", hint="is it powered and online? try: ping 10.0.0.9")


def listed(*found: Holdings, width: int = 120) -> str:
    return shown(holdings_text(found, lambda: NOW), width=width)


def test_a_list_has_a_row_a_backup_and_says_who_is_away():
    assert listed(Holdings("chelsty", (BRIDGE, KEPT)), Holdings("vps", error=AWAY)) == (
        "backup            host     service      age       size   files  written            revision\n"
        "20261123T161002Z  chelsty  zigbee2mqtt  3 h ago   82 MB  412    before a deploy    8be02d44\n"
        "20261122T161002Z  chelsty  zigbee2mqtt  27 h ago  740 B  7      kept by a restore  -\n"
        "\n"
        "warning[unreachable]: 10.0.0.9 port 22 did not answer within 20 s\n"
        "  --> vps\n"
        "  help: is it powered and online? try: ping 10.0.0.9\n"
        "\n"
        "2 backups, 82 MB.\n"
    )


def test_no_backups_are_a_sentence_and_the_next_command():
    assert listed(Holdings("chelsty"), Holdings("vps")) == (
        "there are no backups on chelsty, vps; help: saturn backup --hosts chelsty,vps\n0 backups.\n"
    )


def test_of_hosts_that_are_all_away_nothing_is_claimed():
    assert "there are no backups" not in listed(Holdings("vps", error=AWAY))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_list_loses_columns_and_no_name(width):
    text = listed(Holdings("chelsty", (BRIDGE,)), width=width)

    assert max(map(len, text.splitlines())) <= width
    assert all(word in text for word in ("20261123T161002Z", "chelsty", "zigbee2mqtt"))


def test_what_a_node_says_is_never_markup():
    odd = snapshot("n1", reason="[red]:boom:[/red]")

    assert "[red]:boom:[/red]" in listed(Holdings("chelsty", (odd,)))


def verdict(name: str, **fields: object) -> events.BackupVerified:
    return node_event(events.BackupVerified, service="web", snapshot=name, **fields)


def test_verdicts_are_told_with_what_is_wrong_and_what_to_do():
    found = (Inspection("alpha", (verdict("n2", is_sound=True), verdict("n1", message="data.tar.gz is cut"))),)

    assert shown(inspections_text(found), width=100) == (
        "backup  verdict    host   service\n"
        "n2      ✔ sound    alpha  web\n"
        "n1      ✘ damaged  alpha  web\n"
        "\n"
        "error[backup_damaged]: backup n1 is damaged: data.tar.gz is cut\n"
        "  --> alpha, web\n"
        "  help: saturn backup --hosts alpha --services web   # writes a sound one\n"
        "\n"
        "2 backups: 1 sound, 1 damaged.\n"
    )


def test_nothing_to_verify_is_no_table():
    assert shown(inspections_text((Inspection("alpha"),))) == "0 backups.\n"
    assert "error[plan_stale]: no" in shown(
        inspections_text((Inspection("a", error=ExecutorRefused("no", code="plan_stale")),))
    )


def test_copies_tell_where_they_lie_and_what_stays_behind():
    copies = (
        Copy("alpha", "web", "n1", Path("/state/backups/alpha/web/n1"), 82_000_000, local=1),
        Copy("alpha", "db", "n1", Path("/state/backups/alpha/db/n1"), 740, was_here=True),
        Copy("vps", "site", "n1", error=ExecutorRefused("it is damaged", code="copy_damaged", hint="again")),
    )

    assert shown(copies_text(copies)) == (
        "alpha web  82 MB\n"
        "  here: /state/backups/alpha/web/n1\n"
        "  · .env and override stay on the node: they are never sent\n"
        "\n"
        "alpha db  740 B, was here already\n"
        "  here: /state/backups/alpha/db/n1\n"
        "\n"
        "error[copy_damaged]: it is damaged\n"
        "  --> vps, site, n1\n"
        "  help: again\n"
        "\n"
        "2 backups here, 1 not.\n"
    )


# --- documents --------------------------------------------------------------------------------------------------------


def test_the_document_of_a_list():
    assert holdings_document((Holdings("chelsty", (BRIDGE, KEPT)), Holdings("vps", error=AWAY))) == {
        "version": 1,
        "hosts": {
            "chelsty": {
                "backups": [
                    {
                        "service": "zigbee2mqtt", "name": "20261123T161002Z", "at": "2026-11-23T16:10:02.000Z",
                        "run": "r1", "revision": REVISION, "reason": "deploy", "size": 82_000_000, "files": 412,
                    },
                    {
                        "service": "zigbee2mqtt", "name": "20261122T161002Z", "at": "2026-11-22T16:10:02Z",
                        "run": "r1", "revision": None, "reason": "replaced", "size": 740, "files": 7,
                    },
                ],
                "error": None,
            },
            "vps": {
                "backups": [],
                "error": {"code": "unreachable", "message": AWAY.message, "hint": AWAY.hint},
            },
        },
    }  # fmt: skip


def test_the_document_of_verdicts():
    found = (Inspection("alpha", (verdict("n2", is_sound=True), verdict("n1", message="cut"))),)

    assert inspections_document(found)["hosts"]["alpha"] == {
        "backups": [
            {"service": "web", "name": "n2", "is_sound": True, "message": None},
            {"service": "web", "name": "n1", "is_sound": False, "message": "cut"},
        ],
        "error": None,
    }


def test_the_document_of_copies():
    copies = (Copy("alpha", "web", "n1", Path("/x/n1"), 5, local=1), Copy("vps", "site", error=AWAY))

    assert copies_document(copies) == {
        "version": 1,
        "copies": [
            {
                "host": "alpha", "service": "web", "name": "n1", "folder": "/x/n1", "size": 5, "left_on_node": 1,
                "error": None,
            },
            {
                "host": "vps", "service": "site", "name": None, "folder": None, "size": None, "left_on_node": 0,
                "error": {"code": "unreachable", "message": AWAY.message, "hint": AWAY.hint},
            },
        ],
    }  # fmt: skip
