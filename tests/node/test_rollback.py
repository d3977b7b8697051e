"""A run that fails goes back by itself: the revision, the images and the services are as they were."""

import json

import pytest
from support.node import Node, answer, kinds, order, until

UP = {"restart": "unless-stopped"}


def composed(**services):
    """A commit of one compose file a service, each with its image."""
    return {
        f"services/{name}/docker-compose.yml": json.dumps({"services": {name: {"image": image, **UP}}})
        for name, image in services.items()
    }


def moved(tmp_path, second=None):
    """A node with web and db after a deploy, and a revision that gives both another image."""
    node = Node(tmp_path)
    node.commit_services("web", "db", **UP)
    first = node.commit(**composed(web="web:1", db="db:1"))
    assert kinds(node.deploy("r1", first))[-1] == "goodbye success"
    return node, first, node.commit(**composed(**(second or {"web": "web:2", "db": "db:2"})))


def standing(node, *projects):
    """What runs: each container's service, image name and image id."""
    return [(each.service, each.image, each.image_id) for project in projects for each in node.containers(project)]


def head(node):
    return node.git("rev-parse", "HEAD", folder=node.checkout)


def test_a_failed_run_goes_back_to_what_was_before(tmp_path):
    node, first, second = moved(tmp_path)
    before = standing(node, "web", "db")
    node.control(up_fails=["db:2"])
    events = node.deploy("r2", second, rollback=True)
    assert kinds(events)[kinds(events).index("service_failed deploy db up_failed") :] == [
        "service_failed deploy db up_failed",
        "stage_failed deploy db up_failed",
        "diagnostics_collected diagnose",
        "stage_started rollback",
        "checked_out rollback",
        "service_started rollback db",
        "service_finished rollback db unchanged",
        "service_started rollback web",
        "service_finished rollback web restored",
        "service_started rollback db",
        "service_started rollback web",
        "service_verified rollback db running",
        "service_verified rollback web running",
        "stage_finished rollback",
        "goodbye rolled_back",
    ]
    assert (standing(node, "web", "db"), head(node)) == (before, first)
    facts = node.ask(node.request("facts"))[1]
    assert (facts["last_run"]["outcome"], [each["run"] for each in facts["deployments"]]) == ("rolled_back", ["r1"])
    assert [each["drift"] for each in facts["services"]] == [[], []]


def test_a_run_that_is_not_to_go_back_stays_where_it_failed(tmp_path):
    node, _, second = moved(tmp_path)
    node.control(up_fails=["db:2"])
    events = node.deploy("r2", second)
    assert (kinds(events)[-1], head(node)) == ("goodbye failed", second)
    assert [image for _, image, _ in standing(node, "web", "db")] == ["web:2", "db:1"]


def test_a_run_that_touched_nothing_has_nothing_to_go_back_from(tmp_path):
    node, _, second = moved(tmp_path)
    node.control(pull_fails=["db:2"])
    events = node.deploy("r2", second, rollback=True)
    assert kinds(events)[-1] == "goodbye failed"
    assert "stage_started rollback" not in kinds(events)


def test_a_sick_service_goes_back_and_untouched_ones_are_left_alone(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web", "db", healthcheck={"test": "true"}, **UP)
    first = node.commit()
    node.deploy("r1", first)
    untouched = node.containers("db")
    healthy = json.loads(node.read("origin/services/web/docker-compose.yml"))["services"]["web"]
    sick = json.dumps({"services": {"web": {**healthy, "image": "sick:1"}}})
    second = node.commit(**{"services/web/docker-compose.yml": sick})
    node.control(unhealthy=["sick:1"])
    events = node.deploy("r2", second, rollback=True)
    assert kinds(events)[-1] == "goodbye rolled_back"
    assert "service_failed verify web unhealthy unhealthy" in kinds(events)
    assert [each for each in kinds(events) if "finished rollback" in each] == [
        "service_finished rollback web restored",
        "stage_finished rollback",
    ]
    assert (node.containers("db"), [image for _, image, _ in standing(node, "web")]) == (untouched, ["app:1"])


def test_a_service_that_did_not_exist_before_is_removed(tmp_path):
    node = Node(tmp_path)
    first = node.commit_services("web", **UP)
    node.deploy("r1", first)
    node.commit_services("web", "db", **UP)
    second = node.commit(**composed(web="web:2", db="db:1"))
    node.control(up_fails=["db:1"])
    events = node.deploy("r2", second, rollback=True)
    assert "service_finished rollback db removed" in kinds(events)
    assert (kinds(events)[-1], node.docker_services()) == ("goodbye rolled_back", ["web"])


def test_an_image_that_moved_under_its_name_is_what_it_was_before(tmp_path):
    node, _, second = moved(tmp_path, second={"web": "web:1", "db": "db:2"})
    before = standing(node, "web", "db")
    node.control(registry={"web:1": "another"}, up_fails=["db:2"])
    node.docker("pull", "web:1")
    events = node.deploy("r2", second, rollback=True)
    assert (kinds(events)[-1], standing(node, "web", "db")) == ("goodbye rolled_back", before)
    assert any(each.get("text") == "web:1 is again what it was then" for each in events)


@pytest.mark.parametrize("fault", [{"up_fails": ["db:2"]}, {"unhealthy": ["db:2"]}], ids=["up", "verify"])
def test_an_image_that_is_built_here_is_what_it_was_before(tmp_path, fault):
    node = Node(tmp_path)
    node.commit_services("app", "db", healthcheck={"test": "true"}, **UP)
    built = json.dumps({"services": {"app": {"build": "./src", **UP}}})
    node.deploy("r1", node.commit(**{"services/app/docker-compose.yml": built, "services/app/src/main": "1"}))
    before = standing(node, "app", "db")
    database = {"services": {"db": {"image": "db:2", "healthcheck": {"test": "true"}, **UP}}}
    files = {"services/app/src/main": "2", "services/db/docker-compose.yml": json.dumps(database)}
    second = node.commit(**files)
    node.control(**fault)
    events = node.deploy("r2", second, rollback=True)
    assert (kinds(events)[-1], standing(node, "app", "db")) == ("goodbye rolled_back", before)


def test_a_rollback_that_fails_says_so_and_the_run_has_failed(tmp_path):
    node, first, second = moved(tmp_path)
    node.control(up_fails=["db"])
    events = node.deploy("r2", second, rollback=True)
    assert kinds(events)[-3:] == [
        "service_failed rollback db up_failed",
        "stage_failed rollback db rollback_failed",
        "goodbye failed",
    ]
    assert events[-2]["hint"] == "saturn diagnose --hosts chelsty"
    assert head(node) == first
    node.control()
    assert kinds(node.deploy("r3", second, resume=True))[-1] == "goodbye success"
    assert [image for _, image, _ in standing(node, "web", "db")] == ["web:2", "db:2"]


def going_back(tmp_path, seconds):
    """A node whose rollback removes `db`, which takes so long; its two revisions."""
    node = Node(tmp_path)
    first = node.commit_services("web", **UP)
    node.deploy("r1", first)
    node.commit_services("web", "db", **UP)
    second = node.commit(**composed(web="web:2", db="db:1"))
    node.control(up_fails=["db:1"], sleep={"down": seconds})
    return node, first, second


@pytest.mark.parametrize("now", [False, True])
def test_cancel_stops_a_rollback_and_the_next_deploy_converges(tmp_path, now):
    node, first, second = going_back(tmp_path, 60 if now else 1)
    with node.start() as process:
        order(process, node.request("run", "r2", second, rollback=True))
        until(node.is_asleep, "the removal")
        assert kinds(node.ask(node.request("cancel", "r2", now=now)))[-1] == "goodbye success"
        events = kinds(answer(process.stdout))
        process.stdin.close()
    assert (events[-1], "stage_finished rollback" in events) == ("goodbye cancelled", False)
    node.control()
    node.commit_services("web", **UP)
    assert kinds(node.deploy("r3", first, prune=True))[-1] == "goodbye success"
    assert standing(node, "web", "db")[0][1] == "app:1"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("is_forward", [False, True])
def test_a_rollback_that_was_killed_converges_with_the_next_deploy(tmp_path, resume, is_forward):
    node, first, second = going_back(tmp_path, 60)
    with node.start() as process:
        order(process, node.request("run", "r2", second, rollback=True))
        until(node.is_asleep, "the removal")
        node.kill_worker("r2")
        process.stdin.close()
        process.stdout.read()
    node.control()
    assert node.ask(node.request("facts"))[1]["last_run"]["outcome"] == "lost"
    wanted = second if is_forward else first
    if not is_forward:
        node.order = node.order.__class__(**{**vars(node.order), "services": node.order.services[:1]})
    events = node.deploy("r3", wanted, resume=resume, prune=True)
    assert (kinds(events)[-1], head(node)) == ("goodbye success", wanted)
    expected = [("web", "web:2"), ("db", "db:1")] if is_forward else [("web", "app:1")]
    assert [(name, image) for name, image, _ in standing(node, "web", "db")] == expected


def test_a_resumed_run_that_fails_again_goes_back_to_the_last_completed_deployment(tmp_path):
    node, first, second = moved(tmp_path)
    before = standing(node, "web", "db")
    node.control(up_fails=["db:2"])
    assert kinds(node.deploy("r2", second))[-1] == "goodbye failed"
    events = node.deploy("r3", second, resume=True, rollback=True)
    assert "service_skipped deploy web" in kinds(events)
    assert "service_finished rollback web restored" in kinds(events)
    assert (kinds(events)[-1], standing(node, "web", "db"), head(node)) == ("goodbye rolled_back", before, first)


def test_a_first_deploy_that_fails_has_nothing_to_go_back_to(tmp_path):
    node = Node(tmp_path)
    node.control(up_fails=["db"])
    events = node.deploy("r1", node.commit_services("web", "db", **UP), rollback=True)
    assert (kinds(events)[-1], node.docker_services()) == ("goodbye failed", ["web"])
    assert "stage_started rollback" not in kinds(events)


@pytest.mark.parametrize(("failing", "outcome"), [(("db",), "failed"), ((), "rolled_back"), (("web",), "rolled_back")])
def test_only_what_was_failing_before_is_not_held_against_a_run(tmp_path, failing, outcome):
    node = Node(tmp_path)
    node.commit_services("web", "db", healthcheck={"test": "true"}, **UP)
    node.deploy("r1", node.commit())
    node.control(unhealthy=["db"])
    sick = node.deploy("r2", node.commit(**composed(web="web:2")), rollback=True, failing=failing)
    told = kinds(sick)
    assert "service_failed verify db unhealthy unhealthy" in told
    assert told[-1] == "goodbye " + outcome
    assert [image for _, image, _ in standing(node, "web")] == ["web:2" if outcome == "failed" else "app:1"]
