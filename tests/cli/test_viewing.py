"""--as, --at, --approx and --strict: one meaning in every command that shows values."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from conftest import Ledger, Repo
from projects import LOSS, MACRO, PERCENT, WEIGHTED, Project

import ledger as api


@pytest.fixture
def year(project: Project) -> tuple[Project, str, str]:
    """MACRO in percent and a loss; then a fraction, and the loss renamed; then another MACRO in the work tree."""
    project.declare("1", {"f1": PERCENT, "loss": LOSS})
    project.commit("percent")
    old = project.record(f1=84.2, loss=0.5)
    project.declare("2", {"f1": MACRO, "train_loss": LOSS})
    project.migrate("--rename", "loss=train_loss")
    project.commit("fraction")
    new = project.record(f1=0.9, train_loss=0.4)
    return project, old, new


@pytest.mark.slow
def test_the_same_version_everywhere(year: tuple[Project, str, str], ledger: Ledger) -> None:
    project, old, new = year
    words = ("--as", "1")
    assert project.rows("f1", *words) == [("exact", 90.0), ("identical", 84.2)]
    rows = {row["run_id"]: row["metrics.f1"] for row in ledger.json("runs", *words)}
    assert rows == {old: 84.2, new: 90.0}
    assert ledger.json("show", new, *words)["metrics"]["f1"]["value"] == 90.0
    (pair,) = [pair for pair in ledger.json("diff", old, new, *words)["metrics"] if pair["name"] == "f1"]
    assert (pair["unit"], pair["delta"]) == ("%", 90.0 - 84.2)
    assert ledger.json("explain", new, "f1", *words)["value"] == 90.0
    ledger("export", "--format", "json", *words, "out")
    exported = json.loads((project.repo.path / "out/runs.json").read_text())
    assert {row["run_id"]: row["metrics.f1"] for row in exported} == rows
    table = api.runs(as_="1", sort="f1")
    assert table["metrics.f1"].to_pylist() == [84.2, 90.0]
    assert table.schema.field("metrics.f1").type == pa.float64()


@pytest.mark.slow
def test_filter_and_order_are_in_the_version_asked_for(
    year: tuple[Project, str, str], ledger: Ledger
) -> None:
    _, old, new = year
    assert ledger("runs", "--where", "f1 > 85", "--as", "1", "--ids").split() == [new]
    assert ledger("runs", "--where", "f1 > 85", "--ids") == ""
    assert ledger("runs", "--where", "f1 < 85", "--sort", "f1", "--as", "1", "--ids").split() == [old]
    assert api.runs("f1 > 85", as_="1")["run_id"].to_pylist() == [new]


@pytest.mark.slow
def test_the_definitions_of_a_revision(year: tuple[Project, str, str], repo: Repo, ledger: Ledger) -> None:
    _, old, new = year
    words = ("--at", repo.git("rev-parse", "HEAD^"))
    rows = {row["run_id"]: (row["metrics.f1"], row["grade.f1"]) for row in ledger.json("runs", *words)}
    assert rows == {old: (84.2, "identical"), new: (None, "incomparable")}, "no migration was there then"
    assert ledger.json("show", new, *words)["metrics"]["f1"]["value"] is None
    assert ledger.json("diff", old, new, *words)["metrics"][0]["delta"] is None
    assert api.runs(at=words[1])["metrics.f1"].to_pylist() == [None, 84.2]
    for command in (("runs",), ("show", old), ("diff", old, new), ("export", "out")):
        ledger(*command, "--at", "nowhere", code=1)


@pytest.mark.slow
def test_a_version_that_nothing_has(year: tuple[Project, str, str], ledger: Ledger) -> None:
    _, old, new = year
    for command in (("runs",), ("show", old), ("diff", old, new), ("export", "out")):
        ledger(*command, "--as", "9", code=1)
        assert "versions: 1, 2" in ledger.err


@pytest.mark.slow
def test_metrics_without_that_version_are_shown_as_now_and_named(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT})
    project.commit("percent")
    project.record(f1=84.2)
    project.declare("2", {"f1": MACRO, "loss": LOSS})
    project.migrate()
    project.commit("fraction")
    run = project.record(f1=0.9, loss=0.5)
    for command in (("runs",), ("show", run)):
        ledger(*command, "--as", "1")
        assert "hint: --as 1: as defined now: loss" in ledger.err
        ledger(*command)
        assert "as defined now" not in ledger.err


def strict(ledger: Ledger, old: str, new: str, code: int) -> None:
    for command in (
        ("log", "--metric", "f1"),
        ("runs",),
        ("runs", "--columns", "f1"),
        ("show", old),
        ("diff", old, new),
        ("export", "--force", "out"),
        ("explain", old, "f1"),
    ):
        ledger(*command, "--strict", code=code)
        assert ("not every value can be compared: f1" in ledger.err) is bool(code), command


@pytest.mark.slow
def test_strict_is_content_where_all_compares(year: tuple[Project, str, str], ledger: Ledger) -> None:
    """A renamed metric is one metric: its old name is nothing that was left out."""
    _, old, new = year
    strict(ledger, old, new, code=0)
    shown = ledger("show", old, "--metrics")
    assert [line.split()[0] for line in shown.splitlines()] == ["f1", "train_loss"]
    assert [pair["name"] for pair in ledger.json("diff", old, new)["metrics"]] == ["f1", "train_loss"]


@pytest.mark.slow
def test_strict_names_what_was_left_out(year: tuple[Project, str, str], ledger: Ledger) -> None:
    project, old, new = year
    project.declare("3", {"f1": WEIGHTED, "train_loss": LOSS})
    project.migrate(reason="another average")
    project.commit("weighted")
    project.record(f1=0.8, train_loss=0.3)
    strict(ledger, old, new, code=5)
    ledger("runs", "--columns", "train_loss", "--strict")
    ledger("runs", "--columns", "train_loss", "--sort", "-f1", "-n", "1", "--strict", code=5)
    ledger("runs", "--columns", "train_loss", "--where", "f1 > 0.1", "--strict", code=5)
    ledger("runs", "--columns", "f1", "-n", "1", "--strict")
    ledger("show", old, "--as", "1", "--strict")
    assert ledger.json("runs", "--where", "f1 > 0.1")[0]["metrics.f1"] == 0.8


def test_strict_passes_over_what_is_merely_missing(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO, "loss": LOSS})
    project.commit("v1")
    one, other = project.record(f1=0.5), project.record(loss=0.5)
    ledger("runs", "--where", "f1 > 0.1", "--strict")
    assert "1 run left out" in ledger.err
    ledger("diff", one, other, "--strict")


def test_what_lacks_an_input_is_missing_in_the_log_too(project: Project, ledger: Ledger) -> None:
    """It recorded nothing that could be compared, and takes the place of no other run's value."""
    parts = {"precision": MACRO, "recall": MACRO}
    project.declare("1", parts)
    project.commit("parts")
    project.record(precision=0.5, recall=1)
    project.record(precision=0.5)
    project.declare("2", {**parts, "f1": MACRO})
    (path,) = project.migrate("--take", "f1")
    found = ledger("log", "--metric", "f1", "--strict")
    assert "left out: 1 run without a value" in found.splitlines()
    ledger("runs", "--strict")
    body = json.loads(path.read_text())
    del body["id"]
    body["metrics"][0] |= {"exactness": "approximate", "reason": "rounded inputs"}
    path.write_text(json.dumps(body))
    ledger("log", "--metric", "f1", "--strict", code=5)
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["metrics"]["f1"]["grade"] == "approximate"


@pytest.mark.long
def test_approximate_values_count_in_every_command(project: Project, ledger: Ledger) -> None:
    parts = {"precision": MACRO, "recall": MACRO}
    project.declare("1", parts)
    project.commit("parts")
    old = project.record(precision=0.5, recall=1)
    project.declare("2", {**parts, "f1": MACRO})
    (path,) = project.migrate("--take", "f1")
    body = json.loads(path.read_text())
    body.pop("id", None)
    body["metrics"][0] |= {"exactness": "approximate", "reason": "rounded inputs"}
    path.write_text(json.dumps(body))
    project.commit("f1")
    new = project.record(precision=1, recall=1, f1=0.5)
    f1 = 0.6666666666666666
    assert ledger("runs", "--where", "f1 > 0.6", "--ids") == ""
    assert ledger("runs", "--where", "f1 > 0.6", "--ids", "--approx").split() == [old]
    assert ledger("runs", "--sort", "-f1", "--ids").split() == [new, old]
    assert ledger("runs", "--sort", "-f1", "--ids", "--approx").split() == [old, new]
    assert ledger.json("show", old)["metrics"]["f1"]["value"] is None
    assert ledger.json("show", old, "--approx")["metrics"]["f1"]["value"] == f1
    assert ledger.json("diff", old, new, "--approx")["metrics"][0]["delta"] == 0.5 - f1
    assert api.runs(sort="-f1", approx=True)["metrics.f1"].to_pylist() == [f1, 0.5]
    for command in (("log", "--metric", "f1"), ("runs",), ("show", old), ("diff", old, new)):
        assert "(0.6666" in " ".join(ledger(*command).split()), command
        assert "≈" in ledger(*command), command
        assert "(0.6666" not in ledger(*command, "--approx"), command
        ledger(*command, "--strict", code=5)
        ledger(*command, "--strict", "--approx")


@pytest.mark.slow
def test_a_value_in_another_unit_than_its_column_says_so(
    year: tuple[Project, str, str], ledger: Ledger
) -> None:
    project, *_ = year
    project.declare("3", {"f1": WEIGHTED, "train_loss": LOSS})
    project.migrate(reason="another average")
    project.commit("weighted")
    project.record(f1=0.8, train_loss=0.3)
    for command in (("runs",), ("log", "--metric", "f1")):
        assert "(0.8 [1]) ‖" in " ".join(ledger(*command, "--as", "1").split()), command


def test_runs_show_what_a_metric_compares_within(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"lat": {"unit": "s", "direction": "lower", "on": {"machine": "param:machine"}}})
    project.commit("v1")
    for machine, lat in (("a", 4.0), ("b", 1.0)):
        ledger("record", "-q", "-m", f"lat={lat}", "-p", f"machine={machine}", "-p", "a=1", "-p", "b=2")
    header = ledger("runs").splitlines()[0].split()
    assert header[-5:] == ["lat", "[s]", "machine", "a", "b"]
    assert "hint: lat compares only within one machine" in ledger.err
    ledger("runs", "--columns", "finished", "--sort", "lat")
    assert "hint: lat compares only within one machine: sorted within each" in ledger.err
    ledger("runs", "--where", "machine = 'a'")
    assert "compares only" not in ledger.err
    one, other = ledger("runs", "--ids").split()
    assert ledger.json("diff", one, other)["metrics"][0]["delta"] is None
    ledger("diff", one, other, "--strict", code=5)


@pytest.mark.slow
def test_strict_is_about_what_compares_and_not_about_nan(project: Project, ledger: Ledger) -> None:
    """NaN is a value of its definition: it compares, and is never best."""
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    project.record(f1=0.5)
    project.commit("v2")
    run = project.record(f1=float("nan"))
    for words in (
        ("log", "-m", "f1"), ("runs", "-c", "f1"), ("show", run), ("explain", run, "f1"),
        ("experiments", "-m", "f1"),
    ):  # fmt: skip
        ledger(*words, "--strict")
    left = ledger.json("log", "-m", "f1")["left_out"]
    assert (left["not_finite"], left["incomparable"], left["no_value"]) == (1, 0, 0)
    assert "1 run whose value is not finite" in ledger("log", "-m", "f1")
    assert "1 run left out: f1 is not finite there" in ledger("experiments", "-m", "f1")


def test_one_metric_apart_is_refused_beside_another_that_compares(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO, "loss": LOSS})
    project.commit("v1")
    project.record(f1=0.5, loss=0.5)
    project.declare("2", {"f1": MACRO, "loss": {**LOSS, "epoch": 2}})
    assert "loss: 1 run not comparable" in ledger("log", "-m", "f1", "-m", "loss").splitlines()
    for words in (
        ("log", "-m", "f1", "-m", "loss"),
        ("runs", "-c", "f1,loss"),
        ("experiments", "-m", "loss"),
    ):
        ledger(*words, "--strict", code=5)
