"""One YAML file as plain values, with the line every value stands on.

YAML's own traps are caught here: duplicate keys, tags, aliases without end, depth, encodings, files that are no files.
What the values mean is no concern of this module, and no error of yaml or of the file system leaves it.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import Reader

from saturn_orchestrator.errors import InventoryError, InventoryFinding

if TYPE_CHECKING:
    from saturn_orchestrator.topology.traces import Traces

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 30
MAX_NODES = 20_000
"""Values in one file, those behind aliases counted each time: a bomb of aliases ends here."""

MERGE = "<<"
KeyPath = tuple[str | int, ...]
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Place:
    """Where a value stands. text: a plain (unquoted) scalar as written, before YAML read a type into it."""

    line: int
    text: str = ""


@dataclass(frozen=True)
class Document:
    """The value of a file (None when it is empty), where its parts stand, and what was wrong while reading it."""

    file: str
    value: object
    places: Mapping[KeyPath, Place]
    findings: tuple[InventoryFinding, ...] = ()

    def place(self, path: KeyPath) -> Place:
        """Where path stands; for a key that is not there, the line of the nearest thing that holds it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(line=1))

    def finding(self, path: KeyPath, message: str, hint: str = "") -> InventoryFinding:
        """A finding at path in this file."""
        return InventoryFinding(self.file, self.place(path).line, dotted(path), message, hint)


def dotted(path: KeyPath) -> str:
    """`hosts.vps.services[2]` from its parts."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_key_text(part)}" for part in path).removeprefix(".")


def quoted(text: str) -> str:
    """Text from a file, in quotes and fit for a screen: one line of moderate length without control characters."""
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return json.dumps(short, ensure_ascii=not short.isprintable())


def _key_text(key: str) -> str:
    return key if key and key.isprintable() and len(key) <= 60 else quoted(key)


def read(path: Path, shown: str, traces: Traces | None = None) -> Document:
    """The YAML file at path, which findings name as `shown`. traces: take note of what it holds.

    Raises:
        InventoryError: there is no such file, or it is no YAML; what is wrong inside YAML stands in the findings.
    """
    return parsed(_text(path, shown, traces), shown)


def parsed(text: str, shown: str) -> Document:
    """The YAML of a text, which findings name as `shown`.

    Raises:
        InventoryError: it is no YAML; what is wrong inside YAML stands in the findings.
    """
    try:
        return _Builder(shown, iter(yaml.parse(text, Loader=Loader))).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _refusal(shown, line, *_syntax(error, text.split("\n")[line - 1 : line])) from error


def _text(path: Path, shown: str, traces: Traces | None) -> str:
    """The text of a regular file of moderate size in UTF-8."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refusal(shown, 0, "is a folder, a file was expected", f"name the file: {shown}/topology.yaml")
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(shown, 0, "is no regular file")
        if status.st_size > MAX_BYTES:
            raise _refusal(shown, 0, f"should be 1 MiB at most, it has {status.st_size:,} bytes")
        data = path.read_bytes()
        if traces:
            traces.note(path, data)
    except FileNotFoundError as error:
        raise _refusal(shown, 0, "there is no such file") from error
    except OSError as error:
        raise _refusal(shown, 0, f"cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"should be UTF-8 text, found the byte 0x{data[error.start]:02x}"
        raise _refusal(shown, line, message, "save the file as UTF-8") from error
    if unprintable := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, unprintable.start()) + 1
        raise _refusal(shown, line, f"should be plain text, found the control character {unprintable.group()!r}")
    return text


def _syntax(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[str, str]:
    """A sentence and a hint for what the YAML parser stumbled over, and the lines (one or none) where it did."""
    if any(line.lstrip(" ").startswith("\t") for line in lines):
        return "a tab stands where YAML wants blanks", "indent with blanks"
    problem = error.problem or error.context or "it cannot be parsed"
    return f"is not valid YAML here: {problem}", "check the indentation, the colons and the quotes around this line"


def _refusal(file: str, line: int, message: str, hint: str = "") -> InventoryError:
    return InventoryError([InventoryFinding(file, line, "", message, hint)])


@dataclass
class _Builder:
    """Builds plain values from the parser's events, so that depth and size are bounded before anything is built."""

    file: str
    events: Iterator[yaml.Event]
    places: dict[KeyPath, Place] = field(default_factory=dict)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    findings: list[InventoryFinding] = field(default_factory=list)
    nodes: int = 0

    def document(self) -> Document:
        value: object = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document begins here, one is expected", "remove the line ---")
                value = self._value(next(self.events), ())
        return Document(self.file, value, self.places, tuple(self.findings))

    def _value(self, event: yaml.Event, path: KeyPath, line: int = 0) -> object:
        """The value that begins with event; its parts stand under path, itself on its key's line if any."""
        self._count(event, 1)
        text = event.value if isinstance(event, yaml.ScalarEvent) and event.implicit[0] else ""
        self.places[path] = Place(line or _line(event), text)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        if event.tag is not None:
            self._find(
                event, path, f"tags like {quoted(event.tag)} are not read here", "write the plain value, or quote it"
            )
        before = self.nodes
        value = _scalar(event) if isinstance(event, yaml.ScalarEvent) else self._collection(event, path)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.nodes - before + 1)
        return value

    def _collection(self, event: yaml.CollectionStartEvent, path: KeyPath) -> object:
        if len(path) >= MAX_DEPTH:
            raise self._refusal(event, f"is nested more than {MAX_DEPTH} deep")
        return self._sequence(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _aliased(self, event: yaml.AliasEvent) -> object:
        if event.anchor not in self.anchors:
            raise self._refusal(event, f"the alias *{event.anchor} names no anchor (&{event.anchor}) above it")
        value, size = self.anchors[event.anchor]
        self._count(event, size)
        return value

    def _sequence(self, path: KeyPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            if key in mapping:
                first = self.places[here].line
                self._find(event, here, f"stands twice, first on line {first}", "keep one of the two")
            value = self._value(next(self.events), here, _line(event))
            if key != MERGE:
                mapping[key] = value
        return mapping

    def _key(self, event: yaml.Event, path: KeyPath) -> str:
        """The text of a key. One that YAML takes for something else is named by the text that stands there."""
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refusal(event, "a key should be text, found a list, a mapping or an alias")
        if event.value == MERGE and event.implicit[0]:
            self._find(
                event, path, "merge keys (<<) are not read here", "write the keys out, or put them under defaults:"
            )
        elif not isinstance(value := _scalar(event), str):
            message = f"a key should be text, YAML reads {quoted(event.value)} as {kind_of(value)}"
            self._find(event, (*path, event.value), message, f'quote it: "{event.value}"')
        return str(event.value)

    def _count(self, event: yaml.Event, size: int) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise self._refusal(event, f"holds more than {MAX_NODES:,} values, those behind aliases counted each time")

    def _find(self, event: yaml.Event, path: KeyPath, message: str, hint: str) -> None:
        self.findings.append(InventoryFinding(self.file, _line(event), dotted(path), message, hint))

    def _refusal(self, event: yaml.Event, message: str, hint: str = "") -> InventoryError:
        """The error for what cannot be read on from, with everything found until here."""
        return InventoryError([*self.findings, InventoryFinding(self.file, _line(event), "", message, hint)])


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


_resolver = yaml.resolver.Resolver()
_constructor = SafeConstructor()


def _scalar(event: yaml.ScalarEvent) -> object:
    """What YAML 1.1 reads into a scalar: text, number, true or false, date or nothing."""
    if not event.implicit[0]:
        return str(event.value)
    tag = _resolver.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call]  # not in stubs
    if tag in ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"):
        return str(event.value)
    try:
        return _constructor.construct_object(yaml.ScalarNode(tag, event.value), deep=True)
    except ValueError:  # a thirteenth month, a number of five thousand digits: the text says it best
        return str(event.value)


def kind_of(value: object) -> str:
    """A value's kind in a person's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    return "a date"
