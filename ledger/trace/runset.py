"""Records → runs: which record of each run counts, and what two edits of one base make together."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from ledger.frozen import frozen
from ledger.model import Json, utc_text_of
from ledger.store.index import Index
from ledger.store.segment import COLUMNS, METRICS, PARAMS, TAGS, TIME_COLUMNS
from ledger.trace.merging import ABSENT, Field, Lineage, Link, Merged, same, tips

__all__ = ["ABSENT", "GROUPS", "MERGED_COLUMNS", "Conflict", "Field", "RunSet", "same"]

GROUPS = (METRICS, PARAMS, TAGS)
MERGED_COLUMNS = ("name", "note", "status", "parent", "started", "finished", "duration")
"""Fields of `run.json` that an edit may change and that merge one by one."""


@frozen()
class Conflict:
    """A field that two edits of one base changed to different values; the later one counts."""

    run_id: str
    field: Field
    values: tuple[Json, ...]
    """Later first: what counts, then what it won over."""
    records: tuple[str, ...]


@frozen(kw_only=False)
class _Fork:
    overrides: Mapping[Field, Json]
    """Values (None: absent) that differ from those of the row that carries the run."""
    conflicts: tuple[Conflict, ...] = ()


@frozen(kw_only=False, slots=False)
class RunSet:
    """All runs of an index, one row each. Rows are numbered through all segments."""

    index: Index
    _forks: dict[int, _Fork] = field(default_factory=dict)
    params: Callable[[str], Mapping[int, Json]] | None = None
    """What migrations make of a param: row → value, or ABSENT."""

    @cached_property
    def superseded(self) -> frozenset[int]:
        """Rows that do not stand for their run: a later record does, or no ref reaches them."""
        hidden: set[int] = set()
        if self.index.dropped:
            hidden |= {row for record in self.index.dropped for row in self.index.exact("record", record)}
        if self.index.has_edits:
            for run_id in self._repeated_runs():
                hidden |= self._settle(run_id, hidden)
        return frozenset(hidden)

    def _repeated_runs(self) -> list[str]:
        """Runs with several records: edits, or one run that was recorded twice."""
        found: dict[str, None] = {}
        for part in self.index.segments:
            if part.facts["again"]:
                pairs = zip(part.column("again"), part.column("run_id"), strict=True)
                found.update((run_id, None) for again, run_id in pairs if again)
        return list(found)

    def _settle(self, run_id: str, hidden: set[int]) -> set[int]:
        """Choose the row that carries a run; return the others."""
        links = [self._link(row) for row in self.index.exact("run", run_id) if row not in hidden]
        if len(links) < 2:  # noqa: PLR2004 - the others are on no ref any more
            return set()
        heads = tips(links)
        carrier = heads[-1].row
        if len(heads) > 1 or any(len(link.parents) > 1 for link in links):
            lineage = Lineage(links, self.fields)
            if len(heads) > 1 or lineage.disputed(carrier):
                self._forks[carrier] = self._merge(
                    run_id, carrier, lineage.together(head.row for head in heads)
                )
        return {link.row for link in links} - {carrier}

    def _merge(self, run_id: str, carrier: int, together: Merged) -> _Fork:
        own, values = self.fields(carrier), together.values
        conflicts = [
            Conflict(
                run_id=run_id,
                field=name,
                values=tuple(None if value is ABSENT else value for _, value in reversed(claims)),
                records=tuple(self._link(row).record for row, _ in reversed(claims)),
            )
            for name, claims in sorted(together.open.items())
        ]
        overrides = {
            name: values.get(name, ABSENT)
            for name in sorted(own.keys() | values.keys())
            if not same(values.get(name, ABSENT), own.get(name, ABSENT))
        }
        return _Fork(overrides, tuple(conflicts))

    def lineage(self, run_id: str) -> Lineage:
        """How the records of one run follow each other."""
        return Lineage(self.links(run_id), self.fields)

    def links(self, run_id: str) -> list[Link]:
        """The records of one run, those that no ref reaches any more left out."""
        found = [self._link(row) for row in self.index.exact("run", run_id)]
        return [link for link in found if link.record not in self.index.dropped]

    @cached_property
    def rows(self) -> Sequence[int]:
        """The rows that stand for runs, in the order in which they were indexed."""
        hidden = self.superseded
        everything = range(len(self.index))
        return [row for row in everything if row not in hidden] if hidden else everything

    @property
    def conflicts(self) -> list[Conflict]:
        """Every conflict of every run."""
        return (
            [conflict for row in self.rows for conflict in self._merged(row).conflicts]
            if self.superseded
            else []
        )

    @cached_property
    def disputes(self) -> Mapping[int, tuple[Conflict, ...]]:
        """The rows of runs in conflict, with what about."""
        forks = self._forks.items() if self.superseded else ()
        return {row: merged.conflicts for row, merged in forks if merged.conflicts}

    def conflicts_of(self, row: int) -> tuple[Conflict, ...]:
        return self._merged(row).conflicts

    def _merged(self, row: int) -> _Fork:
        return self._forks.get(row, _PLAIN) if self.superseded else _PLAIN

    def values(
        self, group: str, name: str, starts: Collection[int] | None = None
    ) -> Iterator[tuple[int, Json]]:
        """(row, value as recorded) of every run that has one, or of those in the segments with these first rows."""
        hidden, overrides = self.superseded, self.overrides((group, name))
        for start, part in self.index.starts():
            found = part.slice(group, name) if starts is None or start in starts else None
            if found is None:
                continue
            for local, value in found.values():
                row = start + local
                if row not in hidden and row not in overrides:
                    yield row, value
        for row, value in overrides.items():
            if value is not ABSENT and (starts is None or self._place(row)[0] in starts):
                yield row, value

    def value(self, row: int, group: str, name: str) -> Json:
        """What one run has under a name; ABSENT where it has nothing."""
        overrides = self.overrides((group, name))
        if row in overrides:
            return overrides[row]
        start, part = self._place(row)
        value = part.value(group, name, row - start)
        return ABSENT if value is ... else value  # type: ignore[no-any-return]

    def overrides(self, name: Field) -> Mapping[int, Json]:
        """Rows whose run has another value than the row says, or ABSENT: edits were merged, or a param migrated."""
        forks = self._forks.items() if self.superseded else ()
        found = {row: merged.overrides[name] for row, merged in forks if name in merged.overrides}
        if self.params is None or name[0] != PARAMS:
            return found
        return {**found, **self.params(name[1])} if found else self.params(name[1])

    def column(self, name: str) -> list[Any]:
        """A column over all rows of the index, those that are superseded too; nothing is None."""
        found: list[Any] = []
        for part in self.index.segments:
            found.extend(value if value != "" else None for value in part.column(name))
        for row, value in self.overrides(("run", name)).items():
            found[row] = None if value is ABSENT else value
        return found

    def record_columns(self, row: int) -> dict[str, Any]:
        """All columns of one record."""
        start, part = self._place(row)
        picked = part.rows.slice(row - start, 1)
        return {name: picked.column(name)[0].as_py() or None for name in COLUMNS}

    def _link(self, row: int) -> Link:
        """What orders the records of a run, without the other columns: there may be an edit of every run."""
        start, part = self._place(row)
        said = {name: part.rows.column(name)[row - start].as_py() for name in self._link_columns[start]}
        base, merges, settles = said.get("base"), said.get("merges"), said.get("settles")
        return Link(
            row=row,
            record=said["record"],
            recorded=said.get("recorded") or 0,
            parents=(base, *(merges or "").split()) if base else (),
            settles=_settled(settles) if settles else (),
        )

    @cached_property
    def _link_columns(self) -> dict[int, tuple[str, ...]]:
        """For each segment, by its first row, the columns of `_LINKS` in which anything stands."""
        return {
            start: tuple(name for name in _LINKS if part.rows.column(name).null_count < len(part))
            for start, part in self.index.starts()
        }

    def fields(self, row: int) -> dict[Field, Json]:
        """Everything that one record says and that an edit can change."""
        start, part = self._place(row)
        columns = part.rows.slice(row - start, 1)
        found: dict[Field, Json] = {}
        for name in MERGED_COLUMNS:
            value = columns.column(name)[0].as_py()
            if value not in (None, ""):
                found["run", name] = value
        for group in GROUPS:
            for name in part.names(group):
                value = part.value(group, name, row - start)
                if value is not _NOTHING:
                    found[group, name] = value
        return found

    def run_fields(self, row: int) -> dict[Field, Json]:
        """Everything that a run says, its edits merged."""
        found = self.fields(row)
        for name, value in self._merged(row).overrides.items():
            if value is ABSENT:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def _place(self, row: int) -> tuple[int, Any]:
        for start, part in self.index.starts():
            if row < start + len(part):
                return start, part
        raise IndexError(row)


_PLAIN = _Fork({})
_LINKS = ("record", "base", "merges", "settles", "recorded")
_NOTHING: Any = ...


def _settled(text: str) -> tuple[Field, ...]:
    """Fields from their names as `run.json` has them; what is no name is passed over."""
    found = json.loads(text)
    names = found if isinstance(found, list) else ()
    parts = (name.partition(".") for name in names if isinstance(name, str))
    return tuple((group, name) for group, _, name in parts)


def as_recorded(field: Field, value: Json) -> Json:
    """A time as `run.json` writes it: the index holds microseconds since 1970."""
    if field[0] == "run" and field[1] in TIME_COLUMNS and isinstance(value, int):
        return utc_text_of(value)
    return value
