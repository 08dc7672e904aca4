"""Races for the chains of a remote: how often each was lost, how long to pause, and when it is enough.

A chain that others always win is given up: its records go to this clone's inbox, which nobody else writes. A lost push
costs the remote more than a look that shows in time that others were first, so it counts for more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from ledger.share.backoff import pauses

_ATTEMPTS = 25
_SENDS = 6
"""Lost pushes from which on a chain is given up."""
_LOST = 12
"""Lost races of either kind from which on it is: 24 clones at once lose as many in one push of a hundred."""


class Races:
    """Of one push, by experiment."""

    def __init__(self, *, window_seconds: float, crowded: bool) -> None:
        self.crowded = crowded
        """Whether others are about: something new came, or a race was lost."""
        self._pauses = pauses(_ATTEMPTS, window_seconds=window_seconds)
        self._sends: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._last: frozenset[str] = frozenset()

    def lose(self, slugs: Collection[str], *, sent: bool) -> None:
        """Others were first; `sent` says whether it took a push to find that out."""
        self.crowded = True
        self._last = frozenset(slugs)
        self._lost.update(slugs)
        self._sends.update(slugs if sent else ())

    def hopeless(self, slug: str) -> bool:
        return self._sends[slug] >= _SENDS or self._lost[slug] >= _LOST

    def lost(self, slug: str) -> int:
        return self._lost[slug]

    def pause(self) -> float | None:
        """Seconds before the next attempt; None when there were too many."""
        seconds = next(self._pauses, None)
        given_up = bool(self._last) and all(map(self.hopeless, self._last))
        return 0.0 if given_up and seconds is not None else seconds
