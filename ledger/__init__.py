"""A git-native, versioned experiment ledger for people who train models.

>>> import ledger
>>> done = ledger.record(params={"lr": 0.1}, metrics={"f1": 0.91})  # doctest: +SKIP
>>> done.id  # doctest: +SKIP
'3f9c2a1b7d0e4c5f8a6b1c2d3e4f5a6b'
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.api import Recorded, history, record, record_many, runs
    from ledger.live import Run, start
    from ledger.record.handler import LogHandler

__all__ = [
    "LedgerError",
    "LogHandler",
    "Recorded",
    "Run",
    "history",
    "record",
    "record_many",
    "runs",
    "start",
]

_MODULES = {"Run": "ledger.live", "start": "ledger.live", "LogHandler": "ledger.record.handler"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ledger' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES.get(name, "ledger.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """`ledger.record` stays the function: importing the package of that name would set it to the package."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
