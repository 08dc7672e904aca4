"""Tables of series as plain columns, for whoever writes text: what a row at a time would take ten times as long for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.errors import FormatError

if TYPE_CHECKING:
    import pyarrow as pa

Column: TypeAlias = "list[str | None] | list[int | None] | list[float | None]"

ROWS = 65_536
"""In a chunk."""
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds since 1970."""


def chunks(table: pa.Table, rows: int = ROWS) -> Iterator[dict[str, Column]]:
    """The columns of `rows` rows at a time as lists; times are RFC 3339 text. Raises FormatError."""
    for batch in table.to_batches(max_chunksize=rows):
        if batch.num_rows:
            yield {name: _column(batch.column(name)) for name in table.column_names}


def _column(array: Any) -> Column:
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        texts = [*array.dictionary.to_pylist(), None]
        return [texts[index] for index in array.indices.fill_null(len(texts) - 1).to_pylist()]
    try:
        whole: Column = (_moments(array) if pa.types.is_timestamp(array.type) else array).to_pylist()
    except ValueError as error:
        raise FormatError(f"a series has {error}", hint="ledger.history gives it as it is") from error
    return whole


def in_calendar(array: Any) -> Any:
    """Give times back. Raises ValueError for one that no calendar has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(array.cast(pa.int64())).as_py()
    if ends["min"] is not None and (ends["min"] < _FIRST or ends["max"] > _LAST):
        raise ValueError("a time outside of the years 1 to 9999")
    return array


def _moments(array: Any) -> Any:
    """Times as `utc_text` has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = in_calendar(array).cast(pa.timestamp("us")).cast(pa.string())  # 2026-11-21 02:57:03.000001
    return pc.binary_join_element_wise(pc.binary_replace_slice(text, 10, 11, "T"), "Z", "")
