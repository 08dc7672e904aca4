"""The layouts of a run's calls, checked when they are new."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ledger.errors import InputError
from ledger.model import Json
from ledger.record import values
from ledger.store.history.table import MAX_CONTEXT
from ledger.store.points import Layout
from ledger.store.values import clean_name


class Layouts:
    """Names of metrics, as they are handed over, and context → layout. `own` is what a process adds to each context."""

    def __init__(self, own: Mapping[str, Json], widened: Callable[[int], None]) -> None:
        self.plain: dict[tuple[str, ...], Layout] = {}
        """Those without a context of the call's own."""
        self._own = own
        self._others: dict[str, dict[tuple[str, ...], Layout]] = {}
        self._widened = widened
        self._lock = threading.Lock()

    def get(self, names: tuple[str, ...], context: str | Mapping[str, Any] | None) -> Layout:
        """The layout of a call. Raises InputError for a name or a context that breaks the rules."""
        text = values.context(context, self._own)
        with self._lock:
            known = self.plain if context is None else self._others.setdefault(text or "", {})
            if names not in known:
                known[names] = _checked(names, text)
                self._widened(len(names))
            return known[names]


def _checked(names: tuple[str, ...], context: str | None) -> Layout:
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"the name of a metric is text, not {name!r:.60}")
    clean = tuple(clean_name(name, "log") for name in names)
    if len(set(clean)) < len(clean):
        raise InputError(f"two names that are the same letters: {', '.join(names)[:200]}")
    if context is not None and len(context) > MAX_CONTEXT:
        raise InputError(f"a context of {len(context):,} characters, the limit is {MAX_CONTEXT:,}")
    return Layout(clean, context)
