from __future__ import annotations

from pathlib import Path

import pytest
from support.tailscaled import peer, tailnet

from saturn_orchestrator.errors import HostKeyRejected, InventoryFinding, RepositoryError, SessionError, UsageError
from saturn_orchestrator.state import workplace
from saturn_orchestrator.state.workplace import Branch, Identity, Shelf
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, NOT_RUNNING

NOW = "2026-11-26T16:10:00Z"
FOLDER = Path("/home/ada/my lab")
KEY = Path("/home/ada/.ssh/id")


@pytest.mark.parametrize(
    "version, specifiers, holds",
    [
        ("2.24.1", "<2.25,>=2.24", True),
        ("2.25", "<2.25,>=2.24", False),
        ("2.25.0", "<2.25", False),
        ("2.24", ">=2.24.0", True),
        ("13.8.1", ">=13.9", False),
        ("9.1.2", ">=9", True),
        ("3.0.0rc1", "<3,>=2.9", False),
        ("1.4.7", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("1.4.7", "~=1.4", True),
        ("1.0", "==1.0.0", True),
        ("1.0", "!=1.0", False),
        ("2", ">2", False),
        ("2", "<=2.0", True),
        ("anything", "", True),
        ("1.0", "===weird", True),
    ],
)
def test_a_version_is_in_a_range_or_not(version, specifiers, holds):
    assert workplace.satisfies(version, specifiers) == holds


def test_what_belongs_to_an_extra_is_not_asked_for():
    told = ["asyncssh<2.25,>=2.24", "pydantic[email]>=2.9", "mypy>=1.13; extra == 'dev'", "tomli; python_version<'3'"]

    assert workplace.runtime(told) == {"asyncssh": "<2.25,>=2.24", "pydantic": ">=2.9", "tomli": ""}


def test_packages_out_of_range_and_missing_ones_are_told_at_once():
    told = workplace.packages_check(["rich>=13.9", "click>=8", "tenacity>=9"], {"rich": "9.1", "click": "8.1"})

    assert told.status == "fail"
    assert told.message == (
        "rich 9.1 is installed, saturn asks for >=13.9; tenacity is not installed, saturn asks for >=9"
    )
    assert told.fix.startswith("pip install 'rich>=13.9'")


def test_packages_in_range():
    assert workplace.packages_check(["rich>=13.9"], {"rich": "15.0"}).message == "rich 15.0"
    assert workplace.packages_check(None, {}).status == "skip"


def test_the_python_that_runs_saturn():
    assert workplace.python_check("3.11.7", ">=3.11").status == "ok"
    assert workplace.python_check("3.10.1", ">=3.11").status == "fail"
    assert workplace.python_check("3.10.1", "").status == "ok"


def finding(severity: str = "error", message: str = "should be a name") -> InventoryFinding:
    return InventoryFinding("inventory/topology.yaml", 7, "hosts.Vps", message, severity=severity)


def test_an_inventory_that_is_invalid_is_told_with_its_first_findings():
    told = workplace.inventory_check(Path("t"), None, [finding("warning"), *[finding()] * 5])

    assert (told.status, told.fix) == ("fail", "saturn validate")
    assert told.message.startswith("inventory/topology.yaml:7 hosts.Vps: should be a name; ")
    assert told.message.endswith("; and 2 more")


def test_an_inventory_that_is_not_there_is_told_as_the_error_has_it():
    error = UsageError("there is none", code="inventory_not_found", hint="saturn init")

    assert workplace.inventory_check(None, error, ()).fix == "saturn init"


def test_warnings_of_an_inventory_are_no_fault():
    assert workplace.inventory_check(Path("t"), None, [finding("waived", "a device")]).status == "warn"
    assert workplace.inventory_check(Path("t"), None, ()).status == "ok"


def test_what_nobody_committed_is_named():
    told = workplace.clone_check(FOLDER, None, list("abcdefg"))

    assert (told.status, told.fix) == ("warn", "git -C '/home/ada/my lab' status")
    assert told.message.endswith("a, b, c, d, e and 2 more")
    assert workplace.clone_check(FOLDER, None, ()).status == "ok"
    assert workplace.clone_check(FOLDER, RepositoryError("none", hint="git init"), ()).fix == "git init"


@pytest.mark.parametrize(
    "current, branch, status, fix",
    [
        ("main", Branch("main"), "ok", ""),
        ("main", Branch("main", 0, 0), "ok", ""),
        ("main", Branch("main", 2, 0), "warn", "pull --ff-only"),
        ("main", Branch("main", 0, 1), "warn", "push origin main"),
        ("other", Branch("main"), "warn", "switch main"),
        ("", Branch("main"), "warn", "switch main"),
        ("main", Branch("main", error=RepositoryError("unknown", hint="git fetch")), "fail", "git fetch"),
    ],
)
def test_how_the_branch_stands(current, branch, status, fix):
    told = workplace.branch_check(FOLDER, current, [branch])

    assert told.status == status
    assert told.fix.endswith(fix)


@pytest.mark.parametrize(
    "identity, has_agent, status, fix",
    [
        (Identity(KEY, 0o600), False, "ok", ""),
        (Identity(KEY, 0o400), False, "ok", ""),
        (Identity(KEY, 0o644), False, "fail", f"chmod 600 {KEY}"),
        (Identity(KEY, 0o660), True, "fail", f"chmod 600 {KEY}"),
        (Identity(KEY, None), True, "ok", ""),
        (Identity(KEY, None), False, "warn", f"ssh-keygen -t ed25519 -f {KEY}"),
        (Identity(KEY, 0o600, SessionError("locked", hint="ssh-add")), False, "fail", "ssh-add"),
        (Identity(KEY, 0o600, SessionError("unreadable")), False, "fail", f"ssh-keygen -y -f {KEY}"),
    ],
)
def test_a_key_is_there_private_and_of_use(identity, has_agent, status, fix):
    told = workplace.identities_check([identity], has_agent=has_agent)

    assert (told.status, told.fix) == (status, fix)


def test_no_key_is_needed():
    assert workplace.identities_check([], has_agent=False).status == "skip"
    assert workplace.host_keys_check({}).status == "skip"


def test_hosts_that_could_be_impostors_are_named():
    told = workplace.host_keys_check({"vps": None, "solaria": HostKeyRejected("no key is known", hint="ssh-keyscan")})

    assert (told.status, told.message, told.fix) == (
        "fail",
        "solaria: no key is known [host_key_changed]",
        "ssh-keyscan",
    )
    assert workplace.host_keys_check({"vps": None}).message == "known for vps"


@pytest.mark.parametrize(
    "known, is_needed, status",
    [
        (None, False, "skip"),
        (NOT_INSTALLED, False, "skip"),
        (NOT_INSTALLED, True, "fail"),
        (NOT_RUNNING, False, "warn"),
        (NOT_RUNNING, True, "fail"),
        (tailnet(state="NeedsLogin"), False, "warn"),
        (tailnet(peer("vps"), own=peer("saturn", is_self=True)), True, "ok"),
        (tailnet(own=peer("saturn", is_self=True, key_expiry="2026-11-28T16:10:00Z")), True, "warn"),
    ],
)
def test_the_tailnet_is_a_fault_only_where_it_is_needed(known, is_needed, status):
    told = workplace.tailnet_check(known, NOW, is_needed=is_needed)

    assert told.status == status
    assert bool(told.fix) == (status in {"warn", "fail"})


@pytest.mark.parametrize(
    "fields, status, fix",
    [
        ({"is_there": False}, "ok", ""),
        ({"schema": 2}, "ok", ""),
        ({"schema": 1}, "ok", ""),
        ({"schema": 3}, "fail", "upgrade saturn"),
        ({"damage": "malformed"}, "fail", "saturn history"),
        ({"trouble": "unable to open"}, "fail", "ls -l"),
    ],
)
def test_the_journal_is_sound_and_none_of_a_newer_saturn(fields, status, fix):
    told = workplace.journal_check(Shelf(Path("/s/journal.db"), **{"is_there": True, "newest": 2, **fields}))

    assert told.status == status
    assert told.fix.startswith(fix)


@pytest.mark.parametrize("free, status", [(5 << 30, "ok"), (1 << 29, "warn"), (1 << 20, "fail")])
def test_room_where_the_journal_lies(free, status):
    assert workplace.disk_check(FOLDER, free, 50 << 30).status == status


@pytest.mark.parametrize("told, status", [(True, "ok"), (False, "warn"), (None, "skip")])
def test_the_clock_follows_the_worlds(told, status):
    assert workplace.clock_check(told).status == status
