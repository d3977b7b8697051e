"""Many hosts on one screen: those that need a person stand whole, those that are alike are counted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from saturn_orchestrator.report.style import unbroken, verbatim
from saturn_orchestrator.report.text import Text

T = TypeVar("T")

MANY = 40
"""Hosts from which on alike ones are counted: so many rows are still read."""

ALIKE = 4
"""Hosts that are worth a line of counting."""

_NAMED = 3


def folded(hosts: Sequence[T], likeness: Callable[[T], Hashable]) -> tuple[list[T], list[list[T]]]:
    """The hosts that stand whole, in their order; and groups of those that are alike, the largest first.

    likeness: what hosts must share to be counted together; None for one that needs a person, whatever else there is.
    """
    if len(hosts) <= MANY:
        return list(hosts), []
    groups: dict[Hashable, list[T]] = {}
    for host in hosts:
        groups.setdefault(likeness(host), []).append(host)
    whole = {id(host) for like, group in groups.items() if like is None or len(group) < ALIKE for host in group}
    counted = [group for like, group in groups.items() if like is not None and len(group) >= ALIKE]
    return [host for host in hosts if id(host) in whole], sorted(counted, key=len, reverse=True)


def folded_lines(groups: Sequence[tuple[Sequence[str], str]], everything: str) -> list[Text]:
    """`and 940 hosts unchanged at 3f2a91c0: h1, h2, h3, …` for each group: the hosts' names, and what they all are.

    everything: the command that shows all of them.
    """
    if not groups:
        return []
    lines = [verbatim(f"and {len(names)} hosts {words}: {_named(names)}") for names, words in groups]
    return [*lines, unbroken(f"all of them: {everything}", "dim")]


def _named(names: Sequence[str]) -> str:
    return ", ".join((*names[:_NAMED], *("…" for _ in names[_NAMED : _NAMED + 1])))
