"""Histories: the series of a run, from the user's files to Parquet parts and back.

`read` and `from_values` take what people have, `encode` and `decode` are the form in the repository, and in
between there is one long Arrow table (`table.py` says what it looks like). pyarrow is loaded at the first call.
"""

from ledger.store.history.codec import MAX_PART, Choose, decode, encode
from ledger.store.history.gate import MAX_ROWS
from ledger.store.history.last import latest
from ledger.store.history.plain import Column, chunks
from ledger.store.history.source import MAX_FILE, from_values, read
from ledger.store.history.table import joined, last_values, of_series, series_names

__all__ = [
    "MAX_FILE",
    "MAX_PART",
    "MAX_ROWS",
    "Choose",
    "Column",
    "chunks",
    "decode",
    "encode",
    "from_values",
    "joined",
    "last_values",
    "latest",
    "of_series",
    "read",
    "series_names",
]
