"""The order in which a host's services are deployed, from the listed order and what each depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def deploy_order(listed: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The listed order, but a service that another needs stands before it.

    Nothing moves without need: a dependency is drawn up to stand just before the first service that needs it.
    Dependencies that are not listed are passed over, and a cycle is broken where it is first met: see `cycles`.
    """
    ordered: dict[str, None] = {}
    begun: set[str] = set()

    def place(name: str) -> None:
        if name in begun:
            return
        begun.add(name)
        needed = set(depends_on.get(name, ()))
        for other in listed:
            if other in needed:
                place(other)
        ordered[name] = None

    for name in listed:
        place(name)
    return tuple(ordered)


def cycles(listed: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Every cycle that can be met, once each and named in full: ("a", "b", "a") when a needs b and b needs a."""
    found: dict[frozenset[str], tuple[str, ...]] = {}
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            cycle = trail[trail.index(name) :]
            found.setdefault(frozenset(cycle), (*cycle, name))
        elif name in listed and name not in done:
            for needed in depends_on.get(name, ()):
                walk(needed, (*trail, name))
            done.add(name)

    for name in listed:
        walk(name, ())
    return tuple(found.values())
