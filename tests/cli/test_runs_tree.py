"""`ledger runs --tree`: sweeps and nested runs, whole and filtered, and parents that are not here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conftest import Ledger, Repo

import ledger as package


def recorded(name: str, parent: str | None = None, **metrics: float) -> str:
    return package.record(metrics=metrics or {"f1": 0.5}, name=name, parent=parent).id


@pytest.fixture
def sweep(repo: Repo) -> dict[str, str]:
    """Two sweeps, one with a run that has a run of its own, and a run without any."""
    assert repo.path.is_dir()
    ids = {"alone": recorded("alone")}
    for name, parent, f1 in (
        ("sweep", None, 0.1),
        ("a", "sweep", 0.9),
        ("b", "sweep", 0.7),
        ("b1", "b", 0.8),
        ("other", None, 0.2),
        ("c", "other", 0.3),
    ):
        ids[name] = recorded(name, ids.get(parent or ""), f1=f1)
    return ids


def lines(ledger: Ledger, *words: str) -> list[str]:
    return [line.rstrip() for line in ledger("runs", "--tree", "-c", "name", *words).splitlines()[1:]]


def drawn(ids: dict[str, str], *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [(branch + ids[name][:8], name) for branch, name in pairs]


def parts(found: Sequence[str]) -> list[tuple[str, str]]:
    return [(line.rpartition("  ")[0].rstrip(), line.rpartition("  ")[2]) for line in found]


def test_each_run_stands_under_its_parent(sweep: dict[str, str], ledger: Ledger) -> None:
    assert parts(lines(ledger, "--sort", "name")) == drawn(
        sweep,
        ("", "sweep"), ("├─ ", "a"), ("└─ ", "b"), ("   └─ ", "b1"), ("", "alone"), ("", "other"), ("└─ ", "c"),
    )  # fmt: skip


@pytest.mark.slow
def test_what_a_filter_leaves_keeps_its_ancestors(sweep: dict[str, str], ledger: Ledger) -> None:
    assert parts(lines(ledger, "-w", "f1 > 0.75", "--sort", "-f1")) == drawn(
        sweep, ("", "sweep"), ("├─ ", "a"), ("└─ ", "b"), ("   └─ ", "b1")
    )
    assert parts(lines(ledger, "-w", "name = 'c'")) == drawn(sweep, ("", "other"), ("└─ ", "c"))
    assert lines(ledger, "-w", "name = 'none'") == []
    assert "no such runs" in ledger.err


def test_who_is_not_listed_is_dim(sweep: dict[str, str], ledger: Ledger) -> None:
    out = ledger("--color", "always", "runs", "--tree", "-c", "name", "-w", "name = 'c'").splitlines()
    assert f"\x1b[2m{sweep['other'][:8]}\x1b[m" in out[1]
    assert "\x1b[2m" not in out[2]


@pytest.mark.usefixtures("repo")
def test_a_parent_that_is_not_here_is_an_id(ledger: Ledger) -> None:
    absent = "ab" * 16
    first, second = recorded("first", absent), recorded("second", absent)
    found = lines(ledger, "--sort", "name")
    assert found[0] == absent[:8]
    assert [line.split()[1] for line in found[1:]] == [first[:8], second[:8]]


def test_runs_that_belong_to_each_other_are_all_shown(repo: Repo, ledger: Ledger) -> None:
    """Nobody can record such a thing at once, but edits and hostile remotes can."""
    one, other = "a" * 32, "b" * 32
    package.record_many([{"metrics": {"f1": 1}, "name": "self", "parent": None}])
    from ledger.config import open_workspace
    from ledger.record.run import Draft, record

    workspace = open_workspace(repo.path, {})
    record(workspace, [Draft(id=one, parent=other, name="one", metrics={"f1": 1}),
                       Draft(id=other, parent=one, name="other", metrics={"f1": 1}),
                       Draft(id="c" * 32, parent="c" * 32, name="own", metrics={"f1": 1})])  # fmt: skip
    shown = "\n".join(lines(ledger))
    assert all(name in shown for name in ("one", "other", "own", "self"))
    assert len(shown.splitlines()) == 4


def test_ascii_where_nothing_else_is_shown(
    sweep: dict[str, str], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    import io
    import sys

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    from ledger.cli.main import run

    assert run(["runs", "--tree", "-c", "name", "-w", "name = 'c'"]) == 0
    stream.flush()
    text = stream.buffer.getvalue().decode()
    assert f"`- {sweep['c'][:8]}" in text
    assert ledger.err == ""


def test_other_formats_are_as_they_were(sweep: dict[str, str], ledger: Ledger) -> None:
    rows = {row["name"]: row for row in ledger.json("runs")}
    assert rows["b1"]["parent"] == sweep["b"]
    assert rows["alone"]["parent"] is None
    ledger("runs", "--tree", "--json", code=2)
    ledger("runs", "--tree", "--ids", code=2)
