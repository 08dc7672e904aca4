"""Series from every source to the one table, to Parquet and back; and what a hostile file may not do."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.errors import FormatError, InputError
from ledger.store import history

T0 = datetime(2026, 1, 1, tzinfo=UTC)
WIDE = [{"step": 0, "loss": 2.0, "f1": 0.1}, {"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5, "f1": 0.3}]
POINTS = [("loss", 0, 2.0), ("f1", 0, 0.1), ("loss", 1, 1.0), ("loss", 2, 0.5), ("f1", 2, 0.3)]


def points(table: Any) -> list[tuple[Any, ...]]:
    return [(row["metric"], row["step"], row["value"]) for row in table.to_pylist()]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


LONG = [{"metric": metric, "step": step, "value": value} for metric, step, value in POINTS]
SOURCES: dict[str, str | bytes] = {
    "wide.jsonl": lines(WIDE),
    "long.ndjson": lines(LONG),
    "list.json": json.dumps(WIDE),
    "wide.csv": "step,loss,f1\n0,2.0,0.1\n1,1.0,\n2,0.5,0.3\n",
    "pandas.csv": ",step,loss,f1\n0,0,2.0,0.1\n1,1,1.0,\n2,2,0.5,0.3\n",
    "long.csv": "metric,step,value\nloss,0,2\nf1,0,0.1\nloss,1,1\nloss,2,0.5\nf1,2,.3\n",
    "wide.parquet": parquet(
        {"step": pa.array([0, 1, 2], pa.uint8()), "loss": [2.0, 1.0, 0.5], "f1": [0.1, None, 0.3]}
    ),
    "long.parquet": parquet(
        {
            "value": [value for *_, value in POINTS],
            "step": [float(step) for _, step, _ in POINTS],
            "metric": pa.array([metric for metric, *_ in POINTS], pa.large_string()),
        }
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_points_in_its_order(tmp_path: Path, name: str) -> None:
    table = history.read(written(tmp_path, name, SOURCES[name]))
    assert points(table) == POINTS
    assert table.schema.names == ["metric", "step", "time", "value"]
    assert table.schema.types == [
        pa.dictionary(pa.int32(), pa.string()),
        pa.int64(),
        pa.timestamp("us", "UTC"),
        pa.float64(),
    ]
    assert points(history.decode(history.encode(table))) == POINTS


def test_a_prefix_stands_before_each_name(tmp_path: Path) -> None:
    table = history.read(written(tmp_path, "h.jsonl", lines(WIDE)), prefix="train")
    assert history.series_names(table) == ["train/loss", "train/f1"]


def test_python_values() -> None:
    assert points(history.from_values(WIDE)) == POINTS
    table = history.from_values({"loss": [2, 1.5], "f1": [(10, 0.5), (20, None)]})
    assert points(table) == [("loss", 0, 2.0), ("loss", 1, 1.5), ("f1", 10, 0.5), ("f1", 20, None)]
    assert points(history.from_values([{"step": 1, "val": {"f1": 0.5, "cat": {"f1": 1}}}])) == [
        ("val/f1", 1, 0.5),
        ("val/cat/f1", 1, 1.0),
    ]


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("2026-01-01T00:00:00Z", 0), ("2026-01-01T01:00:00.000001+01:00", 1), ("2026-01-01", 0), (T0, 0),
        (T0.replace(tzinfo=None), 0), (T0.timestamp() + 0.5, 500_000), (int(T0.timestamp() * 1000), 0),
        (int(T0.timestamp()) * 10**9 + 2000, 2), (None, None),
    ],
)  # fmt: skip
def test_times(time: object, micros: int | None) -> None:
    table = history.from_values([{"metric": "a", "value": 1, "time": time}])
    got = table.column("time").cast(pa.int64()).to_pylist()[0]
    assert got == (None if micros is None else int(T0.timestamp()) * 10**6 + micros)


def test_times_of_csv_and_parquet(tmp_path: Path) -> None:
    stamp = int(T0.timestamp())
    naive = T0.replace(tzinfo=None)
    files: dict[str, str | bytes] = {
        "t.csv": f"a,timestamp\n1,{stamp}\n",
        "i.csv": "a,time\n1,2026-01-01 00:00:00\n",
        "n.parquet": parquet({"a": [1], "time": pa.array([naive], pa.timestamp("ns"))}),
        "z.parquet": parquet({"a": [1], "time": pa.array([T0], pa.timestamp("s", "Europe/Berlin"))}),
        "f.parquet": parquet({"a": [1], "_timestamp": [float(stamp)]}),
        "s.parquet": parquet({"a": [1], "time": ["2026-01-01T00:00:00Z"]}),
    }
    for name, content in files.items():
        table = history.read(written(tmp_path, name, content))
        assert table.column("time").cast(pa.int64()).to_pylist() == [stamp * 10**6], name


@pytest.mark.parametrize("name", ["Step", "global_step", "iteration", "epoch", "_step"])
def test_names_of_the_step(name: str) -> None:
    assert points(history.from_values([{name: 3, "loss": 1}])) == [("loss", 3, 1.0)]


def test_an_epoch_beside_a_step_is_a_metric() -> None:
    assert points(history.from_values([{"step": 3, "epoch": 1}])) == [("epoch", 3, 1.0)]


def test_joined_puts_files_below_each_other() -> None:
    one, two = (
        history.from_values({"a": [1]}),
        history.from_values([{"metric": "b", "value": 2, "context": "x"}]),
    )
    table = history.joined([one, two])
    assert points(history.decode(history.encode(table))) == [("a", 0, 1.0), ("b", None, 2.0)]
    assert table.column("context").to_pylist() == [None, "x"]


def test_odd_values() -> None:
    rows = [
        {"metric": "a", "value": value}
        for value in (math.nan, None, "NaN", "-Infinity", math.inf, 2**53, -0.0)
    ]
    table = history.decode(history.encode(history.from_values(rows)))
    values = table.column("value").to_pylist()
    assert math.isnan(values[0])
    assert values[1] is None
    assert math.isnan(values[2])
    assert values[3:] == [-math.inf, math.inf, 2.0**53, 0.0]
    assert math.copysign(1, values[-1]) == -1
    assert table.column("step").null_count == 7


def test_contexts_are_kept() -> None:
    rows = [
        {"metric": "a", "value": 1, "context": "train"},
        {"metric": "a", "value": 2, "context": {"b": 1}},
        {"metric": "a", "value": 3},
    ]
    table = history.decode(history.encode(history.from_values(rows)))
    assert table.column("context").to_pylist() == ["train", '{"b": 1}', None]


def test_last_values_go_by_step() -> None:
    rows: list[dict[str, object]] = [
        {"metric": "b", "step": 2, "value": 5}, {"metric": "b", "step": 1, "value": 4}, {"metric": "b", "step": 2, "value": 6},
        {"metric": "a", "step": 9, "value": None}, {"metric": "a", "step": 3, "value": 7}, {"metric": "n", "step": 0, "value": None},
    ]  # fmt: skip
    table = history.from_values(rows)
    assert history.last_values(table) == {"b": 6.0, "a": 7.0}
    assert history.series_names(table) == ["b", "a", "n"]
    assert history.last_values(history.from_values([{"a": 2, "b": 3}, {"a": 1}])) == {"a": 1.0, "b": 3.0}


@pytest.mark.long
def test_a_long_history_is_cut_into_parts() -> None:
    source = random.Random(7)
    table = history.from_values({f"m{i}": [source.random() for _ in range(5000)] for i in range(20)})
    parts = history.encode(table, max_bytes=100_000)
    assert list(parts) == [f"history-{number:04}.parquet" for number in range(1, len(parts) + 1)]
    assert len(parts) > 5
    assert max(map(len, parts.values())) <= 100_000
    back = history.decode(dict(reversed(parts.items())))
    assert back.equals(table)
    assert back.column("metric").num_chunks >= 1


@pytest.mark.slow
def test_a_part_has_only_the_names_that_it_uses() -> None:
    table = history.from_values({f"metric-{i:04}": [i] for i in range(5000)})
    part = history.encode(table.slice(0, 1))["history.parquet"]
    assert b"metric-0000" in part
    assert len(part) < 1000


def long_series(*names: str, rows: int = 40_000) -> Any:
    source = random.Random(11)
    columns = {name: [source.random() for _ in range(rows)] for name in names}
    return history.joined([history.from_values({name: values}) for name, values in columns.items()])


def wanted(*names: str) -> history.Choose:
    return lambda _: names


@pytest.mark.long
def test_some_series_are_read_without_the_others() -> None:
    table = long_series("a", "b", "c", "d", "e")
    whole = history.encode(table)["history.parquet"]
    assert pq.ParquetFile(io.BytesIO(whole)).metadata.num_row_groups == 3, "two series each"
    seen: list[str] = []

    def choose(names: Sequence[str]) -> list[str]:
        seen.extend(names)
        return ["c", "absent"]

    found = history.decode({"history.parquet": whole}, choose)
    assert seen == ["a", "b", "c", "d", "e"]
    assert points(found) == points(history.of_series(table, ["c"]))
    assert history.decode({"history.parquet": whole}, wanted()).num_rows == 0
    first = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(0).column(3)
    broken = bytearray(whole)
    broken[first.data_page_offset] = 0xFF
    assert history.decode({"history.parquet": bytes(broken)}, wanted("c")).num_rows == 40_000
    for one in (None, wanted("b")):
        with pytest.raises(FormatError):
            history.decode({"history.parquet": bytes(broken)}, one)


@pytest.mark.long
def test_series_that_take_turns_and_parts_are_chosen_from_as_well() -> None:
    wide = history.from_values([{"a": step, "b": -step, "c": 0.5} for step in range(1000)])
    source = random.Random(5)
    long = long_series("a", "b", rows=20_000)
    noise = history.from_values({"n": [source.random() for _ in range(30_000)]})
    for table in (wide, long, history.joined([wide, noise, long])):
        parts = history.encode(table, max_bytes=200_000)
        for names in ({"b"}, {"a", "c"}, {"n"}):
            found = history.decode(parts, wanted(*names))
            assert points(found) == points(history.of_series(table, names))


@pytest.mark.long
def test_what_was_written_as_one_row_group_reads_as_before() -> None:
    """Until rows were grouped by series: one row group, whose dictionary has every name."""
    table = long_series("a", "b", "c")
    sink = io.BytesIO()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=["metric"], store_schema=False,
        column_encoding={"step": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    )  # fmt: skip
    parts = {"history.parquet": sink.getvalue()}
    assert history.decode(parts).equals(table)
    assert points(history.decode(parts, wanted("b"))) == points(history.of_series(table, ["b"]))


@pytest.mark.slow
def test_a_context_that_only_some_row_groups_have() -> None:
    rows = [{"metric": "a", "step": 1, "value": 1.0, "context": "train"}]
    table = history.joined([long_series("x", rows=70_000), history.from_values(rows)])
    back = history.decode(history.encode(table))
    assert back.equals(table)
    assert history.decode(history.encode(table), wanted("x")).column_names == [
        "metric",
        "step",
        "time",
        "value",
    ]


def test_no_rows_are_no_file() -> None:
    empty = history.from_values([])
    assert history.encode(empty) == {}
    assert history.decode({}).num_rows == 0
    assert history.last_values(empty) == {}


@pytest.mark.slow
def test_a_million_points_stay_small() -> None:
    steps = pa.array(range(250_000), pa.int64())
    table = history.from_values({"loss": [1.0]})
    columns = {"step": steps, "loss": pa.nulls(250_000, pa.float64()).fill_null(0.5)}
    sink = io.BytesIO()
    pq.write_table(
        pa.table({**columns, "acc": columns["loss"], "lr": columns["loss"], "f1": columns["loss"]}), sink
    )
    assert table.num_rows == 1
    from ledger.store.history.source import _from_parquet

    table = _from_parquet(io.BytesIO(sink.getvalue()), "h.parquet")
    assert table.num_rows == 1_000_000
    parts = history.encode(table)
    assert sum(map(len, parts.values())) < 200_000
    assert history.decode(parts).equals(table)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("h.jsonl", '{"step": 1, "a": 1}\n{"step": 2, "a": "x"}\n', "line 2: a is 'x', not a number"),
        ("h.jsonl", '{"step": 1, "a": true}\n', "line 1: a is True"),
        ("h.jsonl", '{"step": 1.5, "a": 1}\n', "line 1: the step is 1.5"),
        ("h.jsonl", '{"step": 1, "a": 1e400}\n', "line 1: a number too large"),
        ("h.jsonl", '{"step": 1, "a": ' + "9" * 5000 + "}\n", "line 1"),
        ("h.jsonl", '{"step": 99999999999999999999, "a": 1}\n', "64 bits"),
        ("h.jsonl", '{"a": 1, "a": 2}\n', 'line 1: the key "a" stands twice'),
        ("h.jsonl", '\n{"a": \n', "line 2: not JSON at column"),
        ("h.jsonl", "[1]\n", "line 1: not an object"),
        ("h.jsonl", "[" * 100_000, "line 1: nested too deep"),
        ("h.jsonl", b'{"a": "\xff"}\n', "line 1: not UTF-8"),
        ("h.jsonl", '{"a`b": 1}\n', "backtick"),
        ("h.jsonl", '{"metric": 5, "value": 1}\n', "name of a metric"),
        ("h.jsonl", '{"metric": "a", "value": 1, "time": "noon"}\n', "not ISO 8601"),
        ("h.jsonl", '{"metric": "a", "value": 1, "time": 1e300}\n', "line 1: the time"),
        ("h.jsonl", '{"metric": "a", "value": 1, "context": "' + "x" * 5000 + '"}\n', "5,000 characters"),
        ("h.jsonl", '{"step": 1}\n', "no series"),
        ("h.csv", "", "empty"),
        ("h.csv", "step,a\n", "no series"),
        ("h.csv", "step,a,a\n1,2,3\n", '"a" stands twice'),
        ("h.csv", "step,a\n1,2\n2\n", "line 3: 1 cells under 2 columns"),
        ("h.csv", "step,a\n1,high\n", 'line 2: a is "high"'),
        ("h.csv", "step,a\n1,1e400\n", "line 2: a is 1e400"),
        ("h.csv", "step,a\nx,1\n", "line 2: the step"),
        ("h.csv", b"step,a\n1,\xff\n", "not UTF-8"),
        ("h.csv", 'step,a\n1,"2\n', "not CSV"),
        ("h.json", "3", "a list of rows"),
        ("h.json", '{"a": 3}', "list of values"),
        ("h.txt", "x", "can't be read from a .txt"),
        ("h.parquet", b"PAR1 not really", "Parquet"),
        ("h.parquet", b"", "Parquet"),
        ("h.parquet", parquet({"step": [1], "phase": ["train"]}), "phase is of type string"),
        ("h.parquet", parquet({"step": [1], "a": [[1.0]]}), "a is of type list"),
        ("h.parquet", parquet({"metric": ["a", None], "value": [1.0, 2.0]}), "without a metric"),
        ("h.parquet", parquet({"metric": [1], "value": [1.0]}), "metric is of type int64"),
        ("h.parquet", parquet({"step": [0.5], "a": [1.0]}), "h.parquet"),
        ("h.parquet", parquet({"step": ["x"], "a": [1.0]}), "h.parquet"),
    ],
)
def test_sources_that_are_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        history.read(path)
    assert caught.value.message.startswith(str(path))
    assert said in caught.value.message


def test_a_missing_file_suggests_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "history.jsonl", "")
    with pytest.raises(InputError) as caught:
        history.read(tmp_path / "histroy.jsonl")
    assert "history.jsonl" in caught.value.hint


def test_a_huge_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    with (tmp_path / "h.csv").open("wb") as file:
        file.truncate(history.MAX_FILE + 1)
    with pytest.raises(InputError, match="the limit is"):
        history.read(tmp_path / "h.csv")
