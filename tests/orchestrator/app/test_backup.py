from __future__ import annotations

import pytest
from support import build
from support.backup_node import NAME, BackupNode, snapshot
from support.build import NEW
from support.desk import BARE, SAVED, Desk

from saturn_orchestrator.app.backup import with_backups
from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.errors import Interrupted, UsageError
from saturn_orchestrator.events import Problem
from saturn_orchestrator.state.model import ServiceState, Status


def test_a_backup_is_asked_about_ordered_and_followed_without_git(tmp_path):
    desk = Desk(tmp_path, BackupNode(), Answer.YES)

    run = desk.back_up()

    host = run.hosts["alpha"]
    assert (run.revision, host.status, host.revision_after, host.stage) == ("", Status.UNCHANGED, NEW, "backup")
    assert host.task == "backup"
    assert host.services == {"web": ServiceState("saved", backup=NAME)}
    assert [each.verb for each in desk.node.asked] == ["facts", "run"]
    asked = desk.node.asked[-1]
    assert (asked.backup, asked.snapshot, asked.plan, asked.revision, asked.rollback, asked.by) == (
        True, "", "", "", False, "ada@saturn",
    )  # fmt: skip
    assert [each.name for each in asked.node.services] == ["web"]
    assert not (tmp_path / ".git").exists()


def test_a_host_that_is_declined_is_not_touched(tmp_path):
    desk = Desk(tmp_path, BackupNode(), Answer.NO)

    assert desk.back_up().hosts["alpha"].status is Status.DECLINED
    assert [each.verb for each in desk.node.asked] == ["facts"]


def test_whoever_asks_for_differences_is_told_that_there_are_none(tmp_path):
    desk = Desk(tmp_path, BackupNode(), Answer.DIFF, Answer.NO)

    desk.back_up()

    assert desk.texts == ["no file of the repository is touched by this\n"]


@pytest.mark.parametrize(
    "code, status",
    [("docker_down", Status.FAILED), ("no_git", Status.UNCHANGED), ("checkout_broken", Status.UNCHANGED)],
)
def test_a_problem_of_docker_keeps_from_a_backup_and_one_of_git_does_not(tmp_path, code, status):
    desk = Desk(tmp_path, BackupNode(problems=(Problem(code, "so it is"),)))

    assert desk.back_up().hosts["alpha"].status is status


def test_a_confirmed_backup_says_nothing_of_where_the_host_stands(tmp_path):
    told: list[object] = []
    desk = Desk(tmp_path, BackupNode())
    desk.sink.noted = lambda host, events, run: told.extend(events)

    desk.back_up()

    assert [each.is_prefetch for each in told if each.type == "host_confirmed"] == [True]


def test_a_stop_before_any_host_was_asked_dials_nobody(tmp_path):
    desk = Desk(tmp_path, BackupNode(snapshot()))
    desk.stop.press()

    with pytest.raises(Interrupted):
        desk.back_up()

    assert desk.node.opened == 0


# --- which hosts ------------------------------------------------------------------------------------------------------


ALPHA, BETA = build.host("alpha", services=(SAVED, BARE)), build.host("beta", services=(BARE,))


def test_hosts_without_a_backup_are_named_and_left_out():
    assert with_backups((ALPHA, BETA), None) == ((ALPHA,), ("beta",))
    assert with_backups((ALPHA,), frozenset({"web"})) == ((ALPHA,), ())


@pytest.mark.parametrize(
    "hosts, services, message",
    [
        ((BETA,), None, "no service of these hosts has a backup in its service.yaml"),
        ((ALPHA,), frozenset({"llm"}), "llm has no backup in its service.yaml"),
        ((ALPHA,), frozenset({"llm", "db"}), "db, llm have no backup in their service.yaml"),
        ((ALPHA,), frozenset({"llm", "web"}), "llm has no backup in its service.yaml"),
    ],
)
def test_a_service_without_a_backup_cannot_be_backed_up(hosts, services, message):
    with pytest.raises(UsageError) as caught:
        with_backups(hosts, services)

    assert (caught.value.code, caught.value.message) == ("no_backup_order", message)
