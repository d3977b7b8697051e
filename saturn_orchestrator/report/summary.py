"""The end of a run: a table of the hosts, a block for every host that did not succeed, one counted line. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saturn_orchestrator.events import Finding
from saturn_orchestrator.report.advice import RESTORE, next_command, place
from saturn_orchestrator.report.folding import folded, folded_lines
from saturn_orchestrator.report.problems import problem_block, spaced
from saturn_orchestrator.report.style import (
    counted,
    duration_text,
    look,
    revision_move,
    short_revision,
    tally,
    unbroken,
    verbatim,
    word_text,
)
from saturn_orchestrator.report.tables import FirstFitting, Row, table
from saturn_orchestrator.report.text import Drawable, Group, Text
from saturn_orchestrator.report.times import host_duration_s, run_duration_s
from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.outcome import Outcome

_STATUS_ORDER = tuple(Status)
_SERVICE_ORDER = (
    "changed",
    "unchanged",
    "removed",
    "restored",
    "fetched",
    "saved",
    "skipped",
    "failed",
    "working",
    "pending",
)
_FOLDED = {"services": 22}

_BROKEN = frozenset({Status.FAILED, Status.BLOCKED, Status.LOST, Status.ROLLED_BACK})
_QUIET = frozenset(status for status in Status if not status.is_success) - _BROKEN
"""Statuses that one line explains: nothing broke on the node."""

_MEANINGS = {
    Status.UNREACHABLE: "could not be reached",
    Status.DECLINED: "was declined, nothing was touched",
    Status.SKIPPED: "was not started",
    Status.DEFERRED: "is away, and what was confirmed for it waits",
    Status.CONFIRMED: "was given the order and has not answered yet",
    Status.RUNNING: "goes on by itself",
}

_OUTCOME_STYLES = {"success": "bold green", "failure": "bold red"}


def summary(run: RunState, verdict: Outcome) -> Group:
    """The whole summary of a run, whether all its hosts are finished or some were detached from."""
    hosts = tuple(run.hosts.values())
    whole, alike = folded(hosts, lambda host: None if [*_blocks(run, host), *_ways_back(host)] else _likeness(host))
    groups = [([host.host for host in group], _likeness(group[0])) for group in alike]
    blocks = [block for host in whole for block in _blocks(run, host)]
    quiet = [_quiet_line(host) for host in whole if host.status in _QUIET]
    back = [line for host in whole for line in _ways_back(host)]
    rest = [folded_lines(groups, f"saturn show {run.run} --json")]
    rows: list[Drawable] = [host_table(whole), Text()] if whole else []
    return Group(*rows, *spaced([*blocks, quiet, *rest]), *back, _last_line(run, verdict))


def _likeness(host: HostState) -> str:
    """What a host is that many may be: its status, where it stands, and why."""
    at = f" at {short_revision(host.revision_after)}" if host.status.is_success and host.revision_after else ""
    error = host.error or host.left
    return f"{str(host.status).replace('_', ' ')}{at}{f' ({error.message})' if error else ''}"


def _ways_back(host: HostState) -> Iterator[Text]:
    """After a restore: the command that brings back what stood before it."""
    if host.stage == RESTORE:
        for name, service in host.services.items():
            if service.backup:
                words = f"saturn restore {host.host} {name} --from {service.backup}"
                yield unbroken(f"to go back to what stood before: {words}")


def host_table(hosts: Iterable[HostState]) -> FirstFitting:
    """One row a host. Narrow screens lose the stage, then where the revision came from, then all but the status."""
    rows = [_cells(host) for host in hosts]
    return FirstFitting(
        (
            table(("host", "status", "stage", "services", "revision", "duration"), rows),
            table(("host", "status", "services", "revision", "duration"), rows),
            table(("host", "status", "services", "reached", "duration"), rows),
            table(("host", "status", "services", "reached", "duration"), rows, folded=_FOLDED),
            table(("host", "status", "reached", "duration"), rows),
            table(("host", "status", "duration"), rows),
            table(("host", "status"), rows),
        )
    )


def _cells(host: HostState) -> Row:
    stale = " stale" if host.stale else ""
    return {
        "host": host.host,
        "status": word_text(host.status),
        "stage": host.stage or "-",
        "services": _services(host),
        "revision": revision_move(host.revision_before, host.revision_after) + stale,
        "reached": short_revision(host.revision_after) + stale,
        "duration": duration_text(host_duration_s(host)),
    }


def _services(host: HostState) -> str:
    if not host.services:
        return "-"
    return f"{len(host.services)}: {tally((each.status for each in host.services.values()), _SERVICE_ORDER)}"


def _blocks(run: RunState, host: HostState) -> list[list[Text]]:
    blocks = [_stale_block(run, host)] if host.stale else []
    blocks += [_finding_block(host.host, finding) for finding in host.findings]
    if host.noise:
        message = f"{host.host} sent {counted(host.noise, 'line')} that were no events; they were left out"
        blocks.append(problem_block("lines_left_out", message, host.host, severity="warning"))
    return [*blocks, _failure_block(host)] if host.status in _BROKEN else blocks


def _stale_block(run: RunState, host: HostState) -> list[Text]:
    reached = short_revision(host.revision_after)
    wanted = "as wanted" if host.revision_after == run.revision else f"not at {short_revision(run.revision)}"
    message = f"origin could not be asked: {host.host} stands at {reached} from its cache, {wanted}"
    again = f"saturn deploy --hosts {host.host}" if host.status.is_success else ""
    return problem_block("stale", message, host.host, severity="warning", hint=again)


def _finding_block(host: str, finding: Finding) -> list[Text]:
    where = ", ".join(part for part in (host, finding.service, f"{finding.file} {finding.key}".strip()) if part)
    severity = "error" if finding.severity == "error" else "warning"
    return problem_block(finding.code, finding.message, where, severity=severity, hint=finding.hint)


def _failure_block(host: HostState) -> list[Text]:
    """What broke, the evidence, where the rest of it lies, and the way out."""
    error = host.error or HostError(host.status, f"{host.host} is {host.status}")
    files = {"log": host.log, "diagnostics": host.diagnostics}
    notes = [f"{label} {path}" for label, path in files.items() if path]
    if host.status is Status.ROLLED_BACK:
        notes.insert(0, f"rolled back: what this run touched is as it was at {short_revision(host.revision_after)}")
    hint = next_command(host)
    return problem_block(error.code, error.message, place(host), evidence=error.tail, notes=notes, hint=hint)


def _quiet_line(host: HostState) -> Text:
    error = host.error or host.left
    reason = f": {error.message}" if error else ""
    line = unbroken(f"{host.status}: ", look(host.status).style)
    sentence = f"{host.host} {_meaning(host)}{reason}; help: {next_command(host)}"
    return line.append_text(verbatim(sentence, "not bold"))


def _meaning(host: HostState) -> str:
    if host.status is Status.CANCELLED:
        return f"was stopped in {host.stage}" if host.stage else "was cancelled, nothing was touched"
    return _MEANINGS.get(host.status, "was not begun")


def _last_line(run: RunState, verdict: Outcome) -> Text:
    counts = tally((host.status for host in run.hosts.values()), _STATUS_ORDER)
    ends = [f"Run {run.run}", duration_text(run_duration_s(run))]
    text = f"{counted(len(run.hosts), 'host')}: {counts}. {', '.join(end for end in ends if end != '-')}."
    return verbatim(text, _OUTCOME_STYLES.get(verdict.word, "bold yellow"))
