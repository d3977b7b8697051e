"""What a node says of itself, and what SATURN knows to be said: the same names, and lines that a reader takes whole."""

from __future__ import annotations

from saturn_node import examination, wire
from saturn_node.wire import Check
from support.node import Node

from saturn_orchestrator.events import MAX_LINE
from saturn_orchestrator.state.checkup import HOST_CHECKS

OF_SATURN = {"reachability", "path", "round_trip", "executor", "examination", "clock"}
"""Checks of a host that are made without it."""


def test_a_node_makes_every_check_that_saturn_names(tmp_path):
    node = Node(tmp_path)
    node.deploy("r1", node.commit_services("web"))

    groups = [event["checks"] for event in node.ask(node.request("examine")) if event["type"] == "examined"]

    assert {check["name"] for group in groups for check in group} == set(HOST_CHECKS) - OF_SATURN


def test_a_group_fits_a_line():
    check = examination._bounded(Check("disk", "fail", "ü" * 5000, "ü" * 5000))
    event = wire.Examined(1, "2026-11-26T16:10:00.000Z", "r", "alpha", (check,) * 7)

    assert len(wire.encode(event)) < MAX_LINE
