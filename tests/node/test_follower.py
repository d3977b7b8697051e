"""How often a run's file is looked at. What a follower hands on is tried whole, in test_conversation.py."""

import json
import os

import pytest
from saturn_node import follower, lock
from saturn_node.follower import Follower
from saturn_node.state import Paths
from saturn_node.wire import NodeOrder, Request


def pauses(folder, *kinds):
    """What a follower waits each time, while a worker writes one event of these kinds in each pause; "": nothing."""
    paths = Paths(str(folder))
    os.makedirs(paths.run("r1"))
    events = lock.take(paths.run("r1", "events.jsonl"))  # as its worker does
    waited, left = [], list(kinds)

    def wait(seconds):
        waited.append(round(seconds, 3))
        if not left:
            return False
        kind = left.pop(0)
        if kind:
            os.write(events, json.dumps({"seq": 1, "type": kind}, separators=(",", ":")).encode() + b"\n")
        return True

    try:
        Follower(
            paths, Request(verb="follow", run="r1", node=NodeOrder("h", str(folder), "", "", "")), lambda _: None
        ).follow(wait)
    finally:
        os.close(events)
    return waited


@pytest.mark.parametrize(
    ("kind", "pause"),
    [
        ("stage_started", follower.POLL_S),
        ("service_finished", follower.POLL_S),
        ("log", follower.OUTPUT_S),
        ("progress", follower.OUTPUT_S),
    ],
)
def test_output_is_let_gather_and_all_else_is_handed_on_soon(tmp_path, kind, pause):
    assert pauses(tmp_path, "hello", kind) == [follower.POLL_S, follower.POLL_S, pause]


def test_a_file_that_rests_is_looked_at_ever_later_up_to_a_bound(tmp_path):
    waited = pauses(tmp_path, "hello", *[""] * 12)

    assert waited[1:] == sorted(waited[1:])
    assert waited[-1] == follower.IDLE_S
