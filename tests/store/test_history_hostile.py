"""Parquet that was not written by ledger: bombs, forged bytes, other forms."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger
from ledger.errors import FormatError, InputError
from ledger.store import history
from ledger.store.history import gate
from ledger.store.history.thrift import ParquetError

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def recorded(columns: dict[str, Any], *, required: bool = True, **options: Any) -> bytes:
    """Write as ledger does, but for what a test wants otherwise."""
    table = pa.table(columns)
    index = table.schema.get_field_index("metric")
    if required and index >= 0:
        table = table.cast(table.schema.set(index, table.schema.field(index).with_nullable(False)))
    sink = io.BytesIO()
    settings: dict[str, Any] = {
        "compression": "zstd",
        "use_dictionary": ["metric", "context"],
        "store_schema": False,
        "column_encoding": {
            name: encoding
            for name, encoding in (("step", "DELTA_BINARY_PACKED"), ("value", "BYTE_STREAM_SPLIT"))
            if name in columns
        },
    }
    pq.write_table(table, sink, **{**settings, **options})
    return sink.getvalue()


def repeated(text: str, count: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))


def names_bomb() -> bytes:
    return recorded({"metric": repeated("x" * 1_000_000, 2000), "value": [0.0] * 2000})


def context_bomb() -> bytes:
    return recorded(
        {"metric": ["a"] * 2000, "value": [0.0] * 2000, "context": repeated("x" * 1_000_000, 2000)}
    )


def plain_bomb() -> bytes:
    return recorded({"metric": ["x" * 1_000_000] * 300, "value": [0.0] * 300}, use_dictionary=False)


def delta_text_bomb() -> bytes:
    return recorded(
        {"metric": ["x" * 1_000_000] * 300, "value": [0.0] * 300},
        use_dictionary=False,
        column_encoding={"metric": "DELTA_BYTE_ARRAY"},
    )


def dictionary_bomb() -> bytes:
    texts = pa.DictionaryArray.from_arrays(
        pa.array(range(30), pa.int32()), pa.array([chr(65 + i) * 1_000_000 for i in range(30)])
    )
    return recorded({"metric": texts, "value": [0.0] * 30}, dictionary_pagesize_limit=2**30)


def rows_bomb() -> bytes:
    zeros = pa.nulls(20_000_000, pa.int64()).fill_null(0)
    return recorded(
        {
            "metric": pa.DictionaryArray.from_arrays(zeros.cast(pa.int32()), pa.array(["a"])),
            "value": zeros.cast(pa.float64()),
        },
        column_encoding={"value": "PLAIN"},
        write_statistics=False,
    )


def page_bomb() -> bytes:
    zeros = pa.nulls(9_000_000, pa.float64()).fill_null(0)
    return recorded(
        {"metric": pa.DictionaryArray.from_arrays(zeros.cast(pa.int32()), pa.array(["a"])), "value": zeros},
        data_page_size=2**30,
        max_rows_per_page=9_000_000,
        row_group_size=9_000_000,
        write_statistics=False,
    )


def many_dictionaries_bomb() -> bytes:
    """Each small enough, and two of them more than all may be."""
    names = [f"{number:0500d}" for number in range(20_000)]
    table = pa.DictionaryArray.from_arrays(pa.array([*range(20_000)] * 2, pa.int32()), pa.array(names))
    columns = {"metric": table, "value": [0.0] * 40_000}
    return recorded(columns, dictionary_pagesize_limit=2**30, data_page_size=2**30, row_group_size=20_000)


BOMBS = [
    names_bomb,
    context_bomb,
    plain_bomb,
    delta_text_bomb,
    dictionary_bomb,
    many_dictionaries_bomb,
    rows_bomb,
    page_bomb,
]
CHILD = """
import resource, sys
from pathlib import Path
from ledger.errors import FormatError
from ledger.store import history
import pyarrow.parquet, pyarrow.compute

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

history.decode(history.encode(history.from_values({"a": [1]})))
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()  # by the libraries
resource.setrlimit(resource.RLIMIT_AS, (taken + (256 << 20), taken + (256 << 20)))
for path, choose in [(path, choose) for path in sys.argv[1:] for choose in (None, lambda names: names[:1])]:
    data, before = Path(path).read_bytes(), peak()
    try:
        history.decode({"history.parquet": data}, choose)
        print(path, "was decoded")
    except FormatError as error:
        grown = (peak() - before) // 1024
        print("refused" if grown < 64 else f"{path} took {grown} MB: {error.message}")
"""


def in_child(*words: str) -> list[str]:
    """Run the child with what this process imports: the very ledger under test."""
    top = str(Path(ledger.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {top!r})\n{CHILD}", *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.long
def test_bombs_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    paths = [written(tmp_path, bomb.__name__, bomb()) for bomb in BOMBS]
    assert paths[0].stat().st_size < 1000
    assert in_child(*map(str, paths)) == ["refused"] * len(BOMBS) * 2, "whole, and one series of them"


@pytest.mark.parametrize("size", [-1, gate.MAX_PAGE + 1, 2**31])
def test_a_page_is_as_large_as_a_header_may_say(size: int) -> None:
    with pytest.raises(ParquetError, match="pages of more than"):
        gate.Spent().add_page(size, dictionary=False)


def test_pages_are_counted_together() -> None:
    spent = gate.Spent()
    for _ in range(gate.MAX_DECODED // gate.MAX_PAGE):
        spent.add_page(gate.MAX_PAGE, dictionary=False)
    with pytest.raises(ParquetError, match="pages of more than"):
        spent.add_page(1, dictionary=False)


def test_dictionaries_are_counted_together() -> None:
    spent = gate.Spent()
    spent.add_page(gate.MAX_DICTIONARY, dictionary=True)
    with pytest.raises(ParquetError, match="dictionaries of more than"):
        spent.add_page(1, dictionary=True)


@pytest.mark.long
def test_a_bomb_in_a_users_file_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1000000 characters"):
        history.read(written(tmp_path, "h.parquet", names_bomb()))
    with pytest.raises(InputError, match="DELTA_BYTE_ARRAY"):
        history.read(written(tmp_path, "d.parquet", delta_text_bomb()))


FINE: dict[str, Any] = {"metric": ["a"], "step": [1], "value": [1.0]}


def test_the_form_of_the_tests_is_that_of_ledger() -> None:
    assert history.decode({"history.parquet": recorded(FINE)}).num_rows == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (recorded(FINE, required=False), "'metric'"),
        (recorded({**FINE, "extra": [1]}), "'extra'"),
        (recorded({**FINE, "step": [1.5]}, column_encoding={}), "'step'"),
        (recorded({**FINE, "time": pa.array([T0], pa.timestamp("ms", "UTC"))}), "other types"),
        (recorded({**FINE, "time": pa.array([T0.replace(tzinfo=None)], pa.timestamp("us"))}), "other types"),
        (recorded({"metric": ["a"]}), "the columns metric"),
        (recorded({**FINE, "value": [[1.0]]}, column_encoding={}), "nested"),
        (recorded(FINE, store_schema=True), "Arrow schema"),
        (recorded(FINE, compression="gzip"), "codec"),
        (recorded(FINE, data_page_version="2.0"), "another kind"),
        (recorded(FINE, use_dictionary=["metric", "step"], column_encoding={}), "dictionary"),
        (recorded({**FINE, "metric": ["n" * 251]}), "251 characters"),
        (b"", "not a Parquet file"),
        (b"PAR1", "not a Parquet file"),
        (b"PAR1\xff\xff\xff\xffPAR1", "footer"),
        (recorded(FINE)[:-20] + b"PAR1", "history.parquet"),
    ],
)  # fmt: skip
def test_what_ledger_does_not_write_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=r"history\.parquet: ") as caught:
        history.decode({"history.parquet": data})
    assert said in caught.value.message


@pytest.mark.parametrize(
    "names", [["history-0002.parquet"], ["history.parquet", "history-0001.parquet"], ["x.parquet"]]
)
def test_parts_with_other_names_are_refused(names: list[str]) -> None:
    with pytest.raises(FormatError, match="named"):
        history.decode(dict.fromkeys(names, recorded(FINE)))


@pytest.mark.slow
def test_limits_count_all_parts_together() -> None:
    zeros = pa.nulls(6_000_000, pa.int32()).fill_null(0)
    part = recorded(
        {"metric": pa.DictionaryArray.from_arrays(zeros, pa.array(["a"])), "value": zeros.cast(pa.float64())},
        write_statistics=False,
    )
    with pytest.raises(FormatError, match=r"history-0002\.parquet: 12,000,000 rows"):
        history.decode({"history-0001.parquet": part, "history-0002.parquet": part})


def mutations(data: bytes, count: int) -> list[bytes]:
    source = random.Random(count)
    forgeries: list[Callable[[bytearray, int], None]] = [
        lambda body, place: body.__setitem__(place, source.randrange(256)),
        lambda body, place: body.__setitem__(place, body[place] ^ 1 << source.randrange(8)),
        lambda body, place: body.__setitem__(slice(place, place + 5), b"\xff\xff\xff\xff\x07"),
        lambda body, place: body.__setitem__(slice(place, place + 1), b"\x80\x80\x80\x80\x10"),
    ]
    result = []
    for _ in range(count):
        body = bytearray(data)
        for _unused in range(source.choice((1, 1, 2, 4))):
            source.choice(forgeries)(body, source.randrange(4, len(body) - 4))
        result.append(bytes(body))
    return result


@pytest.mark.long
def test_forged_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    rows = [{"metric": f"m{i % 3}", "step": i, "value": i / 7} for i in range(60)]
    plain = recorded({key: [row[key] for row in rows] for key in FINE}, compression="none")
    paths = [written(tmp_path, str(i), body) for i, body in enumerate(mutations(plain, 1500))]
    said = in_child(*map(str, paths))
    assert len(said) == 2 * len(paths), "whole, and one series of them"
    assert [line for line in said if " took " in line] == []
    assert said.count("refused") > len(said) / 4
