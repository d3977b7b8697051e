"""Problems as a person reads them: what happened, where, the evidence, and the next command to type.

One shape for all: errors of the command line, findings of the inventory, failures of hosts. Prose wraps; commands and
paths stand on lines of their own and are never broken, so that they can be copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saturn_orchestrator.errors import InventoryError, InventoryFinding, SaturnError
from saturn_orchestrator.events import neutral
from saturn_orchestrator.report.style import look, unbroken, verbatim
from saturn_orchestrator.report.text import Text

MAX_EVIDENCE = 20
"""Lines of a command's output that a screen shows; the log named below them holds the rest."""


def problem_text(error: SaturnError) -> Text:
    """A SaturnError as a block; an InventoryError as one block a finding and the counted headline last."""
    blocks = [finding_block(each) for each in (error.findings if isinstance(error, InventoryError) else ())]
    last = problem_block(error.code, error.message, error.place, notes=error.notes, hint=error.hint)
    return Text("\n", no_wrap=True, overflow="ignore").join([*spaced(blocks), *last])


def findings_text(findings: Sequence[InventoryFinding]) -> Text:
    """What an inventory is told though it is valid, a block each."""
    return Text("\n", no_wrap=True, overflow="ignore").join(spaced(finding_block(each) for each in findings))


def finding_block(finding: InventoryFinding) -> list[Text]:
    """The lines of one thing that stands in a file of the inventory."""
    severity = "error" if finding.severity == "error" else "warning"
    return problem_block(finding.code, finding.message, finding.place, severity=severity, hint=finding.hint)


def problem_block(
    code: str, message: str, place: str = "", *, severity: str = "error", evidence: Sequence[str] = (),
    notes: Sequence[str] = (), hint: str = "",
) -> list[Text]:  # fmt: skip
    """The lines of one problem. evidence: output lines, cut to the screen's width; notes and hint: never broken."""
    lines = [headline(severity, code, message)]
    if place:
        lines.append(unbroken(f"  --> {place}", "cyan"))
    lines += [_evidence_line(line) for line in evidence[-MAX_EVIDENCE:]]
    lines += [_labelled("note", note) for note in notes]
    if hint:
        lines.append(_labelled("help", hint))
    return lines


def spaced(blocks: Iterable[Sequence[Text]]) -> list[Text]:
    """The lines of all blocks, an empty line behind each that has any."""
    return [line for block in blocks if block for line in (*block, Text())]


def headline(severity: str, code: str, message: str) -> Text:
    """`error[code]: message`."""
    label = f"{severity}[{code}]: " if code else f"{severity}: "
    return verbatim(label, look(severity).style).append_text(verbatim(message, "bold"))


def _evidence_line(line: str) -> Text:
    return Text(neutral(f"   | {line}"), "dim", no_wrap=True, overflow="ellipsis")


def _labelled(label: str, text: str) -> Text:
    return unbroken(f"  {label}: ", "bold").append_text(verbatim(text, "not bold"))
