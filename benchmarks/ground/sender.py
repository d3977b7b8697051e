"""An executor that only talks: `sender.py RATE SECONDS line|batch` answers a run with RATE log events a second.

It flushes each line, or what there is each 50 ms, 8 kB at most.
"""

import json
import os
import sys
import time


def main(rate: float, seconds: float, mode: str) -> None:
    order = json.loads(sys.stdin.buffer.readline())
    base = {"at": "2026-11-26T20:00:00.000Z", "run": order["run"], "host": order["node"]["host"]}
    number = 0

    def line(kind: str, **fields: object) -> bytes:
        nonlocal number
        number += 1
        body = json.dumps({"seq": number, **base, **fields, "type": kind}, separators=(",", ":"))
        return f"[STRUCT] {body}\n".encode()

    def say(data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    say(b"[SATURN] have\n" + line("hello", protocol=1, executor="bench", launch="fork", log="/dev/null"))
    say(line("stage_started", stage="deploy"))
    began, sent, total = time.monotonic(), 0, int(rate * seconds)
    while sent < total:
        due = min(int((time.monotonic() - began) * rate) + 1, total)
        held = b""
        for each in range(sent, due):
            held += line("log", stage="deploy", service="web", text=f"layer {each}: 12.3 MB of 44.5 MB were pulled")
            if mode == "line" or len(held) > 8000:
                say(held)
                held = b""
        say(held)
        sent = due
        time.sleep(0.05 if mode == "batch" else 1 / rate)
    say(line("goodbye", outcome="success", duration_s=seconds) + b"[SATURN] end\n")


main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
