from __future__ import annotations

from dataclasses import replace

import pytest
from support import build
from support.backup_node import archive, snapshot
from support.build import AT, NEW, OLD, facts

from saturn_orchestrator.events import LockFact, ServiceFact
from saturn_orchestrator.plan.backups import (
    backup_plan,
    chosen,
    complaint,
    fitting,
    is_plain,
    restore_plan,
    saved_services,
)
from saturn_orchestrator.plan.model import Action, Change
from saturn_orchestrator.topology.model import Backup, Host

NEWEST, KEPT = snapshot("20261125T120000Z"), snapshot("20261125T110000Z", reason="replaced")
OLDER, OLDEST = snapshot("20261124T120000Z", reason="deploy"), snapshot("20261123T120000Z")
ALL = (NEWEST, KEPT, OLDER, OLDEST)


@pytest.mark.parametrize("name", ["20261125T120000Z", "20261125T120000Z-2", "config.tar.gz", "a", "A_b"])
def test_a_plain_name_is_one_word_and_one_component(name):
    assert is_plain(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-rf", "a/b", "../a", "a b", "a;b", "a\n", "ä", "$(a)", "a" * 129, "a\x00"]
)
def test_anything_else_is_no_name(name):
    assert not is_plain(name)


def test_only_backups_of_what_was_asked_for_and_with_names_are_kept_each_once():
    told = (NEWEST, NEWEST, snapshot("../evil"), snapshot(service="db"), OLDER)

    assert fitting(told, ("web",)) == (NEWEST, OLDER)


@pytest.mark.parametrize(
    "told, wanted, meant, problem",
    [
        pytest.param(ALL, "", NEWEST, "", id="the newest"),
        pytest.param((KEPT, OLDER), "", OLDER, "", id="the newest that no restore kept"),
        pytest.param((KEPT,), "", None, "there is only what restores kept of web", id="only those"),
        pytest.param(ALL, "20261125T11", KEPT, "", id="what a restore kept, by its name"),
        pytest.param(ALL, "20261124T120000Z", OLDER, "", id="by its whole name"),
        pytest.param((NEWEST, replace(NEWEST, name=NEWEST.name + "-2")), NEWEST.name, NEWEST, "", id="exactly"),
        pytest.param(ALL, "20261125", None, "more than one backup of web begins with 20261125", id="several"),
        pytest.param(ALL, "2025", None, "there is no backup 2025 of web", id="none of that name"),
        pytest.param((), "", None, "there is no backup of web", id="none at all"),
        pytest.param((snapshot(service="db"),), "", None, "there is no backup of web", id="of another service"),
    ],
)
def test_a_backup_is_chosen_by_the_beginning_of_its_name(told, wanted, meant, problem):
    choice = chosen(told, "web", wanted)

    assert (choice.snapshot, choice.problem) == (meant, problem)


def test_whoever_names_none_that_is_there_is_told_which_there_are():
    assert chosen(ALL, "web", "2025").known == tuple(each.name for each in ALL)
    assert chosen(ALL, "web", "20261125").known == (NEWEST.name, KEPT.name)


@pytest.mark.parametrize(
    "files, why",
    [
        ((archive("data.tar.gz", b"x"), archive("config.tar.gz", b"x")), ""),
        ((archive("data.tar.gz", b"x"), archive("data.tar.gz", b"y")), "it has two files of one name"),
        ((), "the node tells of none of its files"),
        ((archive("../data", b"x"),), "'../data' is no name of one of its files"),
        ((archive("manifest.json", b"x"),), "'manifest.json' is no name of one of its files"),
        ((archive("data.part", b"x"),), "'data.part' is no name of one of its files"),
        ((replace(archive("data", b"x"), size=-1),), "data cannot have -1 bytes"),
        ((replace(archive("data", b"x"), sha256="A" * 64),), "the sha256 of data is none"),
    ],
)
def test_files_that_cannot_be_fetched_are_complained_of(files, why):
    assert complaint(snapshot(archives=files)) == why


def test_what_a_restore_kept_as_folders_cannot_be_fetched():
    assert complaint(snapshot(archives=(), reason="replaced")) == "a restore kept it as folders, which stay on the node"
    assert complaint(snapshot(archives=(), size=0)) == ""


# --- what a run would do ----------------------------------------------------------------------------------------------


def house(**fields: object) -> Host:
    services = (
        build.service("broker", backup=Backup(paths=("config", "data", "logs"), quiesce="pause", keep=1)),
        build.service("llm"),
        build.service("web", backup=Backup(), **fields),
        build.service("proxy", backup=Backup(paths=("config",), quiesce="none", keep=3)),
    )
    return build.host(services=services)


def test_a_plan_of_backups_tells_folders_and_how_each_service_is_held_still():
    plan = backup_plan(house(), facts(revision=NEW))

    assert plan.changes == (
        Change("broker", Action.BACKUP, "config, data and logs; paused meanwhile; one is kept", downtime=True),
        Change("web", Action.BACKUP, "config and data; down meanwhile; the newest 5 are kept", downtime=True),
        Change("proxy", Action.BACKUP, "config; goes on meanwhile; the newest 3 are kept"),
    )
    assert plan.notes == ("left out, without backup in their service.yaml: llm",)
    assert (plan.revision_before, plan.revision_after, plan.digest, plan.warnings) == (NEW, NEW, "", ())
    assert (plan.task, plan.changes_anything, plan.at_stake) == ("backup", False, frozenset())


def test_only_what_was_chosen_is_saved_or_said_to_be_left_out():
    plan = backup_plan(house(), facts(), frozenset({"web"}))

    assert ([each.service for each in plan.changes], plan.notes) == (["web"], ())
    assert [each.name for each in saved_services(house(), frozenset({"web", "llm"}))] == ["web"]


def test_what_does_not_run_is_not_taken_down():
    standing = (ServiceFact("web", "stopped"),)

    (change,) = backup_plan(house(), facts(services=standing), frozenset({"web"})).changes

    assert (change.reason, change.downtime) == ("config and data; does not run; the newest 5 are kept", False)


def test_a_plan_warns_of_a_line_that_may_break_and_of_a_run_at_work():
    plan = backup_plan(house(connectivity=True), facts(lock=LockFact("r9", "eve")), frozenset({"web"}))

    assert plan.warnings == (
        "web carries the connection: the line may break meanwhile, the node goes on",
        "run r9 of eve is at work there now",
    )


def test_a_plan_of_a_restore_tells_which_backup_and_what_becomes_of_the_present_state():
    present = "2026-11-23T19:10:02.000Z"
    plan = restore_plan(build.host(), facts(revision=NEW), snapshot(reason="deploy"), present)

    reason = f"backup 20261125T031000Z, 3 h ago, written before a deploy, at {NEW[:8]}"
    assert plan.changes == (Change("web", Action.RESTORE, reason, downtime=True),)
    assert plan.notes == (
        "web is stopped meanwhile, and what stands now is kept as a backup of its own",
        ".env and override on the node stay as they are",
    )
    assert (plan.warnings, plan.task, build.plan().task) == ((), "restore", "")


@pytest.mark.parametrize(
    "revision, deployed, is_warned",
    [(OLD, NEW, True), (NEW, NEW, False), ("", NEW, False), (OLD, "", True), (NEW, "", False)],
)
def test_a_backup_of_another_revision_than_the_deployed_one_is_warned_of(revision, deployed, is_warned):
    standing = (ServiceFact("web", "running", deployed_revision=deployed),)
    plan = restore_plan(build.host(), facts(revision=NEW, services=standing), snapshot(revision=revision), AT)

    warned = "the backup is of aaaaaaaa, and bbbbbbbb is deployed: it may not suit what runs now"
    assert plan.warnings == ((warned,) if is_warned else ())
