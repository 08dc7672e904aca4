"""A git-native, versioned experiment ledger for people who train models.

>>> import ledger
>>> done = ledger.record(params={"lr": 0.1}, metrics={"f1": 0.91})  # doctest: +SKIP
>>> done.id  # doctest: +SKIP
'3f9c2a1b7d0e4c5f8a6b1c2d3e4f5a6b'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.api import Recorded, record, record_many, runs

__all__ = ["LedgerError", "Recorded", "record", "record_many", "runs"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names of __all__, loaded when they are first used
    if name not in __all__:
        raise AttributeError(f"module 'ledger' has no attribute {name!r}")
    from ledger import api

    return getattr(api, name)
