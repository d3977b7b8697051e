from __future__ import annotations

import pytest
from support.build import NEW, OLD, plan, wanted

from saturn_orchestrator.plan.model import Action, Change


def test_an_action_touches_containers_when_it_creates_replaces_starts_or_removes_them():
    touching = {Action.CREATE, Action.RECREATE, Action.START, Action.REMOVE}

    assert {action for action in Action if action.touches_containers} == touching


def test_moved_files_are_those_of_the_service():
    moved = wanted(moved=(("web", ("services/web/compose.yaml",)),))

    assert [moved.moved_files("web"), moved.moved_files("db")] == [("services/web/compose.yaml",), ()]


def test_moved_files_are_unknown_when_git_cannot_compare():
    assert wanted(moved=None).moved_files("web") is None


def test_a_plan_counts_its_actions():
    changes = (Change("a", Action.CREATE), Change("b", Action.UNCHANGED), Change("c", Action.CREATE))

    counts = {action: plan(changes=changes).count(action) for action in Action}

    assert counts == {**dict.fromkeys(Action, 0), Action.CREATE: 2, Action.UNCHANGED: 1}


def test_a_plan_names_the_services_whose_containers_it_touches():
    changes = tuple(Change(f"to_{action}", action) for action in Action)

    assert plan(changes=changes).touched == ("to_create", "to_recreate", "to_start", "to_remove")


@pytest.mark.parametrize(
    "change, may_cut",
    [
        *((Change("vpn", action, carries=True), action.touches_containers) for action in Action if action != "unknown"),
        (Change("vpn", Action.UNKNOWN, carries=True), True),
        (Change("vpn", Action.UNCHANGED, "unless the pull brings another image", carries=True), True),
        (Change("web", Action.RECREATE), False),
    ],
)
def test_what_carries_the_connection_is_at_stake_unless_it_is_surely_left_alone(change, may_cut):
    assert plan(changes=(change,)).at_stake == ({"vpn"} if may_cut else frozenset())


@pytest.mark.parametrize(
    "revision_before, action, is_change",
    [
        (NEW, Action.UNCHANGED, False),
        (NEW, Action.COMPLETED, False),
        (NEW, Action.START, True),
        (NEW, Action.REMOVE, True),
        (NEW, Action.INVALID, False),
        (OLD, Action.UNCHANGED, True),
    ],
)
def test_a_plan_changes_something_when_the_revision_or_a_container_moves(revision_before, action, is_change):
    assert plan(revision_before=revision_before, changes=(Change("web", action),)).changes_anything is is_change
