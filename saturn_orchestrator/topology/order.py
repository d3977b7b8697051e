"""The order in which a host's services are deployed, from the listed order and what each depends on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def deploy_order(
    listed: Sequence[str], depends_on: Mapping[str, Sequence[str]], carriers: Collection[str] = ()
) -> tuple[str, ...]:
    """The listed order, but a service that another needs stands before it, and what carries the connection comes last.

    Nothing moves without need: a dependency is drawn up to stand just before the first service that needs it.
    Dependencies that are not listed are passed over, and a cycle is broken where it is first met: see `cycles`.
    Before a carrier stands whatever does not need one.
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

    leaning = _leaning(depends_on, carriers)
    for name in sorted(listed, key=lambda name: (name in carriers, name in leaning)):
        place(name)
    return tuple(ordered)


def _leaning(depends_on: Mapping[str, Sequence[str]], carriers: Collection[str]) -> frozenset[str]:
    """What needs a carrier, itself or through others."""
    found = set(carriers)
    while more := {name for name, needed in depends_on.items() if name not in found and not found.isdisjoint(needed)}:
        found |= more
    return frozenset(found - set(carriers))


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
