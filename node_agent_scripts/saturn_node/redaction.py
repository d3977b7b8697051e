"""Values of `.env` files never leave the node: they are found in any text, also escaped, and replaced.

Text from commands is cleaned of terminal escapes here too, before the search, so an escape cannot hide a value.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Iterable, Iterator

from . import dotenv
from .late import base64

REPLACEMENT = "[redacted]"
INCOMING = ".env.incoming-"
"""How a file is called, before the run's name, that waits beside a `.env` to become part of it."""

_ASSIGNED = r"""[\\"']{0,4}[ \t]{0,8}[=:][ \t]{0,8}[\\"']{0,4}"""
"""What may stand between a name and its value: `=` or `:`, with quotes and blanks around it."""
_HEAD = 4
"""Characters by which a value is looked up; none that is looked for anywhere has fewer."""
_COLUMNS = (64, 76)
"""Where base64 breaks its lines: openssl(1) and RFC 2045."""
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_URL_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]*:[^/\s@]*@", re.IGNORECASE)


class Redactor:
    """Finds secret values in a text. Values of 4 characters and more match anywhere, in their escaped forms too.

    A shorter value is found only where it is assigned to its name, as a whole: `1` stands in every log.
    """

    def __init__(self, values: Iterable[tuple[str, str]] = ()) -> None:
        anywhere: set[str] = set()
        assigned: set[tuple[str, str]] = set()
        for name, value in values:
            seen = printable(value)  # as it stands in a text that was cleaned
            for part in {value, seen, *value.splitlines(), *seen.splitlines()}:
                text = part.strip()
                if len(text) >= _HEAD:
                    anywhere.update(each for each in _forms(text) if len(each) >= _HEAD)
                elif text and name:
                    assigned.add((name, text))
        self._by_head: dict[str, list[str]] = {}
        for form in sorted(anywhere, key=len, reverse=True):
            self._by_head.setdefault(form[:_HEAD], []).append(form)
        names = "|".join(re.escape(name) for name in sorted({name for name, _ in assigned}))
        self._names = re.compile(names) if names else None
        self._assignments = tuple(
            re.compile(rf"((?<!\w){re.escape(name)}{_ASSIGNED}){re.escape(text)}(?!\w)")
            for name, text in sorted(assigned, key=lambda each: len(each[1]), reverse=True)
        )

    def redacted(self, text: str) -> str:
        """The text with terminal escapes taken out, and every secret value and URL credential replaced."""
        cleaned = _URL_CREDENTIALS.sub(r"\g<1>" + REPLACEMENT + "@", printable(text))
        if self._by_head:
            cleaned = self._without_values(cleaned)
        if self._names and self._names.search(cleaned):
            for each in self._assignments:
                cleaned = each.sub(r"\g<1>" + REPLACEMENT, cleaned)
        return cleaned

    def _without_values(self, text: str) -> str:
        """Every value replaced, the longest that begins at a place first.

        One look into a dictionary a character: a pattern of some thousand alternatives takes a hundred times as long.
        """
        kept: list[str] = []
        begin = at = 0
        by_head = self._by_head
        end = len(text) - _HEAD + 1
        while at < end:
            forms = by_head.get(text[at : at + _HEAD])
            found = next((each for each in forms if text.startswith(each, at)), "") if forms else ""
            if found:
                kept += (text[begin:at], REPLACEMENT)
                at = begin = at + len(found)
            else:
                at += 1
        return "".join(kept) + text[begin:]


def printable(text: str) -> str:
    """The text without terminal escapes, control and direction characters; newlines and tabs stay."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def node_redactor(config: str) -> Redactor:
    """The redactor for every `<config>/*/.env` as it stands now."""
    return Redactor(_values(config))


def _values(config: str) -> Iterator[tuple[str, str]]:
    for path in secret_files(config, ".env"):
        text = _read(path)
        yield from dotenv.parse(text).items()
        yield from as_written(text)
    for path in secret_files(config, INCOMING + "*"):
        yield from incoming_values(_read(path))


def secret_files(config: str, name: str) -> list[str]:
    """The files `<config>/*/<name>`, sorted; a `*` at the end of the name stands for anything."""
    found = []
    for folder in _listed(config):
        known = _listed(folder)
        begin = os.path.join(folder, name.rstrip("*"))
        found += [path for path in known if path == begin or (name.endswith("*") and path.startswith(begin))]
    return found


def _listed(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []


def incoming_values(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of a file that waits to become part of a `.env`."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, str):
            yield str(name), value


def as_written(text: str) -> Iterator[tuple[str, str]]:
    """Names and values letter by letter, quotes around them left out: a program may print the file itself."""
    for line in text.splitlines():
        name, is_assigned, value = line.partition("=")
        if is_assigned:
            yield name, value.strip().strip("\"'")


def read_env(path: str) -> dict[str, str]:
    """Names and values of one `.env`; empty when it is missing or unreadable."""
    return dotenv.parse(_read(path))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _forms(value: str) -> Iterator[str]:
    """The value as it may stand in a text: plain, in JSON, in a shell word, in a URL, in base64."""
    raw = value.encode("utf-8", "replace")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield shlex.quote(value).strip("'")
    for pattern in ("%{:02X}", "%{:02x}"):
        quoted = "".join(_percent(byte, pattern) for byte in raw)
        yield quoted
        yield quoted.replace("%20", "+")
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        whole = alphabet(raw).decode().rstrip("=")
        yield whole
        for width in _COLUMNS if len(whole) > min(_COLUMNS) else ():
            yield from (each for each in _cut(whole, width) if len(each) >= 8)
        if len(raw) >= 8:  # inside a longer base64 text (`user:password`), at any of the three alignments
            yield alphabet(b"\0" + raw).decode().rstrip("=")[2:-1]
            yield alphabet(b"\0\0" + raw).decode().rstrip("=")[3:-1]
            yield alphabet(raw).decode().rstrip("=")[:-1]


def _cut(text: str, width: int) -> Iterator[str]:
    return (text[start : start + width] for start in range(0, len(text), width))


def _percent(byte: int, pattern: str) -> str:
    character = chr(byte)
    plain = character.isascii() and (character.isalnum() or character in "-._~")
    return character if plain else pattern.format(byte)
