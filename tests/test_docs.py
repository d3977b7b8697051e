"""The documents say what the program does: events, exit codes, error codes; and links lead somewhere.

What the documents must name is read from the source, never listed here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from saturn_node import wire
from saturn_node.compatibility import FLAWS

from saturn_orchestrator import errors
from saturn_orchestrator.events import OwnEvent
from saturn_orchestrator.policy import CODES
from saturn_orchestrator.state import outcome
from saturn_orchestrator.state.checkup import HOST_CHECKS, SATURN_CHECKS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))
SOURCES = sorted(
    file
    for folder in ("saturn_orchestrator", "node_agent_scripts/saturn_node")
    for file in (ROOT / folder).rglob("*.py")
)

CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_OWN_FILE = re.compile(
    r"(?:docs|tests|benchmarks|saturn_orchestrator|node_agent_scripts|inventory/templates)/[\w./-]*\w"
    r"|inventory/topology\.example\.yaml|(?:README|CHANGELOG)\.md|LICENSE|Makefile|pyproject\.toml"
)
_TABLE_CODE = re.compile(r"^\| `([a-z0-9_]+)` \|", re.MULTILINE)


# --- what the source says ---------------------------------------------------------------------------------------------


POSITIONS = {
    "NodeError": 0, "Blocked": 0, "Cancelled": 0, "Violation": 0, "Problem": 0, "HostError": 0,
    "problem_block": 0, "failure": 1, "Verdict": 2, "_lose": 0, "leave": 0, "HostFailed": 1,
    "Trouble": 0, "says": 0,
}  # fmt: skip
"""Where a code stands among the arguments of a call that takes one without `code=`."""

TABLES = {"_REFUSALS", "_MISSING", "_MISSING.get"}
"""Tables of codes, and the call with their default: in each entry the code is the key or the first of a pair."""


def error_codes(source: str) -> set[str]:
    """Every stable code in a module."""
    return {text for node in ast.walk(ast.parse(source)) for text in codes_at(node) if CODE.fullmatch(text)}


def codes_at(node: ast.AST) -> Iterator[str]:
    """The texts that stand in a node where a code belongs; some are none."""
    if isinstance(node, ast.Call):
        yield from codes_of_call(node)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        names = assigned_names(node)
        if "code" in names:
            yield from texts(node.value)
        if "code, hint" in names or names & TABLES:
            yield from entries(node.value)


def codes_of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    position = POSITIONS.get(name.rpartition(".")[2])
    if position is not None:
        yield from (text for argument in call.args[position : position + 1] for text in texts(argument))
    if name in TABLES:
        yield from (text for default in call.args[1:] for text in entries(default))
    yield from (text for keyword in call.keywords if keyword.arg == "code" for text in texts(keyword.value))


def assigned_names(statement: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {ast.unparse(target).strip("()") for target in targets}


def entries(table: ast.expr | None) -> Iterator[str]:
    """The codes of a table: keys that are codes with texts behind them, or the first of each pair."""
    if isinstance(table, ast.Tuple):
        yield from texts(table.elts[0])
    elif isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            firsts = texts(value.elts[0]) if isinstance(value, ast.Tuple) else ()
            is_pair_of_code = any(CODE.fullmatch(text) for text in firsts)
            yield from entries(value) if is_pair_of_code else texts(key)


def texts(value: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may be: itself, or both arms of a choice."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from (*texts(value.body), *texts(value.orelse))
    elif isinstance(value, ast.JoinedStr) and ast.unparse(value) == "f'unknown_{kind}'":
        yield from ("unknown_host", "unknown_tag", "unknown_role")  # the one code that is put together


def all_error_codes() -> set[str]:
    return {code for file in SOURCES for code in error_codes(file.read_text(encoding="utf-8"))}


def exit_codes() -> set[int]:
    """Of the error tree and of outcomes."""
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.SaturnError)
    ]
    constants = {value for name, value in vars(outcome).items() if name.startswith("EXIT_")}
    return {each.exit_code for each in classes} | constants


# --- what the documents say -------------------------------------------------------------------------------------------


def text_of(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above; "" when there is no such heading."""
    found = re.search(rf"^(#+) +{re.escape(heading)} *$", document, re.MULTILINE)
    if found is None:
        return ""
    rest = document[found.end() :]
    end = re.search(rf"^#{{1,{len(found.group(1))}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def anchors(document: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {each.replace(" ", "-") for each in words}


def broken_links(document: Path) -> list[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if not leads_somewhere(document, link)]


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in anchors(target))


def missing_files(text: str) -> set[str]:
    """Files of this project that a text names in `code` and that are not there."""
    named = (name for name in _INLINE.findall(_FENCE.sub("", text)) if _OWN_FILE.fullmatch(name))
    return {name for name in named if not (ROOT / name).exists()}


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(wire.Event), ids=lambda kind: kind.type)
def test_events_reference_has_every_type_and_field(kind: type) -> None:
    document = text_of("reference/events.md")
    told = section(document, f"`{kind.type}`")
    envelope = section(document, "Every event")
    names = {each.name for each in fields(kind)}

    assert told, f"reference/events.md has no section for {kind.type}"
    assert {name for name in names if f"`{name}`" not in told and f"`{name}`" not in envelope} == set()


@pytest.mark.parametrize(
    "part",
    [wire.ServiceFact, wire.ContainerFact, wire.LockFact, wire.RunFact, wire.DeploymentFact, wire.Problem],
    ids=lambda part: part.__name__,
)
def test_events_reference_has_every_part_of_facts(part: type) -> None:
    told = section(text_of("reference/events.md"), "Parts of facts")

    assert {each.name for each in fields(part) if f"`{each.name}`" not in told} == set()


@pytest.mark.parametrize("part", [wire.ServiceChange, wire.ImageChange, wire.Failing], ids=lambda part: part.__name__)
def test_events_reference_has_every_part_of_a_plan(part: type) -> None:
    told = section(text_of("reference/events.md"), "Parts of a plan")

    assert {each.name for each in fields(part) if f"`{each.name}`" not in told} == set()


@pytest.mark.parametrize("kind", get_args(OwnEvent), ids=lambda kind: kind.type)
def test_events_reference_has_every_event_of_saturn_itself(kind: type) -> None:
    told = section(text_of("reference/events.md"), "Events of saturn itself")

    assert f"`{vars(kind)['type']}`" in told


def test_exit_code_reference_has_exactly_the_codes() -> None:
    told = {int(code) for code in _TABLE_CODE.findall(text_of("reference/exit-codes.md"))}

    assert told == exit_codes()


def test_error_reference_has_exactly_the_codes_of_the_source() -> None:
    told = _TABLE_CODE.findall(text_of("reference/errors.md")) + _TABLE_CODE.findall(text_of("reference/findings.md"))

    assert sorted(told) == sorted(all_error_codes())


def test_findings_reference_has_every_finding_and_its_severity() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (error|warning) \|", text_of("reference/findings.md"), re.MULTILINE))

    assert told == CODES


@pytest.mark.parametrize("heading, names", [("SATURN", SATURN_CHECKS), ("A host", HOST_CHECKS)])
def test_doctor_reference_has_exactly_the_checks_in_their_order(heading: str, names: tuple[str, ...]) -> None:
    assert tuple(_TABLE_CODE.findall(section(text_of("reference/doctor.md"), heading))) == names


def test_doctor_reference_has_every_flaw_of_compose() -> None:
    told = section(text_of("reference/doctor.md"), "Versions of Compose")

    assert [flaw.source for flaw in FLAWS if flaw.source not in told] == []


def test_a_code_is_found_wherever_it_stands() -> None:
    source = (
        "raise NodeError('one', 'said')\n"
        "yield Violation('two', 'said', 'service')\n"
        "yield definition.says('eight', 'said')\n"
        "raise Unreachable('said', code='three')\n"
        "class Denied(SessionError):\n    code = 'four'\n"
        "code = 'five' if more else 'six'\n"
        "raise compose.failure(finished, 'seven', 'said')\n"
    )

    assert error_codes(source) == {"one", "two", "three", "four", "five", "six", "seven", "eight"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_named_file_is_there(document: Path) -> None:
    assert missing_files(document.read_text(encoding="utf-8")) == set()


def test_index_leads_to_every_document() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text(encoding="utf-8"))}

    assert sorted(str(file) for file in DOCS.rglob("*.md") if file != index and file not in linked) == []
