"""Filters: the rows that pass, and those that nobody can judge."""

import math
import re
import time

import pyarrow as pa
import pytest

from ledger.errors import NotFoundError, UsageError
from ledger.trace.where import compiled, matches, names, parse, resolve, resolved, select

TABLE = pa.table(
    {
        "run_id": ["a1", "b2", "c3", "d4"],
        "status": pa.array(["finished", "failed", "finished", None]).dictionary_encode(),
        "started": ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", None],
        "code.dirty": [True, False, None, False],
        "metrics.f1": [0.95, math.nan, None, 0.5],
        "metrics.val/f1@5": [0.9, 0.6, 0.5, math.inf],
        "params.epochs": pa.array([10, 2**53 + 1, None, -3]),
        "params.lr": pa.array([0.1, 0.01, 0.001, None], pa.float32()),
        "params.none": pa.nulls(4),
        "tags.stage": ["50%", "a_b", "line\nbreak", "h\u00e9llo"],
    }
)


def passing(text: str) -> list[str]:
    found: list[str] = select(resolved(parse(text), TABLE.column_names), TABLE).table["run_id"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("metrics.f1 > 0.9", ["a1"]),
        ("f1 > 0.9", ["a1"]),
        ("0.9 < f1", ["a1"]),
        ("metrics.`val/f1@5` >= 0.6", ["a1", "b2", "d4"]),
        ("`val/f1@5` >= 0.6 and f1 != 0.95", ["d4"]),
        ("metrics.f1 > metrics.`val/f1@5`", ["a1"]),
        ("status = 'finished'", ["a1", "c3"]),
        ('status == "finished" AND NOT dirty', []),
        ("status in ('failed', 'lost')", ["b2"]),
        ("status not in ('failed', 'lost')", ["a1", "c3"]),
        ("dirty", ["a1"]),
        ("not dirty", ["b2", "d4"]),
        ("dirty = false or dirty = true", ["a1", "b2", "d4"]),
        ("dirty in (true)", ["a1"]),
        ("epochs = 9007199254740993", ["b2"]),
        ("epochs = 9007199254740992", []),
        ("epochs in (10, -3.0, 2.5, 1e300)", ["a1", "d4"]),
        ("epochs > 2.5", ["a1", "b2"]),
        ("epochs < 99999999999999999999", ["a1", "b2", "d4"]),
        ("epochs > f1", ["a1"]),
        ("started >= '2026-11-02'", ["b2", "c3"]),
        ("started like '2026-11-0?T*'", ["a1", "b2", "c3"]),
        ("stage like '50%'", ["a1"]),
        ("stage like 'a?b'", ["b2"]),
        ("stage like 'line*'", ["c3"]),
        ("stage like 'h?llo'", ["d4"]),
        ("stage like 'llo'", []),
        (r"stage not like '*\?*'", ["a1", "b2", "c3", "d4"]),
        ("f1 is null", ["b2", "c3"]),
        ("f1 is not null", ["a1", "d4"]),
        ("params.none is null", ["a1", "b2", "c3", "d4"]),
        ("params.none = 1 or none = 'x' or none in (1) or none like 'x' or none", []),
        ("not (params.none > 1)", []),
        ("f1 > 0.9 or epochs > 0", ["a1", "b2"]),
        ("f1 > 0.9 or f1 <= 0.5 and not dirty", ["a1", "d4"]),
        ("(f1 > 0.9 or f1 <= 0.5) and not dirty", ["d4"]),
    ],
)
def test_rows_that_pass(text: str, ids: list[str]) -> None:
    assert passing(text) == ids


def test_a_value_that_does_not_compare_leaves_its_row_out_and_is_counted() -> None:
    for text in ("metrics.f1 > 0.9", "not metrics.f1 > 0.9", "metrics.f1 != 0.9", "metrics.f1 not in (0.9)"):
        assert select(parse(text), TABLE).unknown == 2, text
    assert select(parse("metrics.f1 > 0.9 or params.epochs > 0"), TABLE).unknown == 1


def test_both_zeros_are_one() -> None:
    zeros = pa.table({"x": [0.0, -0.0], "i": [0, 0]})
    for text in ("x in (0)", "x in (-0.0)", "x = -0.0", "i in (-0.0)", "i = -0.0"):
        assert matches(parse(text), zeros).to_pylist() == [True, True], text


def test_single_precision_is_compared_as_the_double_that_it_is() -> None:
    assert passing("params.lr = 0.1") == []
    assert passing("params.lr > 0.1") == ["a1"]


def test_it_is_an_arrow_expression() -> None:
    import pyarrow.compute as pc

    expression = compiled(parse("metrics.f1 > 0.9"), TABLE.schema)
    assert isinstance(expression, pc.Expression)
    assert TABLE.filter(expression)["run_id"].to_pylist() == ["a1"]


def test_an_empty_table_and_one_in_chunks_keep_their_rows_in_order() -> None:
    assert select(parse("metrics.f1 > 0.9"), TABLE.slice(0, 0)).table.num_rows == 0
    rows = pa.table(
        {"x": pa.chunked_array([list(range(start, start + 1000)) for start in range(0, 90_000, 1000)])}
    )
    assert select(parse("x >= 10"), rows).table["x"].to_pylist() == list(range(10, 90_000))


def test_names() -> None:
    found = names(parse("a > b.c and (not d in (1) or metrics.`x.y`.z is null) and e like 'x' and f"))
    assert found == {"a", "b.c", "d", "metrics.x.y.z", "e", "f"}


# --- names that are wrong -------------------------------------------------------------------------------------

KNOWN = (
    "run_id",
    "status",
    "code.branch",
    "metrics.f1",
    "metrics.loss",
    "params.loss",
    "metrics.val/f1@5",
    "tags.branch",
)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("status", "status"),
        ("branch", "code.branch"),
        ("f1", "metrics.f1"),
        ("val/f1@5", "metrics.val/f1@5"),
        ("params.loss", "params.loss"),
    ],
)
def test_short_names(name: str, full: str) -> None:
    assert resolve(name, KNOWN) == full


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("f2", "did you mean metrics.f1?"),
        ("metrics.F1", "did you mean metrics.f1?"),
        ("params.f1", "did you mean metrics.f1?"),
        ("stauts", "did you mean status?"),
        ("val/f1", "metrics.`val/f1@5`"),
        ("zzzzzz", "there are code.branch"),
    ],
)
def test_a_wrong_name_suggests_the_right_one(name: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve(name, KNOWN)
    assert hint in caught.value.hint


def test_a_short_name_of_two_columns_is_refused() -> None:
    with pytest.raises(UsageError, match=r"metrics\.loss and params\.loss"):
        resolve("loss", KNOWN)


def test_a_wrong_name_in_a_filter_has_a_caret_under_it() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolved(parse("status = 'x' and metrics.f3 > 1"), KNOWN)
    text, caret = caught.value.details
    assert text[caret.index("^") :].startswith("metrics.f3")


# --- text that is no filter -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 0, "expected a name or a value, found the end"),
        ("metrics.f1 >", 12, "expected a name or a value, found the end"),
        ("metrics.f1 >> 0.9", 12, "expected a name or a value"),
        ("metrics.f1 0.9", 11, "expected a comparison of metrics.f1, found 0.9"),
        ("f1 > 0.9 f1", 9, "expected 'and', 'or' or the end, found f1"),
        ("f1 > 0.9 && f1 < 1", 9, "unexpected &"),
        ("(f1 > 0.9", 9, "expected ')'"),
        ("f1 > 0.9)", 8, "expected 'and', 'or' or the end"),
        ("val/f1 > 1", 3, "unexpected /"),
        ("f1 > 'abc", 5, "no closing '"),
        ("`abc > 1", 0, "no closing `"),
        ("f1 = null", 5, "nothing compares with null"),
        ("f1 in ()", 7, "expected a value"),
        ("f1 in (1, null)", 10, "nothing compares with null"),
        ("f1 in 1", 6, "expected '('"),
        ("f1 not 1", 7, "expected 'in' or 'like'"),
        ("f1 is 1", 6, "expected 'null'"),
        ("f1 like x", 8, "expected a pattern in quotes"),
        ("1 < 2", 0, "two constants"),
        ("0.1 < f1 < 0.2", 9, "two comparisons in one"),
        ("'x'", 3, "expected a comparison"),
        ("f1 > 1e999", 5, "too large"),
        ("f1 > 1.2.3", 5, "not a number"),
        ("f1 > 0x10", 5, "not a number"),
        ("f1 > 10%", 7, "unexpected %"),
        ("\u65e5\u672c > > 1", 5, "expected a name or a value"),
        ("__import__('os').system('x')", 10, "expected a comparison"),
        ("().__class__", 1, "expected a name or a value"),
        ("f1 > 1; drop", 6, "unexpected ;"),
        ("f1 > \x1b[2J", 5, "unexpected ?"),
        ("f1 = '\ud800'", 6, "half a character"),
    ],
)
def test_faults_are_shown_in_place(text: str, place: int, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse(text)
    shown, caret = caught.value.details
    wide = sum(character in "\u65e5\u672c" for character in text[:place])
    assert caret == " " * (place + wide) + "^"
    assert shown.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 10_000 + "f1 > 1" + ")" * 10_000,
        "not " * 4_000 + "dirty",
        "f1 > 1 and " * 1_000 + "f1 > 1",
        f"f1 in ({','.join(['1'] * 5_000)})",
        "x" * 1_000_000,
        "1" * 16_000 + "x",
        "'" * 15_999,
        "`" * 15_999,
        "a." * 8_000,
        "-" * 10_000,
        "\x00" * 10_000,
        " " * 16_384,
        "f1 > " + "9" * 16_000,
    ],
    ids=lambda text: f"{text[:12]!a}-{len(text)}",
)
def test_hostile_texts_are_refused_at_once(text: str) -> None:
    start = time.process_time()
    with pytest.raises(UsageError):
        parse(text)
    assert time.process_time() - start < 0.5


def test_the_largest_filter_compiles() -> None:
    text = " or ".join(f"metrics.f1 > {index}" for index in range(1, 501))
    assert matches(parse(text), TABLE).to_pylist() == [False, None, None, False]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("metrics.f1 > '0.9'", "metrics.f1 holds numbers, '0.9' is text", "write it without quotes: 0.9"),
        ("metrics.f1 > 'high'", "metrics.f1 holds numbers, 'high' is text", "compare it with a number"),
        ("metrics.f1 in (1, 'x')", "metrics.f1 holds numbers, 'x' is text", "compare it with a number"),
        ("status = 3", "status holds text, 3 is a number", "write it in quotes: '3'"),
        ("code.dirty = 1", "code.dirty holds true or false, 1 is a number", "compare it with true or false"),
        ("code.dirty > true", "true and false have no order", "= or !="),
        ("metrics.f1 = status", "metrics.f1 holds numbers, status holds text", "only columns of one kind"),
        ("metrics.f1", "metrics.f1 holds numbers, which is no condition", "metrics.f1 > 0"),
        ("not status", "status holds text, which is no condition", "status = 'text'"),
        ("metrics.f1 like '0*'", "metrics.f1 holds numbers, which no pattern matches", ""),
        ("metrics.f9 > 1", "there is no metrics.f9", ""),
    ],
)
def test_values_of_different_kinds_are_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises((NotFoundError, UsageError), match=re.escape(message)) as caught:
        compiled(parse(text), TABLE.schema)
    assert hint in caught.value.hint
    assert len(caught.value.details) == 2


def test_a_column_of_lists_is_refused() -> None:
    with pytest.raises(UsageError, match="x can't be filtered by"):
        select(parse("x = 1"), pa.table({"x": [[1], [2]]}))
