"""The documents say what the program does: verbs and options, events, exit codes, error codes, and links that lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import pytest
from saturn_node import wire

from saturn_orchestrator import errors
from saturn_orchestrator.cli.main import VERBS, saturn
from saturn_orchestrator.state import outcome

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))
SOURCES = sorted(
    file
    for folder in ("saturn_orchestrator", "node_agent_scripts/saturn_node")
    for file in (ROOT / folder).rglob("*.py")
)

_CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
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


def error_codes(source: str) -> set[str]:
    """Every stable code in a module: of NodeError, Blocked, Cancelled and Violation, `code=`, classes, and tables of them."""
    return {text for node in ast.walk(ast.parse(source)) for text in _codes_of(node) if _CODE.fullmatch(text)}


def _codes_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _codes_of_call(node)
    elif isinstance(node, ast.ClassDef):
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and "code" in _targets(statement):
                yield from _texts(statement.value)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = _targets(node)
        if "code" in targets:
            yield from _texts(node.value)
        if isinstance(node.value, ast.Dict) and targets & {"_REFUSALS"}:
            yield from (text for key in node.value.keys for text in _texts(key))
        if isinstance(node.value, ast.Dict) and targets & {"_MISSING"}:
            yield from (
                text for value in node.value.values if isinstance(value, ast.Tuple) for text in _texts(value.elts[0])
            )
        if isinstance(node.value, ast.Tuple) and targets & {"code, hint"}:
            yield from _texts(node.value.elts[0])


def _codes_of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func).rpartition(".")[2]
    position = {"NodeError": 0, "Blocked": 0, "Cancelled": 0, "Violation": 0, "Problem": 0, "HostError": 0}.get(name)
    position = {"failure": 1, "Verdict": 2, "_lose": 0}.get(name, position)
    if position is not None and len(call.args) > position:
        yield from _texts(call.args[position])
    if ast.unparse(call.func).endswith("_MISSING.get") and isinstance(call.args[1], ast.Tuple):
        yield from _texts(call.args[1].elts[0])
    for keyword in call.keywords:
        if keyword.arg == "code":
            yield from _texts(keyword.value)


def _targets(statement: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {ast.unparse(target).strip("()") for target in targets}


def _texts(value: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may be: itself, both arms of a choice, or an f-string with its holes as they come."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from (*_texts(value.body), *_texts(value.orelse))
    elif isinstance(value, ast.BoolOp):
        yield from (text for each in value.values for text in _texts(each))
    elif isinstance(value, ast.JoinedStr) and ast.unparse(value) == "f'unknown_{kind}'":
        yield from ("unknown_host", "unknown_tag", "unknown_role")


def all_error_codes() -> set[str]:
    return {code for file in SOURCES for code in error_codes(file.read_text(encoding="utf-8"))} | {"stale"}


def commands() -> dict[str, click.Command]:
    context = click.Context(saturn, info_name="saturn")
    found = {verb: saturn.get_command(context, verb) for verb in VERBS}
    return {"saturn": saturn, **{f"saturn {verb}": command for verb, command in found.items() if command}}


def exit_codes() -> set[int]:
    """Of the error tree, of outcomes, and 130 for an interruption."""
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


@pytest.mark.parametrize("name", ["saturn", *(f"saturn {verb}" for verb in VERBS)])
def test_cli_reference_has_every_verb_and_option(name: str) -> None:
    told = section(text_of("reference/cli.md"), f"`{name}`")
    names = {word for each in commands()[name].params for word in each.opts if isinstance(each, click.Option)}

    assert told, f"reference/cli.md has no section for {name}"
    assert {each for each in names if f"`{each}" not in told} == set()


def test_cli_reference_names_no_verb_that_is_not_there() -> None:
    told = re.findall(r"^## `saturn ([a-z]+)`$", text_of("reference/cli.md"), re.MULTILINE)

    assert sorted(told) == sorted(VERBS)


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
    [wire.ServiceFact, wire.ContainerFact, wire.LockFact, wire.RunFact, wire.Problem],
    ids=lambda part: part.__name__,
)
def test_events_reference_has_every_part_of_facts(part: type) -> None:
    told = section(text_of("reference/events.md"), "Parts of facts")

    assert {each.name for each in fields(part) if f"`{each.name}`" not in told} == set()


def test_exit_code_reference_has_exactly_the_codes() -> None:
    told = {int(code) for code in _TABLE_CODE.findall(text_of("reference/exit-codes.md"))}

    assert told == exit_codes()


def test_error_reference_has_exactly_the_codes_of_the_source() -> None:
    told = _TABLE_CODE.findall(text_of("reference/errors.md"))

    assert sorted(told) == sorted(all_error_codes())


def test_a_code_is_found_wherever_it_stands() -> None:
    source = (
        "raise NodeError('one', 'said')\n"
        "yield Violation('two', 'said', 'service')\n"
        "raise Unreachable('said', code='three')\n"
        "class Denied(SessionError):\n    code = 'four'\n"
        "code = 'five' if more else 'six'\n"
        "raise compose.failure(finished, 'seven', 'said')\n"
    )

    assert error_codes(source) == {"one", "two", "three", "four", "five", "six", "seven"}


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
