"""Text from data in every form of output: no control character, no formula, no markup comes through as such."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from store.plumbing import entries_of, files_of, put, recorded, tree

from ledger import canonical

pytestmark = pytest.mark.slow

ODD = "\x1b[31mred\x1b]0;title\x07\u202etxt.exe\u2066\x9b2J\x7f\r"
TEXTS = (
    ODD,
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2+3+cmd",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "[x](javascript:y)|`z`",
)
CONTROLS = frozenset(
    chr(code)
    for code in (*range(9), *range(11, 32), *range(127, 160), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)  # fmt: skip
READING = (
    ("runs",), ("log", "-m", "f1", "--runs"), ("log", "-m", "f1", "--all"), ("show", "RUN"), ("status",), ("verify",),
    ("schema", "check"), ("diff", "RUN", "OTHER"), ("explain", "RUN", "f1"), ("doctor",),
)  # fmt: skip


@pytest.fixture
def runs(repo: Repo) -> list[str]:
    """Runs whose every text is odd; git, a push or another ledger may have written them so."""
    found: list[str] = []
    for text in TEXTS:
        done = recorded(repo)
        files = files_of(repo)
        run: dict[str, Any] = json.loads(files["run.json"])
        run |= {
            "name": text,
            "note": text,
            "reason": text,
            "tags": {text: text, "t": text},
            "command": [text],
        }
        run |= {"author": {"name": text, "email": text}, "environment": {"host": text, text: text}}
        run |= {"artifacts": [{"role": "model", "name": text, "uri": text}]}
        run["code"] |= {"branch": text, "problem": text}
        metrics = {"f1": 0.5, text: 1.0}
        spoilt = {
            **files,
            "run.json": canonical.dumps(run),
            "params.json": canonical.dumps({text: text, "p": text}),
            "metrics.json": canonical.dumps(metrics),
        }
        put(repo, tree(repo, entries_of(repo, spoilt)), message=text, parents=())
        repo.git("update-ref", f"refs/runs/odd{len(found)}", "refs/runs/main")
        repo.git("update-ref", "-d", "refs/runs/main")
        found.append(done.id)
    return found


def worded(words: tuple[str, ...], runs: list[str], place: int) -> list[str]:
    other = runs[(place + 1) % len(runs)]
    return [word.replace("RUN", runs[place]).replace("OTHER", other) for word in words]


def all_told(ledger: Ledger, runs: list[str], *form: str, commands: tuple[tuple[str, ...], ...]) -> list[str]:
    from ledger.cli.main import run

    found = []
    for place in range(len(runs)):
        for words in commands:
            code = run([*worded(words, runs, place), *form])
            out, err = ledger._capsys.readouterr()
            assert code in (0, 1, 5), (words, err)
            found += [out, err]
    return found


@pytest.mark.long
def test_no_control_character_reaches_a_terminal(ledger: Ledger, runs: list[str]) -> None:
    told = all_told(ledger, runs[:2], commands=READING)
    for text in told:
        assert not CONTROLS & set(text), text
    assert any("red" in text for text in told)


def test_nor_does_json_hold_one(ledger: Ledger, runs: list[str]) -> None:
    told = [text for text in all_told(ledger, runs[:1], "--json", commands=READING) if text]
    for text in told:
        assert not CONTROLS & set(text), text
    assert any("red" in text for text in told)


def test_no_cell_of_csv_is_a_formula(ledger: Ledger, runs: list[str], tmp_path: Path) -> None:
    ledger("export", "--format", "csv", str(tmp_path / "out"))
    exported = [path.read_text(encoding="utf-8") for path in sorted((tmp_path / "out").glob("*.csv"))]
    printed = all_told(ledger, runs[:1], "--csv", commands=(("runs",), ("log", "-m", "f1")))
    cells = [
        cell
        for text in (*exported, *printed[::2])
        for row in csv.reader(io.StringIO(text, newline=""))
        for cell in row
    ]
    assert any("calc" in cell for cell in cells)
    formulas = [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert not formulas
    assert not [cell for cell in cells if cell.startswith("-2+3")]


def test_markdown_holds_no_markup_of_the_data(ledger: Ledger, runs: list[str]) -> None:
    told = all_told(ledger, runs, "--md", commands=(("runs",), ("log", "-m", "f1", "--runs")))[::2]
    assert any("script" in text for text in told)
    for text in told:
        assert "<script" not in text
        assert "](javascript" not in text.replace("\\]", "")
        assert not CONTROLS & set(text)


@pytest.mark.usefixtures("runs")
def test_export_names_no_file_after_data(ledger: Ledger, tmp_path: Path) -> None:
    for form in ("parquet", "csv", "json"):
        ledger("export", "--format", form, str(tmp_path / form))
        names = {path.name for path in (tmp_path / form).iterdir()}
        assert names <= {f"runs.{form}", f"history.{form}"}
