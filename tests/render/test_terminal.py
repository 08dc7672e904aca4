"""What a stream can show: colour, Unicode, width."""

import io
import os
import pty
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import UsageError
from ledger.render.terminal import UNSAFE, Terminal, cut, detect, escape, is_tty, paint, wants_colour, width

XTERM = {"TERM": "xterm"}


@pytest.mark.parametrize(
    ("tty", "environ", "options", "colour"),
    [
        (True, XTERM, {}, True),
        (False, XTERM, {}, False),
        (True, {"TERM": "dumb"}, {}, False),
        (True, {}, {}, False),
        (True, XTERM | {"NO_COLOR": "1"}, {}, False),
        (True, XTERM | {"NO_COLOR": ""}, {}, True),
        (False, {"FORCE_COLOR": "1"}, {}, True),
        (False, {"FORCE_COLOR": "0"}, {}, False),
        (False, {"CLICOLOR_FORCE": "1"}, {}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, {}, False),
        (False, {"NO_COLOR": "1"}, {"color": "always"}, True),
        (True, XTERM | {"FORCE_COLOR": "1"}, {"color": "never"}, False),
        (True, XTERM, {"color_ui": "never"}, False),
        (True, XTERM, {"color_ui": "false"}, False),
        (False, {}, {"color_ui": "always"}, True),
        (False, {"NO_COLOR": "1"}, {"color_ui": "always"}, False),
        (True, XTERM, {"color_ui": "True"}, True),
        (False, XTERM, {"color_ui": "true"}, False),
    ],
)
def test_colour(tty: bool, environ: Mapping[str, str], options: dict[str, Any], colour: bool) -> None:
    assert wants_colour(tty, environ, **options) is colour


def test_an_unknown_word_for_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="--color=sometimes"):
        wants_colour(False, {}, color="sometimes")


def test_a_file_is_no_terminal() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert detect(stream, XTERM | {"COLUMNS": "40"}) == Terminal()


def test_a_stream_that_holds_no_unicode() -> None:
    assert not detect(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"), {}).unicode
    assert not detect(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), {}).unicode


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not is_tty(stream)


def test_a_real_terminal() -> None:
    import termios

    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 113))
    with os.fdopen(controller, "rb"), os.fdopen(terminal, "w", encoding="utf-8") as stream:
        found = detect(stream, XTERM, core_pager="more")
        assert found == Terminal(tty=True, width=113, colour=True, unicode=True, pager="more")
        assert detect(stream, {"COLUMNS": "40"}, paging=False) == Terminal(tty=True, width=40)
        assert detect(stream, {"COLUMNS": "wide"}, paging=False).width == 113


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\tand\rmore", r"two\nlines\tand\rmore"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f\x00", r"\x7f\x00"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("h\u00e9llo \u65e5\u672c \U0001f600", "h\u00e9llo \u65e5\u672c \U0001f600"),
    ],
)
def test_control_characters_are_shown_not_sent(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_streams_without_unicode_get_ascii() -> None:
    assert escape("h\u00e9\u65e5\x1b\udcff\U0001f600", ascii_only=True) == r"h\xe9\u65e5\x1b\udcff\U0001f600"


@given(st.text())
def test_escaped_text_is_harmless_and_stays_so(text: str) -> None:
    assert not UNSAFE.search(escape(text))
    assert escape(escape(text)) == escape(text)
    assert escape(text, ascii_only=True).isascii()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("h\u00e9", 2),
        ("he\u0301", 2),
        ("\u65e5\u672c", 4),
        ("\U0001f600", 2),
        ("\U0001f44d\U0001f3fd", 2),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", 2),
        ("\u2764\ufe0f", 2),
        ("\u1112\u1161\u11ab", 2),
    ],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@given(st.text(max_size=20).map(escape), st.integers(1, 20))
def test_cut_text_fits(text: str, columns: int) -> None:
    for ellipsis in ("\u2026", "..."):
        shown = cut(text, columns, ellipsis=ellipsis)
        assert width(shown) <= columns
        assert (shown == text) == (width(text) <= columns)


def test_cut_never_splits_a_wide_character() -> None:
    assert cut("\u65e5\u672c\u8a9e", 4) == "\u65e5\u2026"
    assert cut("abcdef", 4) == "abc\u2026"


def test_paint() -> None:
    assert paint("x", "good", Terminal(colour=True)) == "\x1b[32mx\x1b[m"
    assert paint("x", "good", Terminal()) == "x"
    assert paint("", "good", Terminal(colour=True)) == ""


def test_output_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys; before = set(sys.modules);"
        "import ledger.render.table, ledger.render.document, ledger.render.progress, ledger.render.spark, ledger.render.grades;"
        "heavy = {'pyarrow', 'click', 'rich', 'git', 'jsonschema', 'subprocess', 'unicodedata'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
