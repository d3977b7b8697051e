"""A mapping with one value replaced, at a price that does not grow with the mapping. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

SMALL = 32
"""Values that are copied without a thought; and how many changes are kept apart before a new whole is made of them."""


class Layered(Mapping[str, T]):
    """A mapping that is never changed, and newer values of some of its keys, which lie over it in its own order."""

    __slots__ = ("_below", "_newer")

    def __init__(self, below: dict[str, T], newer: dict[str, T]) -> None:
        """newer: of keys that are in `below`. Whoever makes this leaves both as they are from now on."""
        self._below = below
        self._newer = newer

    def changed(self, key: str, value: T) -> Mapping[str, T]:
        """The same with another value of the key."""
        newer = {**self._newer, key: value}
        if key in self._below and len(newer) <= SMALL:
            return Layered(self._below, newer)
        return {**self._below, **newer}

    def __getitem__(self, key: str) -> T:
        return self._newer[key] if key in self._newer else self._below[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._below)

    def __len__(self) -> int:
        return len(self._below)

    def __repr__(self) -> str:
        return repr(dict(self))


def with_changed(mapping: Mapping[str, T], key: str, value: T) -> Mapping[str, T]:
    """The mapping with another value of the key: a thousand hosts are not copied for each word of one of them."""
    if isinstance(mapping, Layered):
        return mapping.changed(key, value)
    if len(mapping) > SMALL and key in mapping and isinstance(mapping, dict):
        return Layered(mapping, {key: value})
    return {**mapping, key: value}
