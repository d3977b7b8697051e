"""A strict reader of Prometheus' text format, for the gauges that saturn writes."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
VALUE = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
ESCAPES = {"\\": "\\", "n": "\n", '"': '"'}

Sample = tuple[str, frozenset[tuple[str, str]]]


def read(text: str) -> dict[Sample, float]:
    """Every sample of the text.

    Raises:
        ValueError: it breaks a rule of the format: HELP, TYPE and the samples of a metric stand together and once, no
        sample is there twice, every line ends.
    """
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found: dict[Sample, float] = {}
    seen: list[str] = []
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        helped = re.fullmatch(r"# HELP (\S+) (.+)", line)
        if helped:
            if helped[1] in seen or next(lines) != f"# TYPE {helped[1]} gauge":
                raise ValueError(f"{helped[1]} is told twice, or has no type")
            seen.append(helped[1])
            continue
        name, labels, value = sample(line)
        if not seen or name != seen[-1]:
            raise ValueError(f"{name} stands among the samples of another")
        if (name, labels) in found:
            raise ValueError(f"{line} is there twice")
        found[name, labels] = value
    return found


def sample(line: str) -> tuple[str, frozenset[tuple[str, str]], float]:
    name = NAME.match(line)
    if name is None:
        raise ValueError(f"no sample: {line!r}")
    rest, labels = line[name.end() :], {}
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            label = LABEL.match(rest)
            if label is None or rest[label.end() : label.end() + 2] != '="' or label.group() in labels:
                raise ValueError(f"no label: {rest!r}")
            labels[label.group()], rest = quoted(rest[label.end() + 2 :])
            rest = rest.removeprefix(",")
        rest = rest[1:]
    if not rest.startswith(" ") or not VALUE.fullmatch(rest[1:]):
        raise ValueError(f"no value: {rest!r}")
    return name.group(), frozenset(labels.items()), float(rest[1:])


def quoted(text: str) -> tuple[str, str]:
    """A label's value, and what stands behind its closing quote."""
    value, letters = "", iter(enumerate(text))
    for place, letter in letters:
        if letter == '"':
            return value, text[place + 1 :]
        value += ESCAPES[next(letters)[1]] if letter == "\\" else letter
    raise ValueError("a quote is not closed")
