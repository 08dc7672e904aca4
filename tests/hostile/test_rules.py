"""What keeps some rules: how GitPython is used, which releases are asked for, and a table that names what there is."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ledger

PACKAGE = Path(ledger.__file__).parent
ROOT = PACKAGE.parent
WATCHED = re.compile(
    r"import git|from git|shell=|\b(?:eval|exec|__import__)\(|os\.|pickle|marshal|shelve|ast\."
)
"""Words without which no rule here is broken: other files are not parsed."""
TREES = {
    path.relative_to(ROOT): ast.parse(text)
    for path in PACKAGE.rglob("*.py")
    if WATCHED.search(text := path.read_text(encoding="utf-8"))
}
PAGE = (ROOT / "docs/design/hostile.md").read_text(encoding="utf-8")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def attributes(tree: ast.AST, name: str) -> set[str]:
    """What is taken from a name: of `git.Git(x).execute(y)` with `git` it is `Git`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }


def called_on(tree: ast.AST, name: str) -> set[str]:
    """What is asked of `git.<name>(…)`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == name
    }


def test_gitpython_starts_processes_and_does_nothing_else() -> None:
    """Its refs, objects, remotes, configuration, clones and submodules have had an advisory each."""
    users = {
        path for path, tree in TREES.items() if {"git"} & {name.split(".")[0] for name in imported(tree)}
    }
    assert users == {Path("ledger/git/process.py")}
    (tree,) = (TREES[path] for path in users)
    assert attributes(tree, "git") == {"Git"}
    assert called_on(tree, "Git") == {"execute"}


_FROM_ITS_CHILDREN = Path("ledger/share/sifting.py")
"""Reads what processes that it forked itself wrote to its pipe: nothing of that is anybody else's, or lies on a disk."""


@pytest.mark.slow
def test_no_shell_and_no_code_from_data() -> None:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                shell = [word for word in node.keywords if word.arg == "shell"]
                assert not shell, path
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                assert name not in {"eval", "exec", "__import__"}, (path, node.lineno)
        assert not attributes(tree, "os") & {"system", "popen", "execl", "execlp"}, path
        assert not {"pickle", "shelve"} & set(imported(tree)), path
        assert path == _FROM_ITS_CHILDREN or "marshal" not in set(imported(tree)), path


def lowest(requirement: str) -> tuple[str, tuple[int, ...]]:
    found = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement)
    assert found, requirement
    return found[1].lower(), tuple(map(int, found[2].split(".")))


def test_releases_with_holes_are_not_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = dict(map(lowest, project["dependencies"]))
    assert floors["gitpython"] >= (3, 2, 0)
    assert floors["pyarrow"] >= (14, 0, 1), "CVE-2023-47248: code execution by a file"
    assert floors["orjson"] >= (3, 11, 6), "CVE-2025-67221: it wrote without a limit of depth"
    page = (ROOT / "docs/design/dependencies.md").read_text(encoding="utf-8").lower()
    for name in floors:
        assert f"| {name} |" in page, "each has its reason"


def test_every_rule_names_code_and_tests_that_are_there() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert [int(row[0].removeprefix("| ")) for row in rows] == list(range(1, 22))
    for row in rows:
        for cell, places in ((row[2], ("ledger", "docs", "hooks", "schemas", "")), (row[3], ("tests",))):
            for name in re.findall(r"`([\w./-]+(?:\.py|\.md|\.toml|/))`", cell):
                assert any((ROOT / place / name).exists() for place in places), (row[0], name)
