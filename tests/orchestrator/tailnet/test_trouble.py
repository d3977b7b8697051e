from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.tailscaled import peer, tailnet

from saturn_orchestrator.tailnet.document import tailnet_of
from saturn_orchestrator.tailnet.model import Tailnet
from saturn_orchestrator.tailnet.trouble import (
    NOT_INSTALLED,
    NOT_RUNNING,
    UNREADABLE,
    Trouble,
    expiry_warning,
    trouble_of,
)

CASES = Path(__file__).parents[2] / "cases" / "tailnet"
NOW = "2026-11-25T20:45:00Z"


def recorded(name: str) -> Tailnet:
    return tailnet_of(json.loads((CASES / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "name", ["running-tun", "running-userspace", "derp", "control-lost", "running-without-peers", "key-expiry-near"]
)
def test_a_tailnet_that_runs_is_no_trouble(name):
    assert trouble_of(recorded(name), NOW) is None


@pytest.mark.parametrize(
    "name, code, message, hint",
    [
        ("needs-login-fresh", "tailnet_needs_login", "SATURN is not logged in to its tailnet", "sudo tailscale up"),
        (
            "needs-login-logged-out", "tailnet_needs_login", "SATURN is not logged in to its tailnet",
            "sudo tailscale up",
        ),
        (
            "needs-login-key-expired", "tailnet_key_expired", "SATURN's key for its tailnet has expired",
            "sudo tailscale up --force-reauth",
        ),
        (
            "needs-machine-auth", "tailnet_needs_approval",
            "SATURN waits for an administrator of the tailnet to approve it",
            "approve it under Machines in the admin console, then: tailscale status",
        ),
        (
            "no-state-no-control", "tailnet_starting",
            "tailscale on SATURN is only starting; it says: You are logged out. The last login error was: "  # noqa: ISC004
            'fetch control key: Get "http://10.83.2.11:8080/key?v=142": dial tcp 10.83.2.11:8080: connect: '
            "connection refused",
            "wait a moment, then: tailscale status",
        ),
        ("stopped", "tailnet_stopped", "tailscale is switched off on SATURN", "sudo tailscale up"),
        (
            "starting", "tailnet_starting", "tailscale on SATURN is only starting",
            "wait a moment, then: tailscale status",
        ),
        (
            "no-state", "tailnet_starting", "tailscale on SATURN is only starting",
            "wait a moment, then: tailscale status",
        ),
    ],
)  # fmt: skip
def test_every_state_has_its_words_and_its_next_command(name, code, message, hint):
    assert trouble_of(recorded(name), NOW) == Trouble(code, message, hint)


def test_a_tailnet_in_use_by_another_user_is_said_so():
    assert trouble_of(Tailnet("InUseOtherUser"), NOW).code == "tailnet_other_user"


@pytest.mark.parametrize("state", ["", "Dreaming", "running"])
def test_a_state_that_nobody_knows_is_unreadable(state):
    assert trouble_of(Tailnet(state), NOW) == UNREADABLE


def test_a_login_that_waits_for_a_person_shows_where():
    hint = trouble_of(recorded("needs-login-with-url"), NOW).hint

    assert hint.startswith("sudo tailscale up   # or open http://10.83.2.11:8080/register/hskey-authreq-")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", ""])
def test_only_a_web_address_is_shown(url):
    assert trouble_of(Tailnet("NeedsLogin", login_url=url), NOW).hint == "sudo tailscale up"


def test_a_key_that_expired_is_named_whatever_the_state():
    own = peer("saturn", key_expiry="2026-11-25T20:44:59Z", is_self=True)

    assert trouble_of(tailnet(own=own), NOW).code == "tailnet_key_expired"
    assert trouble_of(tailnet(own=own, state="Stopped"), NOW).code == "tailnet_key_expired"


def test_every_trouble_has_a_sentence_and_a_next_command():
    every = [NOT_INSTALLED, NOT_RUNNING, UNREADABLE]
    every += [trouble_of(Tailnet(state), NOW) for state in ("NeedsLogin", "NeedsMachineAuth", "Stopped", "NoState")]

    assert [each for each in every if not (each.code and "SATURN" in each.message and each.hint)] == []


@pytest.mark.parametrize(
    "expiry, is_expired, warning",
    [
        ("", False, ""),
        ("2026-12-03T20:45:00Z", False, ""),
        ("2026-12-02T20:45:00Z", False, "its tailnet key expires in 7 days"),
        ("2026-11-28T20:36:27Z", False, "its tailnet key expires in 2 days"),
        ("2026-11-25T21:45:00Z", False, "its tailnet key expires in 1 h"),
        (NOW, False, "its tailnet key has expired"),
        ("2026-11-24T20:45:00Z", False, "its tailnet key has expired"),
        ("", True, "its tailnet key has expired"),
    ],
)
def test_a_key_that_is_about_to_expire_is_warned_of(expiry, is_expired, warning):
    assert expiry_warning(peer("chelsty", key_expiry=expiry, is_expired=is_expired), NOW) == warning
