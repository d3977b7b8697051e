"""`saturn recover`: all that is known of a host as Markdown, what the screen says of it, and its document. Pure.

Whatever came from a machine is redacted and stands in a block or a code span, so that none of it is read as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any

from saturn_orchestrator.events import PREFIX, STAGES, Facts, Finding, ServiceFact
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.fences import fenced, span
from saturn_orchestrator.report.logs_view import log_lines
from saturn_orchestrator.report.prompts import filled
from saturn_orchestrator.report.shortening import shortened, shortened_parts, size_of
from saturn_orchestrator.report.style import counted, revision_move, short_revision, size_text, unbroken, verbatim
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.state.model import HostState
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.recovery import NextCommand, Recovery, condensed
from saturn_orchestrator.state.redaction import KINDS, Redaction

BUNDLE_MAX = 190_000
"""Bytes of a bundle, its prompt included."""

_RUN_MAX = 30_000
_PLAN_MAX = 8_000
_FINDINGS_MAX = 10_000
_NOW_MAX = 15_000
_EVIDENCE_MAX = 8_000
_DIAGNOSTICS_MIN = 10_000
_WORD_MAX = 600
_CELL_MAX = 120
_ROWS_MAX = 60

Rows = Iterable[tuple[str, ...]]


@dataclass(frozen=True)
class Bundle:
    """A finished bundle. redacted: in how many places a secret was taken out, by kind."""

    text: str
    redacted: dict[str, int]

    @property
    def size(self) -> int:
        """Its bytes."""
        return size_of(self.text)


class _Writer:
    """The sections of one bundle. Foreign words go through `word`, `table` or `block` only."""

    def __init__(self, clean: Redaction) -> None:
        self._clean = clean
        self.sections: list[str] = []

    def section(self, title: str, *parts: str) -> None:
        self.sections.append("\n".join((f"### {title}\n", *parts)))

    def word(self, text: str, size: int = _WORD_MAX) -> str:
        return span(shortened(self._clean.redacted(text), size))

    def facts(self, rows: Iterable[tuple[str, str]]) -> str:
        """A table of two columns: our word for something, and what is known of it. What is not known is left out."""
        lines = [f"| {name} | {self.word(value)} |" for name, value in rows if value]
        return "\n".join(("| | |", "| --- | --- |", *lines, ""))

    def table(self, titles: tuple[str, ...], rows: Rows) -> str:
        """Every cell is foreign. Too many rows are counted instead."""
        found = list(rows)
        lines = [_row(titles), _row("---" for _ in titles)]
        lines += [_row(self.word(cell, _CELL_MAX) for cell in row) for row in found[:_ROWS_MAX]]
        more = f"\n{len(found) - _ROWS_MAX} more rows were left out.\n" if len(found) > _ROWS_MAX else ""
        return "\n".join((*lines, more))

    def block(self, text: str, size: int, *, in_parts: bool = False) -> str:
        """Redacted first: half a secret would not be known for one."""
        kept = self._clean.redacted(text)
        return fenced(shortened_parts(kept, size) if in_parts else shortened(kept, size))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def recovery_bundle(known: Recovery, clean: Redaction, prompt: str, commands: Sequence[NextCommand]) -> Bundle:
    """The prompt with all that is known in it. Where room is short, the diagnostics give way."""
    listed, around = commands_markdown(commands), clean.redacted(prompt)
    room = BUNDLE_MAX - size_of(around) - size_of(listed)
    material, redacted = _material(known, clean, room)
    values = {"host": known.host.name, "run": known.run or "-", "commands": listed, "bundle": material}
    return Bundle(filled(around, values), redacted)


def _material(known: Recovery, clean: Redaction, room: int) -> tuple[str, dict[str, int]]:
    """What is known, and how much was redacted of it."""
    writer = _Writer(clean)
    _write_summary(writer, known)
    _write_run(writer, known)
    _write_markers(writer, known)
    _write_plan(writer, known)
    _write_findings(writer, known.state.findings if known.state else ())
    _write_now(writer, known)
    _write_history(writer, known)
    taken = sum(map(size_of, writer.sections)) + 1500
    _write_diagnostics(writer, known, max(room - taken, _DIAGNOSTICS_MIN))
    redacted = {kind: clean.counts[kind] for kind in KINDS if clean.counts[kind]}
    return "\n".join((_redacted_words(redacted), *writer.sections)), redacted


def commands_markdown(commands: Sequence[NextCommand]) -> str:
    """The next commands as a list, each with its reason."""
    return "\n".join(
        f"{number}. `{each.command}`: {each.why}{'' if each.is_safe else ' (asks first)'}"
        for number, each in enumerate(commands, 1)
    )


def _redacted_words(redacted: dict[str, int]) -> str:
    total = sum(redacted.values())
    kinds = ", ".join(f"{count} by {kind}" for kind, count in redacted.items())
    told = f"{counted(total, 'place')} redacted on SATURN ({kinds})" if total else "Nothing was redacted on SATURN"
    return f"{told}; a node redacts the values of its `.env` files itself. Names of hosts and services are kept.\n"


def _write_summary(writer: _Writer, known: Recovery) -> None:
    host, state = known.host, known.state
    error = (state.error or state.left) if state else None
    place = ", ".join(part for part in (error.stage, error.service) if part) if error else ""
    rows = (
        ("host", host.name),
        ("roles", ", ".join(host.roles)),
        ("tags", ", ".join(host.tags)),
        ("link", f"{host.link}{', autonomous' if host.autonomous else ''}"),
        ("services, in deploy order", ", ".join(service.name for service in host.services)),
        ("run", known.run),
        ("ended", f"{state.status} {state.finished_at}" if state else ""),
        ("failed in", place or (state.stage if state else "")),
        ("error code", error.code if error else ""),
        ("message", error.message if error else ""),
        ("hint of the host", error.hint if error else ""),
        ("confirmed by", state.by if state else ""),
        ("log on the node", state.log if state else ""),
        ("diagnostics on the node", state.diagnostics if state else ""),
    )
    parts = [writer.facts(rows)]
    if not known.run:
        parts.append("SATURN's journal knows no run of this host.\n")
    if error and error.tail:
        parts += ["The last lines of what failed:\n", writer.block("\n".join(error.tail), _EVIDENCE_MAX)]
    writer.section("Summary", *parts)


def _write_run(writer: _Writer, known: Recovery) -> None:
    if known.state is None:
        return
    lines = (line.plain for line in log_lines(known.state, known.run, condensed(known.told), UTC))
    writer.section("What happened in the run", "Times are UTC.\n", writer.block("\n".join(lines), _RUN_MAX))


def _write_markers(writer: _Writer, known: Recovery) -> None:
    facts = known.standing.facts
    source = "As the node tells now." if known.is_live else "As the journal knows them; the node was not asked."
    stage = facts.stage if facts else (known.state.stage if known.state else "")
    rows = [("current_stage", stage), ("last_service", known.last_service)]
    rows += [(f"stage_{name}_complete", "stands" if name in known.completed else "is not there") for name in STAGES]
    writer.section("State markers", f"{source}\n", writer.facts(rows))


def _write_plan(writer: _Writer, known: Recovery) -> None:
    plan, state = known.plan, known.state
    if plan is None or state is None:
        writer.section("The plan of the run", "The journal has none.\n")
        return
    answer = f"confirmed by {state.by}" if state.by else "not confirmed"
    rows = (
        ("revision", revision_move(plan.revision_before, plan.revision_after)),
        ("digest", plan.digest),
        ("answer", answer),
        ("task", plan.task or "deploy"),
    )
    lines = "\n".join(plan.changes) or "(its lines are not in the journal)"
    writer.section("The plan of the run", writer.facts(rows), writer.block(lines, _PLAN_MAX))


def _write_findings(writer: _Writer, findings: Sequence[Finding]) -> None:
    if not findings:
        writer.section("Findings", "The run had none.\n")
        return
    lines = "\n".join(_finding_line(each) for each in findings)
    writer.section("Findings", writer.block(lines, _FINDINGS_MAX))


def _finding_line(finding: Finding) -> str:
    where = " ".join(part for part in (finding.service, finding.file, finding.key) if part)
    hint = f"; help: {finding.hint}" if finding.hint else ""
    return f"{finding.severity}[{finding.code}] {where}: {finding.message}{hint}"


def _write_now(writer: _Writer, known: Recovery) -> None:
    standing, facts = known.standing, known.standing.facts
    error = standing.error
    rows = [
        ("reachability", standing.reachability if known.was_asked else "not asked (--offline)"),
        ("known", f"{'asked' if known.is_live else 'remembered from the journal'}, {standing.observed_at}"),
        ("why not asked", f"{error.code}: {error.message}" if error else ""),
        *_standing_rows(known, facts),
    ]
    parts = [writer.facts(rows)]
    if facts and facts.services:
        titles = ("service", "state", "health", "containers", "not as it was left")
        parts.append(writer.table(titles, map(_service_row, facts.services)))
    if facts and facts.problems:
        problems = "\n".join(f"error[{each.code}]: {each.message}; help: {each.hint}" for each in facts.problems)
        parts += ["Problems that keep it from being deployed to:\n", writer.block(problems, _NOW_MAX)]
    writer.section("Where the host stands now", *parts)


def _standing_rows(known: Recovery, facts: Facts | None) -> Iterator[tuple[str, str]]:
    if facts is None:
        return
    standing = known.standing
    away = [f"{count} {word}" for count, word in ((standing.behind, "behind"), (standing.ahead, "ahead")) if count]
    yield "revision", ", ".join((facts.revision, *away, *(["stale"] if facts.stale else [])))
    last = facts.last_run
    yield "its last run", f"{last.run}: {last.outcome or 'at work'} in {last.stage}" if last else ""
    lock = facts.lock
    yield "lock", f"run {lock.run} by {lock.by} since {lock.since}, in {lock.stage} {lock.service}" if lock else ""
    yield "changed by hand", ", ".join(facts.dirty)
    yield "assigned no more", ", ".join(facts.orphans)
    former = [f"{short_revision(each.revision)} of {each.at}" for each in facts.deployments[:5]]
    yield "could go back to", ", ".join(former)
    yield "versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    waiting = standing.deferred
    yield "waits for it", f"{short_revision(waiting.revision)}, confirmed by {waiting.by}" if waiting else ""


def _service_row(service: ServiceFact) -> tuple[str, ...]:
    containers = (
        f"{each.name} {each.state}{f' {each.health}' if each.health else ''}"
        f"{f' exit {each.exit_code}' if each.exit_code else ''}{f' restarted {each.restarts}' if each.restarts else ''}"
        for each in service.containers
    )
    missing = [f"no value for {name}" for name in service.missing_env]
    return service.name, service.state, service.health, ", ".join(containers), "; ".join((*service.drift, *missing))


def _write_history(writer: _Writer, known: Recovery) -> None:
    titles = ("run", "host's end", "outcome", "by", "revision")
    rows = (_record_row(record, known.host.name) for record in known.history)
    count = counted(len(known.history), "run")
    writer.section(
        "The last runs of the host", f"The newest {count} that SATURN's journal knows.\n", writer.table(titles, rows)
    )


def _record_row(record: RunRecord, host: str) -> tuple[str, ...]:
    status, _ = record.hosts.get(host, ("", ""))
    return record.run, status, record.outcome or "no end here", record.by, short_revision(record.revision)


def _write_diagnostics(writer: _Writer, known: Recovery, room: int) -> None:
    found = known.diagnostics
    why = f"They could not be collected now: {writer.word(found.problem)}.\n" if found.problem else ""
    if not found.text:
        writer.section("Diagnostics", f"SATURN has none of this host. {why}\n".replace(" \n", "\n"))
        return
    when = "Collected for this bundle" if found.is_fresh else "Fetched by an earlier `saturn diagnose`"
    lines = (line for line in found.text.split("\n") if not line.startswith(PREFIX))  # as events they stand above
    block = writer.block("\n".join(lines), room, in_parts=True)
    writer.section("Diagnostics", f"{when}, {writer.word(found.at)}.\n", why, block)


# --- the screen and the document --------------------------------------------------------------------------------------


def recovery_text(known: Recovery, bundle: Bundle, file: str, commands: Sequence[NextCommand]) -> Group:
    """What the screen says: where the bundle lies, what it leans on, and what to type next."""
    state = known.state
    what = f"run {known.run}: {state.status}{_place(state)}" if state else "no run of it is known here"
    taken = sum(bundle.redacted.values())
    lines = [
        verbatim(f"{known.host.name}, {what}", "bold"),
        unbroken(f"  bundle: {file}"),
        verbatim(f"  {size_text(bundle.size)}, {counted(taken, 'place')} redacted; {_source_words(known)}", "dim"),
        Text(),
        verbatim("Next, the safest first:"),
    ]
    told = (unbroken(f"  {each.command}").append_text(unbroken(f"   # {each.why}", "dim")) for each in commands)
    return Group(*lines, *told)


def _place(state: HostState) -> str:
    error = state.error
    parts = [part for part in (error.stage, error.service, error.code) if part] if error else []
    return f" ({', '.join(parts)})" if parts else ""


def _source_words(known: Recovery) -> str:
    if known.is_live and known.diagnostics.is_fresh:
        return "from the node and the journal"
    away = "nobody was asked" if not known.was_asked else f"{known.host.name} is {known.standing.reachability}"
    kept = f"diagnostics of {known.diagnostics.at}" if known.diagnostics.text else "no diagnostics"
    return f"from the journal and {kept}: {away}" if not known.is_live else f"from the node, the journal and {kept}"


def recovery_document(known: Recovery, bundle: Bundle, file: str, commands: Sequence[NextCommand]) -> dict[str, Any]:
    """`recover --json`, version 1."""
    state, found = known.state, known.diagnostics
    return {
        "version": 1,
        "host": known.host.name,
        "run": known.run or None,
        "status": str(state.status) if state else None,
        "bundle": file,
        "size": bundle.size,
        "reachability": known.standing.reachability,
        "source": "live" if known.is_live else "journal",
        "diagnostics": {"file": found.file or None, "at": found.at or None, "fresh": found.is_fresh},
        "redacted": bundle.redacted,
        "next": [{"command": each.command, "why": each.why, "asks": not each.is_safe} for each in commands],
    }
