"""Frozen dataclasses that cost next to nothing to define: the executor and the controller have some two hundred.

The standard library writes and compiles six methods for each while its module is loaded, which takes a Pi longer than
to start Python, and needs `inspect` for it, which takes as long again; it was half of what `saturn status` needed to
start. Here all share the same six, and the standard library is asked only when somebody asks it for a class's fields,
as pydantic does. To `dataclasses`, to a type checker and to a reader a class is what
`dataclasses.dataclass(frozen=True)` makes of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple, NoReturn, Tuple, Type, TypeVar

__all__ = ["dataclass", "field", "field_names", "replace"]

T = TypeVar("T")

_NOTHING: Any = object()
"""Stands for the default of a field that has none."""

_TURN = threading.RLock()
"""Two threads may ask the standard library for the fields of a class at once, and it for those of its parent."""


class _Anew(NamedTuple):
    """A default that is made anew for each record."""

    make: Callable[[], Any]


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(*, frozen: bool) -> Callable[[Type[T]], Type[T]]:
        """What `dataclasses.dataclass(frozen=True)` is, but for `__post_init__` and `ClassVar`."""
        assert frozen, "use dataclasses.dataclass"
        return _record

    def field(*, default_factory: Callable[[], Any]) -> _Anew:
        """What `dataclasses.field(default_factory=...)` is."""
        return _Anew(default_factory)

    def replace(record: T, **changes: object) -> T:
        """What `dataclasses.replace` is."""
        kind, fields = type(record), record.__record_fields__
        made = object.__new__(kind)
        made.__dict__.update(zip(fields, _values(record)))
        made.__dict__.update(changes)
        if len(made.__dict__) > len(fields):
            raise TypeError(_refusal(kind, (), changes))
        return made


def field_names(record: Any) -> Tuple[str, ...]:
    """The fields of a record or of its class, in their order; none of anything else."""
    names: Tuple[str, ...] = getattr(record, "__record_fields__", ())
    return names


def _record(kind: Any) -> Any:
    own = {name: vars(kind).get(name, _NOTHING) for name in vars(kind).get("__annotations__", ())}
    assert all(type(default).__module__ != "dataclasses" for default in own.values()), "use field of this module"
    defaults = {**getattr(kind, "__record_defaults__", {}), **own}
    open_fields = (name for name, default in defaults.items() if default is _NOTHING or isinstance(default, _Anew))
    methods = {
        "__record_defaults__": defaults, "__record_fields__": tuple(defaults), "__match_args__": tuple(defaults),
        "__record_open__": tuple(open_fields), "__dataclass_fields__": _Fields(kind), "__init__": _init, "__eq__": _eq,
        "__hash__": _hash, "__repr__": _repr, "__setattr__": _refuse, "__delattr__": _refuse,
    }  # fmt: skip
    for name, value in methods.items():
        setattr(kind, name, value)
    return kind


class _Fields:
    """`__dataclass_fields__` of a class until somebody asks for them: then it becomes a dataclass by the book."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __get__(self, _one: object, _kind: type) -> object:
        with _TURN:
            if vars(self._kind)["__dataclass_fields__"] is self:
                self._make()
        return self._kind.__dataclass_fields__

    def _make(self) -> None:
        import dataclasses

        for name, default in tuple(vars(self._kind).items()):
            if isinstance(default, _Anew):
                setattr(self._kind, name, dataclasses.field(default_factory=default.make))
        dataclasses.dataclass(init=False, repr=False, eq=False)(self._kind)


def _init(self: Any, *given: object, **named: object) -> None:
    kind = type(self)
    fields, defaults = kind.__record_fields__, kind.__record_defaults__
    values = self.__dict__
    values.update(defaults)  # first of all, for the order
    values.update(zip(fields, given))
    values.update(named)
    if len(values) > len(fields) or len(given) > len(fields) or not named.keys().isdisjoint(fields[: len(given)]):
        raise TypeError(_refusal(kind, given, named))
    for name in kind.__record_open__:
        if values[name] is defaults[name]:
            values[name] = _made_anew(kind, name)


def _refusal(kind: Any, given: Tuple[object, ...], named: Dict[str, object]) -> str:
    """Why a record cannot be made of these. It names no value: one may be a secret."""
    words = [f"{len(given)} by position", *named] if given else [*named]
    return f"{kind.__name__} has the fields {', '.join(kind.__record_fields__)}, and was given {', '.join(words)}"


def _made_anew(kind: Any, name: str) -> object:
    default = kind.__record_defaults__[name]
    if default is _NOTHING:
        raise TypeError(f"{kind.__name__} needs a value for its field {name}")
    return default.make()


def _eq(self: Any, other: Any) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _values(record: Any) -> Tuple[object, ...]:
    return tuple(map(record.__dict__.__getitem__, record.__record_fields__))


def _repr(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__record_fields__)
    return f"{type(self).__qualname__}({told})"


def _refuse(_self: Any, name: str, *_value: object) -> NoReturn:
    import dataclasses

    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")
