from __future__ import annotations

import pytest
from support.backup_node import BackupNode, snapshot
from support.build import NEW
from support.desk import BARE, Desk

from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.state.model import ServiceState, Status

KEPT = snapshot("20261125T110000Z", reason="replaced")
NEWER, OLDER = snapshot("20261125T100000Z"), snapshot("20261124T100000Z", revision="c" * 40)


def test_the_newest_that_no_restore_kept_is_brought_back(tmp_path):
    desk = Desk(tmp_path, BackupNode(KEPT, NEWER, OLDER), Answer.YES)

    run = desk.restore()

    host = run.hosts["alpha"]
    assert (host.status, host.stage, host.revision_after) == (Status.CHANGED, "restore", NEW)
    assert host.services == {"web": ServiceState("changed", "healthy", backup="20261126T100000Z")}
    asked = desk.node.asked[-1]
    assert (asked.verb, asked.snapshot, asked.backup, asked.plan, asked.rollback) == (
        "run",
        NEWER.name,
        False,
        "",
        False,
    )
    assert [each.name for each in asked.node.services] == ["web"]


def test_a_person_sees_the_backup_that_would_come_before_it_does(tmp_path):
    desk = Desk(tmp_path, BackupNode(KEPT, NEWER, OLDER), Answer.NO)

    run = desk.restore("20261124")

    (plan,) = desk.plans
    assert plan.changes[0].reason.startswith("backup 20261124T100000Z, ")
    assert plan.warnings == ("the backup is of cccccccc, and bbbbbbbb is deployed: it may not suit what runs now",)
    assert (run.hosts["alpha"].status, [each.verb for each in desk.node.asked]) == (
        Status.DECLINED, ["facts", "backups"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "told, wanted, code, message, hint",
    [
        ((NEWER, OLDER), "2025", "unknown_backup",
         "there is no backup 2025 of web on alpha; there are: 20261125T100000Z, 20261124T100000Z",
         "saturn backup list --hosts alpha --services web"),
        ((NEWER, OLDER), "2026", "unknown_backup",
         "more than one backup of web begins with 2026 on alpha; there are: 20261125T100000Z, 20261124T100000Z",
         "saturn backup list --hosts alpha --services web"),
        ((KEPT,), "", "unknown_backup",
         "there is only what restores kept of web on alpha; there are: 20261125T110000Z",
         "saturn backup list --hosts alpha --services web"),
        ((), "", "no_backups", "there is no backup of web on alpha", "saturn backup --hosts alpha --services web"),
    ],
)  # fmt: skip
def test_without_the_backup_that_is_meant_nothing_is_touched(tmp_path, told, wanted, code, message, hint):
    desk = Desk(tmp_path, BackupNode(*told))

    host = desk.restore(wanted).hosts["alpha"]

    assert (host.status, host.error.code, host.error.message, host.error.hint) == (Status.FAILED, code, message, hint)
    assert "run" not in {each.verb for each in desk.node.asked}


def test_of_many_backups_an_error_names_some(tmp_path):
    told = tuple(snapshot(f"20261125T1000{number:02d}Z") for number in range(12))

    host = Desk(tmp_path, BackupNode(*told)).restore("2025").hosts["alpha"]

    assert host.error.message.endswith("20261125T100009Z and 2 more")


def test_a_service_without_a_backup_of_its_own_is_told_how_to_have_one(tmp_path):
    host = Desk(tmp_path, BackupNode()).restore(service=BARE).hosts["alpha"]

    assert host.error.hint == ("add backup: {} to its service.yaml, then: saturn backup --hosts alpha --services llm")


def test_a_name_that_is_none_is_never_asked_for(tmp_path):
    host = Desk(tmp_path, BackupNode(snapshot("../../etc"))).restore().hosts["alpha"]

    assert host.error.code == "no_backups"
