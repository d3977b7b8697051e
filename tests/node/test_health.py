import pytest
from saturn_node.compose import Container
from saturn_node.health import service_verdict

WEB = Container("1", "web-1", "web", "web", "app:1", "sha", "running", "", 0, 0, "t1", "no")


def judged(containers, earlier=(), expected=()):
    verdict = service_verdict(containers, earlier, expected)
    return verdict.state, verdict.health or verdict.code


@pytest.mark.parametrize(
    ("now", "earlier", "expected"),
    [
        ({"health": "healthy"}, None, ("well", "healthy")),
        ({"health": "starting"}, None, ("waiting", "unhealthy")),
        ({"health": "unhealthy"}, {"health": "unhealthy"}, ("waiting", "unhealthy")),
        ({}, None, ("waiting", "not_running")),
        ({}, {}, ("well", "running")),
        ({"id": "2"}, {}, ("waiting", "not_running")),
        ({"restarts": 2}, {"restarts": 1}, ("waiting", "restarting")),
        ({"started_at": "t2"}, {}, ("waiting", "restarting")),
        ({"state": "restarting"}, {}, ("waiting", "restarting")),
        ({"state": "exited"}, {}, ("well", "finished")),
        ({"state": "exited", "policy": "on-failure"}, None, ("well", "finished")),
        ({"state": "exited", "policy": "always"}, None, ("waiting", "not_running")),
        ({"state": "exited", "exit_code": 1}, None, ("failed", "not_running")),
        ({"state": "exited", "exit_code": 1, "policy": "on-failure"}, None, ("waiting", "not_running")),
        ({"state": "created"}, None, ("waiting", "not_running")),
        ({"state": "dead"}, None, ("waiting", "not_running")),
    ],
)
def test_service_verdict_of_one_container(now, earlier, expected):
    before = () if earlier is None else (WEB._replace(**earlier),)
    assert judged((WEB._replace(**now),), before) == expected


def test_service_verdict_is_the_worst_of_its_containers():
    sick = WEB._replace(id="2", service="db", health="unhealthy")
    dead = WEB._replace(id="3", service="job", state="exited", exit_code=1)
    assert judged((WEB, sick), (WEB,)) == ("waiting", "unhealthy")
    assert judged((WEB, sick, dead), (WEB,)) == ("failed", "not_running")


def test_service_verdict_wants_a_container_of_every_expected_service():
    assert judged((), (), ("web",)) == ("waiting", "not_running")
    assert judged((WEB,), (WEB,), ("web", "db")) == ("waiting", "not_running")
    assert judged((), (), ()) == ("well", "finished")
