import json
import os
import re

from saturn_node import wire
from saturn_node.errors import NodeError
from saturn_node.log import RunLog, Sink, cut_in_the_middle, human_lines
from saturn_node.redaction import Redactor
from saturn_node.wire import Log, StageFailed, StageStarted


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
    log = RunLog(events, str(tmp_path / "deploy.log"))
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
