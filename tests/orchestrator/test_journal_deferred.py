"""What the journal tells of deploys that wait for a host to be back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from orchestrator.journals import journalled, never
from support.build import AT, NEW, OLD, own_event, run_state, run_story

from saturn_orchestrator import events
from saturn_orchestrator.journal import Records
from saturn_orchestrator.state.standing import Deferred

FAR, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
AWAY = (own_event(events.SessionOpening),)


def deferring(expires_at: str = FAR, **fields: object) -> tuple[events.Event, ...]:
    said = {"by": "ada", "revision": NEW, "revision_before": OLD, "services": ("web",), "scope": ("web", "db")}
    return (*AWAY, own_event(events.HostDeferred, **{**said, "expires_at": expires_at, **fields}))


def waiting(file: Path, *runs: tuple[str, tuple[events.Event, ...]], host: str = "alpha") -> Deferred | None:
    """What waits for the host after these runs, each with what was told of alpha in it."""
    for run, told in runs:
        journalled(file, replace(run_state(), run=run), [("alpha", event) for event in told])
    return Records(file, never).deferred(host)


def whole(*, is_prefetch: bool = False) -> tuple[events.Event, ...]:
    opening = (own_event(events.SessionOpened), own_event(events.HostPlanned))
    return (*AWAY, *opening, own_event(events.HostConfirmed, is_prefetch=is_prefetch), *run_story())


def test_what_was_deferred_waits_with_all_that_was_confirmed(tmp_path):
    assert waiting(tmp_path / "journal.db", ("r1", deferring(prune=True, rollback=True))) == Deferred(
        run="r1", by="ada", at=AT, revision=NEW, revision_before=OLD, services=("web",), scope=("web", "db"),
        expires_at=FAR, prune=True, rollback=True,
    )  # fmt: skip


def test_nothing_waits_for_a_host_of_which_nothing_was_said(tmp_path):
    assert Records(tmp_path / "journal.db", never).deferred("alpha") is None
    assert waiting(tmp_path / "journal.db", ("r1", deferring()), host="beta") is None


def test_of_what_was_deferred_the_newest_waits(tmp_path):
    found = waiting(tmp_path / "journal.db", ("r2", deferring(revision=NEW)), ("r1", deferring(revision=OLD)))

    assert (found.run, found.revision) == ("r2", NEW)


def test_what_has_expired_waits_no_more_and_brings_back_nothing_older(tmp_path):
    assert waiting(tmp_path / "journal.db", ("r1", deferring()), ("r2", deferring(PAST))) is None


@pytest.mark.parametrize(
    "told, run",
    [
        pytest.param(whole(), None, id="a deploy took its place"),
        pytest.param(whole()[:5], None, id="a deploy that is still at work, too"),
        pytest.param((*AWAY, own_event(events.HostFailed)), "r1", id="one that failed before anything was ordered"),
        pytest.param((*AWAY, own_event(events.HostUnreachable)), "r1", id="a host that is still away"),
        pytest.param((*AWAY, own_event(events.HostDeclined)), "r1", id="a new plan that was declined"),
        pytest.param((*AWAY, own_event(events.HostSkipped)), "r1", id="a rollout that halted before it"),
        pytest.param(AWAY, "r1", id="a run that was broken off"),
        pytest.param(whole(is_prefetch=True), "r1", id="a run that only fetched"),
    ],
)
def test_what_was_deferred_waits_until_something_newer_was_ordered(tmp_path, told, run):
    found = waiting(tmp_path / "journal.db", ("r1", deferring()), ("r2", told))

    assert (found.run if found else None) == run


def test_a_deploy_before_it_does_not_take_its_place(tmp_path):
    assert waiting(tmp_path / "journal.db", ("r2", deferring()), ("r1", whole())).run == "r2"


def test_a_run_that_only_fetched_tells_nothing_of_where_a_host_stands(tmp_path):
    file = tmp_path / "journal.db"
    waiting(file, ("r1", whole()), ("r2", whole(is_prefetch=True)), ("r3", deferring()))
    known = Records(file, never)

    assert (known.newest("alpha")[0], known.newest("alpha", with_prefetch=True)[0]) == ("r1", "r2")
