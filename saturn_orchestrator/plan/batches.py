"""Hosts in batches: the first a canary, the others once it is well. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from saturn_orchestrator.topology.model import Host


def saturn_last(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The hosts in the order in which a rollout takes them: theirs, but behind all others the machine it comes from."""
    return tuple(sorted(hosts, key=lambda host: host.transport == "local"))


def batches(hosts: Sequence[str], sizes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The hosts cut into batches, none of them empty; together they are the hosts, each once, in their order.

    Args:
        hosts: names, in the order in which they shall be worked on.
        sizes: counts (`1`) and percentages of all hosts (`25%`, rounded up, at least one); the last one is used again
            until nobody is left.
    """
    cut, rest = [], tuple(hosts)
    for number in range(len(hosts)):
        if not rest:
            break
        size = counted(sizes[min(number, len(sizes) - 1)], len(hosts))
        cut.append(rest[:size])
        rest = rest[size:]
    return tuple(cut)


def counted(size: str, total: int) -> int:
    """How many hosts a batch size means, at least one."""
    if size.endswith("%"):
        return max(1, ceil(int(size[:-1]) * total / 100))
    return max(1, int(size))


def allowance(max_failures: int | str, total: int) -> int:
    """How many hosts may fail before a rollout halts; a percentage is rounded down."""
    if isinstance(max_failures, str) and max_failures.endswith("%"):
        return int(max_failures[:-1]) * total // 100
    return int(max_failures)
