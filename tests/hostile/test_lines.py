"""What git prints is split at line feeds alone: names and messages hold what str.splitlines takes for the end of a line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ledger
from ledger.git.process import lines

SOURCES = [
    path
    for path in sorted(Path(ledger.__file__).parent.rglob("*.py"))
    if ".splitlines" in path.read_text(encoding="utf-8")
]
_ENDED_BY_US = {
    "ledger/git/signing.py", "ledger/record/files.py", "ledger/store/patch_cache.py", "ledger/store/arrivals.py",
    "ledger/share/redact.py", "ledger/store/link_log.py", "ledger/git/patches.py", "ledger/git/history.py",
    "ledger/store/verify/links.py", "ledger/share/carried.py",
}  # fmt: skip
"""Lines of object ids and the like, in which no word is anybody's; ssh-keygen's; files of ledger's own, and of runs."""


def _decoded(node: ast.expr) -> bool:
    """Whether a text was bytes a moment ago: `….decode(…)`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decode"


def _splits(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "splitlines"
            and _decoded(node.func.value)
        ):
            yield node.lineno


@pytest.mark.parametrize("text", ["a\x0bb", "a\x0cb", "a\rb", "a\x1cb", "a\x85b", "a\u2028b", "a\u2029b"])
def test_only_a_line_feed_ends_a_line(text: str) -> None:
    assert lines(f"{text}\n{text}\n".encode()) == [text, text]
    assert lines(f"{text}\n\n".encode()) == [text, ""]
    assert lines(text.encode()) == [text]
    assert lines(b"") == []
    assert lines(b"\xff\n") == ["\udcff"]


def test_no_output_is_split_otherwise() -> None:
    assert SOURCES
    root = Path(ledger.__file__).parents[1]
    found = {f"{path.relative_to(root)}" for path in SOURCES if list(_splits(path))}
    assert found <= _ENDED_BY_US
