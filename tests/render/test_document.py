"""Documents: JSON that reads back, CSV that no spreadsheet runs, Markdown without markup of the data."""

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.model import Grade
from ledger.render.document import Value, csv_document, json_chunks, json_document, markdown_document
from ledger.render.terminal import UNSAFE

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def with_words(value: Any) -> Any:
    """The value as its document says it: non-finite numbers are words."""
    if isinstance(value, dict):
        return {key: with_words(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_words(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


@given(values)
def test_json_reads_back(value: Any) -> None:
    text = json_document(value)
    assert json.loads(text) == with_words(value)
    assert not UNSAFE.search(text.replace("\n", ""))
    assert json_document(value, ascii_only=True).isascii()


@given(values)
def test_json_is_laid_out_as_the_standard_library_does(value: Any) -> None:
    assert json_document(value, ascii_only=True) == json.dumps(with_words(value), indent=2) + "\n"


def test_json_keeps_the_order_of_keys_and_all_digits() -> None:
    assert (
        json_document({"z": 0.1 + 0.2, "a": 2**53 + 1})
        == '{\n  "z": 0.30000000000000004,\n  "a": 9007199254740993\n}\n'
    )


def test_json_of_enumerations_mappings_and_tuples() -> None:
    from types import MappingProxyType

    assert json.loads(json_document(MappingProxyType({"grade": Grade.EXACT, "names": ("a", "b")}))) == {
        "grade": "exact",
        "names": ["a", "b"],
    }


def test_json_escapes_what_a_terminal_would_act_on() -> None:
    assert json_document("\x9b\u202eé\ud800\U000e0041") == '"\\u009b\\u202eé\\ud800\\udb40\\udc41"\n'


def test_json_of_an_iterator_comes_item_by_item() -> None:
    pieces = list(json_chunks(iter([{"a": 1}, {"a": math.nan}])))
    assert len(pieces) == 3
    assert json.loads("".join(pieces)) == [{"a": 1}, {"a": "NaN"}]
    assert "".join(json_chunks(iter([]))) == "[]\n"


def test_json_refuses_what_has_no_form() -> None:
    for value in (object(), {1: 2}, [b"x"]):
        with pytest.raises(TypeError):
            json_document(value)


def test_csv() -> None:
    rows: list[list[Value]] = [
        ["a,b", 0.1 + 0.2, None, True],
        ['q"q', math.inf, math.nan, -3],
        ["two\nlines", 1e-5, "", False],
    ]
    assert "".join(csv_document(["name", "metrics.f1", "n", "ok"], rows)) == (
        "name,metrics.f1,n,ok\r\n"
        '"a,b",0.30000000000000004,,true\r\n'
        '"q""q",Infinity,NaN,-3\r\n'
        '"two\nlines",1e-05,,false\r\n'
    )


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@sum", "\tx", "\rx", "\n=1", "-1+1", "=", "--5"])
def test_csv_text_is_never_a_formula(text: str) -> None:
    line = "".join(csv_document([text], [[text]]))
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize(
    ("value", "text"), [(-0.5, "-0.5"), ("-0.5", "-0.5"), ("+1e-5", "+1e-5"), (-math.inf, "-Infinity")]
)
def test_csv_numbers_stay_numbers(value: float | str, text: str) -> None:
    assert list(csv_document(["x"], [[value]])) == ["x\r\n", f"{text}\r\n"]


@given(
    st.lists(
        st.lists(
            st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=6)), min_size=2, max_size=2
        )
    )
)
def test_csv_reads_back(rows: list[list[Any]]) -> None:
    text = "".join(csv_document(["a", "b"], rows))
    back = list(csv.reader(io.StringIO(text, newline="")))[1:]
    for row, found in zip(rows, back, strict=True):
        for value, cell in zip(row, found, strict=True):
            expected = "" if value is None else value if isinstance(value, str) else str(with_words(value))
            assert cell in (expected, f"'{expected}")


def test_csv_for_a_terminal_shows_control_characters() -> None:
    assert list(csv_document(["x"], [["\x1b[2J"]], escaped=True))[1] == "\\x1b[2J\r\n"
    assert list(csv_document(["x"], [["\x1b[2J"]]))[1] == "\x1b[2J\r\n"


def test_markdown() -> None:
    rows: list[list[Value]] = [
        ["a|b", 0.1 + 0.2],
        ["<img src=x>", 2],
        ["[x](y) `c` *b* \\", None],
        ["two\nlines", math.nan],
    ]
    assert "".join(markdown_document(["run_id", "_f1_"], rows)) == (
        "| run_id | \\_f1\\_ |\n"
        "| --- | ---: |\n"
        "| a\\|b | 0.3 |\n"
        "| &lt;img src=x&gt; | 2 |\n"
        "| \\[x\\](y) \\`c\\` \\*b\\* \\\\ |  |\n"
        "| two\\\\nlines | NaN |\n"
    )


def test_markdown_without_rows() -> None:
    assert list(markdown_document(["a", "b"], [])) == ["| a | b |\n", "| --- | --- |\n"]
