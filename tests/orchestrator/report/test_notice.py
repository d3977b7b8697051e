from __future__ import annotations

from saturn_orchestrator.report.notice import HOSTS_MAX, notice_of
from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.notices import Ruling


def failed(name: str) -> HostState:
    error = HostError("up_failed", "compose \x1b[31msaid no", stage="deploy", service="web")
    return HostState(name, Status.FAILED, "deploy", error=error)


def run_of(*hosts: HostState, revision: str = "8be02d44" * 5) -> RunState:
    return RunState("r1", revision, {host.host: host for host in hosts})


def test_a_notice_tells_what_where_why_and_what_to_type():
    run = run_of(HostState("solaria", Status.CHANGED), failed("chelsty"))
    notice = notice_of(run, {"failure", "partial"}, "deploy", Ruling({}, held=3))
    assert notice.title == "saturn: failure on chelsty (deploy 8be02d44)"
    assert notice.body.splitlines() == [
        "chelsty: failed, up_failed (deploy, web): compose [31msaid no",
        "  help: saturn deploy --hosts chelsty --resume",
        "solaria: changed",
        "held back since the last notice, for being the same: 3",
        "saturn show r1",
    ]


def test_a_recovery_names_who_recovered():
    run = run_of(HostState("a", Status.CHANGED), HostState("b", Status.CHANGED), revision="")
    notice = notice_of(run, {"success", "recovered"}, "backup", Ruling({}, recovered=("b",)))
    assert notice.title == "saturn: recovered on b (backup)"


def test_many_hosts_stay_short():
    run = run_of(*(failed(f"h{number}") for number in range(30)))
    notice = notice_of(run, {"failure"}, "deploy", Ruling({}))
    assert notice.title == "saturn: failure on h0, h1, h2 and 27 more (deploy 8be02d44)"
    assert "... and more: 30 hosts in all" in notice.body
    assert notice.body.count("up_failed") == HOSTS_MAX
