"""A node of the demo: what it finds on its PATH and in its secrets, and the end of its runs."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys

from saturn_orchestrator.app.demo_docker import DemoDocker
from saturn_orchestrator.app.demo_node import DemoNode

WORKER = """
import fcntl, json, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(json.dumps({"pid": os.getpid()}) + "\\n")
file.flush()
print("at work", flush=True)
time.sleep(1000)
"""


def test_end_workers_ends_a_run_that_still_goes_on(tmp_path):
    node = DemoNode("chelsty", tmp_path, {})
    events = node.root / "state/deploy/runs/r1/events.jsonl"
    events.parent.mkdir(parents=True)
    ended = node.root / "state/deploy/runs/r0/events.jsonl"
    ended.parent.mkdir(parents=True)
    ended.write_text(f'{{"pid": {os.getpid()}}}\n')  # nobody holds it, so nobody is meant by it
    with subprocess.Popen((sys.executable, "-c", WORKER, str(events)), stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "at work\n"
        asyncio.run(node.end_workers())
        assert worker.wait(10) == -signal.SIGTERM


def test_a_node_has_its_own_programs_first(tmp_path):
    node = DemoNode("chelsty", tmp_path / "chelsty", {})
    node.prepare(DemoDocker("there is none"))
    command = 'python3 -c "print(1)"; docker version; echo "$HOME"'
    done = subprocess.run(
        ("/bin/sh", "-c", command), env=node.environ({"PATH": "/nowhere"}), capture_output=True, text=True, check=True
    )
    assert (done.stdout.splitlines(), done.stderr) == (["1", "20.10.24-simulated", str(node.folder)], "")


def test_a_node_with_a_real_docker_gets_none_of_its_own_and_the_persons_way_to_it(tmp_path):
    node = DemoNode("chelsty", tmp_path / "chelsty", {})
    node.prepare(DemoDocker())
    assert [file.name for file in (node.folder / "bin").iterdir()] == ["python3"]
    assert node.environ({"DOCKER_HOST": "unix:///run/d.sock", "SECRET": "s"}).get("DOCKER_HOST") == "unix:///run/d.sock"
    assert "SECRET" not in node.environ({"SECRET": "s"})


def test_secrets_are_for_their_owner_only(tmp_path):
    node = DemoNode("chelsty", tmp_path / "chelsty", {"demo-mosquitto": "MQTT_PASSWORD=x\n"})
    node.prepare(DemoDocker())
    file = node.root / "config/demo-mosquitto/.env"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("MQTT_PASSWORD=x\n", 0o600)
