"""`ledger schema check` in real repositories: against the right revisions, against all that runs used, in three forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project, complete

F1: dict[str, Any] = {
    "unit": "1", "direction": "higher", "how": {"average": "macro"}, "on": {"dataset": "imdb"},
}  # fmt: skip
WEIGHTED = {**F1, "how": {"average": "weighted"}}


def test_a_careful_schema_is_clean(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": F1})
    assert ledger("schema", "check") == ""
    assert "checked main against" in ledger.err
    assert "nothing to mend" in ledger.err
    assert ledger.json("schema", "check") == {"findings": []}


def test_a_change_without_a_migration_fails_and_says_where(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": F1, "loss": {**F1, "direction": "lower"}})
    project.commit("v1")
    project.declare("2", {"f1": WEIGHTED})
    text = ledger("schema", "check", code=5)
    file = ".ledger/schemas/main.json"
    line = 1 + (project.repo.path / file).read_text()[
        : (project.repo.path / file).read_text().index('"f1": {')
    ].count("\n")
    metrics = next(
        i
        for i, row in enumerate((project.repo.path / file).read_text().splitlines(), 1)
        if '"metrics"' in row
    )
    assert text.splitlines() == [
        f"{file}:{metrics}: LS103 error: loss is gone (say what became of it: rename, redefine or drop)",
        f"{file}:{line}: LS101 error: f1: how.average macro → weighted (`ledger schema migrate` drafts a migration)",
    ]
    assert "2 errors" in ledger.err
    assert "Traceback" not in ledger.err
    (first, second) = ledger.json("schema", "check", code=5)["findings"]
    assert second == {
        "code": "LS101", "severity": "error", "metric": "f1", "file": file, "name": "DEF_CHANGED_NO_MIGRATION",
        "message": "f1: how.average macro → weighted", "hint": "`ledger schema migrate` drafts a migration", "line": line,
    }  # fmt: skip
    assert (first["code"], first["line"]) == ("LS103", metrics)
    project.migrate()
    assert project.findings() == []


def test_annotations_for_github_are_escaped(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"a,b:c": {**F1, "unit": "%"}})
    project.commit("v1")
    project.declare("2", {"a,b:c": {**F1, "how": {"x": "one\ntwo"}}})
    (line,) = ledger("schema", "check", "--github", code=5).splitlines()
    head, _, message = line.partition("::")[2].partition("::")
    assert head.startswith("error file=.ledger/schemas/main.json,line=")
    assert head.endswith(",title=LS101 DEF_CHANGED_NO_MIGRATION")
    assert message.startswith("a,b:c: unit %25 → 1; how.average macro → (none)")
    assert message.endswith("%0A`ledger schema migrate` drafts a migration")
    ledger("schema", "check", "--github", "--json", code=2)


def test_warnings_fail_only_when_asked(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": {"unit": "1", "direction": "higher"}})
    assert "LS503 warning: f1: no `how`" in ledger("schema", "check")
    ledger("schema", "check", "--fail-on", "warn", code=5)


@pytest.mark.slow
def test_on_a_branch_the_fork_counts_and_on_the_default_branch_the_last_commit(
    project: Project, repo: Repo
) -> None:
    project.declare("1", {"f1": F1})
    first = project.commit("v1")
    project.declare("2", {"f1": WEIGHTED})
    project.commit("without a migration")
    assert project.findings("fails") == [("LS101", "f1")]
    project.commit("later, and no run used the first one")
    assert project.findings() == []
    repo.git("checkout", "-qb", "exp/b", first)
    project.declare("3", {"f1": {**F1, "epoch": 2}})
    project.commit("on the branch")
    project.commit("and on")
    assert project.findings("fails") == [("LS101", "f1")]
    assert project.findings("--against", "HEAD") == []
    assert project.findings("--against", "main", "fails") == [("LS101", "f1")]


@pytest.mark.slow
def test_every_definition_that_any_run_used(project: Project) -> None:
    project.declare("1", {"f1": F1, "unused": F1})
    project.commit("v1")
    project.record(f1=0.5)
    project.declare("2", {"f1": WEIGHTED})
    project.commit("v2")
    project.commit("later")
    assert project.findings("fails") == [("LS102", "f1")], "a name that no run has a value of is not missed"
    project.migrate()
    assert project.findings() == []


@pytest.mark.slow
def test_both_parents_of_a_merge_and_the_draft_that_mends_it(project: Project, repo: Repo) -> None:
    """One branch changes `how`, the other the unit; git merges the text to what nobody ever had."""
    project.declare("1", {"f1": {**F1, "unit": "%"}})
    base = project.commit("base")
    repo.git("checkout", "-qb", "exp/a")
    schema = repo.path / ".ledger/schemas/main.json"
    schema.write_text(schema.read_text().replace('"macro"', '"weighted"'))
    project.migrate(reason="support of the classes was not recorded")
    project.commit("weighted")
    one = project.record(f1=91.2)
    repo.git("checkout", "-qb", "exp/b", base)
    schema.write_text(schema.read_text().replace('"unit": "%"', '"unit": "1"'))
    project.migrate()
    project.commit("fraction")
    repo.git("checkout", "-q", "exp/a")
    repo.git("rm", "-q", "--cached", "code.py")
    repo.git("commit", "-qm", "no code")
    repo.git("checkout", "-qf", "exp/b")
    repo.git("rm", "-q", "code.py")
    repo.git("commit", "-qm", "no code")
    repo.git("merge", "-q", "--no-edit", "exp/a")
    assert sorted(project.findings("fails")) == [("LS101", "f1"), ("LS201", "f1")]
    drafted = [json.loads(path.read_text()) for path in project.drafts()]
    operations = {operation["op"]: operation for body in drafted for operation in body["metrics"]}
    assert operations.keys() == {"convert", "redefine"}
    assert "todo" not in operations["redefine"], "each side's operation is known from the other side"
    assert project.findings() == []
    found = project.ledger.json("explain", one, "f1")
    assert (found["value"], found["grade"]) == (0.912, "exact")


def test_files_that_can_not_be_used_are_findings_and_others_are_checked(project: Project, repo: Repo) -> None:
    project.declare("1", {"f1": F1})
    project.declare("1", {"f1": F1}, name="other")
    project.commit("v1")
    repo.write(
        ".ledger/schemas/other.json",
        '{\n "properties": {"metrics": {"properties": {\n  "a": {"x-ledger": {"unti": "1"}}}}}\n}',
    )
    project.declare("2", {"f1": WEIGHTED})
    repo.write(".ledger/migrations/main/x.json", "[]")
    assert project.findings("fails") == [("LS412", ""), ("LS101", "f1"), ("LS306", "")]
    assert project.findings("main", "fails") == [("LS412", ""), ("LS101", "f1")]
    assert project.findings("other", "fails") == [("LS306", "")]
    project.ledger("schema", "check", "nobody", code=1)
    found = project.ledger("schema", "check", "other", code=5)
    assert ".ledger/schemas/other.json:3: LS306 error: $.properties.metrics.properties.a" in found


def test_a_schema_that_can_not_be_used_is_no_fault_of_another(project: Project, repo: Repo) -> None:
    """What its runs used leads to what it declares, which nobody can read now."""
    project.declare("1", {"f1": F1})
    project.commit("v1")
    project.record(f1=0.5)
    project.declare("1", {"loss": F1}, name="other")
    project.commit("another")
    repo.write(".ledger/schemas/main.json", "<<<<<<< HEAD\n")
    assert project.findings("fails") == [("LS306", "")]
    (repo.path / ".ledger/schemas/main.json").unlink()
    assert ("LS103", "f1") in project.findings("fails")


def test_a_migration_that_was_edited_after_it_was_published(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": {**F1, "unit": "%"}})
    project.commit("v1")
    project.declare("2", {"f1": F1})
    (path,) = project.migrate()
    project.commit("v2")
    body = json.loads(path.read_text())
    old = body.pop("id")
    body["metrics"] = [{"op": "affine", "from": "f1", "to": "f1", "scale": "1/100"}]
    path.write_text(json.dumps(body))
    text = ledger("schema", "check")
    assert "LS407 warning" in text
    assert old in text
    path.write_text(json.dumps({**body, "supersedes": [old]}))
    assert ledger("schema", "check") == ""


def test_schema_files_that_are_moved_or_removed(project: Project, repo: Repo) -> None:
    project.declare("1", {"f1": F1, "loss": F1})
    project.commit("v1")
    (repo.path / ".ledger/schemas/main.json").rename(repo.path / ".ledger/schemas/renamed.json")
    assert project.findings() == []
    project.declare("1", {"f1": F1}, name="renamed")
    assert project.findings("fails") == [("LS103", "loss")]


def test_a_draft_fails_until_it_is_complete(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": F1})
    project.commit("v1")
    project.declare("2", {"f1": WEIGHTED})
    (path,) = project.drafts()
    assert ("LS408", "f1") in project.findings("fails")
    ledger("log", "--metric", "f1")
    assert f"{path.name}: an unfinished draft, not used yet" in ledger.err
    complete(path, " ")
    assert ("LS111", "f1") in project.findings("fails")
    body = json.loads(path.read_text())
    body["metrics"][0]["reason"] = "other averages"
    path.write_text(json.dumps(body))
    assert project.findings() == []


@pytest.mark.usefixtures("repo")
def test_without_any_schema(ledger: Ledger) -> None:
    assert ledger("schema", "check") == ""
    assert "checked no schema" in ledger.err
    ledger("schema", "check", "--against", "nobody", code=1)
