"""Frozen dataclasses that cost nothing to define: the schema has some fifty, and every conversation defines them all.

The standard library writes and compiles six methods for each, which takes a Pi longer than to start Python. Here all
share the same six. What they are to `dataclasses`, to pydantic and to a reader stays as it was.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, NoReturn, Type, TypeVar

T = TypeVar("T")


def dataclass(*, frozen: bool) -> Callable[[Type[T]], Type[T]]:
    """What `dataclasses.dataclass(frozen=True)` is, but for inheritance and `__post_init__`."""
    assert frozen, "whatever travels is frozen"

    def made(kind: Type[T]) -> Type[T]:
        known: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(kind)
        known.__record_fields__ = {each.name: each for each in dataclasses.fields(known)}
        for name, method in _METHODS.items():
            setattr(known, name, method)
        return kind

    return made


def _init(self: Any, *given: object, **named: object) -> None:
    known = type(self).__record_fields__
    if len(given) > len(known) or any(name not in known for name in named):
        raise TypeError(f"{type(self).__name__} has no such fields: {given[len(known) :]} {sorted(named)}")
    values = dict(zip(known, given))
    if any(name in values for name in named):
        raise TypeError(f"{type(self).__name__} got a field twice: {sorted(named)}")
    values.update(named)
    self.__dict__.update((name, values[name] if name in values else _default(each)) for name, each in known.items())


def _default(field: Any) -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise TypeError(f"the field {field.name} is missing")


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__record_fields__)
    return f"{type(self).__qualname__}({told})"


def _refuse(_self: Any, name: str, *_value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


def _values(record: Any) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in type(record).__record_fields__)


_METHODS = {
    "__init__": _init, "__eq__": _eq, "__hash__": _hash, "__repr__": _repr, "__setattr__": _refuse,
    "__delattr__": _refuse,
}  # fmt: skip
