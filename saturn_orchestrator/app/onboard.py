"""`saturn onboard`: from "I can log in there" to "a deploy can begin". Whatever is done already is found done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

from saturn_orchestrator.app.trust import Ask, trust
from saturn_orchestrator.errors import NodeUnfit, SessionLost
from saturn_orchestrator.events import neutral
from saturn_orchestrator.onboarding.machine import LAST, Machine, machine, probe
from saturn_orchestrator.onboarding.preparation import Preparation, preparation
from saturn_orchestrator.onboarding.script import Listening, Word, script
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.session.base import Channel, OpenShell, Scan, nobody
from saturn_orchestrator.session.introduction import Outcome as KeyOutcome
from saturn_orchestrator.session.introduction import Trusted
from saturn_orchestrator.session.script import ROOT_SHELL, SHELL, answer
from saturn_orchestrator.topology.model import Host

PROBE_S = 60.0
STEP_S = 1800.0
"""How long a step may be silent: an installation over LTE says nothing until its end."""


class Outcome(StrEnum):
    """How it ended."""

    READY = "ready"  # nothing was to be done
    PREPARED = "prepared"
    DECLINED = "declined"
    BLOCKED = "blocked"  # a person must see to something first


@dataclass(frozen=True)
class Onboard:
    """What a person asked for. fingerprint: of the host's key, "" to be asked. again: the command that goes on."""

    host: Host
    install: bool
    fingerprint: str
    again: str


@dataclass(frozen=True)
class Ports:
    """What the use case talks to. ask_key: None when nobody can be asked."""

    scan: Scan
    shell: OpenShell
    ask_key: Ask | None
    confirm: Callable[[Preparation], Awaitable[bool]]
    show: Callable[[Preparation], None]
    tell: Callable[[Host, Word], None]


@dataclass(frozen=True)
class Onboarded:
    """What came of it. before: what was to be done, None when it did not come to that. after: what is left."""

    host: Host
    outcome: Outcome
    trusted: Trusted
    before: Preparation | None = None
    after: Preparation | None = None


async def onboard(order: Onboard, ports: Ports) -> Onboarded:
    """Make the host ready for a deploy: its key known, its tools there, its folders made.

    Raises:
        SaturnError: it cannot be reached, nobody can be asked about its key, or a step failed.
    """
    host = order.host
    trusted = await trust(host, ports.scan, ports.ask_key, order.fingerprint)
    if trusted.outcome is KeyOutcome.DECLINED:
        return Onboarded(host, Outcome.DECLINED, trusted)
    before = await prospect(order, ports.shell)
    ports.show(before)
    found = Onboarded(host, Outcome.READY, trusted, before, before)
    if before.problems:
        return replace(found, outcome=Outcome.BLOCKED)
    if before.is_ready:
        return found
    if not await ports.confirm(before):
        return replace(found, outcome=Outcome.DECLINED)
    await carry_out(order, before, ports)
    after = await prospect(order, ports.shell)  # a new login: it has the groups of now
    if not after.is_ready:
        raise _not_enough(order, after)
    return replace(found, outcome=Outcome.PREPARED, after=after)


async def prospect(order: Onboard, shell: OpenShell) -> Preparation:
    """What the host still needs; nothing is touched.

    Raises:
        SessionError: it cannot be reached, or its answer cannot be understood.
    """
    return preparation(order.host, await probed(order.host, shell), install=order.install)


async def probed(host: Host, shell: OpenShell) -> Machine:
    """What stands on the host, by a login of its own."""
    channel = await shell(host, SHELL, nobody)
    try:
        lines = [line async for line in answer(channel, probe(host), host.name, PROBE_S)]
    finally:
        await channel.close()
    if lines[-1:] != [LAST]:
        message = f"{host.name} hung up before it had told everything of itself"
        raise SessionLost(message, notes=_last_words(channel), hint=f"saturn onboard {host.name}")
    return machine(lines, host.name)


async def carry_out(order: Onboard, wanted: Preparation, ports: Ports) -> None:
    """Do the steps, in one script.

    Raises:
        NodeUnfit: a step failed (`step_failed`).
        SessionLost: the line broke; the step in hand ends, and no other begins.
    """
    host, listening = order.host, Listening(wanted.steps)
    channel = await ports.shell(host, ROOT_SHELL if wanted.becomes else SHELL, nobody)
    try:
        async for line in answer(channel, script(wanted.steps), host.name, STEP_S):
            for word in listening.words(line):
                ports.tell(host, word)
                if word.kind == "failed":
                    raise _failed(order, word)
                if word.kind == "over":
                    return
    finally:
        await channel.close()
    message = f"the line to {host.name} broke before the last step had ended"
    raise SessionLost(message, notes=_last_words(channel), hint=order.again)


def _last_words(channel: Channel) -> tuple[str, ...]:
    return tuple(filter(None, (neutral(channel.last_words.strip()),)))


def _failed(order: Onboard, word: Word) -> NodeUnfit:
    return NodeUnfit(
        f"{word.step} failed on {order.host.name}, with exit status {word.status}",
        code="step_failed",
        notes=word.evidence,
        hint=f"mend that, then go on: {order.again}",
    )


def _not_enough(order: Onboard, after: Preparation) -> NodeUnfit:
    left = [*(problem.message for problem in after.problems), *(step.words for step in after.steps)]
    return NodeUnfit(
        f"every step ended well, and {order.host.name} is not ready all the same",
        notes=left,
        hint=f"see to that, then go on: {order.again}",
    )
