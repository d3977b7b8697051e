from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.build import AT, NODE_TYPES, OWN_TYPES, RUN, instances, node_event, own_event, unknown_events

from saturn_orchestrator import events
from saturn_orchestrator.events import Line, LogLine, Malformed, Output, UnknownEvent

ENVELOPE = {"seq": 3, "at": AT, "run": RUN, "host": "alpha"}


def line(**body: object) -> bytes:
    return b"[STRUCT] " + json.dumps({**ENVELOPE, **body}).encode()


def raw(body: str) -> bytes:
    return b"[STRUCT] " + body.encode("utf-8", "surrogatepass")


def test_decode_gives_the_event_of_a_line():
    said = line(type="stage_finished", stage="prepare", duration_s=1.5)

    assert events.decode(said) == node_event(events.StageFinished, 3, stage="prepare", duration_s=1.5)


def test_decode_ignores_fields_it_does_not_know():
    said = line(type="stage_started", stage="prepare", colour="red")

    assert events.decode(said) == node_event(events.StageStarted, 3, stage="prepare")


def test_decode_keeps_an_event_of_unknown_type():
    said = line(type="weather", wind=[1, {"gusts": True}])

    assert events.decode(said) == UnknownEvent(3, AT, RUN, "alpha", "weather", {"wind": [1, {"gusts": True}]})


@pytest.mark.parametrize(
    "said, text",
    [
        (b"", ""),
        (b"plain output\r\n", "plain output"),
        (b"[STRUCT]no blank behind the mark", "[STRUCT]no blank behind the mark"),
        (b" [STRUCT] {}", " [STRUCT] {}"),
        (b"\xff\xfe bytes", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} bytes"),
        (b"\x1b[2J\x1b]0;title\x07gone", "[2J]0;titlegone"),
        ("safe\u202etxt.exe".encode(), "safetxt.exe"),
        ("zero\u200bwidth".encode(), "zerowidth"),
        (b"a\tb\rc", "a    b c"),
        ("a\u2028b\u2029c".encode(), "a b c"),
        (b"nul\x00and\x7fdel\xc2\x9bcsi", "nulanddelcsi"),
    ],
)
def test_decode_takes_other_output_as_neutral_text(said, text):
    assert events.decode(said) == LogLine(text)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(raw(""), id="nothing"),
        pytest.param(raw("{"), id="cut"),
        pytest.param(raw("[]"), id="a list"),
        pytest.param(raw("null"), id="null"),
        pytest.param(raw('{"seq":1}'), id="no type"),
        pytest.param(line(type=7), id="type is a number"),
        pytest.param(line(type=["hello"]), id="type is a list"),
        pytest.param(line(type="stage_started"), id="a field is missing"),
        pytest.param(line(type="stage_started", stage=["prepare"]), id="a field is of another type"),
        pytest.param(line(type="stage_started", stage="prepare", seq=0), id="seq 0"),
        pytest.param(line(type="stage_started", stage="prepare", seq=-4), id="seq below 0"),
        pytest.param(line(type="stage_started", stage="prepare", seq="x"), id="seq is a word"),
        pytest.param(line(type="stage_started", stage="prepare", seq=2**63), id="seq beyond what SQLite holds"),
        pytest.param(line(type="weather", seq=-4), id="seq of an unknown type below 0"),
        pytest.param(line(type="weather", seq=2**63), id="seq of an unknown type beyond what SQLite holds"),
        pytest.param(raw('{"type":"weather","seq":' + "9" * 5000 + "}"), id="a number of 5000 digits"),
        pytest.param(raw('{"type":"weather","seq":1,"at":"","run":"r"}'), id="an unknown type without a host"),
        pytest.param(line(type="goodbye", outcome="success", duration_s=float("nan")), id="NaN"),
        pytest.param(line(type="weather", wind=float("inf")), id="Infinity"),
        pytest.param(line(type="goodbye", outcome="success").replace(b"success", b'"', 1), id="broken quotes"),
        pytest.param(line(type="goodbye", outcome="x", duration_s=1).replace(b": 1}", b": 1e999}"), id="beyond float"),
        pytest.param(line(type="run_lost", code="", message=""), id="an event only the controller may make"),
        pytest.param(raw('{"type":"weather","wind":' + "[" * 30_000 + "]" * 30_000 + "}"), id="deep nesting"),
        pytest.param(line(type="weather", wind=json.loads("[" * 400 + "]" * 400)), id="nesting deeper than any event"),
        pytest.param(raw('{"type":"hello","ty\\u200bpe":[]}'), id="a second type behind an invisible character"),
        pytest.param(line(type="log", stage="", text="x" * events.MAX_LINE), id="too long"),
    ],
)
def test_decode_calls_what_claims_to_be_an_event_and_is_none_malformed(said):
    assert type(events.decode(said)) is Malformed


def test_decode_neutralises_every_text_of_an_event():
    said = line(
        type="service_failed", stage="deploy", service="web", code="x", message="a\x1b[31mb\nc", tail=["\u202eup", "\r"]
    )

    assert events.decode(said) == node_event(
        events.ServiceFailed, 3, stage="deploy", service="web", code="x", message="a[31mb c", tail=("up", " ")
    )


def test_decode_removes_lone_surrogates():
    assert (
        events.decode(raw('{"seq":3,"at":"","run":"","host":"","type":"log","stage":"","text":"a\\ud800b"}')).text
        == "ab"
    )


def test_decode_keeps_the_lines_of_a_diagnostics_part_only():
    part = events.decode(line(type="diagnostics_part", text="one\ntwo\x1b[0m\n"))
    log = events.decode(line(type="log", stage="", text="one\ntwo"))

    assert (part.text, log.text) == ("one\ntwo[0m\n", "one two")


def test_decode_bounds_what_it_quotes_of_a_malformed_line():
    assert len(events.decode(raw("x" * 5000)).text) == 200


@given(st.binary(max_size=300))
def test_decode_never_raises_for_any_bytes(said):
    assert isinstance(events.decode(said), LogLine | Malformed)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for each in pair for text in texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in texts(each))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
type_names = st.sampled_from([kind.__dataclass_fields__["type"].default for kind in (*NODE_TYPES, *OWN_TYPES)])
field_names = st.sampled_from(
    ["seq", "at", "run", "host", "stage", "service", "text", "tail", "lock", "services", "ty\u200bpe"]
)


@given(type_names | st.text(max_size=8), st.dictionaries(field_names | st.text(max_size=5), json_values, max_size=8))
def test_decode_never_raises_and_lets_no_control_character_through(kind, body):
    decoded = events.decode(b"[STRUCT] " + json.dumps({**ENVELOPE, **body, "type": kind}).encode())

    allowed = {"\n"} if isinstance(decoded, events.DiagnosticsPart) else set()
    seen = {char for text in texts(asdict(decoded)) for char in text}
    assert not {char for char in seen - allowed if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


@given(st.one_of(*(instances(kind) for kind in NODE_TYPES)))
def test_decode_takes_what_encode_makes_of_any_event_of_a_node(event):
    said = b"[STRUCT] " + events.encode(event).encode()
    decoded = events.decode(said)

    if event.seq >= 1 or events.is_aside(event):
        assert decoded == event
    else:
        assert isinstance(decoded, Malformed)


@pytest.mark.parametrize("kind", [*NODE_TYPES, *OWN_TYPES], ids=lambda kind: kind.__name__)
def test_restore_is_the_way_back_from_encode(kind):
    event = own_event(kind) if kind in OWN_TYPES else node_event(kind)

    assert events.restore(events.encode(event)) == event


@given(st.one_of(*(instances(kind) for kind in (*NODE_TYPES, *OWN_TYPES)), unknown_events))
def test_restore_is_the_way_back_from_encode_for_any_value(event):
    assert events.restore(events.encode(event)) == event


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"type":"hello"}', '{"type":"x"}'])
def test_restore_refuses_what_is_no_event(text):
    with pytest.raises(ValueError):
        events.restore(text)


def test_every_type_name_is_used_once():
    names = [kind.__dataclass_fields__["type"].default for kind in (*NODE_TYPES, *OWN_TYPES)]

    assert sorted(names) == sorted(set(names))


def test_is_own_tells_the_controllers_events_from_the_nodes():
    assert {kind for kind in OWN_TYPES if events.is_own(own_event(kind))} == set(OWN_TYPES)
    assert not [kind for kind in NODE_TYPES if events.is_own(node_event(kind))]


@pytest.mark.parametrize("kind", [events.Log, events.Progress])
@given(text=st.text(), service=st.text(), seq=st.integers(1, 2**53))
def test_a_line_of_output_is_written_down_as_any_event(kind, text, service, seq):
    event = kind(seq=seq, at="now", run="r", host="alpha", stage="deploy", text=text, service=service)

    assert events.body_of(event) == events.encode(event)


@pytest.mark.parametrize("kind", [events.Log, events.Progress])
@given(text=st.text(), extra=st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=3))
def test_a_line_of_output_means_the_same_by_the_short_way_and_by_the_long(kind, text, extra):
    event = kind(seq=7, at="now", run="r", host="alpha", stage="deploy", text=text)
    body = json.loads(events.encode(event))
    short = json.dumps({**extra, **body}, separators=(",", ":"))
    long = json.dumps({"type": event.type, **extra, **body}, separators=(",", ":"))

    assert events.decode(f"{events.PREFIX}{short}".encode()) == events.decode(f"{events.PREFIX}{long} ".encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"seq":0,"at":"","run":"","host":"","stage":"","text":"","type":"log"}',
        '{"seq":9007199254740993,"at":"","run":"","host":"","stage":"","text":"","type":"log"}',
        '{"seq":1,"type":"log"}',
        '["type":"log"}',
        '{"seq":1,"at":"","run":"","host":"","stage":"","text":{"type":"log"},"type":"log"}',
        '{"at":"type":"log"}',
    ],
)
def test_a_bad_line_of_output_is_malformed(body):
    assert isinstance(events.decode(f"{events.PREFIX}{body}".encode()), events.Malformed)


# --- lines that come together -----------------------------------------------------------------------------------------

plain_text = st.text(st.characters(min_codepoint=32, max_codepoint=126)) | st.text(st.sampled_from('a"\\/{}[],: '))
output = st.builds(
    lambda kind, **fields: kind(**fields),
    st.sampled_from((events.Log, events.Progress)), seq=st.integers(0, 2**54), at=plain_text, run=st.just(RUN),
    host=st.sampled_from(("alpha", "beta")), stage=st.just("deploy"), text=plain_text | st.text(), service=plain_text,
)  # fmt: skip
written = (output | st.one_of(*(instances(kind) for kind in NODE_TYPES))).map(
    lambda event: events.PREFIX.encode() + events.encode(event).encode()
)
damaged = st.builds(lambda said, begin, end: said[begin:end], written, st.integers(0, 20), st.integers(20, 200))
glued = st.builds(lambda one, mark, other: one + mark + other, written, st.sampled_from((b"", b",", b"\r")), written)
said_lines = st.one_of(written, written, written, damaged, glued, st.binary(max_size=30)).map(
    lambda said: said.replace(b"\n", b"")
)


def one_by_one(lines: Sequence[bytes]) -> list[Line]:
    told = list(events.decoded(lines))
    assert all(len(each.lines) > 1 for each in told if isinstance(each, Output))
    return [one for each in told for one in (each.lines if isinstance(each, Output) else (each,))]


@given(st.lists(said_lines, max_size=8))
def test_lines_that_come_together_mean_what_each_of_them_means(lines):
    assert one_by_one(lines) == [events.decode(each) for each in lines]


@given(st.lists(output, min_size=2, max_size=8))
def test_output_is_written_down_as_it_was_sent(told):
    for event in one_by_one([events.PREFIX.encode() + events.encode(each).encode() for each in told]):
        assert isinstance(event, Malformed) or events.body_of(event) == events.encode(event)


GOOD = events.encode(node_event(events.Log, 1, text="x"))


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([f"{GOOD},{GOOD}", GOOD], id="two in a line"),
        pytest.param([GOOD.replace('"x"', '["x"'), GOOD.replace('"x"', '"x"]')], id="a list over two lines"),
        pytest.param([GOOD[:-1] + ',"more":{', '},"type":"log"}', f"{GOOD},{GOOD}"], id="one over two lines"),
        pytest.param([f"{GOOD} ", f"{GOOD}\r\r"], id="something behind"),
    ],
)
def test_no_line_can_borrow_from_its_neighbour(bodies):
    lines = [events.PREFIX.encode() + each.encode() for each in bodies]

    assert one_by_one(lines) == [events.decode(each) for each in lines]


def test_output_in_the_form_of_the_executor_is_found_at_once(monkeypatch):
    told = [node_event(kind, seq, text='a "b" c:\\d') for kind in (events.Log, events.Progress) for seq in (1, 2)]
    monkeypatch.setattr(events, "decode", None)

    assert one_by_one([events.PREFIX.encode() + events.encode(each).encode() for each in told]) == told


def test_a_line_that_is_too_long_is_none_of_them():
    long = events.PREFIX.encode() + events.encode(node_event(events.Log, 1, text="x" * events.MAX_LINE)).encode()

    assert [type(each) for each in one_by_one([long, long])] == [Malformed, Malformed]
