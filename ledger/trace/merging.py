"""What several records of one run say together: pure, over the links between them.

Records that no other was made from are the tips of a run. Tips are merged field by field against what the nearest
records that all descend from said together; a field that several changed to different values is a conflict, the
later value counts, and the conflict stays open until a further record changes or settles the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.frozen import frozen
from ledger.model import Json

Field = tuple[str, str]
"""(`metrics`, `params`, `tags` or `run`) and a name."""

ABSENT: Any = object()


@frozen()
class Link:
    """What orders the records of a run. `row` is the record's place in the index."""

    row: int
    record: str
    recorded: int
    parents: tuple[str, ...] = ()
    """The records it was made from, here or not: `base` first, then `merges`."""
    settles: tuple[Field, ...] = ()


Claims = tuple[tuple[int, Json], ...]
"""(row, value) of each record that says something else of a field; the one that counts comes last."""


@frozen(kw_only=False)
class Merged:
    """What some records say together."""

    values: Mapping[Field, Json]
    open: Mapping[Field, Claims]
    """Fields in conflict."""


@dataclass
class Lineage:
    """The records of one run that are here. `fields` gives what one row says."""

    links: Sequence[Link]
    fields: Callable[[int], Mapping[Field, Json]]
    _said: dict[int, Mapping[Field, Json]] = field(default_factory=dict)
    _open: dict[int, Mapping[Field, Claims]] = field(default_factory=dict)
    _joined: dict[tuple[int, ...], Merged] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_record = {link.record: link for link in self.links}
        self._parents = {
            link.row: tuple(dict.fromkeys(by_record[name].row for name in link.parents if name in by_record))
            for link in self.links
        }
        self._by_row = {link.row: link for link in self.links}
        order = list(_parents_first(self._parents))
        self._rank = {row: rank for rank, row in enumerate(order)}
        # Bits of the records that each descends from: any number of them is intersected in one operation.
        self._above: dict[int, int] = {}
        for row in order:
            self._above[row] = 0
            for parent in self._known(row):
                self._above[row] |= self._above[parent] | 1 << self._rank[parent]
        self._order = order
        if any(len(parents) > 1 for parents in self._parents.values()):
            for row in order:
                self._open[row] = self._still_open(row)

    def disputed(self, row: int) -> bool:
        """Whether a record left a conflict of those before it open."""
        return bool(self._open.get(row))

    def together(self, rows: Iterable[int]) -> Merged:
        """What rows say together; the later of two that differ counts."""
        key = tuple(sorted(self._heads(rows)))
        if key not in self._joined:
            self._joined[key] = self._join(key)
        return self._joined[key]

    def before(self, row: int) -> Merged:
        """What the records that one was made from said together."""
        return self.together(self._parents[row])

    def _join(self, rows: tuple[int, ...]) -> Merged:
        if not rows:
            return Merged({}, {})
        if len(rows) == 1:
            return Merged(self._says(rows[0]), self._open.get(rows[0], {}))
        base = self.together(self._shared(rows))
        tips = sorted(rows, key=self._when)
        values = dict(base.values)
        still: dict[Field, Claims] = dict(base.open)
        for name in sorted({key for row in rows for key in self._says(row)} | base.values.keys()):
            claims = self._claims(name, tips, base)
            if claims is None:
                continue
            winner = claims[-1][1]
            values[name] = winner
            losers = tuple((row, value) for row, value in claims[:-1] if not same(value, winner))
            still.pop(name, None)
            if losers:
                still[name] = (*losers, claims[-1])
        return Merged({name: value for name, value in values.items() if value is not ABSENT}, still)

    def _claims(self, name: Field, tips: Sequence[int], base: Merged) -> list[tuple[int, Json]] | None:
        """Who says what of a field since the base, in order of time; None where nobody does."""
        before, known = base.values.get(name, ABSENT), base.open.get(name)
        found: dict[int, Json] = {}
        for row in tips:
            value, disputed = self._says(row).get(name, ABSENT), self._open.get(row, {}).get(name)
            if not same(value, before) or disputed != known:
                found.update(disputed or ((row, value),))
        return sorted(found.items(), key=lambda claim: self._when(claim[0])) or None

    def _still_open(self, row: int) -> Mapping[Field, Claims]:
        parents = self._known(row)
        if len(parents) == 1 and not self._open[parents[0]]:
            return {}
        before, settled = self.together(parents), self._by_row[row].settles
        return {
            name: claims
            for name, claims in before.open.items()
            if name not in settled
            and same(self._says(row).get(name, ABSENT), before.values.get(name, ABSENT))
        }

    def _says(self, row: int) -> Mapping[Field, Json]:
        if row not in self._said:
            self._said[row] = self.fields(row)
        return self._said[row]

    def _known(self, row: int) -> list[int]:
        """Parents that come first: all of them, but where links lead in a circle."""
        return [parent for parent in self._parents[row] if self._rank[parent] < self._rank[row]]

    def _heads(self, rows: Iterable[int]) -> set[int]:
        """Those of some rows that no other of them descends from."""
        some = set(rows)
        above = 0
        for row in some:
            above |= self._above[row]
        return {row for row in some if not above >> self._rank[row] & 1}

    def _shared(self, rows: Sequence[int]) -> list[int]:
        """The nearest records that all rows descend from."""
        common = self._above[rows[0]]
        for row in rows[1:]:
            common &= self._above[row]
        found = []
        while common:
            row = self._order[common.bit_length() - 1]
            found.append(row)
            common &= ~(self._above[row] | 1 << self._rank[row])
        return found

    def _when(self, row: int) -> tuple[int, str]:
        return _order(self._by_row[row])


def tips(links: Sequence[Link]) -> list[Link]:
    """Those that no other was made from, the one that carries the run last."""
    named = {name for link in links for name in link.parents}
    return sorted((link for link in links if link.record not in named), key=_order) or [links[-1]]


def _order(link: Link) -> tuple[int, str]:
    return link.recorded, link.record


def _parents_first(parents: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Every row once, after the rows it was made from. A circle is cut where it is entered."""
    seen: set[int] = set()
    for start in parents:
        stack = [(start, False)]
        while stack:
            row, done = stack.pop()
            if done:
                yield row
            elif row not in seen:
                seen.add(row)
                stack.append((row, True))
                stack.extend((parent, False) for parent in parents[row])


def same(one: object, other: object) -> bool:
    """Equal as recorded: NaN is the same as NaN, 1 is not true."""
    if isinstance(one, float) and isinstance(other, float) and one != one and other != other:  # noqa: PLR0124
        return True
    return type(one) is type(other) and one == other
