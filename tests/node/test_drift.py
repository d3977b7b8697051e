"""How containers differ from what a run left: pure tables, and orphans."""

import os

import pytest
from saturn_node import drift, state
from saturn_node.state import Paths, ServiceRecord
from saturn_node.wire import NodeOrder, ServiceOrder
from support.deployed import NEW, container, record


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
