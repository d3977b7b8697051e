from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support import build

from saturn_orchestrator.events import Conventions, NodeOrder, ServiceOrder, wire
from saturn_orchestrator.plan.order import conventions, node_order
from saturn_orchestrator.topology.model import Backup, Healthcheck, Ingress, Policy, Secrets, Waiver


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
        conventions=Conventions(own=("alpha",)),
    )


def test_conventions_say_what_the_topology_lets_the_services_do():
    today = datetime.now(UTC).date()
    waivers = [
        Waiver(code="network_host", host="alpha", service="web", reason="multicast", until=today),
        Waiver(code="privileged", host="alpha", reason="old", until=today - timedelta(days=1)),
    ]
    policy = Policy(forbidden_devices=("/dev/ttyUSB*",), severity={"image_unpinned": "error"}, waivers=tuple(waivers))
    host = build.host("alpha", address="10.0.0.5", autonomous=True, ingress=Ingress(public=("web",)), policy=policy)

    assert conventions(replace(host, strangers=("saturn",))) == Conventions(
        public=("web",),
        forbidden_devices=("/dev/ttyUSB*",),
        autonomous=True,
        strangers=("saturn",),
        own=("alpha", "10.0.0.5"),
        severity={"image_unpinned": "error"},
        waivers=(
            wire.Waiver("network_host", "web", "multicast", today.isoformat()),
            wire.Waiver("privileged", "", "old", (today - timedelta(days=1)).isoformat(), is_expired=True),
        ),
    )


def test_an_order_says_what_a_backup_takes_and_which_secrets_come():
    web = build.service(
        "web", exposure="public", required_env=("KEY",), backup=Backup(paths=("data",), keep=2, exclude=("*.log",)),
        secrets=Secrets(command=("pass", "show", "{name}")),
    )  # fmt: skip
    (order,) = node_order(build.host(services=(web,))).services

    assert (order.exposure, order.provided) == ("public", ("KEY",))
    assert order.backup == wire.BackupOrder(("data",), "stop", 2, ("*.log",))


def test_an_order_of_some_services_still_says_which_are_assigned():
    host = build.host(services=(build.service("db"), build.service("web")))

    order = node_order(host, frozenset({"web"}))

    assert ([service.name for service in order.services], order.assigned) == (["web"], ("db", "web"))


def test_an_order_says_where_the_node_gets_its_commits():
    git = replace(build.host().git, source="saturn")

    assert node_order(build.host(git=git)).source == "saturn"
