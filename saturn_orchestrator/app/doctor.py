"""`saturn doctor`: look at SATURN and at every chosen host at once, and say of each thing whether it is in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from saturn_orchestrator import events
from saturn_orchestrator.app.workplace import Inventory, Keys, saturn_checks
from saturn_orchestrator.errors import Denied, SessionError, Unreachable
from saturn_orchestrator.events import Check, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.rollout.backups import answered
from saturn_orchestrator.rollout.survey import connect, new_run_id
from saturn_orchestrator.session.base import Session, Tell
from saturn_orchestrator.state import checkup as judged
from saturn_orchestrator.state.checkup import Checkup, Greeting
from saturn_orchestrator.topology.model import Host

GREETINGS = 3
"""The first one waits for the executor to be shipped and started; the fastest of the others tells the way."""

GREETING_S = 60.0
EXAMINATION_S = 180.0
"""A node whose docker hangs still answers below this: the executor limits every command it runs."""


class Desk(Keys, Protocol):
    """What opens sessions, and knows the keys."""

    async def __call__(self, host: Host, tell: Tell) -> Session:
        """A session with the host. Raises SessionError."""


async def doctor(known: Inventory, hosts: Sequence[Host], state_folder: Path, desk: Desk) -> tuple[Checkup, ...]:
    """SATURN first, then the hosts in the order given. A host that is away costs the others nothing."""
    own, *found = await asyncio.gather(
        saturn_checks(known, state_folder, desk), *(_host_checks(host, desk) for host in hosts)
    )
    unseen = [Check("hosts", "skip", "the inventory cannot be read, so no host was looked at")]
    saturn = judged.saturn_checkup((*own, *(unseen if known.topology is None else ())))
    return saturn, *(judged.host_checkup(host, checks) for host, checks in zip(hosts, found, strict=True))


async def _host_checks(host: Host, desk: Desk) -> tuple[Check, ...]:
    try:
        session = await connect(host, desk)
    except SessionError as error:
        return judged.unreached(host, error)
    try:
        return await _session_checks(host, session)
    finally:
        await session.close()


async def _session_checks(host: Host, session: Session) -> tuple[Check, ...]:
    """What a host says that let us in. Its path is looked at last, when it is known best."""
    try:
        found = await _answers(host, session)
    except (Denied, Unreachable) as error:  # a login that was sent ahead is answered with the first hello
        return judged.unreached(host, error)
    return judged.reached(host), *found, judged.path_check(session.peer)


async def _answers(host: Host, session: Session) -> tuple[Check, ...]:
    try:
        async with asyncio.timeout(GREETING_S):
            greetings = [await _greeting(host, session) for _ in range(1 + GREETINGS)]
    except TimeoutError:
        return (judged.not_examined(f"the executor did not answer within {GREETING_S:.0f} s"),)
    except (Denied, Unreachable):
        raise
    except SessionError as error:
        return (judged.not_started(error),)
    way = judged.greeting_checks(host, greetings[1:])
    return *way, Check("executor", "ok", "it starts and answers"), *await _examined(host, session)


async def _greeting(host: Host, session: Session) -> Greeting:
    """One hello, and how long it took. A node that tells no time has said ""."""
    at, asked, begun = "", time.time(), time.monotonic()
    async for hello in answered(host, session, _request(host, "greet"), events.Hello):
        at = hello.at
    return Greeting(asked, time.monotonic() - begun, at)


async def _examined(host: Host, session: Session) -> tuple[Check, ...]:
    """What the node says of itself, as far as it came, and what SATURN knows better."""
    told: list[Check] = []
    broken: tuple[Check, ...] = ()
    try:
        async with asyncio.timeout(EXAMINATION_S):
            async for part in answered(host, session, _request(host, "examine"), events.Examined):
                told += part.checks[: judged.CHECKS_MAX - len(told)]
    except TimeoutError:
        broken = (judged.not_examined(f"the node's checks did not end within {EXAMINATION_S:.0f} s"),)
    except SessionError as error:
        broken = (judged.not_examined(judged.words_of(error)),)
    if not told and not broken:
        broken = (judged.not_examined("the node answered without checks"),)
    better = (judged.tailnet_key_check(session.peer, events.now()),) if session.peer else ()
    return *better, *broken, *judged.from_a_node(told)


def _request(host: Host, verb: str) -> Request:
    return Request(verb=verb, run=new_run_id(), node=node_order(host))
