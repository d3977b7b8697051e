import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturn_node import log as log_module
from saturn_node import wire
from saturn_node.errors import NodeError
from saturn_node.log import Reserve, RunLog, Sink, cut_in_the_middle, human_lines
from saturn_node.redaction import Redactor
from saturn_node.wire import AckNeeded, Acknowledged, Goodbye, Log, StageFailed, StageStarted


def sink_to(records, *values):
    return Sink("r1", "chelsty", Redactor(values), records.append)


def test_sink_numbers_stamps_and_fills_in_the_stage():
    records = []
    sink = sink_to(records)
    sink.stage = "deploy"
    sink.send(StageStarted)
    sink.send(Log, text="x", service="web", stage="verify")
    assert [(each["seq"], each["stage"], each["run"], each["host"]) for each in records] == [
        (1, "deploy", "r1", "chelsty"),
        (2, "verify", "r1", "chelsty"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["at"]) for each in records)


def test_sink_cleans_redacts_and_bounds_free_text_only():
    records = []
    sink = sink_to(records, ("TOKEN", "web-secret"))
    error = NodeError("up_failed", "web-secret\x1b[31m " + "y" * 5000, "hint", tail=["web-secret"] * 99)
    sink.failed(StageFailed, error, service="web-secret", tail=error.tail)
    record = records[0]
    assert record["service"] == "web-secret"
    assert record["message"].startswith("[redacted] y")
    assert len(record["message"]) <= wire.MAX_TEXT
    assert record["tail"] == ["[redacted]"] * wire.MAX_TAIL


def test_a_command_to_type_is_not_defaced_by_a_value_that_is_an_everyday_word():
    records = []
    error = NodeError(
        "up_failed", "the node solaria said so", "saturn deploy --hosts solaria; git ls-remote https://u:p@h/x"
    )
    sink_to(records, ("HOST", "solaria")).failed(StageFailed, error)
    assert records[0]["message"] == "the node [redacted] said so"
    assert records[0]["hint"] == "saturn deploy --hosts solaria; git ls-remote https://[redacted]@h/x"


def test_a_question_and_its_answer_read_well_in_the_deploy_log():
    records = []
    sink = sink_to(records)
    sink.stage = "deploy"
    sink.send(AckNeeded, service="vpn", timeout_s=120.0)
    sink.send(Acknowledged, service="vpn", by="ada@saturn")
    lines = [line.partition(" ")[2] for each in records for line in human_lines(each)]
    assert lines == [
        "deploy vpn carries the connection: acknowledge within 120 s",
        "deploy vpn acknowledged by ada@saturn",
    ]


def test_sink_keeps_its_number_when_the_write_failed():
    def full(_record):
        raise OSError(28, "No space left on device")

    sink = Sink("r1", "h", Redactor(), full)
    try:
        sink.send(Log, text="x")
    except OSError:
        assert sink.seq == 0


def test_cut_in_the_middle_keeps_both_ends():
    assert cut_in_the_middle("a" * 50 + "b" * 50, 25) == "a" * 10 + " ... " + "b" * 10
    assert cut_in_the_middle("short", 25) == "short"


def test_human_lines_show_evidence_and_the_way_out():
    record = {
        "type": "stage_failed", "at": "2026-01-02T03:04:05.000Z", "stage": "deploy", "service": "web",
        "code": "up_failed", "message": "no", "hint": "saturn diagnose", "tail": ["one", "two"],
    }  # fmt: skip
    assert human_lines(record) == [
        "03:04:05 deploy web stage deploy FAILED (up_failed): no",
        "         | one",
        "         | two",
        "         next: saturn diagnose",
    ]


def test_run_log_writes_the_same_sequence_to_both_files(tmp_path):
    events = os.open(str(tmp_path / "events.jsonl"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    log = RunLog(events, str(tmp_path / "deploy.log"), Reserve(str(tmp_path / "reserve")))
    sink = Sink("r1", "h", Redactor(), log.write)
    sink.stage = "deploy"
    for number in range(3):
        sink.send(Log, text=f"line {number}")
    os.close(events)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    logged = (tmp_path / "deploy.log").read_text().splitlines()
    assert [line for line in logged if line.startswith(wire.PREFIX)] == [wire.PREFIX + line for line in lines]
    assert [json.loads(line)["text"] for line in lines] == ["line 0", "line 1", "line 2"]
    assert [line[9:] for line in logged if not line.startswith(wire.PREFIX)] == [
        "deploy line 0",
        "deploy line 1",
        "deploy line 2",
    ]


@given(st.text(max_size=3000), st.lists(st.text(max_size=3000), max_size=60))
def test_no_event_is_longer_than_a_reader_takes(message, tail):
    records = []
    error = NodeError("up_failed", message, message, tail=[*tail, "\U0001f525" * 3000])
    sink_to(records).failed(StageFailed, error, tail=error.tail)
    assert len(wire.encode(records[0])) <= 60_000
    assert records[0]["code"] == "up_failed"


def test_a_run_keeps_so_much_chatter_and_says_how_much_it_left_out(monkeypatch):
    monkeypatch.setattr(log_module, "CHATTER_MAX", 3)
    records = []
    sink = sink_to(records)
    for number in range(10):
        sink.send(Log, text=f"line {number}", stage="deploy")
    sink.send(StageStarted, stage="verify")
    sink.send(Goodbye, outcome="success")
    assert [(each["seq"], each["type"]) for each in records] == [
        (1, "log"), (2, "log"), (3, "log"), (4, "stage_started"), (5, "progress"), (6, "goodbye"),
    ]  # fmt: skip
    assert records[4]["text"] == "7 lines of output were left out: this run had more than it may keep"


def test_chatter_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(log_module, "CHATTER_BYTES", 5000)
    records = []
    sink = sink_to(records)
    for _ in range(10):
        sink.send(Log, text="x" * 4000, stage="deploy")
    assert len(records) == 2


class FullDisk:
    """os.write to a disk on which nothing fits until the reserve is given away."""

    def __init__(self, reserve, monkeypatch):
        self._reserve = reserve
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor, data):
        if not self._reserve.is_used:
            self._write(descriptor, bytes(data)[:3])
            raise OSError(28, "No space left on device")
        return self._write(descriptor, data)


def test_a_full_disk_leaves_whole_events_and_ends_the_run_once(tmp_path, monkeypatch):
    reserve = Reserve(str(tmp_path / "reserve"))
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 256 * 1024
    events = os.open(str(tmp_path / "events.jsonl"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    log = RunLog(events, str(tmp_path / "deploy.log"), reserve)
    sink = Sink("r1", "h", Redactor(), log.write, log.check)
    FullDisk(reserve, monkeypatch)
    with pytest.raises(OSError, match="No space"):
        sink.send(Log, text="the last drop", stage="deploy")
    sink.send(StageFailed, stage="deploy", code="disk_full", message="full")
    sink.send(Goodbye, outcome="failed")
    os.close(events)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(each["seq"], each["type"]) for each in lines] == [(1, "log"), (2, "stage_failed"), (3, "goodbye")]
    assert not (tmp_path / "reserve").exists()
