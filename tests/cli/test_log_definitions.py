"""`ledger log` of metrics that are declared: what converts, what breaks, what stands apart, what drifts."""

from __future__ import annotations

import pytest
from conftest import Ledger, Repo
from projects import BY_MACHINE, HIGHER, Project


def test_another_definition_is_marked_and_breaks_the_column(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    project.declare("1", {"f1": HIGHER})
    old = repo.commit("fraction")
    ledger("record", "-m", "f1=84.2")
    project.declare("2", {"f1": {**HIGHER, "unit": "%"}})
    new = repo.commit("percent")
    ledger("record", "-m", "f1=90")
    found = ledger.json("log", "--metric", "f1")
    assert [row["metrics"]["f1"]["grade"] for row in found["rows"]] == ["identical", "incomparable"]
    assert found["rows"][0]["metrics"]["f1"]["delta"] is None
    (line,) = found["breaks"]
    assert (line["newer"], line["older"]) == (new, old)
    assert "unit" in line["reason"]
    text = ledger("log", "--metric", "f1")
    assert "(84.2 [1])" in text
    assert "1 run not comparable" in text
    ledger("log", "--metric", "f1", "--strict", code=5)


def test_a_change_of_the_code_behind_a_metric_is_marked(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"f1": {**HIGHER, "source": "metrics.py:f1"}})
    repo.commit("define", metrics__py="def f1(x):\n    return sum(x)\n")
    ledger("record", "-m", "f1=0.5")
    repo.commit("say more", metrics__py='def f1(x):\n    """Words."""\n    return sum(x)\n')
    ledger("record", "-m", "f1=0.5")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["metrics"]["f1"]["drift"] for row in rows] == [False, False]
    repo.commit("compute otherwise", metrics__py="def f1(x):\n    return max(x)\n")
    ledger("record", "-m", "f1=0.6")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["metrics"]["f1"]["drift"] for row in rows] == [False, True, True]
    assert "~ the code behind f1 changed: ledger drift f1" in ledger("log", "--metric", "f1")
    assert "metrics.py" in ledger("drift", "f1")


def test_an_old_percentage_is_shown_as_a_fraction(project: Project, repo: Repo, ledger: Ledger) -> None:
    """The definition changes its unit and a migration says so: one scale, exact to the bit."""
    project.declare("1", {"f1": {**HIGHER, "unit": "%"}})
    repo.commit("percent")
    ledger("record", "-m", "f1=87.3")
    project.declare("2", {"f1": HIGHER})
    project.migrate()
    repo.commit("fraction")
    ledger("record", "-m", "f1=0.9")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    cells = [row["metrics"]["f1"] for row in rows]
    assert [cell["value"] for cell in cells] == [0.9, 0.873]
    assert [cell["recorded"] for cell in cells] == [0.9, 87.3]
    assert [cell["grade"] for cell in cells] == ["identical", "exact"]
    assert cells[0]["delta"] == pytest.approx(0.027)
    assert "0.873 →" in ledger("log", "--metric", "f1")
    found = ledger.json("runs", "--where", "metrics.f1 < 0.88", "--columns", "f1")
    assert [run["metrics.f1"] for run in found] == [0.873]
    older = ledger.json("log", "--metric", "f1", "--at", "HEAD~1")["rows"]
    assert [row["metrics"]["f1"]["grade"] for row in older] == ["incomparable", "identical"]


def test_a_partition_is_a_column_and_not_a_break(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"loss": BY_MACHINE})
    for number in range(2):
        repo.commit(f"c{number}", train__py=str(number))
        for machine, value in (("a", 1.0), ("b", 5.0)):
            ledger("record", "-p", f"machine={machine}", "-m", f"loss={value + number}")
    found = ledger.json("log", "--metric", "loss")
    got = [(row["partition"]["machine"], row["metrics"]["loss"]["value"]) for row in found["rows"]]
    assert sorted(got) == [("a", 1.0), ("a", 2.0), ("b", 5.0), ("b", 6.0)]
    assert {row["metrics"]["loss"]["delta"] for row in found["rows"]} == {None, 1.0}
    assert found["breaks"] == []
    assert "loss [a]" in ledger("log", "--metric", "loss")


def test_a_branch_older_than_the_schema_says_how_to_see_its_values(
    project: Project, repo: Repo, ledger: Ledger
) -> None:
    repo.git("branch", "old")
    project.declare("1", {"f1": HIGHER})
    ledger("record", "-m", "f1=0.5")
    repo.commit("schema")
    out = ledger("log", "--metric", "f1", "old")
    assert "(0.5) ?" in out
    assert "--at HEAD shows it as it is defined now" in out
    assert (
        ledger.json("log", "--metric", "f1", "old", "--at", "HEAD")["rows"][0]["metrics"]["f1"]["value"]
        == 0.5
    )


def test_a_null_hides_no_value_of_another_definition(project: Project, repo: Repo, ledger: Ledger) -> None:
    """Of several runs that do not compare, the last that has a value is shown, so that the break is."""
    for how in ("old", "new"):
        project.declare(how, {"f1": {**HIGHER, "type": ["number", "null"], "how": {"code": how}}})
        repo.commit(how)
        ledger("record", "-m", "f1=0.5")
        ledger("record", "-m", "f1=null")
    found = ledger.json("log", "--metric", "f1")
    cells = [row["metrics"]["f1"] for row in found["rows"]]
    assert [(cell["grade"], cell["recorded"]) for cell in cells] == [
        ("identical", 0.5),
        ("incomparable", 0.5),
    ]
    assert len(found["breaks"]) == 1


def test_a_list_can_part_a_metric(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"f1": BY_MACHINE})
    repo.write("params.json", '{"machine": ["a", "b"]}')
    repo.commit("schema")
    ledger("record", "--params", "params.json", "-m", "f1=0.5")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["partition"] == {"machine": '["a", "b"]'}


def test_a_partition_of_one_metric_leaves_the_others_whole(project: Project, ledger: Ledger) -> None:
    lat = {**BY_MACHINE, "unit": "ms"}
    project.declare("1", {"acc": HIGHER, "lat": lat, "idle": {**lat, "on": {"room": "param:room"}}})
    for number, (acc_a, acc_b) in enumerate(((0.5, 0.6), (0.7, 0.65))):
        project.commit(f"v{number}")
        for machine, acc in (("a", acc_a), ("b", acc_b)):
            ledger("record", "-m", f"acc={acc}", "-m", f"lat={number + 1}", "-p", f"machine={machine}")
    ledger("record", "-m", "lat=9")

    both = ledger.json("log", "-m", "acc", "-m", "lat", "-m", "idle")
    for name in ("acc", "lat"):
        alone = ledger.json("log", "-m", name)
        got = [(row.get("partition"), row["metrics"][name]) for row in both["rows"] if name in row["metrics"]]
        assert got == [(row.get("partition"), row["metrics"][name]) for row in alone["rows"]]
    assert [row["metrics"]["acc"]["delta"] for row in both["rows"] if "acc" in row["metrics"]] == [
        pytest.approx(0.1), None,
    ]  # fmt: skip
    assert both["left_out"]["compared"] == 5
    text = ledger("log", "-m", "acc", "-m", "lat", "--runs")
    assert "null" not in text
    assert text.count("acc 0.65") == 1
    assert text.count("lat 9") == 1
