"""A document held against a model: the entry it makes, and pydantic's errors as sentences a person can act on.

This is the one place that knows pydantic's errors. What a sentence expects comes from the model's own JSON schema,
so that no list of keys or limits is kept twice. No file is read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from saturn_orchestrator.errors import InventoryFinding
from saturn_orchestrator.topology import entries
from saturn_orchestrator.topology.document import Document, KeyPath, Place, kind_of, quoted
from saturn_orchestrator.topology.spelling import near

E = TypeVar("E", bound=entries.Section)
Schema = dict[str, Any]

PATTERNS = {
    entries.NAME: "a name of a-z, 0-9, _ and -, with a letter or digit first, 63 characters at most",
    entries.TEXT: "text without control characters",
    entries.WORD: "one word, without blanks and without a dash at its beginning",
    entries.ARGUMENT: "text of one line, not empty",
    entries.ENV_NAME: "the name of an environment variable (A-Z, 0-9 and _)",
    entries.ROOT_PATH: "an absolute path on the node like /opt/homelab, without a colon or a slash at its end",
    entries.NODE_PATH: "an absolute path on the node like /opt/homelab/repo, or one that begins with {root}/",
    entries.BATCH: 'a number of hosts from 1, or a percentage from "1%" to "100%"',
}
FORMATS = {"path": "a path", "date": "a day such as 2026-12-31"}


def entry(document: Document, kind: type[E]) -> tuple[E | None, tuple[InventoryFinding, ...]]:
    """What the document holds as an entry of this kind, and everything that is wrong in it.

    A wrong key hides no other: the entry is made of what is right, and None when nothing can be made of the rest.
    """
    if document.value is None:
        empty = document.finding((), "is empty", "begin with the lines of topology.example.yaml")
        return None, (*document.findings, empty)
    if not isinstance(document.value, dict):
        message = f"should hold a mapping (key: value), found {kind_of(document.value)}"
        return None, (*document.findings, document.finding((), message))
    try:
        return kind.model_validate(document.value), document.findings
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = (*document.findings, *_translated(details, document, kind))
    try:
        return kind.model_validate(_without(document.value, {_path(each) for each in details})), findings
    except ValidationError:
        return None, findings


def _without(value: object, wrong: set[KeyPath], path: KeyPath = ()) -> object:
    """A copy of value that lacks every key at a wrong path; a list with a wrong item goes as a whole."""
    if not isinstance(value, dict):
        return value
    return {
        key: _without(part, wrong, (*path, key))
        for key, part in value.items()
        if not any(each[: len(path) + 1] == (*path, key) and _ends_here(each, len(path) + 1) for each in wrong)
    }


def _ends_here(path: KeyPath, length: int) -> bool:
    """Whether the key of that depth is the last on the path: only list items come behind it."""
    return all(isinstance(part, int) for part in path[length:])


def _path(detail: ErrorDetails) -> KeyPath:
    """Where the wrong value stands; pydantic marks an error in a key itself with a last step of its own."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def _translated(details: list[ErrorDetails], document: Document, kind: type[E]) -> Iterator[InventoryFinding]:
    schema = kind.model_json_schema()
    for detail in details:
        if detail["type"] == "too_short" and detail["input"]:
            continue  # it is so short only because its wrong items were not counted, and these have findings
        path = _path(detail)
        message, hint = _sentence(detail, path, schema, document.place(path))
        yield document.finding(path, message, hint)


def _sentence(detail: ErrorDetails, path: KeyPath, schema: Schema, place: Place) -> tuple[str, str]:
    """What was expected at path and what stood there, and a hint, from one of pydantic's errors."""
    value = detail["input"]
    if detail["loc"][-1:] == ("[key]",):
        return f"should be {PATTERNS[entries.NAME]}", ""
    match detail["type"]:
        case "extra_forbidden":
            key, known = str(path[-1]), _keys(_within(schema, path[:-1]))
            return f"unknown key {quoted(key)}", near(key, known) or f"known here: {', '.join(known)}"
        case "missing":
            return f"is needed: {_expected(_within(schema, path))}", ""
        case "value_error":
            return f"{detail['ctx']['error']}, found {_found(value, place)}", ""
        case "too_short":
            return "should hold at least one", ""
        case "too_long":
            return f"should hold {detail['ctx']['max_length']} at most, found {detail['ctx']['actual_length']}", ""
        case "string_too_short":
            return "should not be empty", ""
        case "string_too_long":
            return f"should be {detail['ctx']['max_length']} characters at most", ""
        case "string_type":
            hint = f'quote it: "{place.text}"' if place.text and value is not None else ""
            return f"should be {_expected(_within(schema, path))}, found {_found(value, place)}", hint
        case _:
            return f"should be {_expected(_within(schema, path))}, found {_found(value, place)}", ""


def _found(value: object, place: Place) -> str:
    """What stood there: the text in quotes, or the text and what YAML made of it."""
    if isinstance(value, str):
        return quoted(value)
    kind = kind_of(value)
    if place.text and place.text not in kind:
        return f"{place.text}, which YAML reads as {kind}"
    return kind


# --- the model's JSON schema -----------------------------------------------------------------------------------------


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema itself behind references, and of `X or null` the X."""
    while True:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
        else:
            return schema


def _within(root: Schema, path: KeyPath) -> Schema:
    """The schema of what may stand at path; an empty one when nothing may."""
    schema = root
    for part in path:
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        pattern = schema.get("patternProperties", {})
        inner = inner or schema.get("additionalProperties") or next(iter(pattern.values()), None) or {}
        schema = _resolved(inner, root)
    return schema


def _keys(schema: Schema) -> tuple[str, ...]:
    return tuple(schema.get("properties", {}))


def _expected(schema: Schema) -> str:
    """What should stand there, in words."""
    if "enum" in schema or "const" in schema:
        return " or ".join(str(each) for each in schema.get("enum", [schema.get("const")]))
    if pattern := schema.get("pattern"):
        return PATTERNS[pattern]
    match schema.get("type"):
        case "integer":
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case "number":
            return f"a number of seconds above {schema['exclusiveMinimum']:g}, at most {schema['maximum']:g}"
        case "boolean":
            return "true or false"
        case "array":
            return "a list, like [a, b]"
        case "object":
            return "a mapping (key: value)"
        case _:
            return FORMATS.get(str(schema.get("format")), "text")
