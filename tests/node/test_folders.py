"""The folders of a service are there before it starts, and belong to the user that it runs as."""

import os

import pytest
from saturn_node import folders
from saturn_node.errors import NodeError
from saturn_node.state import Paths
from saturn_node.task import Task
from support.node import Node

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
KINDS = ("config", "data", "logs")


def owner(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make the folders of the service web, given who it runs as; the paths by kind."""
    node = Node(tmp_path)
    node.commit_services("web")
    places = {kind: node.path("root", kind, "web") for kind in KINDS}

    def make(**keys):
        service = {"volumes": [f"{places['data']}:/data", f"{places['logs']}:/logs:rw"], **keys}
        monkeypatch.setattr(folders.compose, "resolved", lambda project: {"services": {"web": service}})
        task = Task(node.request("run"), Paths(node.root), None, None, None)
        folders.make(task, node.order.services[0])
        return places

    make.node, make.places = node, places
    return make


@AS_ROOT
def test_missing_folders_are_made_for_the_numeric_user_that_mounts_them(made):
    owners = {kind: owner(path) for kind, path in made(user="1234:56").items()}
    assert owners == {"config": (0, 0), "data": (1234, 56), "logs": (1234, 56)}


@AS_ROOT
def test_folder_that_is_there_keeps_its_owner(made):
    os.makedirs(made.places["data"])
    os.chown(made.places["data"], 77, 78)
    made(user="1234:56")
    assert (owner(made.places["data"]), owner(made.places["logs"])) == ((77, 78), (1234, 56))


@AS_ROOT
def test_folder_that_was_made_keeps_its_owner_when_the_user_becomes_another(made):
    made(user="1234:56")
    made(user="99:99")
    assert owner(made.places["data"]) == (1234, 56)


@pytest.mark.parametrize("keys", [{"user": "node"}, {"user": ""}, {}, {"user": "4294967295"}, {"user": "9" * 5000}])
def test_without_a_numeric_user_folders_are_ones_own(made, keys):
    assert {owner(path)[0] for path in made(**keys).values()} == {os.geteuid()}


@pytest.mark.parametrize("is_dangling", [True, False])
def test_what_is_no_folder_is_named(made, is_dangling):
    os.makedirs(made.node.path("root/data"))
    if is_dangling:
        os.symlink("/nowhere", made.places["data"])
    else:
        made.node.write("root/data/web", "a file")
    with pytest.raises(NodeError) as caught:
        made()
    assert (caught.value.code, caught.value.hint) == ("folder_missing", f"ls -l {made.places['data']}")


def test_link_to_a_folder_is_a_folder(made):
    os.makedirs(made.node.path("root/data"))
    os.makedirs(made.node.path("disk"))
    os.symlink(made.node.path("disk"), made.places["data"])
    made(user="1234:56")
    assert owner(made.node.path("disk"))[0] == os.geteuid()


def test_deploy_makes_the_folders_before_it_brings_the_service_up(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web", volumes=[f"{node.path('root/data/web')}:/data"])
    events = node.deploy("r1", node.git("rev-parse", "HEAD"))
    assert events[-1]["outcome"] == "success"
    assert all(os.path.isdir(node.path("root", kind, "web")) for kind in KINDS)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({"a": {"user": "7", "volumes": ["/d:/x"]}}, {"/d": (7, 7)}),
        ({"a": {"user": "7:8", "volumes": [{"type": "bind", "source": "/d/", "target": "/x"}]}}, {"/d": (7, 8)}),
        ({"a": {"volumes": ["/d:/x"]}, "b": {"user": "8", "volumes": ["/d:/x"]}}, {"/d": (8, 8)}),
        ({"a": {"user": "7", "volumes": ["/d:/x"]}, "b": {"user": "8", "volumes": ["/d:/x"]}}, {"/d": (7, 7)}),
        ({"a": {"user": "7", "volumes": ["/d/sub:/x", "/dd:/y", "d:/z"]}}, {}),
        ({"a": {"user": "7", "scale": 0, "volumes": ["/d:/x"]}}, {}),
        ({"a": {"user": "node", "volumes": ["/d:/x"]}}, {}),
        ({}, {}),
    ],
)
def test_owner_is_the_first_numeric_user_that_mounts_the_folder(services, expected):
    assert folders.owners({"services": services}, ["/d"]) == expected
