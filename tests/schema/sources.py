"""A small project whose metric is fingerprinted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.schema.fingerprint import (
    DIRECTORY,
    Fingerprint,
    Found,
    Source,
    Unknown,
    fingerprint,
    parse_source,
)
from ledger.schema.outline import Opaque, Outline, Outliner

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


@dataclass(slots=True)
class SourceTexts:
    """Files given as literals: path → bytes."""

    contents: Mapping[str, bytes]
    outliner: Outliner = field(default_factory=Outliner)

    def look(self, path: str) -> str | None:
        """Find a file, or a folder that holds one."""
        if path in self.contents:
            return path
        return DIRECTORY if any(name.startswith(f"{path}/") for name in self.contents) else None

    def outline(self, content: str, qualname: str) -> Outline | Opaque:
        """Read a file."""
        return self.outliner.read(self.contents[content], qualname)


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
