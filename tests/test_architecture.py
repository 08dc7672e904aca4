"""What holds for the project as a whole: what starts fast, what is documented, what ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger
from projects import Project

from ledger.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def imported_by(*words: str) -> set[str]:
    """Modules that one call of the program imports, asked from Python itself."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ledger", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }


def test_help_imports_nothing_heavy() -> None:
    modules = imported_by("--help")
    assert "click" in modules
    assert not {"git", "pyarrow", "jsonschema", "jsonschema_rs", "rich", "yaml", "numpy"} & modules


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(ledger: Ledger, name: str) -> None:
    said = ledger(name, "--help")
    assert f"ledger {name}" in said
    assert "Example" in said


def test_a_record_imports_neither_arrow_nor_the_slow_validator(repo: object) -> None:
    assert repo is not None
    modules = imported_by("record", "-m", "f1=0.5")
    assert "ledger.store.chain" in modules
    assert not {"git", "pyarrow", "jsonschema", "numpy", "email"} & modules


@pytest.mark.parametrize(
    "pages",
    [["docs/cli.md", "docs/meaning.md"], pytest.param([], marks=pytest.mark.long)],
    ids=["references", "all"],
)
def test_documentation_is_what_the_program_says(pages: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check", *pages],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in COMMANDS if f"`{name}`" not in text and f"`ledger {name}" not in text]
    assert not missing


@pytest.mark.slow
def test_a_trace_through_migrations_that_were_read_before_does_not_read_them_again(project: Project) -> None:
    for unit in ("s", "ms"):
        project.declare(unit, {"t": {"unit": unit, "direction": "lower"}})
        project.migrate()
        project.commit(unit)
        project.record(t=1)
    assert "ledger.schema.units" in imported_by("log", "--metric", "t")
    modules = imported_by("log", "--metric", "t")
    assert "ledger.schema.planner" in modules
    reading = {
        f"ledger.schema.{name}" for name in ("migration", "operations", "units", "expression", "codes")
    }
    assert not {"jsonschema_rs", "email", *reading} & modules


def test_a_trace_imports_neither_arrow_nor_what_migrations_need(repo: object) -> None:
    assert repo is not None
    imported_by("record", "-m", "f1=0.5")
    imported_by("runs")
    modules = imported_by("log", "--metric", "f1")
    assert "ledger.trace.log" in modules
    assert not {"git", "pyarrow", "jsonschema", "fractions", "ledger.schema.graph"} & modules
    assert (
        not {"zipfile", "tempfile", "ledger.store.update", "ledger.store.sealed", "ledger.trace.elsewhere"}
        & modules
    )
