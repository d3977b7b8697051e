"""The plan of one host as a person reads it before saying yes. Pure: a plan in, text out."""

from __future__ import annotations

from rich.text import Text

from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.report.style import counted, look, revision_move, short_revision, verbatim

_TOTALS = {
    Action.CREATE: "to create",
    Action.RECREATE: "to recreate",
    Action.START: "to start",
    Action.UNCHANGED: "unchanged",
    Action.COMPLETED: "completed before",
}
_WORD_WIDTH = max(len(action) for action in Action)


def plan_text(plan: HostPlan) -> Text:
    """The whole plan: headline, one line a service, warnings, and the counted line last."""
    name_width = max((len(change.service) for change in plan.changes), default=0)
    lines = [_headline(plan)]
    if plan.resume_stage:
        lines.append(verbatim(f"  resumes at {plan.resume_stage}", "cyan"))
    lines += [_change_line(change, name_width) for change in plan.changes]
    lines += [verbatim(f"  ! {warning}", look("warning").style) for warning in plan.warnings]
    lines.append(verbatim(plan_total(plan), "bold"))
    return Text("\n").join(lines)


def plan_total(plan: HostPlan) -> str:
    """The counted line, such as `Plan: 1 to create, 2 unchanged.`, with nothing that counts zero."""
    counts = [f"{plan.count(action)} {words}" for action, words in _TOTALS.items() if plan.count(action)]
    return f"Plan: {', '.join(counts) or 'no services'}."


def _headline(plan: HostPlan) -> Text:
    line = verbatim(plan.host, "bold").append_text(verbatim(f"  {_revisions(plan)}  ({_distance(plan)})"))
    return line.append_text(verbatim(f' "{plan.subject}"', "italic")) if plan.subject else line


def _revisions(plan: HostPlan) -> str:
    if not plan.revision_before:
        return f"first deploy of {short_revision(plan.revision_after)}"
    if plan.revision_before == plan.revision_after:
        return f"stays at {short_revision(plan.revision_after)}"
    return revision_move(plan.revision_before, plan.revision_after)


def _distance(plan: HostPlan) -> str:
    if not plan.revision_before or plan.revision_before == plan.revision_after:
        return plan.branch
    if plan.commits is None:
        return f"{plan.branch}, number of commits unknown"
    return f"{plan.branch}, {counted(plan.commits, 'commit')}"


def _change_line(change: Change, name_width: int) -> Text:
    drawn = look(change.action)
    line = verbatim(f"  {drawn.symbol} {change.action:<{_WORD_WIDTH}}", drawn.style)
    return line.append_text(verbatim(f"  {change.service:<{name_width}}  {change.reason}".rstrip()))
