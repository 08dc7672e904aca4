"""Value classes that cost little to make: a command pays for every class it imports before it does anything.

`@dataclass(frozen=True, slots=True)` compiles seven methods a class, 0.35 ms each time, and a trace imports sixty
such classes: as much as `import click`. `@frozen` compiles the constructor only; equality, hash and text are three
functions for all. That fields are never assigned is for the type checker to say, not for a check at run time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(*, kw_only: bool = True, slots: bool = True) -> Callable[[type[_T]], type[_T]]:
    """A slotted dataclass that is compared, hashed and shown by its fields, as a frozen one is.

    `slots=False` leaves room for cached properties.
    """

    def make(cls: type[_T]) -> type[_T]:
        made: Any = dataclasses.dataclass(eq=False, repr=False, slots=slots, kw_only=kw_only)(cls)
        fields = dataclasses.fields(made)
        made.__compared__ = _getter([field.name for field in fields if field.compare])
        made.__hashed__ = _getter(
            [field.name for field in fields if (field.compare if field.hash is None else field.hash)]
        )
        made.__eq__, made.__hash__ = _equal, _hash
        if "__repr__" not in cls.__dict__:
            made.__repr__ = _text
        return cast("type[_T]", made)

    return make


def _getter(names: list[str]) -> object:
    return staticmethod(attrgetter(*names) if names else _nothing)


def _nothing(_: object) -> tuple[()]:
    return ()


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__compared__(self) == other.__compared__(other)


def _hash(self: Any) -> int:
    return hash(self.__hashed__(self))


def _text(self: Any) -> str:
    said = ", ".join(
        f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr
    )
    return f"{type(self).__qualname__}({said})"
