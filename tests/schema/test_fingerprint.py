"""What counts as another implementation, and what does not: sources in, fingerprints out."""

from __future__ import annotations

import pytest
from schema.sources import FILES, METRICS, edited, printed, reason, value

from ledger.schema.fingerprint import (
    Fingerprint,
    difference,
)


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
