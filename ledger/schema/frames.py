"""Definitions that convert into one another, each with the exact map that leads to it from one of them.

Edges join definitions into frames as they come; of two frames the smaller is moved, so that no order of files is slow.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.schema.transform import Chain, Link, UnwieldyError, agree, inverted, joined

_IDENTITY: Chain = ()


class _Frame:
    """`members` lead from the first of them; `name` is the smallest."""

    __slots__ = ("members", "name")

    def __init__(self, did: str) -> None:
        self.members = [did]
        self.name = did


class Frames:
    """Which definitions hang together, and whether one more edge says what is known already."""

    def __init__(self) -> None:
        self._frames: dict[str, _Frame] = {}
        self._maps: dict[str, Chain | None] = {}
        """From the first member of its frame to each definition; None: more digits than can be followed."""
        self._algebra = _Algebra()

    def name(self, did: str) -> str:
        """One id for all definitions of a frame: the smallest of them."""
        frame = self._frames.get(did)
        return frame.name if frame else did

    def join(self, source: str, link: Link, target: str) -> bool:
        """Whether they were apart until now; if so, the link is how they hang together."""
        there = self._algebra.chain(link)
        one, other = self._frame(source), self._frames.get(target)
        if other is None:
            self._grow(one, target, self._algebra.after(self._maps[source], there))
            return True
        if one is other:
            return False
        if len(one.members) >= len(other.members):
            self._move(other, self._way(source, there, target), one)
        else:
            self._move(one, self._way(target, self._algebra.inverse(there), source), other)
        return True

    def agrees(self, source: str, link: Link, target: str) -> bool:
        """Whether a link between two definitions of one frame is the map that is known."""
        found = self._algebra.after(self._maps[source], self._algebra.chain(link))
        known = self._maps[target]
        return found is not None and known is not None and agree(found, known)

    def _frame(self, did: str) -> _Frame:
        frame = self._frames.get(did)
        if frame is None:
            frame = self._frames[did] = _Frame(did)
            self._maps[did] = _IDENTITY
        return frame

    def _way(self, start: str, there: Chain | None, end: str) -> Chain | None:
        """From the first member of the frame of `start` to the first one of the frame of `end`."""
        algebra = self._algebra
        return algebra.after(algebra.after(self._maps[start], there), algebra.inverse(self._maps[end]))

    def _grow(self, frame: _Frame, did: str, way: Chain | None) -> None:
        """By a definition that nothing led to yet, as most edges do."""
        self._frames[did] = frame
        self._maps[did] = way
        frame.members.append(did)
        frame.name = min(frame.name, did)

    def _move(self, moved: _Frame, way: Chain | None, into: _Frame) -> None:
        for did in moved.members:
            self._frames[did] = into
            self._maps[did] = self._algebra.after(way, self._maps[did])
        into.members += moved.members
        into.name = min(into.name, moved.name)


class _Algebra:
    """Compositions and inverses that were made before, by identity: metrics that change together share them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[object, object, Chain | None]] = {}
        """By identity, so each keeps alive what it was made of."""

    def chain(self, link: Link) -> Chain | None:
        return self._made(link, None, lambda: joined((link,)))

    def inverse(self, chain: Chain | None) -> Chain | None:
        if chain is None or not chain:
            return chain
        return self._made(chain, _IDENTITY, lambda: inverted(chain))

    def after(self, one: Chain | None, other: Chain | None) -> Chain | None:
        """`one`, then `other`."""
        if one is None or other is None:
            return None
        if not one or not other:
            return one or other
        return self._made(one, other, lambda: joined((*one, *other)))

    def _made(self, one: object, other: object, make: Callable[[], Chain]) -> Chain | None:
        key = (id(one), id(other))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (one, other, _followed(make))
        return found[2]


def _followed(make: Callable[[], Chain]) -> Chain | None:
    try:
        return make()
    except UnwieldyError:
        return None
