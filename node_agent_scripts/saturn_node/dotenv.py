"""The `.env` format as Compose reads it. Pure; who may see a value is decided in `redaction`."""

from __future__ import annotations

import re
from typing import Iterator, Mapping

_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*", re.MULTILINE)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'", re.DOTALL)
_PLAIN = re.compile(r"[^\r\n]*")
_REFERENCE = re.compile(r"\$\$|\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|([A-Za-z_]\w*))")
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+\Z")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse(text: str) -> dict[str, str]:
    """Names and values: `export`, quotes over several lines, inline comments, references to earlier names."""
    return {name: value for name, value, _, _ in _assignments(text)}


def _assignments(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Name, value, and where in the text the assignment begins and ends."""
    values: dict[str, str] = {}
    position = 0
    while True:
        found = _ASSIGNMENT.search(text, position)
        if not found:
            return
        value, position = _value_at(text, found.end(), values)
        values[found.group(1)] = value
        yield found.group(1), value, found.start(), position


def merged(text: str, values: Mapping[str, str]) -> str:
    """The text with these values: in place of those that it assigns, the others behind it. Comments and order stay.

    The very text when it says all of them already. A name that is assigned twice keeps its last place, which counts.
    """
    known = parse(text)
    moved = {name: value for name, value in values.items() if known.get(name) != value}
    if not moved:
        return text
    places = {name: (start, end) for name, _, start, end in _assignments(text) if name in moved}
    for name, (start, end) in sorted(places.items(), key=lambda each: each[1], reverse=True):
        text = text[:start] + assignment(name, moved[name]) + text[end:]
    added = [assignment(name, moved[name]) + "\n" for name in moved if name not in places]
    return text + ("\n" if added and text and not text.endswith("\n") else "") + "".join(added)


def assignment(name: str, value: str) -> str:
    """`NAME=value`, quoted so that compose and `parse` read just this value."""
    if _BARE.match(value):
        return f"{name}={value}"
    if not re.search(r"['\\\r\n]", value):
        return f"{name}='{value}'"
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("$", "$$")
    )
    return f'{name}="{escaped}"'


def _value_at(text: str, start: int, known: Mapping[str, str]) -> tuple[str, int]:
    quoted = _SINGLE.match(text, start)
    if quoted:
        return quoted.group(1), quoted.end()
    quoted = _DOUBLE.match(text, start)
    if quoted:
        return _unescaped(_expanded(quoted.group(1), known)), quoted.end()
    plain = _PLAIN.match(text, start)
    line = plain.group() if plain else ""
    value = re.split(r"(?:^|[ \t])#", line, maxsplit=1)[0].strip()
    return _expanded(value, known), start + len(line)


def _expanded(value: str, known: Mapping[str, str]) -> str:
    def replacement(found: re.Match[str]) -> str:
        if found.group() == "$$":  # an escaped dollar
            return "$"
        return known.get(found.group(1) or found.group(3), "") or found.group(2) or ""

    return _REFERENCE.sub(replacement, value)


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group()), value, flags=re.DOTALL)
