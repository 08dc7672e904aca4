"""Sources that can not be read, are too much, or are cut: a reason, never a crash."""

from __future__ import annotations

import warnings

import pytest
from schema.sources import METRICS, SourceTexts, found, printed, reason, value

from ledger.errors import ConfigError
from ledger.schema.fingerprint import (
    MAX_PARTS,
    Fingerprint,
    Source,
    Unknown,
    difference,
    fingerprint,
    parse_source,
)
from ledger.schema.outline import MAX_SOURCE_BYTES, Outline, Outliner, _cut, _outline


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("def f(:\n", "not Python that can be read"),
        ("print 'two'\n", "not Python that can be read"),
        ("x = 1\0", "not Python that can be read"),
        ("(" * 100_000, "not Python that can be read"),
        ("f = " + "-" * 100_000 + "1", "nested too deeply"),
        ("f = a" + ".b" * 100_000, "nested too deeply"),
        ("f = " + "+".join(["1"] * 100_000), "nested too deeply"),
        pytest.param(
            "if a:\n pass\n" + "elif a:\n pass\n" * 1500, "nested too deeply", marks=pytest.mark.long
        ),
        ("f = " + "9" * 10_000, "not Python that can be read"),
        (b"# coding: idna\nf = 1\n", "the encoding 'idna' is not one of text"),
        (b"# -*- coding: no-such-thing -*-\n", "the encoding 'no-such-thing' is not one of text"),
        (b"f = '\xff'\n", "utf-8"),
        (b"# " + b"x" * MAX_SOURCE_BYTES, "larger than 1 MiB"),
        ("g = 1", "m.py has no f"),
        ("", "m.py has no f"),
    ],
)
def test_what_cannot_be_read_says_why(data: str | bytes, why: str) -> None:
    assert why in reason(data)


def test_an_unreadable_helper_counts_by_its_bytes() -> None:
    files = {"m.py": "from old import g\ndef f(): return g()\n", "old.py": "print 'two'\n"}
    before, after = printed(files, "m.py:f"), printed({**files, "old.py": "print 'three'\n"}, "m.py:f")
    assert [str(part) for part in difference(before, after)] == ["old.py"]


def test_encodings_and_line_ends_do_not_count() -> None:
    text = "# coding: {}\nf = 'caf\u00e9'\n"
    values = {
        printed_bytes(data)
        for data in (
            text.format("latin-1").encode("latin-1"),
            text.format("utf-8").encode(),
            text.format("utf8").replace("\n", "\r\n").encode(),
            text.format("utf-8-unix").replace("\n", "\r").encode(),
            text.format("cp1252").encode("cp1252"),
            "\n\nf = 'caf\u00e9'\n".encode("utf-8-sig"),
        )
    }
    assert len(values) == 1


def printed_bytes(data: bytes) -> str:
    one = fingerprint(SourceTexts({"m.py": data}), Source("m.py", "f"))
    assert isinstance(one, Fingerprint), one
    return one.value


def test_deep_but_readable_syntax_is_read() -> None:
    assert value("f = " + " + ".join(["x"] * 900)).startswith("f1:")


def test_a_strangers_warnings_are_not_ours() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        value("def f(x): return '\\d' if x is 1 else 0\n")
    assert not seen


@pytest.mark.slow
def test_too_much_is_said_to_be_too_much() -> None:
    text = "".join(f"x{n} = x{n + 1}\n" for n in range(MAX_PARTS + 5)) + "f = x0\n"
    assert reason(text) == "it uses more than 2,000 definitions"


def test_imports_that_fork_again_and_again_end() -> None:
    files = {"m.py": "from a0 import f\n"}
    for n in range(30):
        fork = f"try:\n    from a{n + 1} import f\nexcept ImportError:\n    from b{n + 1} import f\n"
        files |= {f"a{n}.py": fork, f"b{n}.py": fork}
    assert isinstance(found(files, "m.py:f"), Fingerprint)


def test_modules_in_very_deep_folders_are_no_crash() -> None:
    deep = ".".join(["a"] * 800)
    files = {
        "m.py": f"import a, {deep} as x\ndef f(): return x.y, {deep}.y\n",
        deep.replace(".", "/") + ".py": "y = 1",
    }
    before = printed(files, "m.py:f")
    assert before.value != printed({**files, deep.replace(".", "/") + ".py": "y = 2"}, "m.py:f").value


def test_a_very_long_chain_of_imports_is_no_crash() -> None:
    files = {f"a{n}.py": f"from a{n + 1} import f\n" for n in range(3000)}
    assert found(files, "a0.py:f") == Unknown("a0.py:f: its imports lead too far")


@pytest.mark.parametrize(
    "text",
    ["f1", "eval/metrics.py", "eval/metrics.py:", ":f1", "/etc/passwd.py:f", "../x.py:f", "a//b.py:f", "a/./b.py:f",
     "a\\b.py:f", "a\nb.py:f", "m.py:f()", "m.py:1f", "m.py:a..b", "metrics.R:f1", "train.ipynb:f1",
     "a/" * 200 + "m.py:f1"],
)  # fmt: skip
def test_a_source_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="source") as caught:
        parse_source(text)
    assert "eval/metrics.py:f1" in caught.value.hint


def test_a_source_as_python_names_it() -> None:
    assert parse_source("a/b.py:C.<locals>.m") == Source("a/b.py", "C.m")
    assert str(parse_source("a/b.py:C.m")) == "a/b.py:C.m"


def test_a_file_that_is_not_there() -> None:
    assert found({"eval/metrics.py/x.py": ""}) == Unknown("eval/metrics.py is not there")


def test_only_what_changed_is_parsed_again() -> None:
    outliner = Outliner()
    outliner.read(METRICS.encode())
    known = outliner.parses
    outliner.read(METRICS.replace("LOW = 0.5", "LOW = 0.6").encode())
    assert (outliner.parses, outliner.files) == (known + 1, 2)


ODD = [
    "x = [\n1,\n2,\n]",
    "x = 1 + \\\ny",
    'x = """\ndef g():\n    \'\'\'\n"""',
    "x = '''\n\\'''\ny\n'''",
    "if g:\n    x = 1\n# remark\nelse:\n    x = 2",
    "try:\n    x = 1\nexcept E:\n    x = 2\nfinally:\n    y = 1",
    "@a\n# remark\n@b(\n1)\ndef x(): pass",
    "x = 'it\\'s'; y = \"# no remark\"",
    "def x():\n    y = 1\n# remark\n    return y",
    "'''Docstring\ndef h(): pass\n'''",
    "x = 1;",
    "x = '\\\n'",
    "match x:\n    case 1:\n        x = 2",
    "class x:\n    '''\nA: text\n'''\n    y = 1",
]


@pytest.mark.parametrize("odd", ODD)
def test_a_file_is_read_the_same_in_parts_and_whole(odd: str) -> None:
    text = f"def g(): return 1\n{odd}\n@g\ndef f(): return x + g()\nx += y\n"
    in_parts = Outliner().read(text.encode())
    assert isinstance(in_parts, Outline)
    assert "f" in in_parts.names
    assert in_parts == _outline(Outliner()._part(text.encode(), ""))


@pytest.mark.slow
def test_no_text_takes_long_to_cut() -> None:
    for text in ('\\"""', '"', "'", "'''\\", "\\'", '"""', "#", "@a\n", "'a", '"""a"'):
        hostile = (text * (MAX_SOURCE_BYTES // len(text))).encode()
        assert b"".join(_cut(hostile)) == hostile
