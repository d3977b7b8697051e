"""`saturn history`, `show` and `logs`: what the journal tells, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.build import NEW, RUN, node_event, own_event, run_story
from support.saturn import Said, Saturn

from saturn_orchestrator import events
from saturn_orchestrator.journal import Journal
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.reduce import reduce_run

OTHER = "20261124T090000Z-0001"
ORDER = (
    own_event(events.SessionOpening), own_event(events.SessionOpened), own_event(events.HostPlanned),
    own_event(events.HostConfirmed, by="ada@saturn"),
)  # fmt: skip
FAILED = node_event(
    events.StageFailed, 6, stage="deploy", code="up_failed", message="web \x1b[2Jfailed", hint="saturn diagnose",
    tail=("the last line",),
)  # fmt: skip


@pytest.fixture
def saturn(tmp_path: Path) -> Saturn:
    """A person whose journal holds a finished run and one without an end."""
    person = Saturn(tmp_path, tmp_path / "home", {"TZ": "UTC", "LC_ALL": "C.UTF-8"})
    ended = [*run_story()[:5], FAILED, node_event(events.Goodbye, 7, outcome="failed", duration_s=4.0)]
    for run, told in ((RUN, ended), (OTHER, run_story()[:3])):
        state = RunState.of(run, NEW, ["alpha"], "2026-11-23T16:10:02.000Z")
        journal = Journal(person.state / "journal.db", "inventory/topology.yaml", print)
        journal.opened(state)
        for event in (*ORDER, *told):
            state = reduce_run(state, "alpha", event)
            journal.noted("alpha", (event,), state)
        journal.closed(state)
    return person


def test_history_lists_the_runs_newest_first(saturn):
    said = saturn.run("history")

    lines = said.out.splitlines()
    assert (said.exit_code, [line.split()[0] for line in lines[1:3]]) == (0, [OTHER, RUN]), said.err
    assert lines[-2:] == ["1 run without an end here; help: saturn attach", "2 runs."]


def test_history_as_a_document(saturn):
    runs = saturn.run("history", "--hosts", "alpha", "--limit", "5", "--json").document["runs"]

    assert runs[1] == {
        "run": RUN, "started_at": "2026-11-23T16:10:02.000Z", "finished_at": "2026-11-23T16:10:02.000Z",
        "outcome": "failure", "exit_code": 1, "revision": NEW, "by": "ada@saturn",
        "inventory": "inventory/topology.yaml",
        "hosts": {"alpha": {"status": "failed", "at": "2026-11-23T16:10:02.000Z"}},
    }  # fmt: skip
    assert (runs[0]["outcome"], runs[0]["hosts"]["alpha"]["status"]) == (None, "running")


def test_history_without_a_journal_is_empty(tmp_path):
    said = Saturn(tmp_path, tmp_path / "home").run("history", "--json")

    assert (said.exit_code, said.document) == (0, {"version": 1, "runs": []})


@pytest.mark.parametrize("word", [RUN, "20261123"])
def test_show_prints_the_document_of_the_deploy(saturn, word):
    document = saturn.run("show", word, "--json").document

    assert (document["run"], document["outcome"], document["hosts"]["alpha"]["error"]["code"]) == (
        RUN, "failure", "up_failed",
    )  # fmt: skip


def test_show_prints_the_summary_and_the_last_run_is_named_so(saturn):
    said = saturn.run("show", "last")

    assert said.exit_code == 0
    assert "running: alpha goes on by itself; help: saturn attach --hosts alpha" in said.out
    assert f"Run {OTHER}" in said.out


def test_show_events_prints_every_event_with_its_host(saturn):
    lines = [json.loads(line) for line in saturn.run("show", RUN, "--events").out.splitlines()]

    assert [line["type"] for line in lines][:5] == [
        "session_opening", "session_opened", "host_planned", "host_confirmed", "hello",
    ]  # fmt: skip
    assert {line["host"] for line in lines} == {"alpha"}
    assert [line["seq"] for line in lines if "seq" in line] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "words, code, told",
    [
        (("show", "2027"), "unknown_run", f"known: {OTHER}, {RUN}"),
        (("show", "2026"), "ambiguous_run", f"known: {OTHER}, {RUN}"),
        (("logs", "vps"), "unknown_host", "saturn history"),
        (("logs", "vps", "--run", RUN), "unknown_host", "it had: alpha"),
    ],
)
def test_a_run_or_host_that_is_not_known_is_an_error_that_names_the_nearest(saturn, words, code, told):
    said: Said = saturn.run(*words)

    assert (said.exit_code, said.out) == (2, "")
    assert f"error[{code}]" in said.err
    assert told in said.err


def test_logs_prints_what_a_host_said(saturn):
    said = saturn.run("logs", "alpha", "--run", RUN)

    lines = said.out.splitlines()
    assert lines[0] == f"alpha, run {RUN}: failed"
    assert "16:10:02 deploy failed: web [2Jfailed" in lines
    assert lines[-1] == "log on the node: /opt/homelab/logs/deploy/deploy_1.log"
    assert lines[-4:-2] == ["         | the last line", "         help: saturn diagnose"]


def test_logs_means_the_newest_run_and_may_be_lines_of_json(saturn):
    lines = [json.loads(line) for line in saturn.run("logs", "alpha", "--json").out.splitlines()]

    assert [line["type"] for line in lines][-1] == "checked_out"
