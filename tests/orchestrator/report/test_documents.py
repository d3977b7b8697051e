from __future__ import annotations

import json

import pytest
from support.report_values import NEW, OLD, RUN, at, run_of

from saturn_orchestrator.errors import InventoryFinding
from saturn_orchestrator.events import Facts, LockFact, RunFact, ServiceFact
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.report.documents import (
    dump,
    plan_document,
    run_document,
    status_document,
    validation_document,
)
from saturn_orchestrator.state.model import HostError, HostState, ServiceState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.standing import Standing


def test_run_document_of_success_and_failure():
    run = run_of(
        HostState(
            "chelsty", Status.CHANGED, "complete", services={"mosquitto": ServiceState("changed", "healthy")},
            revision_before=OLD, revision_after=NEW, log="/l", started_at=at(2), finished_at=at(11),
        ),
        HostState("vps", Status.FAILED, error=HostError("no_python", "python3 is missing", "apt install python3")),
    )  # fmt: skip
    assert run_document(run, outcome(run)) == {
        "version": 1,
        "run": RUN,
        "outcome": "partial",
        "exit_code": 1,
        "revision": NEW,
        "duration_s": 9.0,
        "hosts": {
            "chelsty": {
                "status": "changed",
                "stage": "complete",
                "revision_before": OLD,
                "revision_after": NEW,
                "stale": False,
                "services": {"mosquitto": {"status": "changed", "health": "healthy"}},
                "error": None,
                "findings": [],
                "log": "/l",
                "diagnostics": None,
                "duration_s": 9.0,
            },
            "vps": {
                "status": "failed",
                "stage": None,
                "revision_before": None,
                "revision_after": None,
                "stale": False,
                "services": {},
                "error": {
                    "code": "no_python",
                    "message": "python3 is missing",
                    "hint": "apt install python3",
                    "stage": None,
                    "service": None,
                },
                "findings": [],
                "log": None,
                "diagnostics": None,
                "duration_s": None,
            },
        },
    }


@pytest.mark.parametrize("status", [status for status in Status if not status.is_success])
def test_an_error_always_names_a_next_command(status):
    run = run_of(HostState("vps", status, "deploy", error=HostError("code", "what happened")))
    assert run_document(run, outcome(run))["hosts"]["vps"]["error"]["hint"].startswith("saturn ")


def test_status_document_of_a_live_and_a_remembered_host():
    facts = Facts(
        1, at(0), RUN, "chelsty", OLD, stage="complete", services=(ServiceFact("caddy", "running", "none"),),
        lock=LockFact(RUN, "ada", "saturn", at(1), 12, "deploy", "caddy"),
        last_run=RunFact(RUN, "", OLD, "deploy", at(0)),
    )  # fmt: skip
    standings = (
        Standing("chelsty", "online", "live", at(2), facts, 3),
        Standing("vps", "offline", "journal", error=HostError("unreachable", "offline")),
    )
    assert status_document(standings) == {
        "version": 1,
        "hosts": {
            "chelsty": {
                "reachability": "online",
                "source": "live",
                "observed_at": at(2),
                "revision": OLD,
                "behind": 3,
                "stage": "complete",
                "last_run": {"run": RUN, "outcome": None, "revision": OLD, "at": at(0)},
                "services": {"caddy": {"state": "running", "health": "none"}},
                "lock": {
                    "run": RUN,
                    "by": "ada",
                    "controller": "saturn",
                    "since": at(1),
                    "pid": 12,
                    "stage": "deploy",
                    "service": "caddy",
                },
                "tailnet": None,
                "error": None,
            },
            "vps": {
                "reachability": "offline",
                "source": "journal",
                "observed_at": None,
                "revision": None,
                "behind": None,
                "stage": None,
                "last_run": None,
                "services": {},
                "lock": None,
                "tailnet": None,
                "error": {"code": "unreachable", "message": "offline", "hint": None},
            },
        },
    }


def test_plan_document_keeps_the_order_of_the_hosts():
    plan = HostPlan("vps", "", NEW, "main", "Caddy 2.9", None, (Change("caddy", Action.CREATE, "no containers yet"),))
    other = HostPlan("chelsty", NEW, NEW, "main", "", 0, (), ("restarting",), "deploy")
    document = plan_document(plan, other)
    assert list(document["hosts"]) == ["vps", "chelsty"]
    assert document == {
        "version": 1,
        "hosts": {
            "vps": {
                "revision_before": None,
                "revision_after": NEW,
                "branch": "main",
                "subject": "Caddy 2.9",
                "commits": None,
                "resume_stage": None,
                "changes": [{"service": "caddy", "action": "create", "reason": "no containers yet"}],
                "warnings": [],
            },
            "chelsty": {
                "revision_before": NEW,
                "revision_after": NEW,
                "branch": "main",
                "subject": "",
                "commits": 0,
                "resume_stage": "deploy",
                "changes": [],
                "warnings": ["restarting"],
            },
        },
    }


def test_validation_document_is_valid_without_findings():
    finding = InventoryFinding("inventory/topology.yaml", 14, "hosts.vps", "unknown key", "remove it")
    assert [validation_document("t.yaml", 2, 5, found)["valid"] for found in ((), (finding,))] == [True, False]
    assert validation_document("t.yaml", 0, 0, (finding,))["findings"] == [
        {
            "file": "inventory/topology.yaml",
            "line": 14,
            "key": "hosts.vps",
            "message": "unknown key",
            "hint": "remove it",
        }
    ]


def test_dump_is_readable_json_that_ends_its_line():
    assert dump({"z": "café", "a": []}) == '{\n  "z": "café",\n  "a": []\n}\n'


def test_no_document_holds_a_number_that_json_lacks():
    with pytest.raises(ValueError):
        dump({"duration_s": float("nan")})


def test_every_document_survives_the_way_through_text():
    run = run_of(HostState("vps", Status.RUNNING))
    for document in (run_document(run, outcome(run)), status_document([Standing("vps", "online")]), plan_document()):
        assert json.loads(dump(document)) == document
