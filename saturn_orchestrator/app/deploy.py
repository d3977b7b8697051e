"""`saturn deploy`: load, select, resolve; then, host by host: plan, show, confirm; roll out, and return the state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saturn_orchestrator.app.consent import Ask, Consent, Show
from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.errors import Interrupted
from saturn_orchestrator.events import Facts, now
from saturn_orchestrator.plan.build import build_plan
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.rollout.following import LINK_PATIENCE_S, Link
from saturn_orchestrator.rollout.host_run import Ways
from saturn_orchestrator.rollout.runner import Stop, roll_out, run_request
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.rollout.survey import new_run_id
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.topology.model import Host, Topology


@dataclass(frozen=True)
class Deploy:
    """What a person ordered.

    by and controller: who, and on which machine. link_patience_s: how long a line may stay away, 0 for ever. detach:
    leave the nodes as soon as they have taken the run.
    """

    topology: Topology
    hosts: tuple[Host, ...]
    by: str
    controller: str
    resume: bool = False
    link_patience_s: float = LINK_PATIENCE_S
    detach: bool = False


@dataclass(frozen=True)
class Ports:
    """The world outside: sessions, the person, whoever watches. ask None means that `--yes` answered for all."""

    open_session: OpenSession
    show: Show
    ask: Ask | None
    sinks: Sequence[Sink]
    stop: Stop
    trace: Callable[[str], None]


async def deploy(order: Deploy, ports: Ports) -> RunState:
    """Deploy the chosen hosts and return the state of the run, whatever became of each.

    Raises:
        RepositoryError: git on SATURN cannot say which revision is wanted; nothing was touched.
        Interrupted: a person stopped it before any host was asked.
    """
    source = await Source.of(order.topology, order.hosts)
    if ports.stop.presses:
        raise Interrupted("interrupted before any host was asked; nothing was touched")
    run = RunState.of(new_run_id(), source.revision, (host.name for host in order.hosts), now())
    consent = Consent(run.hosts, f"{order.by}@{order.controller}", ports.show, ports.ask)

    async def plan(host: Host, facts: Facts) -> HostPlan:
        wanted = await source.wanted(host, facts.revision)
        return build_plan(facts, tuple(service.name for service in host.services), wanted, resume=order.resume)

    ways = Ways(
        link=Link(ports.open_session, ports.trace, order.link_patience_s),
        plan=plan,
        consent=consent.of,
        settled=consent.settled,
        slots=asyncio.Semaphore(order.topology.rollout.parallel),
        detach=order.detach,
    )
    orders = [(host, run_request(host, run.run, order.controller, resume=order.resume)) for host in order.hosts]
    return await roll_out(run, orders, ways, ports.sinks, ports.stop)
