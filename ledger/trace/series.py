"""The series of runs, read back and shown like their metrics: of one run, or of thousands one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ledger.errors import FormatError, LedgerError, NotFoundError, did_you_mean
from ledger.git import objects
from ledger.git.objects import Reader
from ledger.model import StoreFault
from ledger.store import codec, history
from ledger.store.history import Choose
from ledger.store.load import Place, record_at
from ledger.store.parts import history_at
from ledger.trace.readings import SeriesTable, behind, readings, shown
from ledger.trace.view import View


def table(
    view: View, row: int, metrics: Sequence[str] | None = None, *, all_attempts: bool = False
) -> SeriesTable:
    """The series of one run as an Arrow table: `metric, step, time, value`, and what `shown` adds to it.

    All, or those of `metrics`, each a name of now or the one that it was recorded under, in the order of their source.
    With `all_attempts` the points that a later one of their step took the place of are there, too. Raises
    NotFoundError, FormatError.
    """
    found = readings(view, view.schema_codes[row])
    wanted = [found.label(name) for name in metrics] if metrics is not None else None
    whole = _read(view, row, wanted, all_attempts=all_attempts)
    names = history.series_names(whole) if whole is not None else []
    for name, label in zip(metrics or (), wanted or (), strict=True):
        if label not in names:
            raise _absent(view, row, name)
    if whole is None or not (names or metrics is not None):
        raise _absent(view, row, "")
    return whole if wanted is None else history.of_series(whole, wanted)


def _absent(view: View, row: int, name: str) -> NotFoundError:
    whole = of_run(view, row)
    names = history.series_names(whole) if whole is not None else []
    if not names:
        return NotFoundError("this run has no series", hint="ledger record --history FILE records them")
    hint = did_you_mean(name, names, f"there are: {', '.join(names[:12])}")
    return NotFoundError(f"this run has no series {name!r}", hint=hint)


def apart(whole: SeriesTable) -> list[str]:
    """The series of a table that hold values which do not count."""
    if "recorded" not in whole.column_names:
        return []
    return history.series_names(whole.filter(whole.column("recorded").is_valid()))


def of_run(view: View, row: int) -> SeriesTable | None:
    """The table of series of one run, as `shown` has it; None where it has none. Raises FormatError that names the commit."""
    return _read(view, row, None, all_attempts=False)


def _read(view: View, row: int, metrics: Sequence[str] | None, *, all_attempts: bool) -> SeriesTable | None:
    """The series of one run, and of `metrics` at least those."""
    columns = view.runs.record_columns(row)
    if not columns["history"]:
        return None
    place = Place(record=columns["record"], ref=columns["ref"], commit=columns["commit"] or "")
    parts = history_at(view.workspace.repository, place)
    found = readings(view, view.schema_codes[row])
    choose = partial(behind, found, metrics) if metrics is not None else None
    return shown(found, _decoded(parts, place, choose, all_attempts=all_attempts))


def _decoded(
    parts: dict[str, bytes], place: Place, choose: Choose | None = None, *, all_attempts: bool = False
) -> SeriesTable:
    try:
        whole = history.decode(parts, choose)
        return whole if all_attempts else history.latest(whole)
    except FormatError as error:
        where = place.commit[:12] or f"sealed record {place.record[:12]}"
        raise FormatError(f"{where}: {error.message}", hint=error.hint) from error


def of_runs(
    view: View, rows: Sequence[int], faults: list[StoreFault], *, all_attempts: bool = False
) -> Iterator[tuple[int, SeriesTable]]:
    """(row, series) of each run that has any, read one run at a time, as `shown` has them; `all_attempts` as for `table`.

    What can't be read is added to `faults`.
    """
    repository = view.workspace.repository
    records, refs, commits, has_series = map(view.runs.column, ("record", "ref", "commit", "history"))
    wanted = [
        (row, Place(record=records[row], ref=refs[row], commit=commits[row] or ""))
        for row in rows
        if has_series[row]
    ]
    if not wanted:
        return
    found = {code: readings(view, code) for code in {view.schema_codes[row] for row, _ in wanted}}
    with objects.reader(repository, max_bytes=codec.MAX_HISTORY_BYTES) as bulk:
        for row, place in wanted:
            try:
                table = _decoded(_parts(view, bulk, place), place, all_attempts=all_attempts)
            except LedgerError as error:
                faults.append(
                    StoreFault(ref=place.ref, commit=place.commit, path="history.parquet", what=error.message)
                )
                continue
            yield row, shown(found[view.schema_codes[row]], table)


def _parts(view: View, bulk: Reader, place: Place) -> dict[str, bytes]:
    repository = view.workspace.repository
    if not place.commit:
        return dict(record_at(repository, place).history)
    tree = bulk.read([f"{place.commit}^{{tree}}"])[0]
    if tree is None:
        raise FormatError(f"{place.commit[:12]} can't be read", hint="`ledger verify` says what is wrong")
    entries = objects.parse_tree(tree.body, repository.object_format)
    parts = [entry for entry in entries if codec.HISTORY.fullmatch(entry.name)]
    found = bulk.read([entry.id for entry in parts])
    for entry, blob in zip(parts, found, strict=True):
        if blob is None:
            raise FormatError(f"{place.commit[:12]}: {entry.name} is missing or too large")
    return {entry.name: blob.body for entry, blob in zip(parts, found, strict=True) if blob is not None}
