"""Runs as a table: filtered, sorted and cut in that order, all of it after the view.

Columns are made for all runs only where the filter or the order needs them, and else for the runs that are shown.
It imports pyarrow because a table of a hundred thousand runs must not become Python objects on its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ledger.errors import NotFoundError, UsageError, did_you_mean
from ledger.store.segment import METRICS, PARAMS
from ledger.trace import apart, disputes, targets, where
from ledger.trace.columns import CONFLICTS, GRADE, RECORDED, Columns, rfc3339
from ledger.trace.grammar import Expression
from ledger.trace.names import numeric
from ledger.trace.view import View

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 200
"""Runs that are looked at to find which columns tell most."""
_CANDIDATES = 200
"""Names of a group that are looked at for that: with ten thousand metrics the most often recorded ones."""
_COLUMN = re.compile(r"(?:`(?:[^`]|``)*`|[^,`])+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which runs, in which order, with which columns."""

    where: str | None = None
    columns: tuple[str, ...] | None = None
    """Names, short where that is clear, or patterns such as `metrics.*`; None: all."""
    sort: tuple[str, ...] = ()
    """Columns, `-` in front for descending; then, and without any, the newest first.

    A metric that compares only among runs with equal params orders those runs, apart from the others.
    """
    limit: int | None = None
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The runs of a listing, before any of them is shown."""

    columns: Columns
    rows: pa.Array
    """Rows of the index, in order."""
    passing: pa.Array
    """Rows that passed the filter, in order; more than `rows` where there is a limit."""
    undecided: pa.Array
    """Rows that the filter has no answer for: they lack a comparable value."""
    keys: tuple[str, ...] = ()
    """Full names of the columns that decided the order."""
    operands: tuple[str, ...] = ()
    """Full names of the columns that the filter looked at."""
    hints: tuple[str, ...] = ()
    """Old names that stand for what took over from them."""

    @property
    def passed(self) -> int:
        """How many runs passed the filter."""
        return len(self.passing)

    @property
    def left_out(self) -> int:
        """How many the filter has no answer for."""
        return len(self.undecided)

    def table(self, names: Sequence[str]) -> pa.Table:
        """Full column names → a table; each metric brings its grade, and what was recorded but does not compare."""
        import pyarrow as pa

        metrics = [name.partition(".")[2] for name in names if name.startswith(f"{METRICS}.")]
        grades = [f"{GRADE}.{name}" for name in metrics]
        found = {name: self.columns.column(name, self.rows) for name in dict.fromkeys((*names, *grades))}
        recorded = {
            f"{RECORDED}.{name}": apart.recorded(self.columns, name, self.rows)
            for name in metrics
            if self.columns.has_incomparable(name, self.rows)
        }
        return pa.table({**found, **recorded})

    def sheet(self, names: Sequence[str]) -> pa.Table:
        """The same for other programs: the last column names those on which edits disagree (`metrics.f1,note`), or is null."""
        import pyarrow as pa

        about = self.disputed(names)
        told = pa.nulls(len(self.rows), pa.string())
        if about:
            told = pa.array(
                [",".join(about.get(place, ())) or None for place in range(len(told))], pa.string()
            )
        return self.table(names).append_column(CONFLICTS, told)

    def first(self, count: int) -> Found:
        """The first of the same runs."""
        return replace(self, rows=self.rows.slice(0, count))

    def of(self, rows: Sequence[int]) -> Found:
        """Other runs of the same ledger, by their rows of the index."""
        import pyarrow as pa

        return replace(self, rows=pa.array(rows, pa.int32()))

    def documents(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The same as one flat mapping a run for JSON: each param of the kind it was recorded as."""
        shown = self.table(names)
        natives = {
            name: values
            for name in shown.column_names
            if (values := self.columns.natives(name, self.rows)) is not None
        }
        disputed = self.disputed(names)
        for place, record in enumerate(records(shown)):
            told = {CONFLICTS: disputed[place]} if place in disputed else {}
            yield {**record, **{name: values[place] for name, values in natives.items()}, **told}

    def disputed(self, names: Sequence[str]) -> dict[int, list[str]]:
        """The places of runs in conflict, with those of the columns that it is about."""
        if not self.columns.view.runs.disputes:
            return {}
        rows = self.rows.to_pylist()
        about = disputes.columns_of(self.columns.view, rows, names)
        return {place: about[row] for place, row in enumerate(rows) if row in about}


def table(view: View, listing: Listing) -> pa.Table:
    """One row a run: `run_id` and the columns asked for, else all.

    `metrics.*` hold only values that compare under the metric's definition, `grade.*` say why others are null, and
    `recorded.*` hold those; `conflicts` names columns on which edits disagree. Raises UsageError for a filter or a name that is wrong, NotFoundError for an experiment.
    """
    found = find(view, listing)
    return found.sheet(chosen(found.columns, listing.columns))


def find(view: View, listing: Listing) -> Found:
    """Filter, sort and cut. Raises UsageError, NotFoundError."""
    columns = Columns(view)
    # Names are looked up first, so that a wrong one is told even where no run is left.
    expression = _expression(columns, listing.where)
    keys = [_key(columns, word) for word in listing.sort]
    rows = _of_experiments(columns, listing.experiments)
    undecided = rows.slice(0, 0)
    if expression is not None:
        rows, undecided = _filtered(columns, expression, rows)
    rows = _sorted(columns, rows, _within_partitions(columns, keys))
    return Found(
        columns=columns,
        rows=rows if listing.limit is None else rows.slice(0, listing.limit),
        passing=rows,
        undecided=undecided,
        keys=tuple(key.name for key in keys),
        operands=tuple(sorted(where.names(expression))) if expression else (),
        hints=_hints(view, listing),
    )


def chosen(columns: Columns, asked: Sequence[str] | None) -> list[str]:
    """The full names of columns, `run_id` first. Raises UsageError that suggests the right name."""
    if asked is None:
        return list(columns.names)
    found: dict[str, None] = {"run_id": None}
    for word in asked:
        name = _unquoted(word)
        matching = [full for full in columns.names if "*" in name and fnmatchcase(full, name)]
        found.update(dict.fromkeys(matching or [_full(columns, name, "--columns")]))
    return list(found)


def split(text: str) -> tuple[str, ...]:
    """`f1,lr,branch` → names; a comma inside backticks belongs to a name."""
    return tuple(word.strip() for word in _COLUMN.findall(text) if word.strip())


def ranked(view: View, found: Found) -> list[str]:
    """Metrics and params of the found runs, what tells most first.

    The configured metrics, then those with a direction and those most often recorded; params that differ among the
    runs before those that don't. A param that a metric compares within stands beside that metric.
    """
    sample = found.rows.slice(0, _SAMPLE)
    known = {
        group: {name: _spread(found.columns, f"{group}.{name}", sample) for name in _candidates(view, group)}
        for group in (METRICS, PARAMS)
    }
    configured = view.workspace.config.log_metrics
    metrics = sorted(
        (name for name, (count, _) in known[METRICS].items() if count),
        key=lambda name: (
            configured.index(name) if name in configured else len(configured),
            view.target(name).direction is None,
            -known[METRICS][name][0],
            name,
        ),
    )
    params = sorted((name for name, (count, _) in known[PARAMS].items() if count))
    varying = [name for name in params if known[PARAMS][name][1] > 1]
    constant = [name for name in params if known[PARAMS][name][1] <= 1]
    lead = max(3, len(configured))
    order = [(METRICS, metrics[:lead]), (PARAMS, varying), (METRICS, metrics[lead:]), (PARAMS, constant)]
    ordered = (f"{group}.{name}" for group, names in order for name in names)
    return list(dict.fromkeys(one for name in ordered for one in (name, *_within(view, name, params))))


def _within(view: View, name: str, params: Sequence[str]) -> Iterator[str]:
    """Those of some params that the values of a metric compare within."""
    group, _, metric = name.partition(".")
    if group == METRICS:
        yield from (f"{PARAMS}.{param}" for param in view.target(metric).partition if param in params)


def _candidates(view: View, group: str) -> list[str]:
    """The most often recorded names of a group, and the configured ones."""
    counts: dict[str, int] = {}
    for part in view.runs.index.segments:
        for name, (start, end) in part.places[group].items():
            counts[name] = counts.get(name, 0) + end - start
    often = sorted(counts, key=lambda name: (-counts[name], name))[:_CANDIDATES]
    configured = view.workspace.config.log_metrics if group == METRICS else ()
    names = (*(name for name in configured if name in counts), *often)
    if group == METRICS:
        names = tuple(_current(view, f"{METRICS}.{name}").partition(".")[2] for name in names)
    return list(dict.fromkeys(names))


def _spread(columns: Columns, name: str, rows: pa.Array) -> tuple[int, int]:
    """How many of the rows have a value, and how many different ones (nothing counts as one)."""
    import pyarrow.compute as pc

    group, _, rest = name.partition(".")
    column = columns.column(name, rows)
    if group == METRICS and (columns.view.is_native(rest) or column.null_count == len(column)):
        column = columns.column(f"{RECORDED}.{rest}", rows)
    return len(column) - column.null_count, len(pc.unique(column))


def records(table: pa.Table) -> Iterator[dict[str, Any]]:
    """One flat mapping a run, with times as RFC 3339 text."""
    for batch in text_times(table).to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def text_times(table: pa.Table) -> pa.Table:
    """The table with RFC 3339 text in place of timestamps."""
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(place, column.name, rfc3339(table.column(place)))
    return table


def _of_experiments(columns: Columns, experiments: Sequence[str]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = columns.all_rows
    if not experiments:
        return rows
    names = columns.column("experiment", rows)
    known = [name for name in pc.unique(names).to_pylist() if name is not None]
    for name in experiments:
        if name not in known:
            shown = did_you_mean(name, known, f"there are: {', '.join(sorted(known)[:8])}")
            raise NotFoundError(
                f"no experiment {name!r}", hint=shown if known else "record a run first: ledger record --help"
            )
    return rows.filter(pc.is_in(names, value_set=pa.array(experiments, pa.string())))


def _expression(columns: Columns, text: str | None) -> Expression | None:
    if text is None or not text.strip():
        return None
    parsed = where.parse(text)
    known = (*columns.names, *(name for name in where.names(parsed) if _is_grade(columns, name)))
    full = where.resolved(parsed, known)
    return where.renamed(full, {name: _current(columns.view, name) for name in where.names(full)})


def _current(view: View, name: str) -> str:
    """The full name of a column, under the name that a metric has now."""
    group, _, rest = name.partition(".")
    taken = targets.forward(view, rest) if group == METRICS else None
    return f"{METRICS}.{taken.name}" if taken else name


def _hints(view: View, listing: Listing) -> tuple[str, ...]:
    words = [*(listing.columns or ()), *(word.removeprefix("-") for word in listing.sort)]
    if listing.where and listing.where.strip():
        words += where.names(where.parse(listing.where))
    names = dict.fromkeys(_unquoted(word).removeprefix(f"{METRICS}.") for word in words)
    found = ((name, targets.forward(view, name)) for name in names)
    return tuple(targets.forward_hint(name, taken) for name, taken in found if taken)


def _is_grade(columns: Columns, name: str) -> bool:
    group, _, metric = name.partition(".")
    return group == GRADE and f"{METRICS}.{metric}" in columns.names


def _filtered(columns: Columns, expression: Expression, rows: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Rows for which it is true, and those for which it has no answer."""
    import pyarrow as pa

    as_numbers = numeric(expression)
    operands = {
        name: columns.operand(name, rows, number=name in as_numbers)
        for name in sorted(where.names(expression))
    }
    mask = where.matches(expression, pa.table(operands)).combine_chunks()
    return rows.filter(mask), rows.filter(mask.is_null())


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    descending: bool


def _key(columns: Columns, word: str) -> _Key:
    """`-f1`, `f1`; a leading `-` that belongs to the name is found first."""
    name = _unquoted(word)
    if name.startswith("-") and f"{METRICS}.{name}" not in columns.names:
        return _Key(_full(columns, _unquoted(word[1:]), "--sort"), descending=True)
    return _Key(_full(columns, name, "--sort"), descending=False)


def _full(columns: Columns, name: str, option: str) -> str:
    if _is_grade(columns, name):
        return name
    try:
        return _current(columns.view, where.resolve(name, columns.names))
    except (NotFoundError, UsageError) as error:
        raise type(error)(f"{option}: {error.message}", hint=error.hint) from error


def _unquoted(word: str) -> str:
    """A name as a filter writes it (metrics.`val/f1@5`), or plain."""
    return re.sub(r"`((?:[^`]|``)*)`", lambda quoted: quoted[1].replace("``", "`"), word.strip())


def _within_partitions(columns: Columns, keys: Sequence[_Key]) -> list[_Key]:
    """Before a metric that compares only among runs with equal params, those params: runs of one stand together."""
    found: dict[str, _Key] = {}
    for key in keys:
        group, _, name = key.name.partition(".")
        params = columns.view.target(name).partition if group == METRICS else ()
        for full in (f"{PARAMS}.{param}" for param in params):
            if full in columns.names:
                found.setdefault(full, _Key(full, descending=False))
        found.setdefault(key.name, key)
    return list(found.values())


def _finite(name: str, column: pa.Array) -> pa.Array:
    """A metric with NaN for infinities: what diverged is never first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (name.startswith(f"{METRICS}.") and pa.types.is_floating(column.type)):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(float("nan"), column.type))


def _sorted(columns: Columns, rows: pa.Array, keys: Sequence[_Key]) -> pa.Array:
    """NaN and nothing come last in either direction: so Arrow sorts them. Runs that tie: the newest first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    operands: list[tuple[pa.Array, bool]] = []
    for key in keys:
        if columns.mixed(key.name):
            operands.append((columns.numbers(key.name, rows), key.descending))
        column = _finite(key.name, columns.column(key.name, rows))
        operands.append(
            (column.cast(pa.string()) if pa.types.is_null(column.type) else column, key.descending)
        )
    finished, recorded = columns.column("finished", rows), columns.column("recorded", rows)
    operands += [(pc.coalesce(finished, recorded), True), (rows, True)]
    by = pa.table({str(place): column for place, (column, _) in enumerate(operands)})
    order = [(str(place), "descending" if down else "ascending") for place, (_, down) in enumerate(operands)]
    return rows.take(pc.sort_indices(by, sort_keys=order))
