"""The `.env` format as Compose reads it. Pure; who may see a value is decided in `redaction`."""

from __future__ import annotations

import re
from typing import Mapping

_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*", re.MULTILINE)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'", re.DOTALL)
_PLAIN = re.compile(r"[^\r\n]*")
_REFERENCE = re.compile(r"\$\$|\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|([A-Za-z_]\w*))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse(text: str) -> dict[str, str]:
    """Names and values: `export`, quotes over several lines, inline comments, references to earlier names."""
    values: dict[str, str] = {}
    position = 0
    while True:
        found = _ASSIGNMENT.search(text, position)
        if not found:
            return values
        value, position = _value_at(text, found.end(), values)
        values[found.group(1)] = value


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
