"""The keys of the documents that other people's scripts read. A key may be added here; none may be taken away."""

from __future__ import annotations

from support import build
from support.build import deferred, plan

from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.events import (
    BackupVerified,
    Check,
    DeploymentFact,
    Facts,
    ImageChange,
    LockFact,
    RunFact,
    ServiceFact,
    SnapshotFact,
)
from saturn_orchestrator.onboarding.machine import machine
from saturn_orchestrator.onboarding.preparation import preparation
from saturn_orchestrator.plan.model import Action, Change, Prospect, Step
from saturn_orchestrator.report.backups_view import copies_document, holdings_document, inspections_document
from saturn_orchestrator.report.doctor_view import doctor_document
from saturn_orchestrator.report.documents import (
    VERSION,
    dump_line,
    no_run_document,
    notify_document,
    order_document,
    plan_document,
    run_document,
    status_document,
    watch_document,
)
from saturn_orchestrator.report.onboard_view import onboarding_document
from saturn_orchestrator.report.trust_view import trust_document
from saturn_orchestrator.session import introduction
from saturn_orchestrator.session.base import Offer
from saturn_orchestrator.session.introduction import Introduction, Trusted
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.state.backups import Copy, Holdings, Inspection
from saturn_orchestrator.state.checkup import Checkup
from saturn_orchestrator.state.model import HostError, HostState, RunState, ServiceState, Status
from saturn_orchestrator.state.notices import Sent
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.state.standing import Standing
from saturn_orchestrator.state.watch import WatchState
from saturn_orchestrator.tailnet.model import Peer

RUN = "20261123T161002Z-7f3a"
AT = "2026-11-23T16:10:02.000Z"
REVISION = "8be02d44" * 5

RUN_KEYS = {"version", "run", "outcome", "exit_code", "revision", "duration_s", "hosts"}
HOST_KEYS = {
    "status", "stage", "revision_before", "revision_after", "stale", "services", "error", "log",
    "findings", "diagnostics", "duration_s",
}  # fmt: skip
STANDING_KEYS = {
    "reachability", "source", "observed_at", "revision", "behind", "stage", "last_run", "services", "lock",
    "tailnet", "error", "ahead", "stale", "orphans", "deployments", "deferred",
}  # fmt: skip
PLAN_KEYS = {
    "revision_before", "revision_after", "branch", "subject", "commits", "steps", "digest", "is_foreseen",
    "resume_stage", "changes", "orphans", "sent_bytes", "path", "warnings", "findings", "has_changes", "diff", "error",
}  # fmt: skip


MACHINE = {
    "user": "ada", "uid": "1000", "group": "ada", "in_group": "no", "listed": "no", "sudo": "yes", "init": "other",
    "lingers": "no", "python": "Python 3.11.2", "git": "", "docker": "Docker version 28.2.2", "compose": "2.26.1",
    "becomes": "yes", "socket": "denied", "root": "none", "parent_writable": "no", "checkout": "no", "deployed": "no",
    "free_kb": "", "end": "yes",
}  # fmt: skip


def full_run() -> RunState:
    host = HostState(
        "chelsty", Status.FAILED, "verify", services={"mosquitto": ServiceState("changed", "healthy")},
        revision_before=REVISION, revision_after=REVISION, log="/l", diagnostics="/d", started_at=AT, finished_at=AT,
        error=HostError("code", "message", "hint", "verify", "mosquitto"),
    )  # fmt: skip
    return RunState(RUN, REVISION, {"chelsty": host}, AT)


def full_standing() -> Standing:
    facts = Facts(
        1, AT, RUN, "chelsty", REVISION, stage="complete", services=(ServiceFact("mosquitto", "running", "healthy"),),
        lock=LockFact(RUN, "ada", "saturn", AT, 12, "deploy", "mosquitto"),
        last_run=RunFact(RUN, "success", REVISION, "complete", AT),
        deployments=(DeploymentFact(RUN, REVISION, AT, ("mosquitto",)),), orphans=("old",),
    )  # fmt: skip
    error = HostError("code", "message", "hint")
    return Standing("chelsty", "online", "live", AT, facts, 0, 0, error, deferred(), Peer("chelsty"))


def full_prospect() -> Prospect:
    change = Change("mosquitto", Action.RECREATE, "image", (ImageChange("mosquitto", "a:1", "a:2"),))
    return Prospect("chelsty", plan("chelsty", changes=(change,), steps=(Step(REVISION, "Ada", "a change"),)))


def test_documents_are_of_version_1():
    run = full_run()
    assert VERSION == run_document(run, outcome(run))["version"] == status_document([])["version"] == 1


def test_run_document_has_its_keys():
    run = full_run()
    document = run_document(run, outcome(run))
    host = document["hosts"]["chelsty"]
    assert set(document) == RUN_KEYS
    assert set(host) == HOST_KEYS
    assert set(host["services"]["mosquitto"]) == {"status", "health", "backup"}
    assert set(host["error"]) == {"code", "message", "hint", "stage", "service"}


def test_a_document_without_a_run_has_the_same_keys():
    assert set(no_run_document(3)) == RUN_KEYS


def test_a_host_of_which_nothing_is_known_has_the_same_keys():
    run = RunState.of(RUN, REVISION, ["vps"])
    assert set(run_document(run, outcome(run))["hosts"]["vps"]) == HOST_KEYS
    assert set(status_document([Standing("vps", "unreachable")])["hosts"]["vps"]) == STANDING_KEYS


def test_watch_document_is_a_status_document_with_times():
    document = watch_document(WatchState.of(("vps",), AT), AT)

    assert set(document) == {"version", "hosts", "tailnet", "at"}
    assert set(document["hosts"]["vps"]) == STANDING_KEYS | {"since", "again_at"}
    assert dump_line(document).count("\n") == 1


def test_status_document_has_its_keys():
    document = status_document([full_standing()])
    host = document["hosts"]["chelsty"]
    assert set(document) == {"version", "hosts", "tailnet"}
    assert set(document["tailnet"]) == {"trouble", "twins", "strangers"}
    assert set(host) == STANDING_KEYS
    assert set(host["tailnet"]) == {"name", "addresses", "online", "last_seen", "path", "ssh", "key_expiry"}
    assert set(host["services"]["mosquitto"]) == {"state", "health", "drift"}
    assert set(host["last_run"]) == {"run", "outcome", "revision", "at"}
    assert set(host["lock"]) == {"run", "by", "controller", "since", "pid", "stage", "service"}
    assert set(host["error"]) == {"code", "message", "hint"}
    assert set(host["deployments"][0]) == {"run", "revision", "at", "services"}
    assert set(host["deferred"]) == {
        "run", "by", "at", "revision", "revision_before", "services", "scope", "expires_at", "prune", "rollback",
    }  # fmt: skip


def test_plan_document_has_its_keys():
    host = plan_document([full_prospect()])["hosts"]["chelsty"]
    (change,) = host["changes"]

    assert set(host) == PLAN_KEYS
    assert set(host["steps"][0]) == {"revision", "author", "subject"}
    assert set(change) == {
        "service",
        "action",
        "reason",
        "images",
        "ports",
        "downtime",
        "carries",
        "local",
        "local_changed",
    }
    assert set(change["images"][0]) == {"service", "before", "after", "before_id", "after_id", "size"}


def test_a_host_that_has_no_plan_has_the_same_keys():
    host = plan_document([Prospect("vps", error=Unreachable("no route"))])["hosts"]["vps"]

    assert set(host) == PLAN_KEYS
    assert set(host["error"]) == {"code", "message", "hint"}


def test_trust_document_has_its_keys():
    key = Key("ssh-ed25519", "AAAA")
    offer = Offer("chelsty port 22", ("chelsty",), (key,))
    found = Introduction(build.host("chelsty"), introduction.Standing.NEW, offer, key)
    document = trust_document(Trusted(found, introduction.Outcome.PINNED))
    local = trust_document(
        Trusted(Introduction(build.host("chelsty"), introduction.Standing.LOCAL), introduction.Outcome.NOTHING)
    )

    assert set(document) == set(local) == {
        "version", "host", "standing", "outcome", "key", "offered", "before", "file",
    }  # fmt: skip
    assert set(document["key"]) == {"type", "fingerprint"}
    assert local["key"] is None


def test_onboarding_document_has_its_keys():
    found = machine([f"saturn-fact {key}={value}" for key, value in MACHINE.items()], "pi")
    wanted = preparation(build.host("pi"), found, install=False)
    document = onboarding_document("pi", "blocked", None, wanted, [], [])

    assert set(document) == set(onboarding_document("pi", "declined", None, None, [], [])) == {
        "version", "host", "outcome", "files", "trust", "machine", "steps", "problems", "notes", "next",
    }  # fmt: skip
    assert set(document["machine"]) == {
        "os", "manager", "user", "sudo", "python", "git", "docker", "compose", "free_bytes", "deployed",
    }  # fmt: skip
    assert set(document["steps"][0]) == {"name", "words", "commands", "needs_root"}
    assert set(document["problems"][0]) == {"code", "message", "commands"}


def test_documents_of_backups_have_their_keys():
    error = Unreachable("no route")
    held = holdings_document([Holdings("alpha", (SnapshotFact("web", "n1"),)), Holdings("vps", error=error)])
    verdict = BackupVerified(1, AT, RUN, "alpha", "web", "n1")
    judged = inspections_document([Inspection("alpha", (verdict,)), Inspection("vps", error=error)])
    brought = copies_document([Copy("vps", "web", error=error)])

    assert {*held, *judged} == {"version", "hosts"}
    assert {key for each in (held, judged) for host in each["hosts"].values() for key in host} == {"backups", "error"}
    assert set(held["hosts"]["alpha"]["backups"][0]) == {
        "service", "name", "at", "run", "revision", "reason", "size", "files",
    }  # fmt: skip
    assert set(judged["hosts"]["alpha"]["backups"][0]) == {"service", "name", "is_sound", "message"}
    assert set(brought) == {"version", "copies"}
    assert set(brought["copies"][0]) == {"host", "service", "name", "folder", "size", "left_on_node", "error"}
    assert set(held["hosts"]["vps"]["error"]) == set(brought["copies"][0]["error"]) == {"code", "message", "hint"}


def test_host_statuses_are_the_documented_ones():
    documented = {
        "changed", "unchanged", "failed", "blocked", "unreachable", "deferred", "lost", "declined", "cancelled",
        "rolled_back", "skipped",
    }  # fmt: skip
    assert {str(status) for status in Status if status.is_final} <= documented


def test_doctor_document_has_its_keys():
    check = Check("git", "ok", "2.39")
    document = doctor_document([Checkup("", (check,)), Checkup("vps", (check,))])
    assert set(document) == {"version", "exit_code", "saturn", "hosts"}
    assert document["version"] == 1
    assert all(
        set(each) == {"name", "status", "message", "fix"} for each in (*document["saturn"], *document["hosts"]["vps"])
    )


def test_order_document_has_its_keys():
    document = order_document(full_run(), {"chelsty": plan("chelsty")})
    assert set(document) == {"version", "run", "revision", "hosts"}
    assert set(document["hosts"]["chelsty"]) == PLAN_KEYS


def test_notify_document_has_its_keys():
    document = notify_document((Sent("env:A"), Sent("env:B", "no answer")))
    assert document == {
        "version": 1,
        "targets": [
            {"target": "env:A", "sent": True, "problem": None},
            {"target": "env:B", "sent": False, "problem": "no answer"},
        ],
    }
