"""What `saturn cancel` says: which run stops on each host, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saturn_orchestrator.events import Cancelling
from saturn_orchestrator.report.problems import problem_text
from saturn_orchestrator.report.style import verbatim
from saturn_orchestrator.report.text import Text
from saturn_orchestrator.state.cancellation import Cancellation


def cancellations_text(told: Sequence[Cancellation]) -> Text:
    """A line a host, its error in place of it, and what to type next."""
    lines = [line for each in told for line in _lines(each)]
    hosts = ",".join(each.host for each in told if each.told)
    if hosts:
        lines.append(verbatim(f"watch it stop: saturn attach --hosts {hosts}", "bold"))
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def cancellations_document(told: Sequence[Cancellation]) -> dict[str, Any]:
    """`cancel --json`, version 1."""
    return {"version": 1, "hosts": {each.host: _entry(each) for each in told}}


def _lines(each: Cancellation) -> list[Text]:
    if each.error:
        return [verbatim(each.host), problem_text(each.error)]
    if each.told is None:
        return [verbatim(f"{each.host}: no run is at work")]
    lines = [verbatim(f"{each.host}: run {each.told.target} {_when(each.told)}")]
    if not each.told.now:
        lines.append(verbatim(f"  at once instead: saturn cancel --hosts {each.host} --now", "dim"))
    return lines


def _when(told: Cancelling) -> str:
    doing = " ".join(part for part in (told.stage, told.service) if part)
    in_hand = f", {doing}" if doing else ""
    if told.now:
        return f"stops now, with the command in hand{in_hand}"
    return f"stops after the service in hand{in_hand}"


def _entry(each: Cancellation) -> dict[str, Any]:
    told, error = each.told, each.error
    return {
        "run": told.target if told else None,
        "now": told.now if told else None,
        "error": {"code": error.code, "message": error.message, "hint": error.hint or None} if error else None,
    }
