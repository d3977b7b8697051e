from __future__ import annotations

import pytest
from support import build
from support.tailscaled import peer

from saturn_orchestrator.errors import Denied, ExecutorRefused, HostKeyRejected, OffTailnet, Unreachable
from saturn_orchestrator.events import Check
from saturn_orchestrator.state import checkup
from saturn_orchestrator.state.checkup import CHECKS_MAX, FIX_MAX, MESSAGE_MAX, Checkup, Greeting
from saturn_orchestrator.tailnet.model import Path

HOST = build.host()
NOW = "2026-11-26T16:10:00Z"
NOW_S = 1_795_709_400.0


def check(status: str, name: str = "disk", **fields: str) -> Check:
    return Check(name, status, **fields)


@pytest.mark.parametrize(
    "statuses, code", [([], 0), (["ok", "skip"], 0), (["ok", "warn"], 0), (["fail"], 1), (["warn", "fail", "ok"], 1)]
)
def test_only_what_failed_makes_the_exit_code(statuses, code):
    found = [Checkup("", ()), Checkup("alpha", tuple(map(check, statuses)))]

    assert checkup.exit_code(found) == code


def test_checks_have_an_order_and_an_unknown_one_comes_last():
    found = [check("ok", name) for name in ("zeal", "reboot", "colour", "python", "reachability")]

    told = checkup.host_checkup(HOST, found)

    assert [each.name for each in told.checks] == ["reachability", "python", "reboot", "colour", "zeal"]


def test_no_check_has_two_places():
    assert len(set(checkup.HOST_CHECKS)) == len(checkup.HOST_CHECKS)
    assert len(set(checkup.SATURN_CHECKS)) == len(checkup.SATURN_CHECKS)


def test_what_saturn_found_itself_counts_before_what_a_node_says():
    told = checkup.host_checkup(HOST, [check("fail", "reachability", fix="x"), check("ok", "reachability")])

    assert told == Checkup("alpha", (check("fail", "reachability", fix="x"),))


def test_whoever_is_told_of_a_fault_is_told_what_to_do():
    (told,) = checkup.host_checkup(HOST, [check("fail")]).checks

    assert told.fix == "saturn diagnose --hosts alpha"


def test_a_status_that_nobody_knows_is_bad():
    assert checkup.from_a_node([check("fine")]) == (check("fail"),)


def test_a_hostile_node_is_bounded():
    flood = [check("ok", f"n{number}") for number in range(500)]
    names = [check("ok", name) for name in ("", "Disk", "a b", "x" * 41, "[bold]", "../x")]
    long = check("ok", "long", message="m" * 9999, fix="f" * 9999)

    assert len(checkup.from_a_node(flood)) == CHECKS_MAX
    assert checkup.from_a_node(names) == ()
    (told,) = checkup.from_a_node([long, check("fail", "long")])
    assert (len(told.message), len(told.fix), told.status) == (MESSAGE_MAX, FIX_MAX, "ok")


def test_several_findings_of_one_check_are_one():
    parts = [
        check("warn", message="behind", fix="pull"), check("ok", message="fine"), check("fail", message="gone"),
        check("warn", message="ahead", fix="push"),
    ]  # fmt: skip

    assert checkup.gathered("branch", parts, "main") == Check("branch", "fail", "gone; behind; ahead", "pull")
    assert checkup.gathered("branch", [check("ok")], "main") == Check("branch", "ok", "main")


@pytest.mark.parametrize(
    "error, link, expected",
    [
        (Unreachable("no answer", hint="ping"), "stable", ("fail", "no answer [unreachable]", "ping")),
        (Unreachable("no answer", hint="ping"), "intermittent", ("warn", "no answer [unreachable]", "ping")),
        (OffTailnet("off"), "intermittent", ("warn", "off [offline]", "saturn --verbose status --hosts alpha")),
        (Denied("no", notes=("a banner",), hint="ssh"), "intermittent",
         ("fail", "no; a banner [permission_denied]", "ssh")),
        (HostKeyRejected("another key", hint="keygen"), "stable",
         ("fail", "another key [host_key_changed]", "keygen")),
    ],
)  # fmt: skip
def test_an_error_of_the_session_is_the_checks_own(error, link, expected):
    assert checkup.unreached(build.host(link=link), error) == (Check("reachability", *expected),)


def test_an_executor_that_does_not_begin_is_told_with_its_code():
    denied = ExecutorRefused("sudo was denied", code="become_denied", hint="NOPASSWD")
    missing = ExecutorRefused("there is no python3", code="no_python", hint="apt")

    assert checkup.not_started(denied) == Check("executor", "fail", "sudo was denied [become_denied]", "NOPASSWD")
    assert checkup.not_started(missing) == Check("python", "fail", "there is no python3 [no_python]", "apt")


@pytest.mark.parametrize(
    "found, status, words",
    [
        (None, "skip", "not reached over a tailnet"),
        (peer("alpha", is_self=True), "ok", "this machine"),
        (peer("alpha"), "ok", "not known yet"),
        (peer("alpha", path=Path("direct", "192.0.2.1:41641")), "ok", "direct"),
        (peer("alpha", path=Path("derp", "fra")), "ok", "DERP fra"),
    ],
)
def test_the_path_over_the_tailnet(found, status, words):
    told = checkup.path_check(found)

    assert told.status == status
    assert words in told.message


def test_the_fastest_greeting_tells_the_way_and_the_clock():
    slow = Greeting(NOW_S, 4, "2026-11-26T17:00:00Z")
    fast = Greeting(NOW_S, 0.5, "2026-11-26T16:10:00.250Z")

    way, clock = checkup.greeting_checks(HOST, [slow, fast])

    assert (way.status, way.message) == ("ok", "500 ms there and back")
    assert (clock.status, clock.message) == ("ok", "within 0.1 s of SATURN's")


def test_a_slow_line_is_told():
    assert checkup.round_trip_check(HOST, 2.5) == Check(
        "round_trip", "warn", "2500 ms there and back: the line is slow", "ping -c 5 alpha"
    )


@pytest.mark.parametrize(
    "offset_s, doubt_s, status",
    [
        (0.0, 0.1, "ok"),
        (-5.0, 0.0, "ok"),
        (6.0, 0.1, "warn"),
        (6.0, 4.0, "ok"),  # half the round trip may be all of it
        (-60.0, 0.0, "warn"),
        (61.0, 0.1, "fail"),
        (-86_400.0, 0.1, "fail"),
        (None, 0.1, "fail"),
    ],
)
def test_a_clock_that_is_off_is_told(offset_s, doubt_s, status):
    told = checkup.clock_check(offset_s, doubt_s)

    assert told.status == status
    assert bool(told.fix) == (status != "ok")


def test_which_way_a_clock_is_off():
    assert checkup.clock_check(-7200, 0).message.startswith("2 h behind SATURN's")
    assert checkup.clock_check(90, 0).message.startswith("1 min ahead of SATURN's")


@pytest.mark.parametrize("at", ["", "soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_node_can_tell_any_time(at):
    _, clock = checkup.greeting_checks(HOST, [Greeting(NOW_S, 0, at)])

    assert clock.status == "fail"


@pytest.mark.parametrize(
    "fields, status",
    [
        ({}, "ok"),
        ({"key_expiry": "2027-11-26T16:10:00Z"}, "ok"),
        ({"key_expiry": "2026-11-28T16:10:00Z"}, "warn"),
        ({"is_expired": True}, "fail"),
    ],
)
def test_a_key_for_the_tailnet_that_expires_is_told(fields, status):
    told = checkup.tailnet_key_check(peer("alpha", **fields), NOW)

    assert told.status == status
    assert bool(told.fix) == (status != "ok")
