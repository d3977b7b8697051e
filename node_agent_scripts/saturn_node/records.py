"""Frozen dataclasses that cost nothing to define: the schema has some fifty, and every conversation defines them all.

The standard library writes and compiles six methods for each, which takes a Pi longer than to start Python, and needs
`inspect` for it, which takes as long again. Here all share the same six, and the standard library is asked only when
somebody asks for its fields, as pydantic does on SATURN. To `dataclasses` and to a reader they are what they were.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, NoReturn, Type, TypeVar

T = TypeVar("T")


class _Made(NamedTuple):
    """A default that is made anew for each record."""

    default_factory: Callable[[], object]


_MISSING = object()


def field(*, default_factory: Callable[[], Any]) -> Any:
    """What `dataclasses.field(default_factory=...)` is."""
    return _Made(default_factory)


def dataclass(*, frozen: bool) -> Callable[[Type[T]], Type[T]]:
    """What `dataclasses.dataclass(frozen=True)` is, but for inheritance and `__post_init__`."""
    assert frozen, "whatever travels is frozen"

    def made(kind: Type[T]) -> Type[T]:
        fields = {name: vars(kind).get(name, _MISSING) for name in kind.__annotations__}
        own = {"__record_fields__": fields, "__match_args__": tuple(fields), "__dataclass_fields__": _Fields()}
        for name, value in {**own, **_METHODS}.items():
            setattr(kind, name, value)
        return kind

    return made


class _Fields:
    """`__dataclass_fields__` until somebody asks for it: then the standard library makes the class a dataclass."""

    def __get__(self, _record: object, kind: Any) -> object:
        import dataclasses

        for name, default in kind.__record_fields__.items():
            if isinstance(default, _Made):
                setattr(kind, name, dataclasses.field(default_factory=default.default_factory))
        dataclasses.dataclass(init=False, repr=False, eq=False)(kind)
        return kind.__dataclass_fields__


def replace(record: T, **changes: object) -> T:
    """What `dataclasses.replace` is."""
    return type(record)(**{**vars(record), **changes})


def _init(self: Any, *given: object, **named: object) -> None:
    known = type(self).__record_fields__
    if len(given) > len(known) or any(name not in known for name in named):
        raise TypeError(f"{type(self).__name__} has no such fields: {given[len(known) :]} {sorted(named)}")
    values = dict(zip(known, given))
    if any(name in values for name in named):
        raise TypeError(f"{type(self).__name__} got a field twice: {sorted(named)}")
    values.update(named)
    for name, default in known.items():
        self.__dict__[name] = values[name] if name in values else _default(name, default)


def _default(name: str, default: object) -> object:
    if default is _MISSING:
        raise TypeError(f"the field {name} is missing")
    return default.default_factory() if isinstance(default, _Made) else default


def _eq(self: Any, other: object) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__record_fields__)
    return f"{type(self).__qualname__}({told})"


def _refuse(_self: Any, name: str, *_value: object) -> NoReturn:
    import dataclasses

    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


def _values(record: Any) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in type(record).__record_fields__)


_METHODS = {
    "__init__": _init, "__eq__": _eq, "__hash__": _hash, "__repr__": _repr, "__setattr__": _refuse,
    "__delattr__": _refuse,
}  # fmt: skip
