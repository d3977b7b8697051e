from __future__ import annotations

import pytest

from saturn_orchestrator import errors
from saturn_orchestrator.errors import InventoryError, InventoryFinding, SaturnError


def tree(kind: type[SaturnError]) -> list[type[SaturnError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in tree(each))]


def test_errors_have_the_documented_codes_and_exit_codes():
    assert {
        kind.__name__: (kind.code, kind.exit_code) for kind in tree(SaturnError) if kind.__module__ == errors.__name__
    } == {
        "SaturnError": ("error", 2),
        "UsageError": ("usage", 2),
        "InventoryError": ("inventory_invalid", 2),
        "RepositoryError": ("repository", 2),
        "TooManyFiles": ("too_many_files", 2),
        "SessionError": ("session", 1),
        "Unreachable": ("unreachable", 3),
        "OffTailnet": ("offline", 3),
        "Denied": ("permission_denied", 1),
        "HostKeyRejected": ("host_key_changed", 1),
        "SessionLost": ("session_lost", 1),
        "ExecutorRefused": ("refused", 1),
        "NodeUnfit": ("node_unfit", 1),
        "HookFailed": ("hook_failed", 2),
        "SecretUnavailable": ("secret_unavailable", 1),
        "DemoFailed": ("demo_failed", 1),
        "Interrupted": ("interrupted", 130),
    }


def test_the_docstring_draws_every_error_with_its_exit_code():
    drawn = {
        line.split()[0]: line.split()[1] for line in (errors.__doc__ or "").splitlines() if line.startswith("      ")
    }

    for kind in tree(SaturnError)[1:]:
        if kind.__module__ == errors.__name__ and kind is not errors.SessionError:
            assert drawn[kind.__name__] == str(kind.exit_code)


def test_only_unreachable_is_worth_another_try():
    assert [kind for kind in tree(errors.SessionError) if kind.retryable] == [errors.Unreachable]


def test_an_error_carries_its_facts():
    error = SaturnError("broken", code="pipe", place="cellar", notes=["wet"], hint="call a plumber")

    assert (str(error), error.message, error.code, error.place, error.notes, error.hint) == (
        "broken", "broken", "pipe", "cellar", ("wet",), "call a plumber",
    )  # fmt: skip


@pytest.mark.parametrize("count, words", [(1, "1 error"), (2, "2 errors")])
def test_an_inventory_error_counts_its_findings(count, words):
    findings = [InventoryFinding("topology.yaml", line, "hosts", "wrong") for line in range(count)]

    assert (InventoryError(findings).message, InventoryError(findings).findings) == (
        f"the inventory has {words}", tuple(findings),
    )  # fmt: skip


@pytest.mark.parametrize(
    "line, key, place",
    [
        (0, "", "a.yaml"),
        (7, "", "a.yaml:7"),
        (0, "hosts.vps", "a.yaml hosts.vps"),
        (7, "hosts.vps", "a.yaml:7 hosts.vps"),
    ],
)
def test_a_finding_names_its_place_as_far_as_it_is_known(line, key, place):
    assert InventoryFinding("a.yaml", line, key, "wrong").place == place
