from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

from support import build

from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.hooks import Hooks
from saturn_orchestrator.cli.aftermath import LastState, follow_refusal, follow_up
from saturn_orchestrator.state.model import HostState, RunState, Status

RUN = RunState("r1", "", {"alpha": HostState("alpha", Status.CHANGED, by="ada")})


def order_of(folder: Path, text: str) -> Deploy:
    file = folder / "hooks" / "post-deploy"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    topology = build.topology(folder, build.host("alpha"))
    return Deploy(topology, tuple(topology.hosts.values()), "ada", "saturn")


def test_what_a_hook_complains_of_is_said(tmp_path: Path):
    said: list[str] = []
    order = order_of(tmp_path, "exit 5")
    asyncio.run(follow_up(order, RUN, {}, Hooks(order, lambda *_: None), said.append))
    assert said == ["hooks/post-deploy ended with status 5; the run is as it is told above"]


def test_without_hooks_nothing_is_said(tmp_path: Path):
    said: list[str] = []
    asyncio.run(follow_up(order_of(tmp_path, "exit 5"), RUN, {}, None, said.append))
    assert said == []


def test_of_a_run_that_never_was_nothing_is_said(tmp_path: Path):
    said: list[str] = []
    asyncio.run(follow_refusal(order_of(tmp_path, "exit 5"), None, said.append))
    assert said == []


def test_ctrl_c_ends_what_follows_and_nothing_else(tmp_path: Path):
    said: list[str] = []
    order = order_of(tmp_path, "echo begun; sleep 100")

    def heard(_name: str, _line: str) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    asyncio.run(follow_up(order, RUN, {"run": "r1"}, Hooks(order, heard), said.append))
    assert said == ["what follows the run was broken off; the run itself is as it is told above"]


def test_the_last_state_is_remembered():
    last = LastState()
    last.opened(RUN)
    assert last.run is None
    last.closed(RUN)
    assert last.run is RUN
