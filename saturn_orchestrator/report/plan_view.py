"""Plans as a person reads them: of one host before saying yes, of many for `saturn plan`. Pure: a plan in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from saturn_orchestrator.events import ImageChange
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Prospect, Step
from saturn_orchestrator.report.problems import problem_block, spaced
from saturn_orchestrator.report.style import (
    counted,
    look,
    revision_move,
    short_revision,
    size_text,
    tally,
    unbroken,
    verbatim,
)
from saturn_orchestrator.report.text import Group, Text

_TOTALS = {
    Action.CREATE: "to create",
    Action.RECREATE: "to recreate",
    Action.START: "to start",
    Action.REMOVE: "to remove",
    Action.INVALID: "invalid",
    Action.UNKNOWN: "unknown",
    Action.UNCHANGED: "unchanged",
    Action.COMPLETED: "completed before",
    Action.BACKUP: "to back up",
    Action.RESTORE: "to restore",
}
_WORD_WIDTH = max(len(action) for action in Action)
_DETAIL = " " * (4 + _WORD_WIDTH + 2)
_AUTHOR_WIDTH = 16
_FINDINGS = 8
_MARKS = {"error": "✘", "warning": "!", "waived": "~"}
_OUTLOOKS = ("with changes", "without changes", "away", "not planned")


def plan_text(plan: HostPlan) -> Group:
    """The whole plan: headline, commits, a line and its details for each service, warnings, the counted line last."""
    return Group(*_lines(plan))


def _lines(plan: HostPlan) -> list[Text]:
    name_width = max((len(change.service) for change in plan.changes), default=0)
    lines = [_headline(plan), *_steps(plan)]
    if plan.resume_stage:
        lines.append(verbatim(f"  resumes at {plan.resume_stage}", "cyan"))
    if plan.restores:
        lines.append(verbatim(f"  images as run {plan.restores} left them, as far as they are still here", "cyan"))
    for change in plan.changes:
        lines += [_change_line(change, name_width), *_details(change)]
        if change.may_cut:
            lines.append(verbatim(f"{_DETAIL}carries the connection: {_switch(plan)}", look("warning").style))
    # Both may end with a command to copy, so they are never broken.
    lines += [unbroken(f"  · {note}") for note in _notes(plan)]
    lines += [unbroken(f"  ! {warning}", look("warning").style) for warning in plan.warnings]
    lines += _findings(plan)
    return [*lines, verbatim(plan_total(plan), "bold")]


def plan_total(plan: HostPlan) -> str:
    """The counted line, such as `Plan: 1 to create, 2 unchanged.`, with nothing that counts zero, and what stops."""
    counts = [f"{plan.count(action)} {words}" for action, words in _TOTALS.items() if plan.count(action)]
    stopping = [change.service for change in plan.changes if change.downtime]
    downtime = f" Downtime: {', '.join(stopping)}." if stopping else ""
    return f"Plan: {', '.join(counts) or 'no services'}.{downtime}"


def prospects_text(prospects: Sequence[Prospect]) -> Group:
    """The plans of all hosts, what keeps the others from having one, and a counted line last."""
    blocks = [_prospect(each) for each in prospects]
    counts = tally((_outlook(each) for each in prospects), _OUTLOOKS)
    return Group(*spaced(blocks), verbatim(f"{counted(len(prospects), 'host')}: {counts}.", "bold"))


def _prospect(prospect: Prospect) -> list[Text]:
    if prospect.plan:
        return [*_lines(prospect.plan), *([diff_text(prospect.diff)] if prospect.diff else ())]
    error = prospect.error
    assert error is not None
    severity = "warning" if error.retryable else "error"
    return problem_block(
        error.code, error.message, prospect.host, severity=severity, notes=error.notes, hint=error.hint
    )


def _outlook(prospect: Prospect) -> str:
    if prospect.plan:
        return "with changes" if prospect.plan.changes_anything else "without changes"
    return "away" if prospect.error and prospect.error.retryable else "not planned"


def diff_text(diff: str) -> Text:
    """The differences of files as git prints them, added and removed lines in their colours."""
    lines = (unbroken(line, _diff_style(line)) for line in diff.splitlines())
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _headline(plan: HostPlan) -> Text:
    if plan.task:
        stands = (
            f"stays at {short_revision(plan.revision_before)}" if plan.revision_before else "nothing is deployed yet"
        )
        return verbatim(plan.host, "bold").append_text(verbatim(f"  {stands}"))
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


def _steps(plan: HostPlan) -> Iterator[Text]:
    """The commits, newest first. A single one stands in the headline already, but for its author."""
    width = min(_AUTHOR_WIDTH, max((len(step.author) for step in plan.steps), default=0))
    for step in plan.steps:
        yield _step(step, width)
    if plan.commits and plan.steps and plan.commits > len(plan.steps):
        yield verbatim(f"    … and {counted(plan.commits - len(plan.steps), 'commit')} before", "dim")


def _step(step: Step, width: int) -> Text:
    author = step.author if len(step.author) <= width else f"{step.author[: width - 1]}…"
    return verbatim(f"    {short_revision(step.revision)}  {author:<{width}}  ", "dim").append_text(
        verbatim(step.subject, "not dim")
    )


def _change_line(change: Change, name_width: int) -> Text:
    drawn = look(change.action)
    line = verbatim(f"  {drawn.symbol} {change.action:<{_WORD_WIDTH}}", drawn.style)
    return line.append_text(verbatim(f"  {change.service:<{name_width}}  {change.reason}".rstrip()))


def _details(change: Change) -> Iterator[Text]:
    for move in dict.fromkeys(_image_move(image) for image in change.images):  # two compose services may share one
        yield verbatim(f"{_DETAIL}image {move}", "dim")
    if change.ports:
        yield verbatim(f"{_DETAIL}opens {', '.join(change.ports)}", look("warning").style)
    if change.local or change.is_local_new:
        named = f"with {' and '.join(change.local)} of the node" if change.local else "with nothing of the node's own"
        since = ", changed since the last deploy" if change.is_local_new else ""
        yield verbatim(f"{_DETAIL}{named}{since}", look("warning").style if since else "dim")


def _findings(plan: HostPlan) -> Iterator[Text]:
    """What validate would say, a line each: errors block the host, and so come first and have their way out."""
    shown = plan.findings[: max(_FINDINGS, len(plan.errors))]
    for each in shown:
        is_named = not each.service or each.message.startswith(f"{each.service} ")
        service = "" if is_named else f"{each.service}: "
        words = f"  {_MARKS.get(each.severity, '!')} {service}{each.message} [{each.code}]"
        yield unbroken(words, look("error" if each.severity == "error" else "warning").style)
        if each.hint and each.severity != "waived":
            yield unbroken(f"    help: {each.hint}", "" if each.severity == "error" else "dim")
    left = len(plan.findings) - len(shown)
    if left:
        yield unbroken(f"  ! … and {counted(left, 'warning')} more: saturn plan --hosts {plan.host} --json", "dim")
    if plan.errors:
        yield unbroken(f"  validate will block {plan.host}: {counted(len(plan.errors), 'error')}", look("error").style)


def _switch(plan: HostPlan) -> str:
    """What becomes of a change that nobody acknowledges."""
    limit = f"within {plan.ack_timeout_s:g} s"
    if plan.is_first:
        return f"fails unless acknowledged {limit}, and has nothing to go back to"
    return f"goes back by itself unless acknowledged {limit}"


def _image_move(image: ImageChange) -> str:
    """`caddy:2.8 (sha256:1f2e3d4c5b6a) -> caddy:2.9 (to be pulled)`."""
    after = _image(image.after, image.after_id) if image.after_id else f"{image.after} ({_to_be_pulled(image.size)})"
    return f"{_image(image.before, image.before_id)} -> {after}" if image.before else after


def _image(name: str, identity: str) -> str:
    kind, colon, digest = identity.rpartition(":")
    return f"{name} ({kind}{colon}{digest[:12]})" if digest else name


def _to_be_pulled(size: int) -> str:
    return f"to be pulled, at most {size_text(size)}" if size > 0 else "to be pulled, its size is not known"


def _notes(plan: HostPlan) -> Iterator[str]:
    if plan.orphans:
        names = ", ".join(plan.orphans)
        yield f"assigned to {plan.host} no more, and left alone: {names} (--prune removes them)"
    if plan.path:
        yield f"reached over the tailnet: {plan.path}"
    if plan.sent:
        yield f"SATURN sends {size_text(plan.sent)} of git"
    if not plan.is_foreseen:
        yield "the node could not compare its containers: this is what git alone tells"
    yield from plan.notes
