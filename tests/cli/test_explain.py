"""`ledger explain`: recorded value, every step, exact factors, and whose decision each was."""

from __future__ import annotations

import json

import pytest
from conftest import Ledger, Repo
from projects import Project

TIMES = "\N{MULTIPLICATION SIGN}"
MACRO = {"unit": "%", "direction": "higher", "how": {"average": "macro"}}
WEIGHTED = {"unit": "1", "direction": "higher", "how": {"average": "weighted"}}


def test_every_step_with_its_factor_migration_commit_and_author(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"lat_us": {"unit": "us", "direction": "lower"}})
    project.commit("v1")
    run = project.record(lat_us=1500)
    project.declare("2", {"latency": {"unit": "ms", "direction": "lower"}})
    (first,) = project.migrate("--rename", "lat_us=latency")
    one = project.commit("v2")
    project.declare("3", {"latency": {"unit": "s", "direction": "lower"}})
    (second,) = project.migrate()
    text = ledger("explain", run[:6], "latency")
    for part in (
        "lat_us 1500 us",
        f"1. convert  lat_us → latency  {TIMES}1/1000",
        f"2. convert  latency → latency  {TIMES}1/1000",
        f"{one[:9]}  Ada Test  2023-11-14",
        "not committed yet",
        "→ latency 0.0015 s",
        f"exact: converted exactly: {TIMES}1/1000000, applied once",
    ):
        assert part in text, part
    found = ledger.json("explain", run, "latency")
    assert (found["value"], found["grade"], found["factor"]) == (0.0015, "exact", f"{TIMES}1/1000000")
    assert [one["value"] for one in found["recorded"]] == [1500]
    assert [step["commit"] for step in found["steps"]] == [one, None]
    assert found["steps"][0]["migration"] == json.loads(first.read_text())["id"]
    assert found["steps"][1]["file"].endswith(second.name)
    assert found["breaks"] == []


def test_what_lies_between_and_why(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    run = project.record(f1=84.2)
    project.declare("2", {"f1": WEIGHTED})
    text = ledger("explain", run, "f1")
    assert "‖ f1 (84.2 %)" in text
    assert "how.average macro → weighted; no migration" in text
    assert "`ledger schema migrate` drafts" in text
    project.migrate(reason="per class support was not recorded")
    project.commit("v2")
    text = ledger("explain", run, "f1")
    assert "1. redefine  f1 → f1" in text
    assert "reason: per class support was not recorded" in text
    found = ledger.json("explain", run, "f1")
    assert (found["value"], found["grade"]) == (None, "incomparable")
    assert [(one["op"], one["author"]) for one in found["breaks"]] == [("redefine", "Ada Test")]


def test_the_inverse_under_an_older_version(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": {**WEIGHTED, "unit": "%"}})
    old = project.commit("v1")
    project.declare("2", {"f1": WEIGHTED})
    project.migrate()
    project.commit("v2")
    run = project.record(f1=0.873)
    text = ledger("explain", run, "f1", "--as", "1")
    assert f"f1 → f1  {TIMES}100  (inverse)" in text
    assert "→ f1 87.3 %" in text
    assert ledger.json("explain", run, "f1", "--at", old)["grade"] == "incomparable"


def test_undeclared_values_and_how_to_join_them(project: Project, ledger: Ledger) -> None:
    run = project.record(f1=0.8)
    assert "= f1 0.8" in ledger("explain", run, "f1")
    project.declare("1", {"f1": WEIGHTED})
    text = ledger("explain", run, "f1")
    assert "f1 0.8  no definition" in text
    assert "? f1 (0.8)" in text
    assert "drafts a `same` migration from the undeclared name" in text
    project.migrate(reason="evaluate.py is unchanged")
    text = ledger("explain", run, "f1")
    assert "1. same  f1 → f1  (asserted)" in text
    assert "→ f1 0.8" in text


def test_a_definition_that_only_another_branch_explains(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"f1": {**WEIGHTED, "unit": "%"}})
    project.commit("v1")
    repo.git("checkout", "-qb", "exp/b")
    project.declare("2", {"f1": WEIGHTED})
    project.migrate()
    project.commit("on the branch")
    run = project.record(f1=0.9)
    repo.git("checkout", "-q", "main")
    text = ledger("explain", run, "f1")
    assert "‖ f1 (0.9 [1])" in text
    assert "a migration on exp/b knows this definition: merge it" in text


def test_contradictions_are_named(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    run = project.record(f1=50)
    project.declare("2", {"f1": {**MACRO, "epoch": 2}})
    (path,) = project.migrate()
    body = json.loads(path.read_text())
    for number in (1, 2):
        body["metrics"] = [{"op": "affine", "from": "f1", "to": "f1", "offset": str(number)}]
        path.with_name(f"{number}.json").write_text(json.dumps(body))
    path.unlink()
    text = ledger("explain", run, "f1")
    assert "⚠ f1" in text
    assert "LS401 GRAPH_INCOHERENT" in text


def test_an_old_name_is_looked_up_forward(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"loss": {"unit": "nat", "direction": "lower"}})
    project.commit("v1")
    run = project.record(loss=0.25)
    project.declare("2", {"train_loss": {"unit": "nat", "direction": "lower"}})
    (path,) = project.migrate("--yes")
    text = ledger("explain", run, "loss")
    assert f"hint: loss is train_loss now (rename, {json.loads(path.read_text())['id'][:15]})" in ledger.err
    assert "→ train_loss 0.25" in text


def test_names_that_are_wrong(project: Project, ledger: Ledger) -> None:
    run = project.record(accuracy=0.5)
    project.record(other=1)
    ledger("explain", run, "acuracy", code=1)
    assert "did you mean accuracy" in ledger.err
    ledger("explain", "0000", "f1", code=1)
    ledger("explain", run, "accuracy", "--as", "7", code=1)
    assert "missing: not recorded" in ledger("explain", run, "other")


@pytest.mark.usefixtures("repo")
def test_a_value_that_nothing_declares_is_not_said_to_have_a_definition(ledger: Ledger) -> None:
    done = ledger.json("record", "-m", "f1=0.5")
    shown = ledger("explain", done["id"], "f1")
    assert shown.endswith("= f1 0.5\n  identical: not declared, compared by name\n")


@pytest.mark.usefixtures("repo")
def test_what_an_amendment_changed_is_told(ledger: Ledger) -> None:
    run = ledger.json("record", "-m", "f1=0.9", "-m", "loss=1")["id"]
    other = ledger.json("record", "-m", "f1=0.8", "-m", "loss=1")["id"]
    ledger("tag", other, "a=b")
    assert "changed" not in ledger("log", "-m", "f1")
    ledger("amend", run, "-m", "f1=0.7", "--reason", "wrong split")
    (edit,) = ledger.json("explain", run, "f1")["edits"]
    assert (edit["old"], edit["new"], edit["author"], edit["reason"]) == (0.9, 0.7, "Ada Test", "wrong split")
    text = ledger("explain", run, "f1")
    assert "f1 0.9 → 0.7  Ada Test" in text
    assert "reason: wrong split" in text
    assert ledger.json("explain", run, "loss")["edits"] == []
    assert f"f1 of 1 run was changed later: ledger explain {run[:8]} f1" in ledger("log", "-m", "f1")
    assert "changed later" not in ledger("log", "-m", "loss")


def test_an_unfinished_draft_is_on_no_other_branch(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    run = project.record(f1=0.8)
    project.declare("2", {"f1": WEIGHTED})
    project.drafts()
    project.commit("a draft")
    text = ledger("explain", run, "f1")
    assert "merge it" not in text
    assert "`ledger schema migrate` drafts a migration" in text
