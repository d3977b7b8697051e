"""The verb `plan`: it reads only, and what it foresees is what then happens."""

import json
import os
import tempfile
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from saturn_node import wire
from support.node import Node, carrying, compose_json, kinds

KEPT_UP = {"restart": "unless-stopped"}


class Lab:
    """A node with three services after a deploy, and what a person may do to it."""

    def __init__(self, folder):
        self.node = Node(folder)
        self.runs = 0
        self.files = {"services/web/conf/main.conf": "1", "services/app/src/main.py": "1", "README": "1"}
        self.services = {
            "web": {
                "web": {
                    "image": "web:1",
                    "environment": {"A": "${A:-none}"},
                    "volumes": ["./conf:/etc/conf:ro"],
                    "ports": ["127.0.0.1:80:80"],
                    **KEPT_UP,
                }
            },
            "db": {"db": {"image": "db:1", **KEPT_UP}, "job": {"image": "tool:1"}},
            "app": {"app": {"build": "./src", **KEPT_UP}},
        }
        self.node.env_file("web", "A=1\n")
        self.deploy()

    def revision(self):
        """Commit what stands in `services` and `files`, and order all of them."""
        orders = tuple(wire.ServiceOrder(name, "services/" + name, (), (), 5.0, 0.02) for name in self.services)
        self.node.order = replace(self.node.order, services=orders)
        composed = {
            f"services/{name}/docker-compose.yml": json.dumps({"services": each})
            for name, each in self.services.items()
        }
        return self.node.commit(**composed, **self.files)

    def plan(self, revision, **facts):
        """The plan of a run, foreseen with what SATURN sends."""
        data = self.node.bundle(revision)
        return self.node.ask(carrying(self.node.request("plan", "p", revision, facts_known=True, **facts), data), data)[
            1
        ]

    def deploy(self, **facts):
        """The plan of a run, and the events of that run."""
        self.runs += 1
        revision = self.revision()
        plan = self.plan(revision, **facts)
        return plan, self.node.deploy(f"r{self.runs}", revision, plan=plan["digest"], **facts)

    def identity(self, project):
        return self.node.containers(project)[0].id

    def override(self, service, **keys):
        text = json.dumps({"services": {service: keys}})
        self.node.write(f"root/config/{service}/docker-compose.override.yml", text)

    def by_hand(self, project, **definition):
        """A person changes a container with a compose file of their own."""
        path = self.node.write(f"by-hand/{project}.json", compose_json(project, image=f"{project}:1", **definition))
        self.node.docker("compose", "-p", project, "-f", path, "up", "--detach")

    def moved(self, image):
        """The registry has another image under the same name, and a person pulled it."""
        self.node.control(registry={image: f"after run {self.runs}"})
        self.node.docker("pull", image)

    def set(self, service, **keys):
        self.services[service][service] = {**self.services[service][service], **keys}

    def write(self, path, text):
        self.files[path] = text


def touched(events):
    """The services that a run changed."""
    ends = [each for each in events if each["type"] == "service_finished" and each["stage"] == "deploy"]
    return {each["service"] for each in ends if each["status"] in ("changed", "removed")}


def foreseen(plan):
    """The services that a plan says will be touched."""
    return {each["service"] for each in plan["changes"] if each["action"] != "unchanged"}


OF_FILES = {
    "an environment value": (lambda lab: lab.node.env_file("web", "A=2\n"), {"web"}),
    "a line of .env that nothing uses": (lambda lab: lab.node.env_file("web", "A=2\nB=1\n"), set()),
    "an override": (lambda lab: lab.override("db", user="9"), {"db"}),
    "an image": (lambda lab: lab.set("web", image="web:2"), {"web"}),
    "a mounted file": (lambda lab: lab.write("services/web/conf/main.conf", "2"), {"web"}),
    "a file beside a mounted one": (lambda lab: lab.write("services/web/conf/other.conf", "2"), {"web"}),
    "a file that nothing mounts": (lambda lab: lab.write("services/web/README", "2"), set()),
    "a file of a built image": (lambda lab: lab.write("services/app/src/main.py", "2"), {"app"}),
    "a label": (lambda lab: lab.set("app", labels={"a": "1"}), {"app"}),
}  # fmt: skip
OF_SHAPE = {
    "an order of start": (lambda lab: lab.set("db", depends_on=["job"], pull_policy="always"), set()),
    "one replica, said aloud": (lambda lab: lab.set("web", deploy={"replicas": 1}), {"web"}),
    "a larger scale": (lambda lab: lab.set("web", deploy={"replicas": 2}), {"web"}),
    "a smaller scale": (lambda lab: lab.set("web", deploy={"replicas": 1}), {"web"}),
    "a container more": (lambda lab: lab.services["db"].update(extra={"image": "tool:1"}), {"db"}),
    "a container less": (lambda lab: lab.services["db"].pop("extra"), {"db"}),
    "a service more": (lambda lab: lab.services.update(cache={"cache": {"image": "cache:1", **KEPT_UP}}), {"cache"}),
    "a service scaled to nothing": (lambda lab: lab.set("cache", scale=0), {"cache"}),
    "a service that stays at nothing": (lambda lab: None, set()),
}
BY_HAND = {
    "nothing": (lambda lab: None, set()),
    "a stop": (lambda lab: lab.node.docker("stop", lab.identity("web")), {"web"}),
    "a stop of a one-shot": (lambda lab: lab.node.docker("stop", lab.node.containers("db")[1].id), set()),
    "a removal of one container of two": (lambda lab: lab.node.docker("rm", "-f", lab.identity("db")), {"db"}),
    "a removal": (lambda lab: lab.node.docker("rm", "-f", lab.identity("app")), {"app"}),
    "another config": (lambda lab: lab.by_hand("web", command=["x"]), {"web"}),
    "another image under the same name": (lambda lab: lab.moved("web:1"), {"web"}),
    "another scale": (lambda lab: lab.by_hand("web", scale=2), {"web"}),
}


@pytest.mark.parametrize("table", [OF_FILES, OF_SHAPE, BY_HAND], ids=["files", "shape", "hands"])
def test_what_a_plan_foresees_is_what_then_happens(tmp_path, table):
    lab = Lab(tmp_path)
    for what, (edit, expected) in table.items():
        edit(lab)
        plan, events = lab.deploy()
        told = (what, foreseen(plan), touched(events), kinds(events)[-1])
        assert told == (what, expected, expected, "goodbye success")


@settings(max_examples=2, deadline=None, derandomize=True, phases=(Phase.generate,))
@given(
    st.lists(st.sets(st.sampled_from(sorted({**OF_FILES, **BY_HAND})), min_size=2, max_size=5), min_size=2, max_size=2)
)
def test_whatever_moves_together_is_foreseen_together(rounds):
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(folder)
        for edits in rounds:
            for what in sorted(edits):
                {**OF_FILES, **BY_HAND}[what][0](lab)
            plan, events = lab.deploy()
            assert (edits, foreseen(plan)) == (edits, touched(events))


def test_what_is_assigned_no_more_is_foreseen_to_go(tmp_path):
    lab = Lab(tmp_path)
    del lab.services["db"]
    plan, events = lab.deploy(prune=True)
    assert (foreseen(plan), touched(events)) == ({"db"}, {"db"})
    assert plan["changes"][-1] == {
        "service": "db", "action": "remove", "reasons": ["assigned to this host no more"], "images": [], "ports": [],
        "downtime": True,
    }  # fmt: skip


def everything(folder):
    """Every file and folder below a folder, its content and the time of its last change."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            is_file = name in names and not os.path.islink(path)
            with open(path if is_file else os.devnull, "rb") as file:
                found[path] = (os.lstat(path).st_mtime_ns, file.read())
    return found


def planned(node, revision, *sent):
    """The events of a plan; nothing below the root may move for it, and no temporary file stays."""
    os.makedirs(node.path("tmp"), exist_ok=True)
    node.env = {**node.env, "TMPDIR": node.path("tmp")}
    before = everything(node.root)
    request = node.request("plan", "p", revision)
    events = node.ask(*((carrying(request, sent[0]), sent[0]) if sent else (request,)))
    assert everything(node.root) == before
    assert os.listdir(node.path("tmp")) == []
    return events


def two_revisions(tmp_path):
    """A node after a deploy, and a later revision that it does not have."""
    node = Node(tmp_path)
    first = node.commit_services("web", **KEPT_UP)
    node.deploy("r1", first)
    return node, first, node.commit_services("web", image="app:2", ports=["127.0.0.1:8080:80"], **KEPT_UP)


def test_plan_answers_facts_and_plan_and_changes_nothing(tmp_path):
    node, first, _ = two_revisions(tmp_path)
    events = planned(node, first)
    assert kinds(events) == ["hello", "facts complete", "plan", "goodbye success"]
    assert (events[2]["is_foreseen"], [each["action"] for each in events[2]["changes"]]) == (True, ["unchanged"])


def test_a_revision_that_the_node_lacks_is_not_foreseen(tmp_path):
    node, _, second = two_revisions(tmp_path)
    events = planned(node, second)
    assert (events[1]["has_revision"], events[2]["is_foreseen"], events[2]["changes"]) == (False, False, [])
    assert len(events[2]["digest"]) == 64


def test_a_revision_that_was_sent_is_foreseen_without_a_trace(tmp_path):
    node, first, second = two_revisions(tmp_path)
    events = planned(node, second, node.bundle(second, first))
    assert kinds(events) == ["hello", "facts complete", "plan", "goodbye success"]
    [change] = events[2]["changes"]
    assert (change["action"], change["reasons"], change["ports"], change["downtime"]) == (
        "recreate", ["image changed", "ports changed"], ["127.0.0.1:8080->80/tcp"], True,
    )  # fmt: skip
    [image] = change["images"]
    assert (image["before"], image["after"], image["after_id"], image["size"]) == ("app:1", "app:2", "", -1)


def test_a_revision_in_the_checkout_is_foreseen_from_a_dirty_one_without_touching_it(tmp_path):
    node, first, _ = two_revisions(tmp_path)
    node.write("root/repo/services/web/docker-compose.yml", "a person's unfinished thought")
    assert [each["action"] for each in planned(node, first)[2]["changes"]] == ["unchanged"]


def test_a_node_without_a_checkout_is_planned_from_what_was_sent(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web")
    [change] = planned(node, revision, node.bundle(revision))[2]["changes"]
    assert (change["service"], change["action"]) == ("web", "create")
    assert not os.path.exists(node.root)


def test_files_that_compose_refuses_are_told_in_the_plan(tmp_path):
    node, first, _ = two_revisions(tmp_path)
    broken = node.commit(**{"services/web/docker-compose.yml": "{broken"})
    [change] = planned(node, broken, node.bundle(broken, first))[2]["changes"]
    assert change["action"] == "invalid"
    assert "compose refuses its files" in change["reasons"][0]


def test_a_node_in_a_bad_way_has_facts_and_no_plan(tmp_path):
    node, first, _ = two_revisions(tmp_path)
    node.control(down=True)
    assert kinds(planned(node, first)) == ["hello", "facts complete", "goodbye success"]


def test_no_secret_is_in_a_plan_or_in_a_record(tmp_path):
    lab = Lab(tmp_path)
    lab.node.env_file("web", "A=hunter2\n")
    plan, events = lab.deploy()
    folder = lab.node.path("root/state/deploy/services")
    records = [lab.node.read(os.path.join(folder, name)) for name in os.listdir(folder)]
    assert "hunter2" not in json.dumps([plan, events, records])
    assert [each["reasons"] for each in plan["changes"] if each["service"] == "web"] == [["environment: A changed"]]


def test_a_plan_tells_what_is_not_well_already_and_no_secret_with_it(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web", "db", "new", **KEPT_UP)
    revision = node.commit(**{"services/web/healthcheck.sh": "echo token is $TOKEN; test -e $SATURN_ROOT/well"})
    node.env_file("web", "TOKEN=hunter2hunter2\n")
    node.write("root/well", "")
    *others, _ = node.order.services
    everyone, node.order = node.order, replace(node.order, services=tuple(others))
    assert kinds(node.deploy("r1", revision))[-1] == "goodbye success"
    os.unlink(node.path("root/well"))
    node.order = everyone
    plan = planned(node, revision)[2]
    assert plan["failing"] == [
        {"service": "web", "message": "healthcheck.sh exit status 1: token is [redacted]"},
    ]


def test_files_that_git_does_not_know_may_be_what_compose_misses(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web"))
    node.write("root/repo/services/web/local.conf", "1")
    broken = node.commit(**{"services/web/docker-compose.yml": "{ not a compose file"})
    node.git("fetch", "-q", node.origin, "main", folder=node.checkout)
    plan = node.ask(node.request("plan", "p", broken))[2]
    assert [(each["action"], each["reasons"][1:]) for each in plan["changes"]] == [
        ("unknown", ["its folder on the node has files that git does not know"])
    ]


def test_a_pull_that_always_happens_may_bring_another_image(tmp_path):
    node = Node(tmp_path)
    revision = node.commit_services("web", restart="unless-stopped")
    node.deploy("r1", revision)
    node.order = replace(node.order, pull="always")
    plan = node.ask(node.request("plan", "p", revision))[2]
    assert [(each["action"], each["reasons"]) for each in plan["changes"]] == [
        ("unchanged", ["unless the pull brings another image"])
    ]
