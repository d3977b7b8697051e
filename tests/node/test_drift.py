"""How containers differ from what a run left: pure tables, and orphans."""

import os

import pytest
from saturn_node import drift, state
from saturn_node.compose import Container
from saturn_node.state import Paths, ServiceRecord
from saturn_node.wire import NodeOrder, ServiceOrder

OLD, NEW = "sha256:old", "sha256:new"


def container(service="web", **fields):
    known = {
        "id": service, "name": f"web-{service}-1", "project": "web", "service": service, "image": "app:1",
        "image_id": OLD, "state": "running", "health": "", "exit_code": 0, "restarts": 0, "started_at": "1",
        "policy": "unless-stopped", "hash": "h1", "folder": "",
    }  # fmt: skip
    return Container(**{**known, **fields})


def record(*services, keys=None, ports=(), **known):
    """What a deploy left."""
    stood = {"hash": "h1", "image": "app:1", "image_id": OLD, "digest": "", **known}
    kept = {"image": "i1", "environment.A": "a1", "scale": "s1"} if keys is None else keys
    names = services or ("web",)
    return ServiceRecord("r", "", "", (), dict.fromkeys(names, stood), dict.fromkeys(names, kept), ports)


@pytest.mark.parametrize(
    ("known", "containers", "sentences"),
    [
        (record(), [container()], ()),
        (None, [container()], ()),
        (ServiceRecord("r", "", ""), [container()], ()),
        (record("web", "db"), [container()], ("container db is missing",)),
        (record(), [container(), container("db")], ("container db is not of the last deploy",)),
        (record(), [container(hash="h2")], ("container web-web-1 was changed by hand",)),
        (record(), [container(image_id=NEW)], ("container web-web-1 runs another image than the last deploy left",)),
        (record(), [container(hash="h2", image_id=NEW)], ("container web-web-1 was changed by hand",)),
        (record(), [], ("container web is missing",)),
    ],
)
def test_drift_is_how_containers_differ_from_the_last_deploy(known, containers, sentences):
    assert drift.moved(known, containers) == sentences


@pytest.mark.parametrize(
    ("project", "folder", "names"),
    [
        ("db", "/r/repo/services/db", ("db",)),
        ("db", "/home/ada/db", ()),
        ("db", "/r/repo-of-ada/db", ()),
        ("db", "", ()),
        ("by-hand", "/r/repo/services/by-hand", ()),
        ("web", "/r/repo/services/web", ()),
        ("spared", "/r/repo/services/spared", ()),
    ],
)
def test_only_what_a_run_brought_up_from_the_checkout_may_be_an_orphan(tmp_path, project, folder, names):
    paths = Paths(str(tmp_path))
    os.makedirs(os.path.join(paths.state, "services"))
    for each in ("web", "db", "spared"):
        state.write_record(paths, each, ServiceRecord("a", "", ""))
    services = (ServiceOrder("web", "services/web"),)
    order = NodeOrder("h", str(tmp_path), "/r/repo", "", "main", services=services, assigned=("web", "spared"))
    assert drift.orphans(order, [container(project=project, folder=folder)]) == names
