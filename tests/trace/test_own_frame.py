"""Values of another frame: shown apart, each frame in its newest definition."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from conftest import Ledger, Repo
from projects import PERCENT, WEIGHTED, Project, percent_to_fraction

import ledger as api


@pytest.fixture
def weighted(project: Project) -> tuple[Project, str, str]:
    """Percent, then a fraction, then another average: the first run, and the last."""
    old, _ = percent_to_fraction(project, 84.2, 0.86)
    project.declare("3", {"f1": WEIGHTED})
    project.migrate(reason="classes differ in size")
    project.commit("weighted")
    return project, old, project.record(f1=0.9)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_a_frame_is_shown_in_its_newest_definition(
    weighted: tuple[Project, str, str], ledger: Ledger
) -> None:
    _, old, new = weighted
    for words in (("log", "--metric", "f1"), ("runs",), ("show", old), ("diff", old, new)):
        text = squeezed(ledger(*words))
        assert "(0.842) ‖" in text, words
        assert "84.2" not in text.replace("0.842", ""), words
    assert "main f1 (0.842) ‖" in squeezed(ledger("log", "--metric", "f1", "--runs"))


@pytest.mark.slow
def test_documents_hold_what_was_recorded_and_what_that_is_in_its_own_frame(
    weighted: tuple[Project, str, str], ledger: Ledger
) -> None:
    _, old, new = weighted
    definitions = ledger.json("schema", "matrix", "f1")["definitions"]
    macro = next(one["did"] for one in definitions if one["versions"] == ["2"])
    expected = {"value": 84.2 / 100, "unit": "1", "definition": macro}
    cells = [
        ledger.json("log", "--metric", "f1")["rows"][2]["metrics"]["f1"],
        ledger.json("show", old)["metrics"]["f1"],
        ledger.json("diff", old, new)["metrics"][0]["a"],
    ]
    for cell in cells:
        assert (cell["value"], cell["recorded"], cell["own"]) == (None, 84.2, expected)
    assert ledger.json("show", new)["metrics"]["f1"]["own"] is None
    (row,) = [row for row in ledger.json("runs") if row["run_id"] == old]
    assert (row["metrics.f1"], row["recorded.f1"], row["grade.f1"]) == (None, 84.2, "incomparable")


@pytest.mark.slow
def test_explain_tells_both(weighted: tuple[Project, str, str], ledger: Ledger) -> None:
    _, old, _ = weighted
    text = squeezed(ledger("explain", old, "f1"))
    assert "recorded f1 84.2 %" in text
    assert "within its own frame 1. convert f1 → f1" in text
    assert "‖ f1 (0.842" in text
    assert "in parentheses as f1 d1:" in text
    found = ledger.json("explain", old, "f1")
    assert (found["value"], found["own"]["value"]) == (None, 84.2 / 100)
    assert [step["op"] for step in found["own_steps"]] == ["convert"]
    assert found["steps"] == []
    assert [step["op"] for step in found["breaks"]] == ["redefine"]


@pytest.mark.slow
def test_a_unit_that_is_not_the_column_s_stands_beside_the_value(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"speed": {"unit": "s", "how": {"what": "latency"}}})
    project.commit("latency")
    old = project.record(speed=1.5)
    project.declare("2", {"speed": {"unit": "{item}/s", "how": {"what": "throughput"}}})
    project.migrate(reason="rate now")
    project.commit("throughput")
    new = project.record(speed=20)
    for words in (("log", "--metric", "speed"), ("runs",), ("show", old), ("diff", old, new)):
        assert "(1.5 s) ‖" in squeezed(ledger(*words)), words


def test_what_was_redefined_under_another_name_is_shown_too(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1_macro": PERCENT})
    project.commit("macro")
    old = project.record(f1_macro=84.2)
    project.declare("2", {"f1": WEIGHTED})
    project.migrate("--rename", "f1_macro=f1", reason="another average")
    project.commit("weighted")
    project.record(f1=0.9)
    assert "(84.2 %) ‖" in squeezed(ledger("log", "--metric", "f1"))
    assert "(84.2 %) ‖" in squeezed(ledger("runs", "--columns", "f1"))
    (row,) = [row for row in ledger.json("runs", "--columns", "f1") if row["run_id"] == old]
    assert (row["metrics.f1"], row["recorded.f1"], row["grade.f1"]) == (None, 84.2, "incomparable")


@pytest.mark.slow
def test_newer_versions_seen_from_an_older_one(weighted: tuple[Project, str, str], ledger: Ledger) -> None:
    project, old, _ = weighted
    assert project.rows("f1", "--as", "1") == [("incomparable", 0.9), ("exact", 86.0), ("identical", 84.2)]
    assert "(0.9 1)" not in ledger("log", "--metric", "f1", "--as", "1")
    assert ledger.json("show", old, "--as", "1")["metrics"]["f1"]["value"] == 84.2


@pytest.mark.slow
def test_a_revert_ends_where_nothing_leads_on(project: Project, ledger: Ledger) -> None:
    """Percent, a fraction, percent again: the frame has no last definition, and its values are as one of them."""
    old, _ = percent_to_fraction(project, 84.2, 0.86)
    project.declare("3", {"f1": PERCENT})
    project.commit("percent again")
    project.declare("4", {"f1": WEIGHTED})
    project.migrate(reason="weighted")
    project.commit("weighted")
    cells = [row["metrics"]["f1"]["own"] for row in ledger.json("log", "--metric", "f1")["rows"]]
    assert len({cell["definition"] for cell in cells}) == 1
    assert "f1 (0.842) ‖" in squeezed(ledger("show", old))


@pytest.mark.slow
@pytest.mark.usefixtures("weighted")
def test_exported_values_of_another_frame_are_as_they_were_recorded(ledger: Ledger, repo: Repo) -> None:
    ledger("export", "out")
    table = pq.read_table(repo.path / "out/runs.parquet")
    assert table["metrics.f1"].to_pylist() == [0.9, None, None]
    assert table["recorded.f1"].to_pylist() == [0.9, 0.86, 84.2]
    assert api.runs(sort="-f1")["metrics.f1"].to_pylist()[0] == 0.9


def test_an_asserted_bare_name_stands_in_the_frame_that_it_was_joined_to(
    project: Project, ledger: Ledger
) -> None:
    """Said to be what version 1 has, it is no unknown any more: what parts it from now is the break, with its reason."""
    old = project.record(f1=84.2)
    project.declare("1", {"f1": PERCENT})
    project.migrate(reason="evaluate.py did not change")
    project.commit("percent")
    assert project.rows("f1", "--all")[-1] == ("exact", 84.2)
    project.declare("2", {"f1": WEIGHTED})
    project.migrate(reason="another average")
    cell = ledger.json("show", old)["metrics"]["f1"]
    assert (cell["grade"], cell["recorded"], cell["own"]["unit"]) == ("incomparable", 84.2, "%")
    assert "another average" in cell["reason"]
    assert "(84.2 %) ‖" in squeezed(ledger("runs"))
