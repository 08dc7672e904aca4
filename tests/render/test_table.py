"""Tables fit the terminal, whatever the data holds."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from ledger.render.table import ROWS_AT_ONCE, Align, Cell, Column, Row, Table, aligned, render, whole
from ledger.render.terminal import UNSAFE, Terminal, width

COLUMNS = (
    Column(header="run"),
    Column(header="experiment", shrink=1),
    Column(header="f1", align=Align.POINT),
    Column(header="runs", align=Align.RIGHT),
    Column(header="subject", shrink=2, least=5),
)
ROWS: list[Row] = [
    ("3f9c", "main", "0.9125", "1", "Add dropout"),
    ("a81e", "exp/learning-rate", Cell(text="-12.5", style="bad", mark="→"), "12", ""),
    ("77c2", "日本語", Cell(text="NaN", mark="≈"), "3", "Bump\x1b[2J"),
]

PLAIN = Terminal()


def lines(*rows: Row, columns: tuple[Column, ...] = COLUMNS, terminal: Terminal = PLAIN) -> list[str]:
    return list(render(Table(columns=columns, rows=rows), terminal))


def test_plain() -> None:
    assert lines(*ROWS) == [
        "run   experiment               f1    runs  subject",
        "3f9c  main                 0.9125       1  Add dropout",
        "a81e  exp/learning-rate  -12.5    →    12",
        "77c2  日本語             NaN      ≈     3  Bump\\x1b[2J",
    ]


def test_ascii() -> None:
    shown = lines(
        *ROWS[:2], ("77c2", "日", Cell(text="1", mark="≈"), "3", ""), terminal=Terminal(unicode=False)
    )
    assert all(line.isascii() for line in shown)
    assert r"\u65e5" in shown[3]


def test_columns_give_way_in_order_on_a_narrow_terminal() -> None:
    def at(columns: int) -> list[str]:
        return lines(*ROWS, terminal=Terminal(tty=True, width=columns))

    assert at(80) == lines(*ROWS)
    assert at(50)[1:3] == [
        "3f9c  main             0.9125       1  Add dropout",
        "a81e  exp/learning…  -12.5    →    12",
    ]
    assert at(40)[1:3] == [
        "3f9c  main        0.9125       1  Add d…",
        "a81e  exp/lea…  -12.5    →    12",
    ]
    assert at(10)[1] == "3f9c  main        0.9125       1  Add …"


def test_a_narrow_terminal_without_unicode_cuts_with_dots() -> None:
    shown = lines(
        ("x" * 30,),
        columns=(Column(header="n", shrink=1),),
        terminal=Terminal(tty=True, width=10, unicode=False),
    )
    assert shown[1] == "x" * 7 + "..."


def test_a_file_is_never_cut() -> None:
    assert lines(*ROWS, terminal=Terminal(tty=False, width=20)) == lines(*ROWS)


def test_colour_leaves_the_layout_alone() -> None:
    painted = lines(*ROWS, terminal=Terminal(colour=True))
    assert painted[0].startswith("\x1b[2;4mrun\x1b[m   \x1b[2;4mexperiment\x1b[m")
    assert "\x1b[31m-12.5\x1b[m" in painted[2]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == lines(*ROWS)


def test_rows_without_a_header() -> None:
    assert list(aligned([["f1", "0.5"], ["loss", "12.25"]], Terminal(), point=1)) == [
        "f1     0.5", "loss  12.25",
    ]  # fmt: skip
    assert not list(aligned([], Terminal()))


def test_a_cell_with_its_mark() -> None:
    cells: Row = ["a", Cell(text="b"), Cell(text="0.5", mark="?"), Cell(text="", mark="?")]
    assert list(map(whole, cells)) == ["a", "b", "0.5 ?", "?"]


def test_no_rows_leave_the_header() -> None:
    assert lines() == ["run  experiment  f1  runs  subject"]


def test_a_number_in_parentheses_stands_under_the_others_too() -> None:
    column = (Column(header="value", align=Align.POINT),)
    rows = (
        (Cell(text="0.875", mark="="),),
        (Cell(text="(84.2)", mark="?"),),
        (Cell(text="(0.5)", mark="?"),),
    )
    assert lines(*rows, columns=column)[1:] == ["  0.875 =", "(84.2)  ?", " (0.5)  ?"]


def test_numbers_stand_under_one_another_by_their_point() -> None:
    column = (Column(header="value", align=Align.POINT),)
    assert [
        line.rstrip() for line in lines(("1",), ("22.5",), ("+0.125",), ("1e-05",), ("-",), columns=column)
    ] == [
        " value",
        " 1",
        "22.5",
        "+0.125",
        " 1e-05",
        " -",
    ]


def test_the_first_lines_come_before_the_last_rows_are_made() -> None:
    made = itertools.count()
    rows = ((str(next(made)),) for _ in range(100_000))
    shown = render(Table(columns=(Column(header="n"),), rows=rows), Terminal())
    assert [next(shown) for _ in range(3)] == ["n", "0", "1"]
    assert next(made) == ROWS_AT_ONCE


def test_wider_rows_further_down_are_whole() -> None:
    rows: list[Row] = [*[("a", "b")] * ROWS_AT_ONCE, ("a" * 20, "b"), ("a", "b")]
    shown = lines(*rows, columns=(Column(header="x"), Column(header="y")))
    assert len(shown) == len(rows) + 1
    assert shown[ROWS_AT_ONCE] == "a  b"
    assert shown[-2:] == ["a" * 20 + "  b", "a" + " " * 21 + "b"]


cells = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.builds(Cell, text=st.text(max_size=8), mark=st.sampled_from(["", "→", "||"])),
)


@given(st.lists(st.tuples(cells, cells, cells, cells, cells), max_size=5), st.integers(1, 100))
def test_every_line_is_one_line_within_its_table(rows: list[Row], columns: int) -> None:
    terminal = Terminal(tty=True, width=columns)
    shown = lines(*rows, terminal=terminal)
    assert len(shown) == len(rows) + 1
    assert not any(UNSAFE.search(line) for line in shown)
    widest = max(map(width, lines(*rows)))
    assert all(width(line) <= max(widest, columns) for line in shown)
