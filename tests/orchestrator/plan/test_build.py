from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.build import NEW, OLD, facts, instances, node_plan, wanted

from saturn_orchestrator import events
from saturn_orchestrator.events import DeploymentFact, ImageChange, Judgement, LockFact, ServiceChange, ServiceFact
from saturn_orchestrator.plan.build import build_plan, is_configuration
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Wanted

COMPOSE = "services/web/docker-compose.yml"
FORMER = (DeploymentFact("r1", OLD),)


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
            Change("web", Action.RECREATE, "its .env or override on the node changed", is_local_new=True),
            id="changed on the node",
        ),
        pytest.param(
            ServiceFact("web", "stopped", local_changed=True), moved(COMPOSE),
            Change("web", Action.RECREATE, "docker-compose.yml changed", is_local_new=True),
            id="git comes before the node's own change",
        ),
        pytest.param(ServiceFact("web", "stopped"), wanted(), Change("web", Action.START, "it is stopped")),
        pytest.param(ServiceFact("web", "partial"), wanted(), Change("web", Action.START, "it is partial")),
        pytest.param(ServiceFact("web", "running"), wanted(), Change("web", Action.UNCHANGED), id="running"),
        pytest.param(ServiceFact("web", "restarting"), wanted(), Change("web", Action.UNCHANGED), id="restarting"),
        pytest.param(
            ServiceFact("web", "running", env=True, override=True), wanted(),
            Change("web", Action.UNCHANGED, local=(".env", "docker-compose.override.yml")), id="files of the node",
        ),
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
    services = (ServiceFact("web", "running"), ServiceFact("gone", "running"))
    standing = facts(revision=OLD, services=services, deployments=FORMER)

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
        (
            None, {"services": (ServiceFact("web", "restarting"),)},
            "web is failing already, before this deploy: it is restarting",
        ),
        (
            None, {"services": (ServiceFact("web", "running", "unhealthy"),)},
            "web is failing already, before this deploy: it is unhealthy",
        ),
        (wanted(unpushed=1), {}, "1 commit is not pushed: origin does not have it"),
        (wanted(unpushed=3), {}, "3 commits are not pushed: origin does not have them"),
        (
            wanted(left=1), {},
            "1 commit of the node's revision is not in the wanted one: this goes back, or history was rewritten",
        ),
        (
            wanted(left=2), {},
            "2 commits of the node's revision are not in the wanted one: this goes back, or history was rewritten",
        ),
        (None, {"lock": LockFact("r1", by="ada")}, "run r1 of ada is deploying it now"),
        (None, {"lock": LockFact("r1")}, "run r1 of somebody is deploying it now"),
    ],
)  # fmt: skip
def test_a_plan_warns(wish, fields, warning):
    assert warnings_of(wish, **fields) == (warning,)


def test_a_plan_of_a_sound_host_has_no_warnings():
    assert warnings_of(services=(ServiceFact("web", "running", "healthy"),)) == ()


def test_a_first_deploy_leaves_nothing_behind():
    assert build_plan(facts(), ("web",), wanted(left=2)).warnings == ()


# --- what the node foresaw --------------------------------------------------------------------------------------------

RUNNING = facts(
    revision=OLD, services=(ServiceFact("web", "running"), ServiceFact("db", "running")), deployments=FORMER
)
IMAGE = ImageChange("web", "caddy:2.8", "caddy:2.9", "sha256:1", "", 40)


def foreseen(*changes: ServiceChange, wish: Wanted | None = None, **fields: object) -> HostPlan:
    return build_plan(RUNNING, ("web", "db"), wish or wanted(), foreseen=node_plan(changes=changes, **fields))


def test_the_nodes_own_word_goes_before_what_git_tells():
    told = ServiceChange("web", "recreate", ("image", "ports"), (IMAGE,), ("0.0.0.0:80->80",), downtime=True)

    assert foreseen(told, ServiceChange("db", "unchanged")) == HostPlan(
        "alpha", OLD, NEW, "main", "a change", 1,
        (
            Change("web", Action.RECREATE, "image; ports", (IMAGE,), ("0.0.0.0:80->80",), downtime=True),
            Change("db", Action.UNCHANGED),
        ),
        digest="d1", is_foreseen=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "files, reason",
    [
        ((), "a file"),
        (("services/web/README.md",), "a file"),
        ((COMPOSE,), "a file (docker-compose.yml)"),
        ((COMPOSE, "services/web/x.conf", "services/web/y.conf"), "a file (docker-compose.yml, x.conf, y.conf)"),
        (
            (COMPOSE, *(f"services/web/{name}.conf" for name in "wxyz")),
            "a file (docker-compose.yml, w.conf, x.conf and 2 more)",
        ),
    ],
)
def test_a_service_that_is_replaced_says_which_files_moved(files, reason):
    plan = foreseen(ServiceChange("web", "recreate", ("a file",)), wish=moved(*files))

    assert plan.changes == (Change("web", Action.RECREATE, reason),)


def test_a_file_that_the_node_named_is_not_named_again():
    told = ServiceChange("web", "recreate", ("docker-compose.yml changed",))

    assert foreseen(told, wish=moved(COMPOSE)).changes[0].reason == "docker-compose.yml changed"


def test_files_that_moved_are_no_reason_for_what_stays():
    assert foreseen(ServiceChange("web", "unchanged"), wish=moved(COMPOSE)).changes == (
        Change("web", Action.UNCHANGED),
    )


def test_an_action_of_a_newer_node_is_unknown():
    assert foreseen(ServiceChange("web", "migrate", ("data",))).changes == (Change("web", Action.UNKNOWN, "data"),)


def test_a_node_that_could_not_compare_leaves_the_changes_to_git():
    plan = foreseen(wish=moved(COMPOSE), is_foreseen=False)

    assert [change.action for change in plan.changes] == [Action.RECREATE, Action.UNCHANGED]
    assert (plan.digest, plan.is_foreseen) == ("d1", False)


def test_what_the_node_found_failing_goes_before_what_the_facts_tell():
    standing = facts(revision=OLD, services=(ServiceFact("web", "running", "unhealthy"),))
    told = node_plan(failing=(events.Failing("db", "db exited with 1"),))

    assert build_plan(standing, ("web", "db"), wanted(), foreseen=told).warnings == (
        "db is failing already, before this deploy: db exited with 1",
    )


def test_a_resume_passes_over_only_what_the_node_would_not_touch():
    standing = facts(revision=NEW, last_service="db", services=RUNNING.services)
    told = node_plan(changes=(ServiceChange("web", "start", ("it is stopped",)), ServiceChange("db", "unchanged")))

    plan = build_plan(standing, ("web", "db"), wanted(), resume=True, foreseen=told)

    assert plan.changes == (
        Change("web", Action.START, "it is stopped"),
        Change("db", Action.COMPLETED, "completed before the failure"),
    )


def test_an_orphan_that_is_removed_is_none_that_is_left_alone():
    standing = facts(revision=OLD, orphans=("old", "older"))
    told = node_plan(changes=(ServiceChange("old", "remove"),))

    plan = build_plan(standing, (), wanted(), foreseen=told)

    assert (plan.changes, plan.orphans) == ((Change("old", Action.REMOVE),), ("older",))


def test_a_plan_says_what_is_sent_and_which_run_comes_back():
    plan = build_plan(RUNNING, ("web",), wanted(), sent=740, restores="r1")

    assert (plan.sent, plan.restores) == (740, "r1")


@pytest.mark.parametrize(
    "told", [None, node_plan(changes=(ServiceChange("vpn", "recreate"), ServiceChange("web", "create")))]
)
def test_what_carries_the_connection_is_marked_and_how_long_it_waits(told):
    plan = build_plan(
        facts(), ("vpn", "web"), wanted(), foreseen=told, carriers=frozenset({"vpn", "dns"}), ack_timeout_s=30
    )

    assert [change.carries for change in plan.changes] == [True, False]
    assert (plan.ack_timeout_s, plan.at_stake) == (30, {"vpn"})


@pytest.mark.parametrize("deployments, is_first", [((), True), (FORMER, False)])
def test_a_plan_says_whether_there_is_a_deployment_to_go_back_to(deployments, is_first):
    assert build_plan(facts(revision=OLD, deployments=deployments), ("web",), wanted()).is_first is is_first


some_services = st.lists(st.sampled_from(("web", "db", "proxy")), unique=True).map(tuple)
some_facts = st.builds(
    facts,
    revision=st.sampled_from(("", OLD, NEW)),
    services=st.lists(instances(ServiceFact), max_size=3).map(tuple),
    last_service=st.sampled_from(("", "web", "db")),
    orphans=some_services,
)
some_moves = st.none() | st.dictionaries(
    st.sampled_from(("web", "db", "proxy")),
    st.lists(st.sampled_from((COMPOSE, "services/db/a")), max_size=2).map(tuple),
).map(lambda found: tuple(found.items()))
some_wishes = st.builds(wanted, moved=some_moves, left=st.integers(0, 2), unpushed=st.integers(0, 2))


@given(some_facts, some_services, some_wishes, st.booleans(), st.none() | instances(events.Plan))
def test_the_same_facts_and_wishes_give_the_same_plan(standing, names, wish, resume, told):
    made = [
        build_plan(deepcopy(standing), names, deepcopy(wish), resume=resume, foreseen=deepcopy(told)) for _ in range(2)
    ]

    assert made[0] == made[1]


@given(some_facts, some_services, some_wishes, st.booleans(), st.randoms())
def test_the_changes_do_not_depend_on_the_order_in_which_a_node_names_its_services(
    standing, names, wish, resume, random
):
    known = list({service.name: service for service in standing.services}.values())
    shuffled = random.sample(known, len(known))

    plans = [
        build_plan(replace(standing, services=tuple(each)), names, wish, resume=resume) for each in (known, shuffled)
    ]

    assert plans[0].changes == plans[1].changes
    assert sorted(plans[0].warnings) == sorted(plans[1].warnings)


@given(some_facts, some_services, some_wishes, st.booleans())
def test_a_plan_of_git_alone_has_one_change_for_each_service_in_deploy_order(standing, names, wish, resume):
    assert tuple(each.service for each in build_plan(standing, names, wish, resume=resume).changes) == names


# --- a resume ---------------------------------------------------------------------------------------------------------


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


def test_findings_of_the_node_stand_in_the_plan_and_its_errors_are_known():
    error, warning = Judgement("port_exposed", "error", "it is open"), Judgement("privileged", "warning", "it is root")
    plan = build_plan(facts(), ("web",), wanted(), foreseen=node_plan(findings=(error, warning)))

    assert (plan.findings, plan.errors) == ((error, warning), (error,))


def test_without_the_nodes_word_there_is_no_finding():
    assert build_plan(facts(), ("web",), wanted()).findings == ()


@pytest.mark.parametrize(
    ("fact", "local", "is_new"),
    [
        (None, (), False),
        (ServiceFact("web", "running"), (), False),
        (ServiceFact("web", "running", env=True), (".env",), False),
        (ServiceFact("web", "running", override=True, local_changed=True), ("docker-compose.override.yml",), True),
        (ServiceFact("db", "running", env=True), (), False),
    ],
)
def test_what_lies_on_the_node_alone_stands_with_what_the_node_foresees(fact, local, is_new):
    standing = facts(revision=OLD, services=(fact,) if fact else ())
    foreseen = node_plan(changes=(ServiceChange("web", "recreate", ("image changed",)),))
    (change,) = build_plan(standing, ("web",), wanted(), foreseen=foreseen).changes

    assert (change.local, change.is_local_new) == (local, is_new)


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
