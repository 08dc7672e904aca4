"""A run whose texts came from the system as bytes: what is no UTF-8 is spelt out, since no run may be lost for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ledger import canonical
from ledger.model import Run


def readable(run: Run) -> Run:
    """A branch, an argument, a variable, a file of its own: wherever it stands."""
    made: Run = _readable(run)
    return made


def _readable(value: Any) -> Any:
    if type(value) is str:
        return canonical.readable(value)
    if isinstance(value, Mapping):
        return {_readable(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_readable, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _readable(getattr(value, one.name)) for one in fields(value)})
    return value
