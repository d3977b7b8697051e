"""Frozen dataclasses that cost next to nothing until they are used.

The standard library writes and compiles six methods for each class while its module is loaded; that took half of what
`saturn status` needed to start. Here all classes share five of them, and `__init__` is compiled with the first record.
The standard library is asked when somebody asks for the fields; to it, to pydantic and to a reader a class is what
`dataclasses.dataclass(frozen=True)` makes of it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool) -> Callable[[type], type]:
        """What `dataclasses.dataclass(frozen=True)` is, but for `__post_init__`, `ClassVar` and `field`'s switches."""
        assert frozen, "use dataclasses.dataclass"
        return _record


__all__ = ["dataclass"]


_TURN = threading.RLock()
"""Two threads may ask for the fields of a class at once."""

_FRESH = object()
"""Stands for an argument that was not given, and whose default is made anew for each record."""


def _record(kind: Any) -> Any:
    own = {name: vars(kind).get(name, dataclasses.MISSING) for name in vars(kind).get("__annotations__", ())}
    fields = {**getattr(kind, "__record_defaults__", {}), **own}
    kind.__record_defaults__ = fields
    kind.__record_values__ = attrgetter(*fields)
    setattr(kind, "__match_args__", tuple(fields))  # noqa: B010 - mypy knows better
    kind.__dataclass_fields__ = _Fields(kind)
    kind.__init__ = _first(kind)
    kind.__eq__, kind.__hash__, kind.__repr__ = _eq, _hash, _repr
    kind.__setattr__ = kind.__delattr__ = _refuse
    return kind


class _Fields:
    """`__dataclass_fields__` of a class until somebody asks for them."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __get__(self, _record: object, _kind: type) -> object:
        with _TURN:
            if vars(self._kind)["__dataclass_fields__"] is self:
                dataclasses.dataclass(init=False, repr=False, eq=False)(self._kind)
        return self._kind.__dataclass_fields__


def _first(kind: Any) -> Callable[..., None]:
    """An `__init__` that gives its place to the real one."""

    def first(self: Any, *given: object, **named: object) -> None:
        kind.__init__ = _init(kind.__record_defaults__)  # of two threads that come at once both may do it
        kind.__init__(self, *given, **named)

    return first


def _init(defaults: dict[str, Any]) -> Any:
    known: dict[str, Any] = {"_put": object.__setattr__, "_fresh": _FRESH}
    arguments, lines = ["self"], []
    for name, default in defaults.items():
        value = name
        if isinstance(default, dataclasses.Field):
            known[f"_make_{name}"] = default.default_factory
            arguments.append(f"{name}=_fresh")
            value = f"_make_{name}() if {name} is _fresh else {name}"
        elif default is dataclasses.MISSING:
            arguments.append(name)
        else:
            known[f"_default_{name}"] = default
            arguments.append(f"{name}=_default_{name}")
        lines.append(f" _put(self, {name!r}, {value})")
    exec("\n".join((f"def __init__({', '.join(arguments)}):", *lines)), known)  # noqa: S102 - of names in our source
    return known["__init__"]


def _eq(self: Any, other: Any) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return self.__record_values__(self) == self.__record_values__(other)


def _hash(self: Any) -> int:
    return hash(self.__record_values__(self))


def _repr(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__record_defaults__)
    return f"{type(self).__qualname__}({told})"


def _refuse(_self: Any, name: str, *_value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")
