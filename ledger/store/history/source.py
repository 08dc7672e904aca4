"""Series from the user's files and values."""

from __future__ import annotations

def read(path: str | Path, *, prefix: str = "") -> pa.Table:
    """Read a JSONL, JSON, CSV or Parquet file, long or wide. Raises InputError.

    `prefix` stands before each name: `train` makes `loss` into `train/loss`.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: series can't be read from a {file.suffix or 'file without ending'}",
            hint=f"the ending should be one of {', '.join(_READERS)}",
        )
    with opened(file, max_bytes=MAX_FILE, advice=_ADVICE) as stream:
        table = reader(stream, str(path))
    if not table.num_rows:
        raise InputError(f"{path}: no series in it", hint="a header such as step,loss is wanted, and rows below it")
    return _prefixed(table, prefix, str(path)) if prefix else table


def from_values(values: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]], *, what: str = "history") -> pa.Table:
    """Make a table from metric → list of values or of (step, value) pairs, or from rows as JSONL has them.

    Raises InputError that names `what` and the place.
    """
    if isinstance(values, Mapping):
        return _table(series.from_series(values, what), what)
    return _table(series.from_rows(values, what), what)


def _prefixed(table: pa.Table, prefix: str, what: str) -> pa.Table:
    import pyarrow as pa

    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices, pa.array([clean_name(f"{prefix}/{name}", what) for name in chunk.dictionary.to_pylist()], pa.string())
        )
        for chunk in table.column("metric").chunks
    ]
    field = table.schema.field("metric")
    return table.set_column(0, field, pa.chunked_array(chunks, field.type))


