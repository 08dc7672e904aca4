"""`ledger log` of a metric that compares within one machine only: every form says of which."""

from __future__ import annotations

import csv
import io

import pytest
from conftest import Ledger
from projects import BY_MACHINE, Project


@pytest.fixture
def measured(project: Project, ledger: Ledger) -> None:
    """Two commits, each measured on two machines, and a redefinition between the runs of the slow one."""
    for code, version in (("a", "1"), ("b", "2")):
        for machine in ("slow", "fast"):
            declared = version if machine == "slow" else "2"
            project.declare(declared, {"seconds": {**BY_MACHINE, "how": {"code": declared}}})
            if machine == "slow":
                project.commit(code)
            ledger("record", "-q", "-m", f"seconds={1 + (machine == 'slow')}", "-p", f"machine={machine}")


@pytest.mark.usefixtures("measured")
def test_csv_and_markdown_name_the_machine(ledger: Ledger) -> None:
    rows = list(csv.DictReader(io.StringIO(ledger("log", "-m", "seconds", "--csv"))))
    assert [row["params.machine"] for row in rows] == ["fast", "slow", "fast", "slow"]
    lines = ledger("log", "-m", "seconds", "--md").splitlines()
    assert lines[0].split(" | ")[4:6] == ["level", "params.machine"]
    assert [line.split(" | ")[5] for line in lines[2:]] == ["fast", "slow", "fast", "slow"]


@pytest.mark.usefixtures("measured")
def test_a_break_names_the_machine(ledger: Ledger) -> None:
    breaks = [line for line in ledger("log", "-m", "seconds").splitlines() if line.startswith("-- ")]
    assert breaks == ["-- seconds [slow]: how.code 1 → 2; no migration --"]


@pytest.mark.usefixtures("measured")
def test_what_n_leaves_out_are_rows_not_commits(ledger: Ledger) -> None:
    assert "left out: 3 more rows" in ledger("log", "-m", "seconds", "-n", "1")


@pytest.mark.usefixtures("measured")
def test_a_run_without_the_param_has_an_empty_field(ledger: Ledger) -> None:
    ledger("record", "-q", "-m", "seconds=3")
    rows = csv.DictReader(io.StringIO(ledger("log", "-m", "seconds", "--csv")))
    assert {row["params.machine"]: row["seconds"] for row in rows if row["params.machine"] != "slow"} == {
        "fast": "1",
        "": "3",
    }


@pytest.mark.usefixtures("project")
def test_runs_that_diverged_have_a_value_that_is_not_compared(project: Project, ledger: Ledger) -> None:
    ledger("record", "-q", "-m", "seconds=2")
    project.declare("1", {"seconds": {"how": {"code": "1"}}})
    project.commit("a")
    for value in ("1", "inf", "nan"):
        ledger("record", "-q", "-m", f"seconds={value}")
    assert ledger("log", "-m", "seconds").splitlines()[-1] == "compared: 1 of 4 runs with a value"
