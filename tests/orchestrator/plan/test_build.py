from __future__ import annotations

import pytest
from support.build import NEW, OLD, facts, wanted

from saturn_orchestrator.events import LockFact, ServiceFact
from saturn_orchestrator.plan.build import build_plan, is_configuration
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Wanted

COMPOSE = "services/web/docker-compose.yml"


def moved(*files: str, service: str = "web") -> Wanted:
    return wanted(moved=((service, files),))


def change_of(fact: ServiceFact | None, wish: Wanted) -> Change:
    standing = facts(revision=OLD, services=(fact,) if fact else ())
    (change,) = build_plan(standing, ("web",), wish).changes
    return change


def warnings_of(wish: Wanted | None = None, **fields: object) -> tuple[str, ...]:
    return build_plan(facts(revision=OLD, **fields), ("web",), wish or wanted()).warnings


@pytest.mark.parametrize(
    "fact, wish, change",
    [
        pytest.param(None, wanted(), Change("web", Action.CREATE, "no containers yet"), id="unheard of"),
        pytest.param(
            ServiceFact("web", "absent"), moved(COMPOSE),
            Change("web", Action.CREATE, "no containers yet"), id="absent",
        ),
        pytest.param(
            ServiceFact("web", "running"), wanted(moved=None, commits=None),
            Change("web", Action.RECREATE, "its present revision is unknown to git here, so it may be"),
            id="unknown revision",
        ),
        pytest.param(
            ServiceFact("web", "running"), moved(COMPOSE),
            Change("web", Action.RECREATE, "docker-compose.yml changed"), id="one file",
        ),
        pytest.param(
            ServiceFact("web", "running"), moved(COMPOSE, "services/web/nginx.conf", "services/web/README.md"),
            Change("web", Action.RECREATE, "docker-compose.yml and 1 more changed"), id="more files",
        ),
        pytest.param(
            ServiceFact("web", "running", local_changed=True), wanted(),
            Change("web", Action.RECREATE, "its .env or override on the node changed"), id="changed on the node",
        ),
        pytest.param(
            ServiceFact("web", "stopped", local_changed=True), moved(COMPOSE),
            Change("web", Action.RECREATE, "docker-compose.yml changed"), id="git comes before the node's own change",
        ),
        pytest.param(ServiceFact("web", "stopped"), wanted(), Change("web", Action.START, "it is stopped")),
        pytest.param(ServiceFact("web", "partial"), wanted(), Change("web", Action.START, "it is partial")),
        pytest.param(ServiceFact("web", "running"), wanted(), Change("web", Action.UNCHANGED), id="running"),
        pytest.param(ServiceFact("web", "restarting"), wanted(), Change("web", Action.UNCHANGED), id="restarting"),
        pytest.param(
            ServiceFact("web", "running"), moved("services/web/README.md", "services/web/service.yaml"),
            Change("web", Action.UNCHANGED), id="documents and metadata",
        ),
        pytest.param(
            ServiceFact("web", "running"), moved("services/db/compose.yaml", service="db"),
            Change("web", Action.UNCHANGED), id="another service",
        ),
    ],
)  # fmt: skip
def test_facts_and_wishes_give_the_change_of_a_service(fact, wish, change):
    assert change_of(fact, wish) == change


def test_a_plan_names_both_revisions_and_every_service_in_deploy_order():
    standing = facts(revision=OLD, services=(ServiceFact("web", "running"), ServiceFact("gone", "running")))

    assert build_plan(standing, ("db", "web"), wanted(commits=3)) == HostPlan(
        "alpha", OLD, NEW, "main", "a change", 3,
        (Change("db", Action.CREATE, "no containers yet"), Change("web", Action.UNCHANGED)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "path, is_one",
    [
        ("services/web/compose.yaml", True),
        ("services/web/conf/nginx.conf", True),
        ("services/web/service.yaml", False),
        ("services/web/healthcheck.sh", False),
        ("services/web/README.md", False),
        ("services/web/.env.example", False),
        ("services/web/notes.txt", False),
    ],
)
def test_is_configuration_tells_what_can_reach_a_container(path, is_one):
    assert is_configuration(path) is is_one


@pytest.mark.parametrize(
    "wish, fields, warning",
    [
        (wanted(uncommitted=("web",)), {}, "web has uncommitted changes on SATURN: they are not deployed"),
        (
            None, {"dirty": ("a", "b", "c", "d")},
            "the checkout was changed by hand (a, b, c): prepare will refuse it",
        ),
        (
            None, {"services": (ServiceFact("web", "running", missing_env=("KEY", "URL")),)},
            "web: no value for KEY, URL in its .env: validate will block",
        ),
        (None, {"services": (ServiceFact("web", "restarting"),)}, "web is restarting again and again already"),
        (
            None, {"services": (ServiceFact("web", "running", "unhealthy"),)},
            "web is unhealthy already, before this deploy",
        ),
        (None, {"lock": LockFact("r1", by="ada")}, "run r1 of ada is deploying it now"),
        (None, {"lock": LockFact("r1")}, "run r1 of somebody is deploying it now"),
    ],
)  # fmt: skip
def test_a_plan_warns(wish, fields, warning):
    assert warnings_of(wish, **fields) == (warning,)


def test_a_plan_of_a_sound_host_has_no_warnings():
    assert warnings_of(services=(ServiceFact("web", "running", "healthy"),)) == ()


def resumed(wish: Wanted, **fields: object) -> HostPlan:
    services = tuple(ServiceFact(name, "running") for name in ("db", "web", "proxy"))
    standing = facts(**{"revision": NEW, "services": services, "last_service": "web", **fields})
    return build_plan(standing, ("db", "web", "proxy"), wish, resume=True)


def actions(plan: HostPlan) -> list[Action]:
    return [change.action for change in plan.changes]


def test_a_resume_passes_over_what_was_completed():
    plan = resumed(wanted(), completed=("prepare", "validate"))

    assert actions(plan) == [Action.COMPLETED, Action.COMPLETED, Action.UNCHANGED]
    assert plan.resume_stage == "deploy"


def test_a_resume_does_again_what_git_moved_since():
    plan = resumed(moved("services/db/compose.yaml", service="db"), revision=OLD, completed=("prepare", "validate"))

    assert actions(plan) == [Action.RECREATE, Action.COMPLETED, Action.UNCHANGED]
    assert plan.resume_stage == "prepare"


def test_a_resume_passes_over_nothing_when_git_cannot_compare():
    assert actions(resumed(wanted(moved=None))) == [Action.RECREATE] * 3


@pytest.mark.parametrize("last_service", ["", "removed"])
def test_a_resume_passes_over_nothing_when_the_last_service_is_unknown(last_service):
    assert actions(resumed(wanted(), last_service=last_service)) == [Action.UNCHANGED] * 3


def test_a_resume_of_a_completed_run_stands_at_the_last_stage():
    assert (
        resumed(wanted(), completed=("prepare", "validate", "deploy", "verify", "complete")).resume_stage == "complete"
    )


def test_without_resume_nothing_is_passed_over():
    standing = facts(
        revision=NEW, services=(ServiceFact("web", "running"),), last_service="web", completed=("prepare",)
    )
    plan = build_plan(standing, ("web",), wanted())

    assert (actions(plan), plan.resume_stage) == ([Action.UNCHANGED], "")
