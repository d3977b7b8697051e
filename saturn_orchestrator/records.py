"""Frozen dataclasses that are made with their first use.

The standard library writes and compiles six methods for each class while its module is loaded; that took half of what
`saturn status` needed to start, and most commands use few of the classes that they load. Here a class becomes what
`dataclasses.dataclass(frozen=True)` makes of it with its first record, or when somebody asks for its fields.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool) -> Callable[[type], type]:
        """What `dataclasses.dataclass(frozen=True)` is. A class that is not frozen has no reason to wait."""
        assert frozen, "use dataclasses.dataclass"
        return _awaiting


__all__ = ["dataclass"]


_TURN = threading.RLock()
"""Two threads may use a class for the first time at once."""


def _awaiting(kind: Any) -> Any:
    """The class, which is completed with its first use."""

    def new(cls: type, *_given: object, **_named: object) -> object:
        _complete(kind)
        return object.__new__(cls)

    kind.__new__ = staticmethod(new)
    kind.__dataclass_fields__ = _Fields(kind)
    return kind


class _Fields:
    """`__dataclass_fields__` of a class that was not used yet."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __get__(self, _record: object, _kind: type) -> object:
        _complete(self._kind)
        return self._kind.__dataclass_fields__


def _complete(kind: Any) -> None:
    with _TURN:
        if "__dataclass_params__" not in vars(kind):
            dataclasses.dataclass(frozen=True)(kind)
            kind.__new__ = staticmethod(_made)


def _made(cls: type, *_given: object, **_named: object) -> object:
    return object.__new__(cls)
