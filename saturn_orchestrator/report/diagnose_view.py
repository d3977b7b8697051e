"""What `saturn diagnose` says: where each file lies, on the node and here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saturn_orchestrator.report.problems import problem_text
from saturn_orchestrator.report.text import Text
from saturn_orchestrator.state.diagnosis import Diagnosis


def diagnoses_text(found: Sequence[Diagnosis]) -> Text:
    """For each host its two paths, or the error that took their place."""
    blocks = [_block(diagnosis) for diagnosis in found]
    return Text("\n").join(blocks)


def diagnoses_document(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """`diagnose --json`, version 1."""
    return {"version": 1, "hosts": {each.host: _entry(each) for each in found}}


def _block(diagnosis: Diagnosis) -> Text:
    if diagnosis.error:
        return Text(f"{diagnosis.host}\n").append_text(problem_text(diagnosis.error))
    return Text(f"{diagnosis.host}\n  on the node: {diagnosis.path}\n  here:        {diagnosis.copy}")


def _entry(diagnosis: Diagnosis) -> dict[str, Any]:
    error = diagnosis.error
    return {
        "path": diagnosis.path or None,
        "copy": str(diagnosis.copy) if diagnosis.copy else None,
        "error": {"code": error.code, "message": error.message, "hint": error.hint} if error else None,
    }
