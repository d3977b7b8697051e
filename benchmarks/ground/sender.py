"""An executor that only talks: `sender.py RATE SECONDS line|batch` answers a run with RATE log events a second.

It flushes each line, or what there is each 50 ms, 8 kB at most. It writes what the real one writes, field for field;
its lines are made beforehand but for their numbers: sender and SATURN share the processor, and only one is measured.
"""

import json
import os
import sys
import time

STEP = 1000
"""Lines that are made beforehand; a number is filled into each."""


def main(rate: float, seconds: float, mode: str) -> None:
    order = json.loads(sys.stdin.buffer.readline())
    base = {"at": "2026-11-26T20:00:00.000Z", "run": order["run"], "host": order["node"]["host"]}

    def line(number: object, kind: str, **fields: object) -> bytes:
        body = json.dumps({"seq": number, **base, **fields, "type": kind}, separators=(",", ":"))
        return f"[STRUCT] {body}\n".encode()

    def say(data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    lines = [
        line(0, "log", stage="deploy", text=f"layer {each}: 12.3 MB of 44.5 MB were pulled", service="web").replace(
            b'"seq":0', b'"seq":%d'
        )
        for each in range(STEP)
    ]
    say(b"[SATURN] have\n" + line(1, "hello", protocol=1, executor="bench", launch="fork", log="/dev/null"))
    say(line(2, "stage_started", stage="deploy"))
    room = 1 if mode == "line" else 8000 // len(lines[-1])
    began, sent, total = time.monotonic(), 0, int(rate * seconds)
    while sent < total:
        due = min(int((time.monotonic() - began) * rate) + 1, total)
        while sent < due:
            until = min(sent + room, due)
            say(b"".join([lines[each % STEP] % (each + 3) for each in range(sent, until)]))
            sent = until
        time.sleep(0.05 if mode == "batch" else 1 / rate)
    say(line(total + 3, "goodbye", outcome="success", duration_s=seconds) + b"[SATURN] end\n")


main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
