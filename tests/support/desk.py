"""The person, the screen and the node of one run that deploys nothing: `saturn backup` and `saturn restore`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from saturn_orchestrator.app.backup import back_up
from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.app.deploy import Deploy, Ports
from saturn_orchestrator.app.planning import Scope
from saturn_orchestrator.app.restore import restore
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Backup, Host, Service
from support import build
from support.backup_node import BackupNode
from support.fake_session import FakeSink

SAVED = build.service("web", backup=Backup())
BARE = build.service("llm")


class Desk:
    """Answers are given in turn; without any, `--yes` was."""

    def __init__(self, folder: Path, node: BackupNode, *answers: Answer, host: Host | None = None) -> None:
        self.host = host or build.host(services=(SAVED, BARE), rollback_on_failure=True)
        self.node = node
        self.answers = list(answers)
        self.plans: list[HostPlan] = []
        self.texts: list[str] = []
        self.sink = FakeSink()
        self.stop = Stop()
        self.topology = build.topology(folder, self.host)

    async def ask(self, _: HostPlan) -> Answer:
        return self.answers.pop(0)

    def order(self, scope: Scope) -> Deploy:
        return Deploy(self.topology, (self.host,), "ada", "saturn", scope)

    @property
    def ports(self) -> Ports:
        return Ports(
            open_session=self.node,
            show=self.plans.append,
            show_text=self.texts.append,
            ask=self.ask if self.answers else None,
            say=lambda _: None,
            sinks=[self.sink],
            stop=self.stop,
            trace=lambda _: None,
        )

    def back_up(self, services: frozenset[str] | None = None) -> RunState:
        return asyncio.run(back_up(self.order(Scope(services, backup=True)), self.ports))

    def restore(self, wanted: str = "", service: Service = SAVED) -> RunState:
        order = self.order(Scope(frozenset({service.name})))
        return asyncio.run(restore(order, self.ports, service, wanted))
