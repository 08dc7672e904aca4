"""A break says which machine, data set or other partition it is about."""

from __future__ import annotations

from conftest import Ledger
from projects import Project


def test_a_break_names_its_partition(project: Project, ledger: Ledger) -> None:
    on = {"machine": "param:machine"}
    for average in ("macro", "weighted"):
        project.declare(average, {"f1": {"unit": "1", "how": {"average": average}, "on": on}})
        project.commit(average)
        for machine in ("a", "b"):
            ledger("record", "-m", "f1=0.5", "-p", f"machine={machine}")
    breaks = ledger.json("log", "--metric", "f1")["breaks"]
    assert sorted(one["partition"]["machine"] for one in breaks) == ["a", "b"]


def test_a_break_without_partitions_names_none(project: Project, ledger: Ledger) -> None:
    for average in ("macro", "weighted"):
        project.declare(average, {"f1": {"unit": "1", "how": {"average": average}}})
        project.commit(average)
        project.record(f1=0.5)
    (one,) = ledger.json("log", "--metric", "f1")["breaks"]
    assert "partition" not in one
