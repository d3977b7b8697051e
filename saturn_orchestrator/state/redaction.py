"""What must not leave the house is taken out of a text. Pure: texts in, texts and a count out.

A node has taken the values of its `.env` files out already. Here follows what it cannot know: values that SATURN has at
hand, and words that look or stand like a secret wherever they come from. Where a secret is told by its place (assigned
to a name, in a URL, in a header), the same value is looked for everywhere else, too, in every form that the node knows:
plain, quoted, in a URL, in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from saturn_node.redaction import REPLACEMENT, Redactor

from saturn_orchestrator.repository.shapes import SHAPES, Shape

LEARNED_MIN = 8
LEARNED_MAX = 1000
"""Characters of a value that was told by its place and is looked for everywhere; a shorter one stands in every log."""

VALUES_MAX = 2000
"""Values that are looked for: who prints more of them has each taken out where it is assigned, no more."""

KINDS = ("private key", "token", "header", "URL", "assignment", "encoded", "value")
"""What a redaction may be counted as, in the order in which they are looked for."""

_KEY_LINES = 400
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:")
_END = re.compile(r"-----END [A-Z0-9 ]{0,60}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: ?\w{0,200}")
_MATERIAL = re.compile(
    r"(?:^|[\s|])(?:[A-Za-z0-9+/=]{16,}|[A-Za-z0-9+/]{1,76}={1,2}|[A-Z][A-Za-z-]{2,30}: .{0,200})?\s*$"
)

_HEADER = re.compile(
    r"(?i)(\b(?:proxy-)?authorization[\\\"']{0,4}[ \t]{0,8}[:=][ \t]{0,8}[\\\"']{0,4}(?:[a-z-]{3,20} +)?"
    r"|\b(?:set-)?cookie[\\\"']{0,4}: {0,8}[\\\"']{0,4}|\bbearer +)([^\s\"'\\][^\n\"'\\]*)"
)
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30})://([^/\s\"'<>]{1,1000})@")
_NAMES_ALONE = frozenset({"ssh", "git+ssh", "sftp", "rsync", "git"})
"""Schemes whose user without a password is no secret."""

_ASSIGNMENT = re.compile(
    r"(?i)((?P<name>passw(?:or)?d|passphrase|secret|token|credential|api_?key|[_-]key|(?-i:[a-z]Key)|_auth|[_-]pwd"
    r"|[\"']auth(?=[\"'])|(?<![a-z0-9])(?:pass|psk|jwt)(?![a-z])|(?-i:(?<![A-Za-z0-9])KEY(?![A-Za-z])))[\w-]{0,30}"
    r"[\\\"']{0,4}[ \t]{0,8}(?P<sign>=>|:=|[=:])[ \t]{0,8})"
    r"(?P<value>(?P<quote>\\?[\"']).*|\S.*)"
)
_REFERENCE = re.compile(r"\$\{\w{1,100}\}[\"']?\s*$|\[redacted\]|\*{3,}")
_LINE_START = re.compile(r"(?:[\d:.TZ+-]{10,40} +)?(?:[\w.-]{1,100} +\| +)?[ \t-]*[\"']?[\w.-]{0,60}$")
_WORDS = re.compile(r"[A-Za-z\s.,:;!?'()-]*")
_PATH = re.compile(r"/[a-z][\w.-]*(?:/[\w.-]*)+")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,40000}={0,2}")

Note = Callable[[str, str], None]
"""Told of each thing that was taken out: its kind, and its value."""


class Redaction:
    """Takes secrets out of texts that belong together, and counts what it took.

    counts: by kind, over all that was redacted so far.
    """

    def __init__(self, texts: Iterable[str], known: Iterable[tuple[str, str]] = (), names: Iterable[str] = ()) -> None:
        """texts: where secrets may stand. known: names and values that are secret. names: words that are none."""
        plain = frozenset(names)
        told: dict[str, None] = {}
        for text in texts:
            _marked(text, lambda kind, value: told.setdefault(value) if _is_telling(kind, value, plain) else None)
        learned = tuple(("", value) for value in told)[:VALUES_MAX]
        self._redactor = Redactor((*(each for each in known if each[1].strip() not in plain), *learned))
        self.counts: Counter[str] = Counter()

    def redacted(self, text: str) -> str:
        """The text without secrets. Its lines stay lines; a private key becomes one of them."""
        marked = _marked(text, self._count)
        cleaned = self._redactor.redacted(marked)
        self.counts["value"] += max(cleaned.count(REPLACEMENT) - marked.count(REPLACEMENT), 0)
        return cleaned

    def _count(self, kind: str, _: str) -> None:
        self.counts[kind] += 1


def is_secret_name(name: str) -> bool:
    """Whether whatever has this name is likely a secret: `MQTT_PASSWORD`, `apiKey`, `github-token`."""
    return bool(_ASSIGNMENT.search(f"{name}=x"))


def _is_telling(kind: str, value: str, plain: frozenset[str]) -> bool:
    """Whether the value is worth looking for elsewhere: neither a name, a path, nor mere words."""
    if kind == "private key" or not LEARNED_MIN <= len(value) <= LEARNED_MAX:
        return False
    return not (value in plain or _WORDS.fullmatch(value) or _PATH.fullmatch(value))


def _marked(text: str, note: Note) -> str:
    """The text without what shows itself to be a secret, by its form or its place."""
    for step in (_without_keys, _without_tokens, _without_headers, _without_urls, _without_assignments, _without_codes):
        text = step(text, note)
    return text


def _without_keys(text: str, note: Note) -> str:
    """Without private keys, also those whose lines have something in front, and those of which the begin is missing."""
    if not (_BEGIN.search(text) or _END.search(text)):
        return text
    kept: list[str] = []
    lines, inside = text.split("\n"), 0
    for number, line in enumerate(lines):
        begin, end = _BEGIN.search(line), _END.search(line)
        if begin:
            rest = line[end.end() :] if end and end.start() >= begin.end() else ""
            kept.append(line[: begin.start()] + REPLACEMENT + rest)
            note("private key", "")
            inside = 0 if end else _KEY_LINES
        elif end:
            if not inside:
                _drop_material(kept)
                kept.append(REPLACEMENT)
                note("private key", "")
            inside = 0
        elif inside and (_MATERIAL.search(line) or _END.search("".join(lines[number + 1 : number + 2]))):
            inside -= 1
        else:
            inside = 0
            kept.append(line)
    return "\n".join(kept)


def _drop_material(lines: list[str]) -> None:
    """Drop the last lines as far as they are part of a key whose begin was cut away."""
    for _ in range(_KEY_LINES):
        if not (lines and re.search(r"[A-Za-z0-9+/=]{16,}\s*$", lines[-1])):
            return
        lines.pop()


def _without_tokens(text: str, note: Note) -> str:
    for shape in SHAPES:
        if any(mark in text for mark in shape.marks):
            text = shape.pattern.sub(partial(_token, shape, note), text)
    return text


def _token(shape: Shape, note: Note, found: re.Match[str]) -> str:
    """Whether somebody allowed it in a comment is no matter here."""
    if not shape.is_real(found.group()):
        return found.group()
    note("token", found.group())
    return REPLACEMENT


def _without_headers(text: str, note: Note) -> str:
    def replaced(found: re.Match[str]) -> str:
        value = found[2].strip()
        if value.startswith(REPLACEMENT) or (found[1].lower().startswith("bearer") and len(value.split()[0]) < 16):
            return found.group()
        note("header", value.split()[0])
        return found[1] + REPLACEMENT

    return _HEADER.sub(replaced, text)


def _without_urls(text: str, note: Note) -> str:
    def replaced(found: re.Match[str]) -> str:
        scheme, (name, is_given, password) = found[1], found[2].partition(":")
        if found[2] == REPLACEMENT or (not is_given and scheme.lower() in _NAMES_ALONE):
            return found.group()
        note("URL", password if is_given else name)
        return f"{scheme}://{REPLACEMENT}@"

    return _URL.sub(replaced, text)


def _without_assignments(text: str, note: Note) -> str:
    return "\n".join(_line_without_assignments(line, note) for line in text.split("\n"))


def _line_without_assignments(line: str, note: Note) -> str:
    kept: list[str] = []
    at = 0
    while found := _ASSIGNMENT.search(line, at):
        value = found["value"]
        begin, end = found.start("value"), found.end("value")
        if quote := found["quote"]:
            closing = _closing(line, begin + len(quote), quote)
            begin, end = begin + len(quote), closing
        elif not _is_to_the_end(line[: found.start()], found):
            end = begin + len(value.split(maxsplit=1)[0])
        content = line[begin:end]
        if content.strip() and not _REFERENCE.match(content):
            kept += (line[at:begin], REPLACEMENT)
            note("assignment", content.strip())
        else:
            kept.append(line[at:end])
        at = max(end, found.start() + 1)
    return "".join((*kept, line[at:]))


def _closing(line: str, begin: int, quote: str) -> int:
    """Where the quoted text ends: before the same quote, one that is not escaped; else at the end of the line."""
    at = line.find(quote, begin)
    while at > 0 and len(quote) == 1 and line[at - 1] == "\\":
        at = line.find(quote, at + 1)
    return len(line) if at < 0 else at


def _is_to_the_end(before: str, found: re.Match[str]) -> bool:
    """Whether the value reaches to the end of its line: in a `.env`, what `env` prints, and in YAML it does."""
    return (found["sign"] == "=" and found["name"].isupper()) or bool(_LINE_START.fullmatch(before))


def _without_codes(text: str, note: Note) -> str:
    """Without words of base64 that hold a secret which shows itself."""

    def replaced(found: re.Match[str]) -> str:
        inner = _decoded(found.group())
        if not (inner and any(_sightings(inner))):
            return found.group()
        note("encoded", found.group())
        return REPLACEMENT

    return _ENCODED.sub(replaced, text)


def _sightings(text: str) -> Iterator[str]:
    found: list[str] = []
    steps: Sequence[Callable[[str, Note], str]] = (
        _without_keys, _without_tokens, _without_headers, _without_urls, _without_assignments,
    )  # fmt: skip
    for step in steps:
        step(text, lambda kind, _: found.append(kind))
    return iter(found)


def _decoded(word: str) -> str:
    """The text that the word encodes; "" when it is none."""
    bare = word.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        text = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if all(char.isprintable() or char in "\n\r\t" for char in text) else ""
