from __future__ import annotations

import json

import pytest
from support.build import AT, deferred, plan
from support.report_values import NEW, OLD, RUN, at, run_of
from support.tailscaled import peer

from saturn_orchestrator.errors import InventoryFinding, Unreachable
from saturn_orchestrator.events import DeploymentFact, Facts, ImageChange, LockFact, RunFact, ServiceFact
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Prospect, Step
from saturn_orchestrator.report.documents import (
    away_document,
    dump,
    plan_document,
    run_document,
    status_document,
    validation_document,
)
from saturn_orchestrator.state.model import HostError, HostState, ServiceState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.standing import Standing, Surroundings
from saturn_orchestrator.tailnet.model import Path


def test_run_document_of_success_and_failure():
    run = run_of(
        HostState(
            "chelsty", Status.CHANGED, "complete", services={"mosquitto": ServiceState("changed", "healthy", "n1")},
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
                "services": {"mosquitto": {"status": "changed", "health": "healthy", "backup": "n1"}},
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


PEER = peer("chelsty", path=Path("derp", "fra"), host_keys=("ssh-ed25519 AAAA",))


def test_status_document_of_a_live_and_a_remembered_host():
    drift = ("its container caddy-1 was stopped by hand",)
    facts = Facts(
        1, at(0), RUN, "chelsty", OLD, stage="complete", stale=True, orphans=("old",),
        services=(ServiceFact("caddy", "running", "none", drift=drift),),
        lock=LockFact(RUN, "ada", "saturn", at(1), 12, "deploy", "caddy"),
        last_run=RunFact(RUN, "", OLD, "deploy", at(0)),
        deployments=(DeploymentFact(RUN, OLD, at(0), ("caddy",)),),
    )  # fmt: skip
    waiting = deferred(run=RUN, revision=NEW, revision_before="", services=("caddy",), scope=("caddy", "web"))
    standings = (
        Standing("chelsty", "online", "live", at(2), facts, 3, 1, peer=PEER),
        Standing("vps", "offline", "journal", error=HostError("unreachable", "offline"), deferred=waiting),
    )
    around = Surroundings(HostError("tailnet_stopped", "off"), (("a", "b"),), ("nas",))
    assert status_document(standings, around) == {
        "version": 1,
        "tailnet": {
            "trouble": {"code": "tailnet_stopped", "message": "off", "hint": None},
            "twins": [["a", "b"]],
            "strangers": ["nas"],
        },
        "hosts": {
            "chelsty": {
                "reachability": "online",
                "source": "live",
                "observed_at": at(2),
                "revision": OLD,
                "behind": 3,
                "ahead": 1,
                "stale": True,
                "stage": "complete",
                "last_run": {"run": RUN, "outcome": None, "revision": OLD, "at": at(0)},
                "services": {"caddy": {"state": "running", "health": "none", "drift": list(drift)}},
                "lock": {
                    "run": RUN,
                    "by": "ada",
                    "controller": "saturn",
                    "since": at(1),
                    "pid": 12,
                    "stage": "deploy",
                    "service": "caddy",
                },
                "tailnet": {
                    "name": "chelsty.tail1234.ts.net",
                    "addresses": ["100.64.0.2"],
                    "online": True,
                    "last_seen": None,
                    "path": {"kind": "derp", "via": "fra"},
                    "ssh": True,
                    "key_expiry": None,
                },
                "orphans": ["old"],
                "deployments": [{"run": RUN, "revision": OLD, "at": at(0), "services": ["caddy"]}],
                "deferred": None,
                "error": None,
            },
            "vps": {
                "reachability": "offline",
                "source": "journal",
                "observed_at": None,
                "revision": None,
                "behind": None,
                "ahead": None,
                "stale": None,
                "stage": None,
                "last_run": None,
                "services": {},
                "lock": None,
                "tailnet": None,
                "orphans": [],
                "deployments": [],
                "deferred": {
                    "run": RUN,
                    "by": "ada@saturn",
                    "at": AT,
                    "revision": NEW,
                    "revision_before": None,
                    "services": ["caddy"],
                    "scope": ["caddy", "web"],
                    "expires_at": "2026-11-30T16:10:02Z",
                    "prune": False,
                    "rollback": False,
                },
                "error": {"code": "unreachable", "message": "offline", "hint": None},
            },
        },
    }


def test_plan_document_keeps_the_order_of_the_hosts():
    image = ImageChange("web", "caddy:2.8", "caddy:2.9", "sha256:1", "", 40)
    change = Change(
        "caddy",
        Action.RECREATE,
        "image",
        (image, ImageChange("b")),
        ("0.0.0.0:80->80",),
        downtime=True,
        carries=True,
        local=(".env",),
        is_local_new=True,
    )
    plan = HostPlan(
        "vps", OLD, NEW, "main", "Caddy 2.9", 1, (change,), steps=(Step(NEW, "Ada", "Caddy 2.9"),), digest="d1",
        is_foreseen=True, orphans=("old",), sent=740, path="DERP fra",
    )  # fmt: skip
    other = HostPlan("chelsty", NEW, NEW, "main", "", 0, (), ("restarting",), "deploy")
    prospects = (
        Prospect("vps", plan, diff="+one\n"),
        Prospect("pi", error=Unreachable("no route", hint="ping pi")),
        Prospect("chelsty", other),
    )

    document = plan_document(prospects)

    assert list(document["hosts"]) == ["vps", "pi", "chelsty"]
    assert document == {
        "version": 1,
        "hosts": {
            "vps": {
                "revision_before": OLD,
                "revision_after": NEW,
                "branch": "main",
                "subject": "Caddy 2.9",
                "commits": 1,
                "steps": [{"revision": NEW, "author": "Ada", "subject": "Caddy 2.9"}],
                "digest": "d1",
                "is_foreseen": True,
                "resume_stage": None,
                "changes": [
                    {
                        "service": "caddy",
                        "action": "recreate",
                        "reason": "image",
                        "images": [
                            {
                                "service": "web",
                                "before": "caddy:2.8",
                                "after": "caddy:2.9",
                                "before_id": "sha256:1",
                                "after_id": None,
                                "size": 40,
                            },
                            {
                                "service": "b",
                                "before": None,
                                "after": None,
                                "before_id": None,
                                "after_id": None,
                                "size": None,
                            },
                        ],
                        "ports": ["0.0.0.0:80->80"],
                        "downtime": True,
                        "carries": True,
                        "local": [".env"],
                        "local_changed": True,
                    }
                ],
                "orphans": ["old"],
                "sent_bytes": 740,
                "path": "DERP fra",
                "warnings": [],
                "findings": [],
                "has_changes": True,
                "diff": "+one\n",
                "error": None,
            },
            "pi": {
                **NO_PLAN,
                "has_changes": None,
                "error": {"code": "unreachable", "message": "no route", "hint": "ping pi"},
            },
            "chelsty": {
                **NO_PLAN,
                "revision_before": NEW,
                "revision_after": NEW,
                "branch": "main",
                "commits": 0,
                "resume_stage": "deploy",
                "warnings": ["restarting"],
                "has_changes": False,
            },
        },
    }


NO_PLAN = {
    "revision_before": None, "revision_after": None, "branch": None, "subject": None, "commits": None, "steps": [],
    "digest": None, "is_foreseen": False, "resume_stage": None, "changes": [], "orphans": [], "sent_bytes": 0,
    "path": None, "warnings": [], "findings": [], "diff": None, "error": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "status, error, exit_code",
    [
        (Status.ROLLED_BACK, HostError("unhealthy", "m", stage="verify"), 4),
        (Status.SKIPPED, HostError("halted", "canary"), 6),
        (Status.DEFERRED, None, 3),
    ],
)
def test_run_document_has_a_word_of_its_own_for_every_end(status, error, exit_code):
    run = run_of(HostState("vps", status, error=error))

    document = run_document(run, outcome(run))

    assert (document["hosts"]["vps"]["status"], document["exit_code"]) == (str(status), exit_code)


def test_away_document_says_why_a_host_was_not_asked():
    assert away_document({"pi": Unreachable("no route", hint="ping pi"), "vps": Unreachable("nobody answers")}) == {
        "pi": {"code": "unreachable", "message": "no route", "hint": "ping pi"},
        "vps": {"code": "unreachable", "message": "nobody answers", "hint": None},
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
            "code": "",
            "severity": "error",
        }
    ]


def test_validation_document_is_valid_with_warnings_alone():
    findings = [
        InventoryFinding("compose.yaml", 3, "services.web", "no tag", "", "image_unpinned", severity)
        for severity in ("warning", "waived", "error")
    ]
    assert [validation_document("t.yaml", 2, 5, findings[:count])["valid"] for count in (1, 2, 3)] == [
        True,
        True,
        False,
    ]


def test_dump_is_readable_json_that_ends_its_line():
    assert dump({"z": "café", "a": []}) == '{\n  "z": "café",\n  "a": []\n}\n'


def test_no_document_holds_a_number_that_json_lacks():
    with pytest.raises(ValueError):
        dump({"duration_s": float("nan")})


def test_every_document_survives_the_way_through_text():
    run = run_of(HostState("vps", Status.RUNNING))
    documents = (
        run_document(run, outcome(run)), status_document([Standing("vps", "online", deferred=deferred())]),
        plan_document([Prospect("vps", plan())]),
    )  # fmt: skip
    for document in documents:
        assert json.loads(dump(document)) == document
