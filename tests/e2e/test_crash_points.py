"""The worker is killed at every write, fsync, rename and unlink it does, one run each; a resume comes to the same end.

The points are counted first, in an undisturbed run; then each is struck in a copy of the same node. A power cut that
loses unsynced writes is another matter: what is synced when is told in state.py.
"""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from saturn_node import wire
from support.node import Node, kinds

ARMED = """
import os, signal, sys
count = 0
last = int(sys.argv[3])


def armed(name):
    real = getattr(os, name)

    def call(*args, **options):
        global count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    setattr(os, name, call)


for name in ("write", "fsync", "replace", "rename", "unlink", "ftruncate", "rmdir"):
    armed(name)
from saturn_node import worker

worker.work(sys.argv[1], sys.argv[2], "test")
with open(sys.argv[4], "w") as file:
    file.write(str(count))
"""
WORKERS = 3


class Crashing:
    """A node on which a run r1 is ordered and not begun, in a folder of its own."""

    def __init__(self, folder):
        self.node = Node(folder)
        self.revision = self.node.commit_services("web", "db")
        self.node.env_file("web", "A=1\n")
        for name in ("bin", "data", "logs/deploy", "state/deploy/services", "state/deploy/runs/r1"):
            os.makedirs(self.node.path("root", name))
        request = self.node.request("run", "r1", self.revision)
        self.node.write("root/state/deploy/runs/r1/request.json", wire.encode(request))

    def work(self, last=0):
        """The worker of r1, killed at the point of that number; how many points it passed, 0 when it was killed."""
        counted = self.node.path("counted")
        done = subprocess.run(
            (sys.executable, "-c", ARMED, self.node.root, "r1", str(last), counted),
            env=self.node.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if not os.path.exists(counted):
            assert done.returncode == -signal.SIGKILL, done.stderr
            return 0
        with open(counted, encoding="ascii") as file:
            return int(file.read())


def undisturbed(tmp_path):
    crashing = Crashing(tmp_path / "whole")
    points = crashing.work()
    assert kinds(crashing.node.events("r1"))[-1] == "goodbye success"
    return points, completed(crashing.node)


def completed(node):
    """What a run leaves, without times and run ids."""
    names = sorted(name for name in os.listdir(node.path("root/state/deploy")) if name not in ("runs", "lock.json"))
    return names, node.state("current_stage"), node.state("last_service"), node.docker_services()


def strike(folder, point, end):
    """Kill at the point, resume; what is wrong afterwards, "" when nothing is."""
    crashing = Crashing(folder)
    node = crashing.node
    if crashing.work(point):
        return "the point was not reached"
    killed = node.events("r1")
    if [each["seq"] for each in killed] != list(range(1, len(killed) + 1)):
        return f"events of the killed run: {killed}"
    if killed and killed[-1]["type"] == "goodbye":  # the run had ended; only its log was not on the disk yet
        return "" if completed(node) == end else f"another end: {completed(node)}"
    resumed = node.deploy("r2", crashing.revision, resume=True)
    done = {each["service"] for each in killed if each["type"] == "service_finished"}
    again = {each["service"] for each in resumed if each["type"] == "service_finished"}
    if kinds(resumed)[-1] != "goodbye success":
        return f"the resume ended so: {kinds(resumed)[-3:]}"
    if done & again:
        return f"{done & again} ran twice"
    if completed(node) != end:
        return f"another end: {completed(node)}"
    shutil.rmtree(folder)
    return ""


@pytest.mark.timeout(900)
def test_a_worker_killed_at_any_point_resumes_to_the_same_end(tmp_path):
    points, end = undisturbed(tmp_path)
    assert points > 50
    chosen = range(1, points + 1)
    with ThreadPoolExecutor(WORKERS) as pool:
        said = pool.map(lambda point: strike(tmp_path / f"p{point}", point, end), chosen)
        wrong = {point: what for point, what in zip(chosen, said, strict=True) if what}
    assert wrong == {}
