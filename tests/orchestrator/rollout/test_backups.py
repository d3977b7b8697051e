from __future__ import annotations

import asyncio

import pytest
from support import build
from support.backup_node import snapshot
from support.build import node_event
from support.fake_session import FakeSession

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionLost
from saturn_orchestrator.events import LogLine
from saturn_orchestrator.rollout import backups as rim
from saturn_orchestrator.rollout.backups import gather_backups, gather_verdicts


def backups(*told: object, services: frozenset[str] | None = None) -> tuple[events.SnapshotFact, ...]:
    return asyncio.run(gather_backups(build.host(), FakeSession(told), services))


def verdict(name: str = "n1", service: str = "web", **fields: object) -> events.BackupVerified:
    return node_event(events.BackupVerified, service=service, snapshot=name, **fields)


def test_backups_may_be_told_in_several_events():
    first, second = snapshot("n2"), snapshot("n1")
    told = [node_event(events.Backups, snapshots=(each,)) for each in (first, second)]

    assert backups(*told) == (first, second)


def test_only_the_chosen_services_are_asked_for():
    session = FakeSession([node_event(events.Backups)])
    host = build.host(services=(build.service("web"), build.service("db")))

    asyncio.run(gather_backups(host, session, frozenset({"db"})))

    (asked,) = session.asked
    assert (asked.verb, [each.name for each in asked.node.services]) == ("backups", ["db"])


def test_an_answer_without_backups_is_none():
    with pytest.raises(SessionLost) as caught:
        backups(node_event(events.Goodbye, outcome="success"))

    assert caught.value.code == "backups_missing"


def test_a_refusal_is_the_nodes_own_word():
    with pytest.raises(ExecutorRefused) as caught:
        backups(node_event(events.Refused, code="protocol_mismatch", message="too old", hint="upgrade"))

    assert (caught.value.code, caught.value.hint) == ("protocol_mismatch", "upgrade")


def test_a_node_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(rim, "PATIENCE_S", 0.05)

    with pytest.raises(SessionLost):
        backups(asyncio.Event())


def test_a_sign_of_life_renews_the_patience(monkeypatch):
    monkeypatch.setattr(rim, "PATIENCE_S", 0.3)

    async def story() -> tuple[events.BackupVerified, ...]:
        steps = [asyncio.Event() for _ in range(4)]
        loop = asyncio.get_running_loop()
        for number, step in enumerate(steps, 1):
            loop.call_later(0.15 * number, step.set)
        told = [each for step in steps for each in (step, node_event(events.Heartbeat))]
        return await gather_verdicts(build.host(), FakeSession([*told, verdict(is_sound=True)]))

    assert len(asyncio.run(story())) == 1


def test_a_node_that_talks_without_end_is_not_listened_to(monkeypatch):
    monkeypatch.setattr(rim, "MAX_NOISE", 3)

    with pytest.raises(ExecutorRefused) as caught:
        backups(*[LogLine("noise")] * 4, node_event(events.Backups))

    assert caught.value.code == "flood"


def test_events_that_nobody_asked_for_are_noise_too(monkeypatch):
    monkeypatch.setattr(rim, "MAX_NOISE", 3)

    with pytest.raises(ExecutorRefused) as caught:
        backups(*[node_event(events.Hello)] * 4, node_event(events.Backups))

    assert caught.value.code == "flood"


def test_verdicts_are_those_of_the_services_that_were_asked_for():
    told = [verdict(is_sound=True), verdict("../n2"), verdict("n3", "other"), verdict("n4", message="cut")]

    found = asyncio.run(gather_verdicts(build.host(), FakeSession(told)))

    assert [(each.snapshot, each.is_sound, each.message) for each in found] == [("n1", True, ""), ("n4", False, "cut")]
