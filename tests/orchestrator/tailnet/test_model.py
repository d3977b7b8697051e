from __future__ import annotations

import pytest
from support.tailscaled import peer, tailnet

from saturn_orchestrator.tailnet.model import Path, Peer, ip_address, is_of_a_tailnet

CHELSTY = peer("chelsty", ("100.64.0.3", "fd7a:115c:a1e0::3"))
SOLARIA = peer("solaria", ("100.64.0.4", "fd7a:115c:a1e0::4"))
SATURN = peer("saturn", ("100.64.0.1",), is_self=True)
TAILNET = tailnet(CHELSTY, SOLARIA, own=SATURN)


@pytest.mark.parametrize(
    "address",
    [
        "chelsty",
        "CHELSTY",
        "chelsty.",
        "chelsty.tail1234.ts.net",
        "Chelsty.Tail1234.TS.net",
        "chelsty.tail1234.ts.net.",
        "100.64.0.3",
        "fd7a:115c:a1e0::3",
        "FD7A:115C:A1E0:0:0:0:0:3",
        "fd7a:115c:a1e0:0000:0000:0000:0000:0003",
    ],
)
def test_a_peer_is_called_by_its_name_its_whole_name_or_its_address(address):
    assert TAILNET.called(address) == (CHELSTY,)


@pytest.mark.parametrize(
    "address",
    ["", ".", "chel", "chelsty.tail1234", "chelsty.other.ts.net", "100.64.0.33", "fd7a:115c:a1e0::33", "ts.net"],
)
def test_nothing_else_means_a_peer(address):
    assert TAILNET.called(address) == ()


def test_saturn_itself_is_called_like_any_other():
    assert TAILNET.called("saturn") == TAILNET.called("100.64.0.1") == (SATURN,)


def test_two_of_one_name_are_both_meant_and_their_whole_names_tell_them_apart():
    shared = Peer("chelsty", "chelsty.elsewhere.ts.net", ("100.99.0.1",))
    known = tailnet(CHELSTY, shared)

    assert known.called("chelsty") == (CHELSTY, shared)
    assert known.called("chelsty.elsewhere.ts.net") == (shared,)
    assert known.called("100.64.0.3") == (CHELSTY,)


def test_a_peer_without_a_name_is_called_by_its_address_alone():
    nameless = Peer("", "", ("100.64.0.9",))

    assert tailnet(nameless).called("") == ()
    assert tailnet(nameless).called("100.64.0.9") == (nameless,)


def test_a_peer_that_tells_keys_runs_tailscale_ssh():
    assert not CHELSTY.has_tailscale_ssh
    assert peer("chelsty", host_keys=("ssh-ed25519 AAAA",)).has_tailscale_ssh


@pytest.mark.parametrize(
    "last_seen, words",
    [
        ("2026-11-23T13:10:00Z", "offline, last seen 3 h ago"),
        ("2026-11-23T16:10:00Z", "offline, last seen just now"),
        ("2026-11-23T16:30:00Z", "offline"),
        ("", "offline"),
    ],
)
def test_an_absence_tells_since_when_where_that_is_known(last_seen, words):
    assert peer("chelsty", is_online=False, last_seen=last_seen).absence("2026-11-23T16:10:02Z") == words


@pytest.mark.parametrize(
    "path, words",
    [
        (Path(), ""),
        (Path("direct", "10.0.0.2:41641"), "direct"),
        (Path("peer_relay", "10.0.0.9:7777:12"), "peer relay"),
        (Path("derp", "fra"), "DERP fra"),
        (Path("derp"), "DERP"),
    ],
)
def test_a_path_in_words(path, words):
    assert path.words == words


@pytest.mark.parametrize(
    "address, is_of_one",
    [
        ("100.64.0.1", True),
        ("100.127.255.255", True),
        ("100.128.0.1", False),
        ("fd7a:115c:a1e0::1", True),
        ("FD7A:115C:A1E0:ab12::9", True),
        ("fd7a:115c:a1e1::1", False),
        ("chelsty.tail1234.ts.net", True),
        ("chelsty.tail1234.TS.NET.", True),
        ("chelsty", False),
        ("ts.net", False),
        ("nots.net", False),
        ("10.0.0.1", False),
    ],
)
def test_some_addresses_can_only_be_meant_on_a_tailnet(address, is_of_one):
    assert is_of_a_tailnet(address) is is_of_one


@pytest.mark.parametrize("text", ["", "chelsty", "100.64.0", "100.64.0.1/32", "1e3"])
def test_a_name_is_no_address(text):
    assert ip_address(text) is None
