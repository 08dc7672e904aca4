"""Records → runs: which record of each run counts, and what two edits of one base make together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ledger.model import Json
from ledger.store.index import Index
from ledger.store.segment import COLUMNS, METRICS, PARAMS, TAGS

GROUPS = (METRICS, PARAMS, TAGS)
MERGED_COLUMNS = ("name", "note", "status", "parent", "started", "finished", "duration")
"""Fields of `run.json` that an edit may change and that merge one by one."""

Field = tuple[str, str]
"""(`metrics`, `params`, `tags` or `run`) and a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that two edits of one base changed to different values; the later one counts."""

    run_id: str
    field: Field
    values: tuple[Json, ...]
    """Later first: what counts, then what it won over."""
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Merged:
    overrides: Mapping[Field, Json]
    """Values (None: absent) that differ from those of the row that carries the run."""
    conflicts: tuple[Conflict, ...] = ()


ABSENT: Any = object()


@dataclass(frozen=True)
class RunSet:
    """All runs of an index, one row each. Rows are numbered through all segments."""

    index: Index
    _forks: dict[int, _Merged] = field(default_factory=dict)

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
        rows = [row for row in self.index.exact("run", run_id) if row not in hidden]
        if len(rows) < 2:  # noqa: PLR2004 - the others are on no ref any more
            return set()
        records = {row: self._links(row) for row in rows}
        bases = {record["base"] for record in records.values()}
        tips = [row for row in rows if records[row]["record"] not in bases] or rows[-1:]
        tips.sort(key=lambda row: (records[row]["recorded"] or 0, records[row]["record"]))
        carrier = tips[-1]
        if len(tips) > 1:
            self._forks[carrier] = self._merge(run_id, tips, records)
        return set(rows) - {carrier}

    def _merge(self, run_id: str, tips: Sequence[int], records: Mapping[int, Mapping[str, Any]]) -> _Merged:
        by_record = {record["record"]: row for row, record in records.items()}
        base_row = _common_base(tips, records, by_record)
        base = self.fields(base_row) if base_row is not None else {}
        states = [self.fields(row) for row in tips]
        carrier = states[-1]
        overrides: dict[Field, Json] = {}
        conflicts = []
        for name in sorted({key for state in (*states, base) for key in state}):
            before = base.get(name, ABSENT)
            changed = [(row, state.get(name, ABSENT)) for row, state in zip(tips, states, strict=True)]
            changed = [(row, value) for row, value in changed if not same(value, before)]
            if not changed:
                continue
            winner = changed[-1][1]
            if not same(winner, carrier.get(name, ABSENT)):
                overrides[name] = winner
            losers = [(row, value) for row, value in changed[:-1] if not same(value, winner)]
            if losers:
                told = [changed[-1], *reversed(losers)]
                conflicts.append(
                    Conflict(
                        run_id=run_id,
                        field=name,
                        values=tuple(None if value is ABSENT else value for _, value in told),
                        records=tuple(records[row]["record"] for row, _ in told),
                    )
                )
        return _Merged(overrides, tuple(conflicts))

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

    def conflicts_of(self, row: int) -> tuple[Conflict, ...]:
        return self._merged(row).conflicts

    def _merged(self, row: int) -> _Merged:
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

    def overrides(self, name: Field) -> dict[int, Json]:
        """Rows whose run has another value than the row says, because edits of one base were merged; or ABSENT."""
        forks = self._forks.items() if self.superseded else ()
        return {row: merged.overrides[name] for row, merged in forks if name in merged.overrides}

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

    def _links(self, row: int) -> dict[str, Any]:
        """What orders the records of a run, without the other columns: there may be an edit of every run."""
        start, part = self._place(row)
        return {name: part.rows.column(name)[row - start].as_py() for name in _LINKS}

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


_PLAIN = _Merged({})
_LINKS = ("record", "base", "recorded")
_NOTHING: Any = ...


def _common_base(
    tips: Sequence[int], records: Mapping[int, Mapping[str, Any]], by_record: Mapping[str, int]
) -> int | None:
    """The nearest record that all tips descend from; None when it is not here."""
    lines = [_ancestors(row, records, by_record) for row in tips]
    shared = set(lines[0]).intersection(*map(set, lines[1:]))
    return next((row for row in lines[0] if row in shared), None)


def _ancestors(row: int, records: Mapping[int, Mapping[str, Any]], by_record: Mapping[str, int]) -> list[int]:
    line = []
    current = by_record.get(records[row]["base"])
    while current is not None and current not in line:
        line.append(current)
        current = by_record.get(records[current]["base"])
    return line


def same(one: object, other: object) -> bool:
    """Equal as recorded: NaN is the same as NaN, 1 is not true."""
    if isinstance(one, float) and isinstance(other, float) and one != one and other != other:  # noqa: PLR0124
        return True
    return type(one) is type(other) and one == other
