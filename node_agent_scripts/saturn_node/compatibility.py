"""Versions of Compose that are known to do harm, and one that is not.

Each was reported to docker/compose; the number is that of the report, the pull request or the advisory.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

Version = Tuple[int, ...]


class Flaw(NamedTuple):
    """What is wrong from one version up to, but not including, another. severity: warn | fail."""

    since: Version
    until: Version
    severity: str
    why: str
    source: str


FLAWS = (
    Flaw((2, 0), (2, 15), "fail", "it does not know `pull --ignore-buildable`, so no image is pulled", "#10134"),
    Flaw((2, 27, 1), (2, 27, 2), "fail", "it ignores --env-file, so services come up without their secrets", "#11906"),
    Flaw((2, 24, 7), (2, 24, 8), "fail", "it loses the environment that an env_file brings", "#11598"),
    Flaw((2, 16, 0), (2, 17), "warn", "it recreates containers that nobody changed", "#10259"),
    Flaw((2, 32, 0), (2, 32, 1), "warn", "it recreates containers that nobody changed", "#12388"),
    Flaw(
        (2, 34), (2, 40, 2), "warn",
        "a compose file that includes a remote OCI artifact can overwrite any file (CVE-2025-62725)",
        "GHSA-gv8h-7v7w-r22q",
    ),
)  # fmt: skip
"""The gravest first."""

UNBLEMISHED = max(flaw.until for flaw in FLAWS)
"""From this version on nothing is known."""


def flaw_of(version: Version) -> Flaw | None:
    """The gravest thing known against a version of Compose; None when nothing is."""
    return next((flaw for flaw in FLAWS if flaw.since <= version < flaw.until), None)
