"""The status of tailscaled, read from documents that real ones printed, from small ones, and from any at all."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.tailnet.document import path_of_ping, tailnet_of
from saturn_orchestrator.tailnet.model import Path as WayThere
from saturn_orchestrator.tailnet.model import Peer, Tailnet

CASES = Path(__file__).parents[2] / "cases" / "tailnet"
NAMES = sorted(file.stem for file in CASES.glob("*.json") if not file.stem.startswith("ping-"))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEfESvt0Tp1cMoGLQQ4nA8NZGBFT+vrm+iPomKTsy1iO"


def recorded(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def peers(name: str) -> dict[str, Peer]:
    return {peer.name: peer for peer in tailnet_of(recorded(name)).peers}


def peer_of(**document: Any) -> Peer | None:
    """The one peer of a small status."""
    found = tailnet_of({"BackendState": "Running", "Peer": {"nodekey:1": {"DNSName": "a.t.ts.net.", **document}}}).peers
    return found[0] if found else None


# --- recorded documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, state",
    [
        ("running-tun", "Running"),
        ("running-userspace", "Running"),
        ("running-without-peers", "Running"),
        ("control-lost", "Running"),
        ("starting", "Starting"),
        ("no-state", "NoState"),
        ("no-state-no-control", "NoState"),
        ("stopped", "Stopped"),
        ("needs-machine-auth", "NeedsMachineAuth"),
        ("needs-login-fresh", "NeedsLogin"),
        ("needs-login-logged-out", "NeedsLogin"),
        ("needs-login-with-url", "NeedsLogin"),
        ("needs-login-key-expired", "NeedsLogin"),
    ],
)
def test_the_state_is_what_tailscaled_calls_it(name, state):
    assert tailnet_of(recorded(name)).state == state


def test_a_tailnet_that_runs_is_read_whole():
    known = tailnet_of(recorded("running-tun"))

    assert (known.suffix, known.is_userspace, known.login_url) == ("tail.example", False, "")
    assert known.own == Peer("saturn", "saturn.tail.example", ("100.64.0.4", "fd7a:115c:a1e0::4"), is_self=True)
    assert [(peer.name, peer.dns_name, peer.addresses) for peer in known.peers] == [
        ("chelsty", "chelsty.tail.example", ("100.64.0.1", "fd7a:115c:a1e0::1")),
        ("solaria", "solaria.tail.example", ("100.64.0.2", "fd7a:115c:a1e0::2")),
        ("vps", "vps.tail.example", ("100.64.0.3", "fd7a:115c:a1e0::3")),
    ]
    assert [peer.has_tailscale_ssh for peer in known.peers] == [True, True, True]
    assert [key.split()[0] for key in known.peers[0].host_keys] == ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"]


def test_a_peer_is_online_as_the_tailnet_says():
    assert {name: peer.is_online for name, peer in peers("running-tun").items()} == {
        "chelsty": True, "solaria": True, "vps": False,
    }  # fmt: skip


def test_a_peer_that_left_before_we_came_has_a_time_when_it_was_seen_last():
    assert peers("running-tun")["vps"].last_seen == ""
    assert peers("offline-last-seen")["vps"].last_seen == "2026-11-25T20:41:59.833835913Z"
    assert peers("offline-last-seen")["solaria"].last_seen == ""


def test_userspace_networking_is_seen():
    assert tailnet_of(recorded("running-userspace")).is_userspace


def test_a_path_is_known_only_of_a_peer_that_was_spoken_to():
    assert peers("running-tun")["chelsty"].path == WayThere("direct", "10.83.2.12:39934")
    assert peers("derp")["chelsty"].path == WayThere("derp", "lab")
    assert peers("running-tun")["solaria"].path == WayThere()


def test_a_peer_without_tailscale_ssh_has_no_keys():
    assert {name: peer.has_tailscale_ssh for name, peer in peers("peer-without-ssh").items()} == {
        "chelsty": True, "solaria": False, "vps": True,
    }  # fmt: skip


def test_an_expired_key_is_told_of_a_peer_and_of_ourselves():
    assert [name for name, peer in peers("peer-key-expired").items() if peer.is_expired] == ["vps"]
    assert tailnet_of(recorded("needs-login-key-expired")).own.is_expired


def test_a_key_that_will_expire_has_a_time():
    known = tailnet_of(recorded("key-expiry-near"))

    assert known.own.key_expiry == "2026-11-28T20:36:27Z"
    assert {peer.name: peer.key_expiry for peer in known.peers} == {
        "chelsty": "", "solaria": "2026-11-28T20:36:27Z", "vps": "",
    }  # fmt: skip


def test_machines_that_call_themselves_the_same_are_told_apart_by_their_dns_name():
    known = tailnet_of(recorded("same-hostname"))

    assert (known.own.name, [peer.name for peer in known.peers]) == (
        "saturn-1",
        ["chelsty", "saturn", "solaria", "vps"],
    )


def test_without_a_login_there_is_only_the_machine_itself():
    known = tailnet_of(recorded("needs-login-fresh"))

    assert (known.own, known.peers, known.suffix) == (Peer("saturn", is_self=True), (), "")


def test_a_login_that_waits_for_a_person_has_an_address():
    url = tailnet_of(recorded("needs-login-with-url")).login_url

    assert url.startswith("http://10.83.2.11:8080/register/hskey-authreq-")


def test_a_ping_tells_the_path_that_its_answer_came_by():
    assert path_of_ping(recorded("ping-direct")) == WayThere("direct", "10.83.2.12:39934")
    assert path_of_ping(recorded("ping-derp")) == WayThere("derp", "lab")


# --- what was not recorded --------------------------------------------------------------------------------------------


def test_a_state_that_nobody_knows_yet_is_kept():
    assert tailnet_of({"BackendState": "InUseOtherUser"}).state == "InUseOtherUser"
    assert tailnet_of({"BackendState": "Dreaming"}).state == "Dreaming"


@pytest.mark.parametrize("document", [None, [], "", 7, {}, {"BackendState": None}, {"BackendState": 3}])
def test_what_is_no_status_has_no_state(document):
    assert tailnet_of(document) == Tailnet("")


@pytest.mark.parametrize("value", [None, 7, "x", [], [None], {"nodekey:1": None}, {"nodekey:1": "x"}])
def test_peers_of_another_type_are_nobody(value):
    assert tailnet_of({"BackendState": "Running", "Peer": value}).peers == ()


@pytest.mark.parametrize("key", ["TailscaleIPs", "sshHostKeys", "LastSeen", "KeyExpiry", "CurAddr", "Expired"])
@pytest.mark.parametrize("value", [None, 7, {}, [7, None], ""])
def test_a_field_of_another_type_counts_as_missing(key, value):
    assert peer_of(**{key: value}) == peer_of()


@pytest.mark.parametrize("value, is_online", [(True, True), (False, False), (None, False), ("true", False)])
def test_a_peer_is_offline_where_nobody_says_that_it_is_online(value, is_online):
    assert peer_of(Online=value).is_online is is_online
    assert peer_of().is_online is False


@pytest.mark.parametrize("value", [None, 0, "", [], "false"])
def test_only_a_plain_no_means_userspace(value):
    assert not tailnet_of({"BackendState": "Running", "TUN": value}).is_userspace


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0001-01-01T01:00:00+01:00", "", "soon"])
def test_the_zero_time_is_no_time(text):
    assert (peer_of(LastSeen=text).last_seen, peer_of(KeyExpiry=text).key_expiry) == ("", "")


def test_somebody_who_only_sees_what_we_share_is_left_out():
    assert peer_of(ShareeNode=True) is None
    assert peer_of(ShareeNode=False) is not None


def test_a_machine_without_a_place_on_the_tailnet_is_left_out():
    assert peer_of(DNSName="") is None
    assert peer_of(DNSName="", TailscaleIPs=["100.64.0.9"]).addresses == ("100.64.0.9",)


@pytest.mark.parametrize(
    "given_, kept",
    [
        (["fd7a::1", "100.64.0.1"], ("100.64.0.1", "fd7a::1")),
        (["100.64.0.1", "nonsense", "100.64.0.1/32", ""], ("100.64.0.1",)),
        (["fe80::1%eth0; reboot"], ()),
    ],
)
def test_addresses_are_addresses_and_ipv4_stands_first(given_, kept):
    assert peer_of(TailscaleIPs=given_).addresses == kept


@pytest.mark.parametrize(
    "lines, kept",
    [
        ([KEY], (KEY,)),
        ([f"{KEY}\n"], ()),
        ([f"{KEY}\r\n* {KEY}"], ()),
        ([f"{KEY}\x1b[2J", f"{KEY}\u2028", f"{KEY}\u202e"], ()),
        (["", "  ", KEY], (KEY,)),
        (["x" * 9000, KEY], (KEY,)),
        ([KEY] * 99, (KEY,) * 16),
    ],
)
def test_a_key_is_one_line_and_no_longer_than_any_key(lines, kept):
    assert peer_of(sshHostKeys=lines).host_keys == kept


@pytest.mark.parametrize(
    "document, path",
    [
        ({"CurAddr": "10.0.0.2:41641", "Relay": "fra", "Active": True}, WayThere("direct", "10.0.0.2:41641")),
        ({"PeerRelay": "10.0.0.9:7777:12", "Relay": "fra", "Active": True}, WayThere("peer_relay", "10.0.0.9:7777:12")),
        ({"Relay": "fra", "Active": True}, WayThere("derp", "fra")),
        ({"Relay": "fra", "Active": False}, WayThere()),
        ({"Relay": "fra"}, WayThere()),
        ({}, WayThere()),
    ],
)
def test_a_peer_is_reached_by_one_kind_of_path(document, path):
    assert peer_of(**document).path == path


@pytest.mark.parametrize(
    "document, path",
    [
        ({"PeerRelay": "10.0.0.9:7777:12"}, WayThere("peer_relay", "10.0.0.9:7777:12")),
        ({"DERPRegionID": 4}, WayThere("derp", "4")),
        ({"DERPRegionID": 10**5000}, WayThere()),
        ({"Err": "no matching peer"}, WayThere()),
        (None, WayThere()),
    ],
)
def test_a_ping_without_an_answer_knows_no_path(document, path):
    assert path_of_ping(document) == path


def test_the_suffix_may_stand_in_its_old_place():
    assert tailnet_of({"MagicDNSSuffix": ".old.ts.net."}).suffix == "old.ts.net"
    assert (
        tailnet_of({"MagicDNSSuffix": "old.ts.net", "CurrentTailnet": {"MagicDNSSuffix": "new.ts.net"}}).suffix
        == "new.ts.net"
    )


def test_texts_of_other_machines_are_neutral_and_bounded():
    hostile = "\x1b[31mevil\u202e\r\n[red]" + "x" * 5000
    peer = peer_of(DNSName=hostile)

    assert (peer.dns_name[:14], len(peer.dns_name) <= 1000) == ("[31mevil  [red", True)


# --- any document at all ----------------------------------------------------------------------------------------------

_any_text = st.text(max_size=20) | st.sampled_from(("\x1b[2J", "\u202e", "a\nb", "\ud800", "100.64.0.1", KEY))
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | _any_text
_known_keys = st.sampled_from(
    (
        "BackendState", "Self", "Peer", "TUN", "AuthURL", "CurrentTailnet", "MagicDNSSuffix", "DNSName", "HostName",
        "TailscaleIPs", "Online", "LastSeen", "sshHostKeys", "Expired", "KeyExpiry", "CurAddr", "PeerRelay", "Relay",
        "Active", "ShareeNode", "Endpoint", "DERPRegionCode", "DERPRegionID",
    )
)  # fmt: skip
any_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_known_keys | _any_text, inner, max_size=8),
    max_leaves=25,
)


@given(any_json)
def test_any_json_is_some_tailnet(document):
    assert_sound(tailnet_of(document))
    assert_sound(tailnet_of({"BackendState": "Running", "Self": document, "Peer": {"nodekey:1": document}}))
    assert isinstance(path_of_ping(document), WayThere)


@given(st.sampled_from(NAMES), st.data())
def test_a_real_document_that_was_damaged_is_some_tailnet(name, data):
    document = recorded(name)
    for _ in range(data.draw(st.integers(1, 4))):
        places = list(containers(document))
        place, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()) and isinstance(place, dict):
            del place[key]
        else:
            place[key] = data.draw(any_json)

    assert_sound(tailnet_of(document))


def containers(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document where a value stands: what holds it, and its key or index."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from containers(value[key])


def assert_sound(known: Tailnet) -> None:
    assert isinstance(known, Tailnet)
    for text in texts(known):
        assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text)


def texts(value: Any) -> Iterator[str]:
    """Every text in a value of the model."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from texts(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))
