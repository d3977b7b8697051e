"""Foreign text in Markdown: fenced, or in a code span, so that none of it is read as Markdown. Pure, and no rich."""

from __future__ import annotations

import re

from saturn_orchestrator.events import neutral

RUN_MAX = 64
"""Backticks in a row that are kept: the fence is longer than any run inside, and must not outgrow the text."""

_LONG = re.compile("`" * RUN_MAX + "`+")
_RUN = re.compile("`+")


def fenced(text: str) -> str:
    """The text as a block that ends where it ends, whatever stands in it. Control characters are taken out."""
    kept = _tame(neutral(text, "\n")).rstrip("\n")
    fence = "`" * max(3, _longest(kept) + 1)
    return f"{fence}text\n{kept}\n{fence}\n"


def span(text: str) -> str:
    """The text as a code span on one line, which may stand in a table; `-` for none."""
    kept = _tame(" ".join(neutral(text).split())).replace("|", "¦")  # no escape in a span is read alike everywhere
    if not kept:
        return "-"
    fence = "`" * (_longest(kept) + 1)
    edge = " " if "`" in (kept[0], kept[-1]) else ""
    return f"{fence}{edge}{kept}{edge}{fence}"


def _tame(text: str) -> str:
    return _LONG.sub("`" * RUN_MAX, text)


def _longest(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
