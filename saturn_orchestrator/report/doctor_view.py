"""`saturn doctor`: a table for each machine, SATURN first, and below it the next command for each fault. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saturn_orchestrator.events import Check
from saturn_orchestrator.report.style import counted, tally, unbroken, verbatim, word_text
from saturn_orchestrator.report.tables import Row, table
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.state.checkup import Checkup, exit_code

SATURN = "SATURN"
_ORDER = ("ok", "warn", "fail", "skip")


def doctor_text(found: Sequence[Checkup]) -> Group:
    """The tables, and a counted last line."""
    words = [check.status for each in found for check in each.checks]
    last = verbatim(f"{counted(len(found), 'machine')}: {tally(words, _ORDER)}.", "bold")
    return Group(*(part for each in found for part in _machine(each)), last)


def _machine(found: Checkup) -> tuple[Any, ...]:
    rows = [_row(each) for each in found.checks]
    fixes = [_fix(each) for each in found.checks if each.fix]
    title = verbatim(found.machine or SATURN, "bold")
    return title, table(("check", "status", "message"), rows), *([Text(), *fixes] if fixes else []), Text()


def _row(check: Check) -> Row:
    return {"check": check.name, "status": word_text(check.status), "message": check.message}


def _fix(check: Check) -> Text:
    return unbroken(f"  {check.name}: ", "bold").append_text(verbatim(check.fix, "not bold"))


def doctor_document(found: Sequence[Checkup]) -> dict[str, Any]:
    """`doctor --json`, version 1. SATURN stands apart, since a host may have any name."""
    return {
        "version": 1,
        "exit_code": exit_code(found),
        "saturn": [_entry(check) for each in found if not each.machine for check in each.checks],
        "hosts": {each.machine: [_entry(check) for check in each.checks] for each in found if each.machine},
    }


def _entry(check: Check) -> dict[str, Any]:
    return {"name": check.name, "status": check.status, "message": check.message, "fix": check.fix or None}
