from __future__ import annotations

import pytest
from support import build
from support.tailscaled import peer, tailnet

from saturn_orchestrator.errors import OffTailnet, SaturnError, SessionError
from saturn_orchestrator.session.route import Route, is_tailnet_wanted, route_of
from saturn_orchestrator.tailnet.model import Peer, Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, NOT_RUNNING, Trouble, trouble_of
from saturn_orchestrator.topology.model import Host, Ssh

NOW = "2026-11-25T20:45:00Z"
KEYS = ("ssh-ed25519 AAAA",)
ALPHA = peer("alpha", ("100.64.0.2", "fd7a:115c:a1e0::2"))
SATURN = peer("saturn", ("100.64.0.1",), is_self=True)
STOPPED = tailnet(ALPHA, state="Stopped")

host = build.host


def error_of(asked: Host, known: Tailnet | Trouble | None) -> SaturnError:
    with pytest.raises(SaturnError) as caught:
        route_of(asked, known, NOW)
    return caught.value


# --- who asks the tailnet ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transport, jump, is_wanted",
    [
        ("auto", None, True),
        ("tailscale", None, True),
        ("ssh", None, False),
        ("local", None, False),
        ("auto", "gate", False),
        ("tailscale", "gate", True),
    ],
)
def test_the_tailnet_is_asked_where_the_transport_lets_it(transport, jump, is_wanted):
    assert is_tailnet_wanted(host(transport=transport, ssh=Ssh(user="ada", jump=jump))) is is_wanted


@pytest.mark.parametrize("address", ["alpha", "100.64.0.2", "alpha.tail1234.ts.net"])
def test_where_nobody_was_asked_the_address_is_dialled_as_it_stands(address):
    asked = host(transport="ssh", address=address)

    assert route_of(asked, None, NOW) == Route(asked, address)


def test_a_local_host_is_saturn_itself():
    assert route_of(host(transport="local"), None, NOW).is_local
    assert not route_of(host(transport="ssh"), None, NOW).is_local


# --- found ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["auto", "tailscale"])
@pytest.mark.parametrize("address", ["alpha", "Alpha.Tail1234.ts.net."])
def test_a_name_is_dialled_by_its_ipv4_address(transport, address):
    asked = host(transport=transport, address=address)

    assert route_of(asked, tailnet(ALPHA), NOW) == Route(asked, "100.64.0.2", ALPHA)


def test_an_address_that_was_written_down_is_dialled_itself():
    asked = host(address="fd7a:115c:a1e0::2")

    assert route_of(asked, tailnet(ALPHA), NOW) == Route(asked, "fd7a:115c:a1e0::2", ALPHA)


def test_userspace_networking_goes_with_the_route():
    assert route_of(host(), tailnet(ALPHA, is_userspace=True), NOW).is_userspace
    assert not route_of(host(), tailnet(ALPHA), NOW).is_userspace


def test_a_host_that_is_saturn_itself_is_local_by_name_and_by_address():
    known = tailnet(ALPHA, own=SATURN)

    assert route_of(host(address="saturn"), known, NOW).is_local
    assert route_of(host(address="100.64.0.1", transport="tailscale"), known, NOW).is_local
    assert not route_of(host(), known, NOW).is_local


def test_a_peer_without_an_address_cannot_be_dialled():
    error = error_of(host(), tailnet(peer("alpha", ())))

    assert (type(error), error.code, error.message) == (
        OffTailnet, "not_on_tailnet", "alpha has no address on the tailnet yet",
    )  # fmt: skip


def test_a_peer_whose_key_has_expired_is_not_dialled():
    error = error_of(host(), tailnet(peer("alpha", is_expired=True)))

    assert (type(error), error.code, error.retryable) == (OffTailnet, "tailnet_key_expired", False)
    assert "--force-reauth" in error.hint


def test_two_of_one_name_are_a_doubt_that_a_person_must_settle():
    shared = Peer("alpha", "alpha.elsewhere.ts.net", ("100.99.0.1",))

    error = error_of(host(), tailnet(ALPHA, shared))

    assert (type(error), error.code) == (SessionError, "tailnet_ambiguous")
    assert error.message == "alpha means 2 machines of the tailnet: alpha.tail1234.ts.net, alpha.elsewhere.ts.net"
    assert "whole name" in error.hint


def test_a_doubt_among_many_names_the_first():
    many = [Peer("alpha", f"alpha.tail{number}.ts.net", (f"100.99.0.{number}",)) for number in range(9)]

    message = error_of(host(), tailnet(*many)).message

    assert message.endswith("alpha.tail4.ts.net and 4 more")


# --- not found --------------------------------------------------------------------------------------------------------


def test_a_name_that_the_tailnet_does_not_know_is_left_to_dns():
    asked = host(address="nas.lan")

    assert route_of(asked, tailnet(ALPHA), NOW) == Route(asked, "nas.lan")


@pytest.mark.parametrize(
    "fields",
    [
        {"transport": "tailscale", "address": "beta"},
        {"address": "100.64.0.99"},
        {"address": "fd7a:115c:a1e0::99"},
        {"address": "beta.tail1234.ts.net"},
    ],
    ids=["transport", "IPv4", "IPv6", "name"],
)
def test_what_can_only_be_on_the_tailnet_is_never_looked_for_elsewhere(fields):
    error = error_of(host(**fields), tailnet(ALPHA))

    assert (type(error), error.code) == (OffTailnet, "not_on_tailnet")
    assert error.message == f"{fields['address']} is not on the tailnet tail1234.ts.net"
    assert error.hint.startswith("tailscale status")


def test_a_tailnet_without_a_name_is_not_named():
    error = error_of(host(transport="tailscale"), tailnet(suffix=""))

    assert error.message == "alpha is not on the tailnet"


# --- no tailnet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known, code, message",
    [
        (NOT_INSTALLED, "tailscale_missing", "tailscale is not installed on SATURN"),
        (NOT_RUNNING, "tailscaled_down", "tailscaled does not run on SATURN"),
        (STOPPED, "tailnet_stopped", "tailscale is switched off on SATURN"),
        (Tailnet("?"), "tailscale_unreadable", "tailscale on SATURN did not answer with a status that can be read"),
    ],
)
@pytest.mark.parametrize("fields", [{"transport": "tailscale"}, {"address": "100.64.0.2"}])
def test_without_a_tailnet_such_a_host_is_off_it(known, code, message, fields):
    error = error_of(host(**fields), known)

    assert (type(error), error.code, error.exit_code) == (OffTailnet, code, 3)
    assert error.message == f"alpha is reached over the tailnet, and {message}"
    assert error.hint


def test_without_a_tailnet_every_other_host_is_dialled_and_the_trouble_is_remembered():
    asked = host()

    assert route_of(asked, STOPPED, NOW) == Route(asked, "alpha", trouble=trouble_of(Tailnet("Stopped"), NOW))


def test_a_machine_without_tailscale_hears_nothing_of_it():
    assert route_of(host(), NOT_INSTALLED, NOW) == Route(host(), "alpha")


def test_the_key_of_saturn_itself_expires_with_the_time():
    own = peer("saturn", ("100.64.0.1",), is_self=True, key_expiry="2026-11-25T20:44:00Z")

    assert error_of(host(transport="tailscale"), tailnet(ALPHA, own=own)).code == "tailnet_key_expired"


# --- what a route is --------------------------------------------------------------------------------------------------


def test_a_peer_that_has_keys_on_the_tailnet_is_held_to_them_on_every_port():
    known = tailnet(peer("alpha", host_keys=KEYS))

    assert route_of(host(), known, NOW).is_tailscale_ssh
    assert route_of(host(ssh=Ssh(user="ada", port=2222)), known, NOW).is_tailscale_ssh
    assert not route_of(host(), tailnet(ALPHA), NOW).is_tailscale_ssh
    assert not route_of(host(transport="ssh"), None, NOW).is_tailscale_ssh


def test_where_it_leads_is_told_with_the_address_that_is_dialled():
    assert route_of(host(), tailnet(ALPHA), NOW).where == "alpha (100.64.0.2) port 22"
    assert route_of(host(address="nas.lan"), NOT_INSTALLED, NOW).where == "nas.lan port 22"
