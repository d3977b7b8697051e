from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path as Folder

import pytest
from support import build
from support.build import facts
from support.fake_session import FakeDoor, FakeSession
from support.repository import GitFolder
from support.tailscaled import FakeTailscaled, peer, tailnet

from saturn_orchestrator import events
from saturn_orchestrator.app.status import status, surroundings
from saturn_orchestrator.errors import Denied, OffTailnet, SessionLost, Unreachable
from saturn_orchestrator.state.model import HostError, RunState
from saturn_orchestrator.state.reduce import reduce_run
from saturn_orchestrator.state.standing import Deferred, Standing, Surroundings, exit_code
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.model import Path, Peer, Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED

WAITING = build.deferred()


class Memory:
    """One run that reached `dead`, an hour ago, and something that waits for it."""

    def newest(self, host: str) -> tuple[str, str]:
        return (build.RUN, build.AT) if host == "dead" else ("", "")

    def replay(self, run: str) -> RunState:
        state = build.run_state("dead")
        for event in (*(build.own_event(kind) for kind in ORDER), *build.run_story("dead")):
            state = reduce_run(state, "dead", event)
        return state

    def deferred(self, host: str) -> Deferred | None:
        return WAITING if host == "dead" else None


ORDER = (events.SessionOpened, events.HostPlanned, events.HostConfirmed)


def standings(folder: Folder, door: FakeDoor, *names: str) -> tuple[Standing, ...]:
    hosts = [build.host(name, connect_timeout_s=0.2) for name in names]
    return asyncio.run(status(build.topology(folder, *hosts), hosts, door, Memory()))


def test_of_a_host_that_is_away_the_journal_tells(tmp_path):
    dead, stranger = standings(
        tmp_path, FakeDoor(dead=[Unreachable("no")] * 3, stranger=[Unreachable("no")] * 3), "dead", "stranger"
    )

    assert (dead.reachability, dead.source, dead.observed_at) == ("unreachable", "journal", build.AT)
    assert (dead.facts.revision, dead.facts.stage) == (build.NEW, "deploy")
    assert dead.facts.last_run == events.RunFact(build.RUN, "changed", build.NEW, "deploy", build.AT)
    assert dead.deferred == WAITING
    assert (stranger.source, stranger.facts, stranger.deferred) == ("live", None, None)


def test_status_tells_of_every_host_whatever_became_of_the_others(tmp_path):
    git = GitFolder(tmp_path)
    first = git.commit("first", **{"services/web/compose.yaml": "one"})
    git.commit("second")
    online = FakeSession([facts("online", revision=first)])
    door = FakeDoor(
        online=[online], dead=[Unreachable("no route")] * 3, denied=[Denied("no", notes=["banner"], hint="h")],
        lost=[FakeSession([SessionLost("cut")])],
    )  # fmt: skip

    found = {each.host: each for each in standings(tmp_path, door, "online", "dead", "denied", "lost")}

    assert list(found) == ["online", "dead", "denied", "lost"]
    assert found["online"] == Standing(
        "online",
        "online",
        observed_at=found["online"].observed_at,
        facts=facts("online", revision=first),
        behind=1,
        ahead=0,
    )
    assert (found["dead"].reachability, found["dead"].error.code) == ("unreachable", "unreachable")
    assert (found["denied"].reachability, found["denied"].error) == (
        "denied", HostError("permission_denied", "no; banner", "h"),
    )  # fmt: skip
    assert found["lost"].error.code == "session_lost"
    assert online.is_closed


def test_status_without_a_repository_knows_no_distance(tmp_path):
    (standing,) = standings(tmp_path, FakeDoor(alpha=[FakeSession([facts()])]), "alpha")

    assert (standing.reachability, standing.behind, standing.ahead) == ("online", None, None)


def test_a_node_with_commits_of_its_own_is_ahead(tmp_path):
    git = GitFolder(tmp_path)
    git.commit("first", **{"services/web/compose.yaml": "one"})
    git.git("checkout", "-q", "-b", "elsewhere")
    git.commit("second")
    third = git.commit("third")
    git.git("checkout", "-q", "main")
    git.commit("fourth")

    (standing,) = standings(tmp_path, FakeDoor(alpha=[FakeSession([facts(revision=third)])]), "alpha")

    assert (standing.behind, standing.ahead) == (1, 2)


def test_a_revision_that_git_here_does_not_know_has_no_distance(tmp_path):
    GitFolder(tmp_path).commit("first")

    (standing,) = standings(tmp_path, FakeDoor(alpha=[FakeSession([facts(revision=build.OLD)])]), "alpha")

    assert (standing.behind, standing.ahead) == (None, None)


def test_what_waits_for_a_host_is_told_whether_it_is_away_or_back(tmp_path):
    sessions = {"dead": [FakeSession([facts("dead")])], "alpha": [FakeSession([facts()])]}

    found = standings(tmp_path, FakeDoor(**sessions), "dead", "alpha")

    assert [(each.reachability, each.deferred) for each in found] == [("online", WAITING), ("online", None)]


def test_all_hosts_are_asked_at_once(tmp_path):
    async def story() -> tuple[Standing, ...]:
        release = asyncio.Event()

        class Last(FakeSession):
            async def ask(self, request, bundle=b"", secrets=b""):
                release.set()
                async for line in super().ask(request, bundle):
                    yield line

        hosts = [build.host("first"), build.host("last")]
        door = FakeDoor(first=[FakeSession([release, facts("first")])], last=[Last([facts("last")])])
        return await status(build.topology(tmp_path, *hosts, parallel=1), hosts, door, Memory())

    assert [each.reachability for each in asyncio.run(story())] == ["online", "online"]


@pytest.mark.parametrize(
    "words, code",
    [
        ((), 0),
        (("online",), 0),
        (("online", "offline"), 3),
        (("unknown",), 3),
        (("unreachable", "denied", "online"), 1),
    ],
)
def test_the_exit_code_says_whether_all_hosts_answered(words, code):
    assert exit_code(Standing("alpha", word) for word in words) == code


# --- the tailnet ------------------------------------------------------------------------------------------------------


def test_status_knows_a_peer_whether_it_is_there_or_away(tmp_path):
    session = FakeSession([facts("here")])
    session.peer = peer("here", path=Path("direct", "10.0.0.3:41641"))
    away = peer("away", ("100.64.0.3",), is_online=False)
    door = FakeDoor(here=[session], away=[OffTailnet("away is offline", code="offline")], lan=[Unreachable("no")] * 3)
    hosts = [build.host(name, address=name, connect_timeout_s=0.2) for name in ("here", "away", "lan")]
    book = AddressBook(FakeTailscaled(tailnet(away)))

    found = asyncio.run(status(build.topology(tmp_path, *hosts), hosts, door, Memory(), book))

    assert [each.peer for each in found] == [session.peer, away, None]
    assert [each.reachability for each in found] == ["online", "offline", "unreachable"]


def around(folder, known, *hosts):
    return asyncio.run(surroundings(build.topology(folder, *hosts), AddressBook(FakeTailscaled(known))))


def test_surroundings_tell_of_twins_and_strangers(tmp_path):
    solaria = peer("solaria", ("100.64.0.3",), host_keys=("ssh-ed25519 AAAA",))
    nas, phone = peer("nas", ("100.64.0.4",), host_keys=("ssh-ed25519 AAAA",)), peer("phone", ("100.64.0.5",))
    hosts = [build.host("solaria", address="solaria"), build.host("gpu", address="100.64.0.3"), build.host("lan")]

    found = around(tmp_path, tailnet(solaria, nas, phone), *hosts)

    assert found == Surroundings(None, (("solaria", "gpu"),), ("nas",))


def test_surroundings_tell_why_there_is_no_tailnet(tmp_path):
    off = around(tmp_path, Tailnet("Stopped"), build.host())
    assert (off.trouble.code, off.trouble.hint) == ("tailnet_stopped", "sudo tailscale up")
    expiring = Tailnet("Running", own=Peer("saturn", key_expiry=f"{datetime.now(UTC) + timedelta(hours=30):%FT%TZ}"))
    assert around(tmp_path, expiring, build.host()).trouble.message == "SATURN: its tailnet key expires in 29 h"


def test_a_topology_that_needs_no_tailnet_hears_nothing_of_it(tmp_path):
    assert around(tmp_path, NOT_INSTALLED, build.host()) == Surroundings()
    assert around(tmp_path, Tailnet("Stopped"), build.host(transport="ssh")) == Surroundings()
    assert around(tmp_path, NOT_INSTALLED, build.host(transport="tailscale")).trouble.code == "tailscale_missing"
