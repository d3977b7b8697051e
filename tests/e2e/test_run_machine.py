"""Any order of deploys, cuts, kills, attaches, cancels and leavings against the real executor, with a simulated docker.

The controller is the real one too: its rollout, its attach, its journal; SSH alone is replaced, by a process on this
machine. Whatever happened, the books agree in the end, and a resume ends well.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support import build
from support.node import Node
from support.proposals import proposing

from saturn_orchestrator.app.attach import Attach, Watch, attach
from saturn_orchestrator.app.cancel import cancel
from saturn_orchestrator.events import now
from saturn_orchestrator.journal import Journal, Records
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.following import Link
from saturn_orchestrator.rollout.host_run import Ways
from saturn_orchestrator.rollout.runner import Stop, roll_out
from saturn_orchestrator.session.base import Tell
from saturn_orchestrator.session.local import ProcessChannel
from saturn_orchestrator.session.payload import bootstrap_command, payload
from saturn_orchestrator.session.stream import Conversation
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Git, Healthcheck, Host

HOST = "chelsty"
SERVICES = ("web", "db")
QUICK = Healthcheck(timeout_s=5, interval_s=0.1)
EXAMPLES = 10
STEPS = 10


class Saturn:
    """One person's saturn: a journal, and at most one command that watches."""

    def __init__(self, machine: RunMachine, name: str) -> None:
        self.name = name
        self.file = Path(machine.node.path(name, "journal.db"))
        self.stop = Stop()
        self.task: asyncio.Task[Any] | None = None

    @property
    def is_watching(self) -> bool:
        return self.task is not None and not self.task.done()


class RunMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self) -> None:
        self.node = Node(tempfile.mkdtemp())
        self.revision = self.node.commit_services(*SERVICES)
        self.node.control(sleep={"up": 0.3})
        self.host = Host(
            name=HOST, address=HOST, root=self.node.root,
            services=tuple(build.service(name, healthcheck=QUICK) for name in SERVICES),
            ssh=build.host().ssh, git=Git(url=self.node.origin, path=self.node.checkout),
        )  # fmt: skip
        self.runs = 0
        self.processes: set[asyncio.subprocess.Process] = set()
        self.ada, self.bob = Saturn(self, "ada"), Saturn(self, "bob")
        self.loop = asyncio.new_event_loop()

    # --- the controller's parts, real but for SSH ------------------------------------------------------------------

    async def open_session(self, host: Host, _: Tell) -> Conversation:
        process = await asyncio.create_subprocess_exec(
            *bootstrap_command(host.root, become=False), env=self.node.env,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self.processes.add(process)
        return Conversation(host.name, ProcessChannel(process), payload(), Trip())

    async def deployed(self, saturn: Saturn, run: str, *, resume: bool) -> RunState:
        async def consent(_: HostPlan) -> str:
            return f"{saturn.name}@saturn"

        link = Link(self.open_session, lambda _: None, 20)
        propose = proposing(run, resume=resume, revision=self.revision)
        ways = Ways(link, propose, consent, lambda _: None, asyncio.Semaphore(1))
        state = RunState.of(run, self.revision, [HOST], now())
        return await roll_out(state, [self.host], ways, [self.journal(saturn)], saturn.stop)

    def journal(self, saturn: Saturn) -> Journal:
        return Journal(saturn.file, "topology.yaml", pytest.fail)

    def begin_task(self, saturn: Saturn, work: Any) -> None:
        saturn.task = self.loop.create_task(work)
        self.let_pass(0.5)

    def let_pass(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def attach(self, saturn: Saturn) -> None:
        saturn.stop = Stop()
        memory = Records(saturn.file, pytest.fail)
        watch = Watch(self.open_session, memory, [self.journal(saturn)], saturn.stop, lambda _: None)
        self.begin_task(saturn, attach(Attach((self.host,), f"{saturn.name}@saturn", 20), watch))

    # --- what may happen -------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.ada.is_watching)
    @rule(resume=st.booleans())
    def deploy(self, resume: bool) -> None:
        self.runs += 1
        self.ada.stop = Stop()
        self.begin_task(self.ada, self.deployed(self.ada, f"r{self.runs:02}", resume=resume))

    @precondition(lambda self: not self.bob.is_watching)
    @rule()
    def attach_elsewhere(self) -> None:
        self.attach(self.bob)

    @precondition(lambda self: not self.ada.is_watching)
    @rule()
    def attach_again(self) -> None:
        self.attach(self.ada)

    @rule()
    def cut_every_line(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
        self.let_pass(0.2)

    @rule()
    def kill_the_worker(self) -> None:
        for run in self.known_runs():
            events = self.node.events(run)
            if events and events[-1]["type"] != "goodbye":
                with suppress(ProcessLookupError):
                    os.kill(events[0]["pid"], signal.SIGKILL)
        self.let_pass(0.2)

    @rule(at_once=st.booleans())
    def cancel(self, at_once: bool) -> None:
        (told,) = self.loop.run_until_complete(cancel([self.host], self.open_session, at_once=at_once))
        assert told.error is None, told.error

    @precondition(lambda self: self.ada.is_watching)
    @rule()
    def leave(self) -> None:
        self.ada.stop.leave()
        self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self.ada.task), 20))

    @rule()
    def wait(self) -> None:
        self.let_pass(0.4)

    # --- what must be true in the end ------------------------------------------------------------------------------

    def known_runs(self) -> list[str]:
        folder = self.node.path("root/state/deploy/runs")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.loop.run_until_complete(asyncio.wait_for(self.settle(), 90))
            self.check_books()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            shutil.rmtree(self.node.folder)

    async def settle(self) -> None:
        """Let whoever watches see the end, bring everything home to both journals, and resume to success."""
        for saturn in (self.ada, self.bob):
            if saturn.task:
                await saturn.task
        self.runs += 1
        last = await self.deployed(self.ada, f"r{self.runs:02}", resume=True)
        while last.hosts[HOST].error and last.hosts[HOST].error.code == "locked":  # what was left is still at work
            await asyncio.sleep(0.3)
            self.runs += 1
            last = await self.deployed(self.ada, f"r{self.runs:02}", resume=True)
        assert last.hosts[HOST].status.is_success, last
        memory = Records(self.ada.file, pytest.fail)
        watch = Watch(self.open_session, memory, [self.journal(self.ada)], Stop(), lambda _: None)
        found = await attach(Attach((self.host,), "ada@saturn", 20), watch)
        assert all(run.is_finished for run in found.runs)
        assert memory.unfinished(HOST) == ()

    def check_books(self) -> None:
        done: set[str] = set()
        for run in self.known_runs():
            events = self.node.events(run)
            told = [(event["seq"], event["type"]) for event in events]
            assert [seq for seq, _ in told] == list(range(1, len(told) + 1))
            assert self.journalled(self.ada, run) == told, run
            assert self.journalled(self.bob, run) in ([], told[: len(self.journalled(self.bob, run))])
            resumed = {event["service"] for event in events if event["type"] == "service_skipped"}
            assert not resumed & {event["service"] for event in events if event["type"] == "service_finished"}
            done |= resumed
        ups = Counter(self.node.docker_calls("up"))
        started = Counter(
            event["service"]
            for run in self.known_runs()
            for event in self.node.events(run)
            if event["type"] == "service_started" and event["stage"] == "deploy"
        )
        assert all(ups[name] <= started[name] for name in SERVICES), (ups, started)
        assert self.node.docker_services() == sorted(SERVICES)

    def journalled(self, saturn: Saturn, run: str) -> list[tuple[int, str]]:
        if not saturn.file.exists():
            return []
        with closing(sqlite3.connect(saturn.file)) as database:
            query = "SELECT body FROM events WHERE run = ? AND seq > 0 ORDER BY rowid"
            bodies = [json.loads(body) for (body,) in database.execute(query, (run,))]
        return [(body["seq"], body["type"]) for body in bodies]


@pytest.mark.timeout(600)
def test_whatever_happens_the_books_agree() -> None:
    run_state_machine_as_test(
        RunMachine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
