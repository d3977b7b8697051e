"""The schema that both sides share: what is written down here may be added to, and never changed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import saturn_node
from hypothesis import given
from hypothesis import strategies as st
from saturn_node import wire
from support.build import NODE_TYPES, instances, node_event

from saturn_orchestrator import events

NEEDED = {
    "hello": "",
    "stage_started": "stage",
    "stage_finished": "stage",
    "stage_skipped": "stage",
    "stage_failed": "stage code message",
    "checked_out": "stage revision_before revision_after",
    "service_started": "stage service",
    "service_finished": "stage service status",
    "service_skipped": "stage service",
    "service_verified": "stage service health",
    "service_failed": "stage service code message",
    "ack_needed": "stage service",
    "acknowledged": "stage service",
    "backup_written": "stage service snapshot",
    "backup_restored": "stage service snapshot",
    "finding": "stage code severity message",
    "progress": "stage text",
    "log": "stage text",
    "heartbeat": "",
    "worker_vanished": "",
    "cancelling": "target",
    "facts": "",
    "plan": "digest",
    "diagnostics_collected": "path",
    "diagnostics_part": "text",
    "backups": "",
    "backup_verified": "service snapshot",
    "backup_part": "service snapshot file offset data",
    "examined": "",
    "refused": "code message",
    "goodbye": "outcome",
}
"""The fields that every event of a type must have; a new one needs a default, or an older node is not understood."""


def type_of(kind: type) -> str:
    return kind.__dataclass_fields__["type"].default


def test_every_event_type_needs_just_these_fields():
    needed = {
        type_of(kind): [
            each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING
        ]
        for kind in NODE_TYPES
    }

    assert needed == {name: ["seq", "at", "run", "host", *words.split()] for name, words in NEEDED.items()}


def test_a_line_begins_with_the_documented_mark_and_names_the_stages():
    assert (wire.PREFIX, wire.PROTOCOL) == ("[STRUCT] ", 1)
    assert wire.STAGES == ("prepare", "validate", "deploy", "verify", "complete")


def test_an_event_is_one_compact_line_of_ascii():
    event = node_event(events.Log, stage="deploy", text="größer\n\u202e")

    assert wire.encode(event) == (
        '{"seq":1,"at":"2026-11-23T16:10:02.000Z","run":"20261123T161002Z-7f3a","host":"alpha","stage":"deploy",'
        '"text":"gr\\u00f6\\u00dfer\\n\\u202e","service":"","type":"log"}'
    )


@given(st.one_of(*(instances(kind) for kind in NODE_TYPES)))
def test_encode_of_any_event_is_one_line_of_json(event):
    line = wire.encode(event)

    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["type"] == type_of(type(event))


orders = st.builds(
    wire.NodeOrder, *[st.text(max_size=8)] * 5, services=st.lists(instances(wire.ServiceOrder), max_size=3).map(tuple)
)
requests = st.builds(
    wire.Request, st.text(max_size=8), st.text(max_size=8), orders, st.text(max_size=8), st.booleans(), st.integers()
)


@given(requests)
def test_a_request_comes_out_as_it_went_in(request_):
    assert wire.decode_request(wire.encode(request_)) == request_


def test_a_request_may_have_fields_that_this_node_does_not_know():
    node = wire.NodeOrder(
        "alpha", "/srv", "/srv/repo", "url", "main", services=(wire.ServiceOrder("web", "services/web"),)
    )
    data = json.loads(wire.encode(wire.Request("run", "r", node)))
    data["colour"] = data["node"]["colour"] = data["node"]["services"][0]["colour"] = "red"

    assert wire.decode_request(json.dumps(data)) == wire.Request("run", "r", node)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "{}", '{"verb":"run","run":"r","node":[]}', '{"verb":"run","node":{}}']
)
def test_what_is_no_request_is_a_value_error(text):
    with pytest.raises(ValueError):
        wire.decode_request(text)


OLDEST = Path.home() / ".pyenv" / "versions" / "3.8.18" / "bin" / "python3.8"


@pytest.mark.skipif(not OLDEST.exists(), reason=f"there is no Python 3.8 on this machine ({OLDEST})")
def test_the_oldest_supported_python_reads_and_writes_the_same():
    node = wire.NodeOrder(
        "alpha", "/srv", "/srv/repo", "url", "main", services=(wire.ServiceOrder("web", "services/web"),)
    )
    request = wire.encode(wire.Request("run", "r", node))
    program = "import sys; from saturn_node import wire; print(wire.encode(wire.decode_request(sys.argv[1])))"
    folder = Path(saturn_node.__file__).parents[1]

    done = subprocess.run((OLDEST, "-c", program, request), cwd=folder, capture_output=True, text=True, check=True)

    assert done.stdout == request + "\n"


def test_the_schema_needs_the_standard_library_alone():
    program = (
        "import sys, saturn_node.wire\n"
        "names = {each.split('.')[0] for each in sys.modules}\nprint(sorted(names - sys.stdlib_module_names))"
    )
    folder = Path(saturn_node.__file__).parents[1]

    done = subprocess.run((sys.executable, "-S", "-c", program), cwd=folder, capture_output=True, text=True, check=True)

    assert done.stdout == "['__main__', 'saturn_node']\n"
