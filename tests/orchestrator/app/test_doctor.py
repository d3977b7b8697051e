from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import node_event
from support.fake_session import FakeDoor, FakeSession
from support.tailscaled import NoTailnet, peer

from saturn_orchestrator import events
from saturn_orchestrator.app import doctor as use_case
from saturn_orchestrator.app.doctor import doctor
from saturn_orchestrator.app.workplace import Inventory
from saturn_orchestrator.errors import ExecutorRefused, OffTailnet, SessionError, SessionLost, Unreachable
from saturn_orchestrator.events import Check
from saturn_orchestrator.state.checkup import Checkup
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.model import Host


class Desk(FakeDoor):
    """Scripted sessions, and keys that nobody has anything to say against."""

    book = AddressBook(NoTailnet())

    async def identity_trouble(self, host: Host) -> SessionError | None:
        return None

    async def host_key_trouble(self, host: Host) -> SessionError | None:
        return None

    async def is_tailscale_ssh(self, host: Host) -> bool:
        return True


def greetings(host: str) -> list[list[object]]:
    return [[node_event(events.Hello, 1, host, at=events.now())] for _ in range(1 + use_case.GREETINGS)]


def examined(host: str, *checks: Check) -> object:
    return node_event(events.Examined, 2, host, checks=checks)


def node(host: str, *steps: object) -> FakeSession:
    return FakeSession(*greetings(host), [*steps])


def looked_at(folder: Path, **nodes: object) -> dict[str, Checkup]:
    hosts = [build.host(name, connect_timeout_s=0.2) for name in nodes]
    known = Inventory(folder / "inventory" / "topology.yaml", build.topology(folder, *hosts))
    desk = Desk(**{name: [each] for name, each in nodes.items()})
    return {each.machine: each for each in asyncio.run(doctor(known, hosts, folder / "state", desk))}


def statuses(found: Checkup) -> dict[str, str]:
    return {each.name: each.status for each in found.checks}


def test_what_a_node_says_stands_beside_what_saturn_measured(tmp_path):
    session = node("alpha", examined("alpha", Check("git", "ok", "2.39")), examined("alpha", Check("disk", "ok")))

    found = looked_at(tmp_path, alpha=session)

    assert list(found) == ["", "alpha"]
    assert statuses(found["alpha"]) == {
        "reachability": "ok", "path": "skip", "round_trip": "ok", "executor": "ok", "clock": "ok", "git": "ok",
        "disk": "ok",
    }  # fmt: skip
    assert [each.verb for each in session.asked] == ["greet"] * 4 + ["examine"]
    assert session.is_closed


def test_a_host_that_fails_spoils_no_other(tmp_path):
    refused = node_event(events.Refused, 2, "old", code="bad_request", message="unknown verb 'greet'")
    found = looked_at(
        tmp_path,
        alpha=node("alpha", examined("alpha", Check("git", "ok"))),
        dead=OffTailnet("it is offline", hint="ping dead"),
        bare=FakeSession([ExecutorRefused("no python3", code="no_python", hint="apt")]),
        old=FakeSession([refused]),
        cut=node("cut", examined("cut", Check("git", "ok")), SessionLost("the connection broke")),
        mute=node("mute"),
    )

    assert statuses(found["alpha"])["git"] == "ok"
    assert found["dead"].checks == (Check("reachability", "fail", "it is offline [offline]", "ping dead"),)
    assert statuses(found["bare"]) == {"reachability": "ok", "path": "skip", "python": "fail"}
    assert statuses(found["old"]) == {"reachability": "ok", "path": "skip", "executor": "fail"}
    assert (statuses(found["cut"])["examination"], statuses(found["cut"])["git"]) == ("fail", "ok")
    assert statuses(found["mute"])["examination"] == "fail"


def test_a_node_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(use_case, "EXAMINATION_S", 0.05)
    monkeypatch.setattr(use_case, "GREETING_S", 0.05)
    found = looked_at(
        tmp_path,
        late=node("late", examined("late", Check("git", "ok")), asyncio.Event()),
        hung=FakeSession([asyncio.Event()]),
    )

    assert (statuses(found["late"])["examination"], statuses(found["late"])["git"]) == ("fail", "ok")
    assert statuses(found["hung"]) == {"reachability": "ok", "path": "skip", "examination": "fail"}


def test_a_node_cannot_speak_for_saturn(tmp_path):
    lies = [Check("reachability", "fail", "lies"), Check("clock", "perfect"), Check("git", "fine")]

    found = looked_at(tmp_path, alpha=node("alpha", examined("alpha", *lies)))

    assert (statuses(found["alpha"])["reachability"], statuses(found["alpha"])["clock"]) == ("ok", "ok")
    assert statuses(found["alpha"])["git"] == "fail"


def test_of_its_tailnet_key_saturn_knows_better(tmp_path):
    session = node("alpha", examined("alpha", Check("tailnet_key", "ok")))
    session.peer = peer("alpha", is_expired=True)

    found = looked_at(tmp_path, alpha=session)

    assert statuses(found["alpha"])["tailnet_key"] == "fail"


def test_without_an_inventory_no_host_is_looked_at(tmp_path):
    (saturn,) = asyncio.run(doctor(Inventory(error=Unreachable("there is none")), (), tmp_path, Desk()))

    assert saturn.machine == ""
    assert (statuses(saturn)["inventory"], statuses(saturn)["hosts"]) == ("fail", "skip")
    assert statuses(saturn)["python"] == "ok"


@pytest.mark.parametrize("known", ["", "nonsense"])
def test_a_node_that_tells_no_time_has_a_bad_clock(tmp_path, known):
    hello = [node_event(events.Hello, 1, "alpha", at=known)]
    session = FakeSession(*[hello] * (1 + use_case.GREETINGS), [examined("alpha", Check("git", "ok"))])

    assert statuses(looked_at(tmp_path, alpha=session)["alpha"])["clock"] == "fail"
