"""Texts that are too long: the end of a log matters more than its begin, and what was cut is said. Pure, and no rich.

Sizes are bytes of UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TITLE_MAX = 200
_LEAST = 400
"""Below this there is no room for a word of what was cut."""

_PARTS_MAX = 300
_PARTS = re.compile(r"(?m)^(?==== )")


def size_of(text: str) -> int:
    """Its bytes."""
    return len(text.encode("utf-8", "replace"))


def shortened(text: str, size: int) -> str:
    """The text; when it is longer than size: its first line, a word of how much was cut, and its end."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= size:
        return text
    if size < _LEAST:
        return _last(whole, size)
    first = _first(text.split("\n", 1)[0])
    room = size - size_of(first) - 60
    end = _last(whole, room)
    end = end.split("\n", 1)[1] if "\n" in end[:-1] else end
    cut = len(whole) - size_of(first) - size_of(end)
    return f"{first}\n[… {cut:,} bytes were cut here …]\n{end}"


def shortened_parts(text: str, size: int) -> str:
    """The text, whose parts begin with `=== TITLE`; the longest of them give way first, each as `shortened` does."""
    parts = [part for part in _PARTS.split(text) if part]
    if len(parts) > _PARTS_MAX:  # nothing that saturn wrote
        return shortened(text, size)
    rooms = shares([size_of(part) for part in parts], size - len(parts))
    short = (shortened(part, room) for part, room in zip(parts, rooms, strict=True))
    return "".join(each if each.endswith("\n") else each + "\n" for each in short)


def shares(sizes: Sequence[int], total: int) -> tuple[int, ...]:
    """What each of several gets of the total: nobody more than its size, the small ones whole, the others alike."""
    given = [0] * len(sizes)
    left = max(total, 0)
    for place, each in enumerate(sorted(range(len(sizes)), key=lambda index: sizes[index])):
        given[each] = min(sizes[each], left // (len(sizes) - place))
        left -= given[each]
    return tuple(given)


def _first(line: str) -> str:
    return line.encode("utf-8", "replace")[:_TITLE_MAX].decode("utf-8", "ignore")


def _last(whole: bytes, size: int) -> str:
    return whole[len(whole) - size :].decode("utf-8", "ignore") if size > 0 else ""
