from __future__ import annotations

from support import build

from saturn_orchestrator.events import NodeOrder, ServiceOrder
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.topology.model import Healthcheck


def test_node_order_says_all_that_outlives_a_run():
    web = build.service(
        "web", depends_on=("db",), required_env=("KEY",), healthcheck=Healthcheck(timeout_s=9, interval_s=1),
        connectivity=True,
    )  # fmt: skip
    host = build.host("alpha", root="/srv", services=(build.service("db"), web), ack_timeout_s=30)

    assert node_order(host) == NodeOrder(
        host="alpha",
        root="/srv",
        checkout="/opt/homelab/repo",
        origin="ssh://git@forge/homelab.git",
        branch="main",
        compose=("docker", "compose"),
        pull="missing",
        up_timeout_s=300.0,
        services=(
            ServiceOrder("db", "services/db"),
            ServiceOrder("web", "services/web", ("db",), ("KEY",), 9.0, 1.0, connectivity=True),
        ),
        source="auto",
        assigned=("db", "web"),
        ack_timeout_s=30,
    )


def test_an_order_of_some_services_still_says_which_are_assigned():
    host = build.host(services=(build.service("db"), build.service("web")))

    order = node_order(host, frozenset({"web"}))

    assert ([service.name for service in order.services], order.assigned) == (["web"], ("db", "web"))


def test_an_order_says_where_the_node_gets_its_commits():
    git = build.host().git.model_copy(update={"source": "saturn"})

    assert node_order(build.host(git=git)).source == "saturn"
