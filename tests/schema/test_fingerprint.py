"""What counts as another implementation, and what does not: sources in, fingerprints out."""

from __future__ import annotations

import warnings

import pytest

from ledger.errors import ConfigError
from ledger.schema.fingerprint import (
    MAX_PARTS,
    Fingerprint,
    Found,
    Source,
    SourceTexts,
    Unknown,
    difference,
    fingerprint,
    parse_source,
)
from ledger.schema.outline import MAX_SOURCE_BYTES, Outline, Outliner, _cut, _outline

METRICS = """\
import numpy as np
from sklearn.metrics import f1_score

from eval.config import AVERAGE
from . import util as u

LABELS = ["cat", "dog"]


def helper(y):
    return clip(y, LOW)


LOW = 0.5
clip = u.clip


def f1(y, p):
    return f1_score(helper(y), np.round(p), average=AVERAGE, labels=LABELS)


def other(y):
    return y + 1
"""
FILES = {
    "eval/__init__.py": "",
    "eval/metrics.py": METRICS,
    "eval/config.py": 'AVERAGE = "macro"\nSEED = 3\n',
    "eval/util.py": "def clip(y, low):\n    return max(y, low)\n\n\ndef unrelated():\n    return 1\n",
}


def found(files: dict[str, str], source: str = "eval/metrics.py:f1") -> Found:
    texts = {path: text.encode() for path, text in files.items()}
    return fingerprint(SourceTexts(texts), parse_source(source))


def printed(files: dict[str, str], source: str = "eval/metrics.py:f1") -> Fingerprint:
    one = found(files, source)
    assert isinstance(one, Fingerprint), one
    return one


def value(text: str, name: str = "f") -> str:
    """The fingerprint of a name in one file."""
    return printed({"m.py": text}, f"m.py:{name}").value


def reason(text: str | bytes, name: str = "f") -> str:
    data = text.encode() if isinstance(text, str) else text
    one = fingerprint(SourceTexts({"m.py": data}), Source("m.py", name))
    assert isinstance(one, Unknown), one
    assert one.settled
    return one.reason


def edited(path: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[path]
    return {**FILES, path: FILES[path].replace(old, new)}


def test_it_is_made_of_all_that_it_uses() -> None:
    assert set(printed(FILES).parts) == {
        ("eval/metrics.py", "f1"),
        ("eval/metrics.py", "helper"),
        ("eval/metrics.py", "clip"),
        ("eval/metrics.py", "LOW"),
        ("eval/metrics.py", "LABELS"),
        ("eval/config.py", "AVERAGE"),
        ("eval/util.py", "clip"),
        ("", "sklearn.metrics.f1_score"),
        ("", "numpy"),
    }


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("eval/metrics.py", "def f1(y, p):", "def f1(y, p):  # a comment"),
        ("eval/metrics.py", "def f1(y, p):", 'def f1(y, p):\n    """Docstring."""'),
        ("eval/metrics.py", "def f1(y, p):", "def f1(y: int, p: 'list[float]') -> float:"),
        (
            "eval/metrics.py",
            "average=AVERAGE, labels=LABELS",
            "\n        average=(AVERAGE),\n  labels=LABELS,\n",
        ),
        ("eval/metrics.py", "LOW = 0.5", "LOW: float = 0.50"),
        ("eval/metrics.py", "return y + 1", "return y + 2"),
        ("eval/metrics.py", "import numpy as np\n", "import os\nimport numpy as np\n"),
        ("eval/config.py", "SEED = 3", "SEED = 4\nMORE = 1"),
        ("eval/util.py", "return 1", "return 2"),
        ("eval/util.py", "def clip", '"""About."""\n\n\ndef clip'),
        (
            "eval/util.py",
            "def clip(y, low):",
            "def clip(y: float, low: float = ...) -> float:".replace(" = ...", ""),
        ),
    ],
)
def test_what_does_not_count(path: str, old: str, new: str) -> None:
    assert printed(edited(path, old, new)).value == printed(FILES).value


@pytest.mark.parametrize(
    ("path", "old", "new", "parts"),
    [
        ("eval/config.py", '"macro"', '"weighted"', ["AVERAGE in eval/config.py"]),
        ("eval/util.py", "max(y, low)", "max(low, y)", ["clip in eval/util.py"]),
        ("eval/metrics.py", "LOW = 0.5", "LOW = 0.25", ["LOW in eval/metrics.py"]),
        ("eval/metrics.py", "LOW = 0.5", "LOW = 0.5\nLOW += 1", ["LOW in eval/metrics.py"]),
        ("eval/metrics.py", "LOW = 0.5", 'LABELS.append("emu")\nLOW = 0.5', ["LABELS in eval/metrics.py"]),
        ("eval/metrics.py", "LOW = 0.5", 'LABELS[0] = "emu"\nLOW = 0.5', ["LABELS in eval/metrics.py"]),
        ("eval/metrics.py", "np.round(p)", "np.round(p + 1)", ["f1 in eval/metrics.py"]),
        ("eval/metrics.py", "def f1(y, p):", "@cached\ndef f1(y, p):", ["f1 in eval/metrics.py"]),
        ("eval/metrics.py", "def f1(y, p):", "def f1(y, p, *, k=1):", ["f1 in eval/metrics.py"]),
        (
            "eval/metrics.py", "from sklearn.metrics", "from torchmetrics",
            ["f1 in eval/metrics.py", "+ import torchmetrics.f1_score", "- import sklearn.metrics.f1_score"],
        ),
        (
            "eval/metrics.py", "clip(y, LOW)", "clip(other(y), LOW)",
            ["helper in eval/metrics.py", "+ other in eval/metrics.py"],
        ),
    ],
)  # fmt: skip
def test_what_counts_is_named(path: str, old: str, new: str, parts: list[str]) -> None:
    before, after = printed(FILES), printed(edited(path, old, new))
    assert before.value != after.value
    assert [str(part) for part in difference(before, after)] == parts


def test_a_move_to_another_file_is_no_change() -> None:
    moved = {
        **FILES,
        "eval/metrics.py": METRICS.replace("from . import util as u", "from . import deep as u"),
        "eval/deep.py": FILES["eval/util.py"],
    }
    assert printed(moved).value == printed(FILES).value
    elsewhere = {f"src/{path}": text for path, text in FILES.items()}
    assert printed(elsewhere, "src/eval/metrics.py:f1").value == printed(FILES).value


def test_moved_and_changed_is_one_change() -> None:
    moved = {
        **FILES,
        "eval/metrics.py": METRICS.replace("from . import util as u", "from . import deep as u"),
        "eval/deep.py": FILES["eval/util.py"].replace("max", "min"),
    }
    assert [str(part) for part in difference(printed(FILES), printed(moved))] == ["clip in eval/deep.py"]


def test_parts_of_one_name_that_move_are_told_apart() -> None:
    older = Fingerprint("f1:1", {("a.py", "x"): "1", ("b.py", "x"): "2", ("c.py", "y"): "3", ("", "x"): ""})
    newer = Fingerprint("f1:2", {("d.py", "x"): "2", ("e.py", "x"): "4", ("f.py", "x"): "5", ("", "z.x"): ""})
    assert [str(part) for part in difference(older, newer)] == [
        "x in e.py",
        "+ import z.x",
        "+ x in f.py",
        "- import x",
        "- y in c.py",
    ]


def test_swapped_imports_are_seen_though_the_parts_are_the_same() -> None:
    one = "from x import a as p, b as q\ndef f(): return p - q\n"
    assert value(one) != value(one.replace("a as p, b as q", "b as p, a as q"))


MAIN = "from pkg import thing\n\n\ndef f(y):\n    return thing(y)\n"


@pytest.mark.parametrize(
    ("importing", "at"),
    [
        ("from pkg.util import thing", "pkg/util.py"),
        ("from pkg.util import thing", "src/pkg/util.py"),
        ("from pkg.util import other as thing", "pkg/util.py"),
        ("import pkg.util as u\nthing = u.thing", "pkg/util.py"),
        ("import pkg.util\nthing = pkg.util.thing", "pkg/util.py"),
        ("import pkg\nthing = pkg.util.thing", "pkg/util.py"),
        ("from pkg import util\nthing = util.thing", "pkg/util.py"),
        ("from pkg.util import *", "pkg/util.py"),
        ("from util import thing", "app/util.py"),
        ("from .util import thing", "app/util.py"),
        ("from . import util\nthing = util.thing", "app/util.py"),
        ("from ..lib.util import thing", "lib/util.py"),
        ("from .. import lib\nthing = lib.util.thing", "lib/util.py"),
        (
            "try:\n    from fast import thing\nexcept ImportError:\n    from pkg.util import thing",
            "pkg/util.py",
        ),
        ("import pkg.util as u\nthing = getattr(u, 'thing')", "pkg/util.py"),
        ("if True:\n    from pkg.util import thing", "pkg/util.py"),
        ("with x:\n    from pkg.util import thing", "pkg/util.py"),
    ],
)
def test_imports_within_the_repository_are_followed(importing: str, at: str) -> None:
    util = "LIMIT = 1\n\n\ndef thing(y):\n    return y + LIMIT\n\n\nother = thing\n"
    files = {"app/main.py": f"{importing}\n\n\ndef f(y):\n    return thing(y)\n", at: util}
    before = printed(files, "app/main.py:f")
    after = printed({**files, at: util.replace("LIMIT = 1", "LIMIT = 2")}, "app/main.py:f")
    assert before.value != after.value


@pytest.mark.parametrize(
    "inside",
    [
        "from .util import thing",
        "from .util import *",
        "from pkg.util import thing",
        "from . import util\nthing = util.thing",
        "def __getattr__(name):\n    from . import util\n    return getattr(util, name)",
    ],
)
def test_reexports_are_followed(inside: str) -> None:
    files = {"main.py": MAIN, "pkg/__init__.py": f"{inside}\n", "pkg/util.py": "thing = 1\nunrelated = 1\n"}
    before = printed(files, "main.py:f")
    after = printed({**files, "pkg/util.py": "thing = 2\nunrelated = 1\n"}, "main.py:f")
    assert before.value != after.value


def test_imports_inside_a_function_are_followed_and_their_place_does_not_count() -> None:
    inside = "def f(y):\n    from util import thing\n    return thing(y)\n"
    above = "from util import thing\ndef f(y):\n    return thing(y)\n"
    one, two = ({"m.py": text, "util.py": "thing = 1"} for text in (inside, above))
    assert printed(one, "m.py:f").value == printed(two, "m.py:f").value
    assert printed(one, "m.py:f").value != printed({**one, "util.py": "thing = 2"}, "m.py:f").value


def test_a_source_may_name_what_it_only_imports() -> None:
    files = {"pkg/__init__.py": "from .impl import f\n", "pkg/impl.py": "def f(): return 1\n"}
    assert set(printed(files, "pkg/__init__.py:f").parts) == {("pkg/impl.py", "f")}


def test_a_file_of_the_package_hides_no_library_of_its_name() -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/m.py": "import logging\ndef f(): logging.x()\n",
        "pkg/logging.py": "x = 1",
    }
    assert ("", "logging") in printed(files, "pkg/m.py:f").parts


def test_circles_end() -> None:
    files = {
        "a.py": "from b import g, X\nimport a, b\ndef f(n): return g(n - 1) + X + a.f + b.nowhere\n",
        "b.py": "from a import f, X\nfrom a import *\ndef g(n): return f(n - 1)\n",
    }
    before = printed(files, "a.py:f")
    assert ("b.py", "g") in before.parts
    assert before.value == printed(files, "a.py:f").value
    assert before.value != printed({**files, "b.py": files["b.py"].replace("- 1", "- 2")}, "a.py:f").value


@pytest.mark.parametrize(
    "body",
    [
        "def f(clip): return clip(1)",
        "def f(): \n    clip = 1\n    return clip",
        "def f(ys): return [clip for clip in ys]",
        "def f(ys): return {clip: 1 for clip in ys if clip}",
        "f = lambda clip: clip",
        "def f(*clip, **k): return clip",
        "def f():\n    def clip(): pass\n    return clip()",
        "def f():\n    clip = 1\n    def g():\n        nonlocal clip\n        clip += 1\n    return g",
        "def f():\n    try: pass\n    except E as clip: return clip",
        "def f(x):\n    match x:\n        case [1, *clip]: return clip",
        "def f(x):\n    match x:\n        case {'a': 1, **clip}: return clip",
        "def f(x):\n    match x:\n        case clip: return clip",
        "def f(x): return (clip := x) + clip",
        "def f(xs): return any((clip := x) for x in xs) and clip",
        "def f(x: clip) -> clip:\n    y: clip = 1\n    return y",
    ],
)
def test_a_local_name_is_not_the_one_at_the_top(body: str) -> None:
    one, two = (f"def clip(): return {number}\n{body}\n" for number in (1, 2))
    assert value(one) == value(two)


@pytest.mark.parametrize(
    "body",
    [
        "def f(x=clip): return x",
        "def f(ys): return [clip for y in ys] + [y for clip in ys][:0] + [clip]",
        "def f(ys): return [clip for clip in clip]",
        "f = lambda x: clip(x)",
        "def f():\n    def g(): return clip()\n    return g()",
        "def f():\n    global clip\n    clip = clip + 1",
        "class f:\n    def clip(self): pass\n    def g(self): return clip()",
        "class f(clip): pass",
        "f = clip(1)",
        "def f(): return f'{clip()!r:>10}'",
        "def f():\n    try: pass\n    except clip: pass",
        "def f(x):\n    match x:\n        case clip.A: return 1",
        "if clip():\n    def f(): pass",
        "for n in range(3):\n    f = clip",
        "f: int = clip",
        "f, g = clip, 1",
        "def f(x): return clip.y.z(x)[clip]",
        "async def f():\n    async with clip() as x: return x",
    ],
)
def test_a_name_at_the_top_counts_wherever_it_is_read(body: str) -> None:
    one, two = (f"def clip(): return {number}\n{body}\n" for number in (1, 2))
    assert value(one) != value(two)


def test_distinct_syntax_is_distinct() -> None:
    bodies = [
        "1", "1.0", "True", "'1'", "b'1'", "1j", "...", "None", "x", "x.y", "x[y]", "x.y.z", "x(y)", "x(y=1)", "x(*y)",
        "-1", "~1", "not x", "x and y", "x or y", "x + y", "x - y", "x < y", "x <= y", "x if y else z", "(x, y)",
        "[x, y]", "{x, y}", "{x: y}", "[x for x in y]", "{x for x in y}", "(x for x in y)", "[x for x in y if x]",
        "lambda: x", "lambda x: x", "lambda *x: x", "lambda x=1: x", "lambda *, x=1: x", "lambda x, /: x", "f'{x}'",
        "f'{x!r}'", "x[1:2]", "x[1:2:3]", "0x" + "f" * 6000, "1e999", "-0.0", "0.0", "'\\ud800'", "(yield x)",
    ]  # fmt: skip
    values = {value(f"def f():\n    return {body}\n") for body in bodies}
    assert len(values) == len(bodies)


EVALUATOR = """\
class Base:
    def scale(self): return 2


class Evaluator(Base):
    average = "macro"

    def __init__(self, k):
        self.k = k

    def f1(self, y):
        return self.mean(y) * self.k

    def mean(self, y):
        return sum(y) / len(y)

    def report(self):
        return "text"
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"text"', '"other text"', True),
        ('"macro"', '"micro"', True),
        ("sum(y)", "max(y)", False),
        ("self.k = k", "self.k = k + 1", False),
        ("* self.k", "+ self.k", False),
        ("return 2", "return 3", False),
        ("(Base)", "", False),
    ],
)
def test_a_method_counts_with_what_it_reaches_through_self(old: str, new: str, same: bool) -> None:
    assert old in EVALUATOR
    one, two = (value(text, "Evaluator.f1") for text in (EVALUATOR, EVALUATOR.replace(old, new)))
    assert (one == two) is same


def test_methods_that_are_inherited_or_nested() -> None:
    assert value(EVALUATOR, "Evaluator.scale") != value(
        EVALUATOR.replace("return 2", "return 3"), "Evaluator.scale"
    )
    nested = "class A:\n    class B:\n        def f(self): return 1\n    x = 1\n"
    assert value(nested, "A.B.f") != value(nested.replace("return 1", "return 2"), "A.B.f")
    assert value(nested, "A.B.f") == value(nested.replace("x = 1", "x = 2"), "A.B.f")
    assert reason(nested, "A.g") == "m.py has no A.g"
    assert reason("from x import *\ndef f(): pass", "f.g") == "m.py has no f.g"


def test_a_class_used_whole_counts_whole() -> None:
    text = f"{EVALUATOR}\n\ndef f(y): return Evaluator(1).f1(y)\n"
    assert value(text) != value(text.replace('"text"', '"other"'))
    assert value(text) == value(text.replace("return self.mean", "'''Doc.'''\n        return self.mean"))


def test_fields_count_and_their_annotations_do_not() -> None:
    text = "@d\nclass f:\n    a: int\n    b: int = 1\n"
    assert value(text) == value(text.replace("int", "float"))
    assert value(text) != value(text.replace("    a: int\n", ""))


def test_imports_for_types_alone_do_not_count() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from big import Thing\ndef f(x: Thing): return x\n"
    assert value(text) == value(text.replace("big", "small"))


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
        ("if a:\n pass\n" + "elif a:\n pass\n" * 1500, "nested too deeply"),
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


def test_no_text_takes_long_to_cut() -> None:
    for text in ('\\"""', '"', "'", "'''\\", "\\'", '"""', "#", "@a\n", "'a", '"""a"'):
        hostile = (text * (MAX_SOURCE_BYTES // len(text))).encode()
        assert b"".join(_cut(hostile)) == hostile
