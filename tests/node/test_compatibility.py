from __future__ import annotations

import pytest
from saturn_node.compatibility import FLAWS, flaw_of
from saturn_node.compose import parsed_version


@pytest.mark.parametrize(
    "version, source",
    [
        ("v2.3.3", "#10134"),
        ("2.14.2", "#10134"),
        ("2.15.0", ""),
        ("2.16.0", "#10259"),
        ("2.17.0", ""),
        ("2.24.7", "#11598"),
        ("2.26.1-4", ""),
        ("2.27.0", ""),
        ("2.27.1", "#11906"),
        ("2.27.2", ""),
        ("v2.32.0-desktop.1", "#12388"),
        ("2.32.1", ""),
        ("2.34.0", "GHSA-gv8h-7v7w-r22q"),
        ("2.40.1", "GHSA-gv8h-7v7w-r22q"),
        ("2.40.2", ""),
        ("5.1.4", ""),
        ("dev", ""),
    ],
)
def test_what_is_known_against_a_version(version, source):
    flaw = flaw_of(parsed_version(version))

    assert (flaw.source if flaw else "") == source


def test_the_gravest_comes_first():
    assert [flaw.severity for flaw in FLAWS] == sorted(flaw.severity for flaw in FLAWS)
    assert all(flaw.since < flaw.until for flaw in FLAWS)
