"""`ledger schema migrate`: which sides drafts come from, what is asked, where they are written."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import LOSS, MACRO, PERCENT, Project

pytestmark = pytest.mark.slow


class Typed(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def read(paths: list[Any]) -> list[list[dict[str, Any]]]:
    return [json.loads(path.read_text()).get("metrics", []) for path in paths]


def test_a_unit_change_is_drafted_whole_and_its_file_says_so(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT})
    project.commit("v1")
    project.declare("2", {"f1": MACRO})
    (path,) = project.drafts()
    assert path.parent == project.repo.path / ".ledger/migrations/main"
    assert path.name[10:14] == "-f1-"
    assert len(path.stem.rpartition("-")[2]) == 8
    assert "next: `ledger schema check`" in ledger.err
    body = json.loads(path.read_text())
    assert (body["summary"], body["from"]["version"], body["to"]["version"]) == ("convert f1", "1", "2")
    assert project.findings() == []
    assert ledger("schema", "migrate") == ""
    assert "nothing to migrate" in ledger.err


def test_the_same_draft_is_not_written_twice(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    project.declare("2", {"f1": {**MACRO, "epoch": 2}})
    (path,) = project.drafts()
    path.rename(path.with_name("2020-01-01" + path.name[10:]))
    project.drafts(code=1)
    assert "2020-01-01" in ledger.err
    assert "is there already" in ledger.err


def test_renames_by_option_by_yes_and_left_open(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"loss": LOSS})
    project.commit("v1")
    project.declare("2", {"train_loss": LOSS, "aux_loss": LOSS})
    left = json.loads(ledger("schema", "migrate", "-o", "-"))
    assert "todo" in left["metrics"][0]
    assert "remove each `todo`" in ledger.err
    taken = json.loads(ledger("schema", "migrate", "--yes", "-o", "-"))
    assert taken["metrics"] == [{"op": "rename", "from": "loss", "to": "aux_loss"}]
    named = json.loads(ledger("schema", "migrate", "--rename", "loss=train_loss", "-o", "-"))
    assert named["metrics"] == [{"op": "rename", "from": "loss", "to": "train_loss"}]
    ledger("schema", "migrate", "--rename", "loss=nobody", code=1)
    ledger("schema", "migrate", "--rename", "loss", code=2)


@pytest.mark.parametrize(
    ("answers", "operation"), [("n\ny\n", "rename"), ("n\nn\n", "drop"), ("\n\n", "drop")]
)
def test_renames_are_asked_about_at_a_terminal(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, answers: str, operation: str
) -> None:
    project.declare("1", {"loss": LOSS})
    project.commit("v1")
    project.declare("2", {"loss_a": LOSS, "loss_b": LOSS})
    monkeypatch.setattr("sys.stdin", Typed(answers))
    monkeypatch.setattr("sys.stderr", err := Typed())
    body = json.loads(ledger("schema", "migrate", "-o", "-"))
    assert "renamed loss → loss_a? [y/N]" in err.getvalue()
    (words,) = body["metrics"]
    assert words["op"] == operation
    assert words.get("to") == ("loss_b" if operation == "rename" else None)
    assert ("todo" in words) == (operation == "drop")


def test_undeclared_values_get_a_draft_of_their_own(project: Project, ledger: Ledger) -> None:
    project.record(f1=91.0, other=1)
    body = json.dumps(
        {
            "properties": {
                "metrics": {"properties": {"f1": {"type": "number", "maximum": 1, "x-ledger": MACRO}}}
            }
        }
    )
    project.repo.write(".ledger/schemas/main.json", body)
    (path,) = project.drafts()
    assert read([path])[0][0]["op"] == "same"
    assert "from values without a definition" in ledger.err
    assert '"scale": "1/100"' in ledger.err
    assert "values up to 91 were recorded" in ledger.err


def test_identities_are_printed_and_never_chosen(project: Project, ledger: Ledger) -> None:
    inputs = {"precision": MACRO, "recall": MACRO, "accuracy": MACRO}
    project.declare("1", {"f1": MACRO, **inputs})
    project.commit("v1")
    project.record(f1=0.6, precision=0.5, recall=1, accuracy=0.75)
    project.declare(
        "2",
        {"f1": {**MACRO, "how": {"average": "micro"}}, **inputs, "error": {**MACRO, "direction": "lower"}},
    )
    (path,) = project.drafts()
    assert [one["op"] for one in read([path])[0]] == ["redefine"]
    assert '"expr": "2*p*r/(p+r)"' in ledger.err
    assert '"from": "accuracy", "offset": "1", "op": "affine", "scale": "-1"' in ledger.err
    path.unlink()
    assert [
        [one["op"] for one in listed] for listed in read(project.migrate("--take", "f1", "--take", "error"))
    ] == [
        ["derive", "affine"],
    ]
    assert project.findings() == []
    assert project.rows("f1") == [("exact", 0.6666666666666666)]
    assert project.rows("error") == [("exact", 0.25)]


def test_a_revision_or_one_definition_to_come_from(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT, "loss": LOSS})
    first = project.commit("v1")
    project.record(f1=50, loss=1)
    project.declare("2", {"f1": {**MACRO, "epoch": 2}, "loss": LOSS})
    project.commit("v2")
    project.declare("3", {"f1": MACRO, "loss": LOSS})
    assert [
        one["op"] for one in json.loads(ledger("schema", "migrate", "--from", first, "-o", "-"))["metrics"]
    ] == ["convert"]
    (row,) = [one for one in ledger.json("schema", "matrix", "f1")["definitions"] if one["runs"]]
    by_id = json.loads(ledger("schema", "migrate", "--from", row["did"][:11], "-o", "-"))
    assert [one["op"] for one in by_id["metrics"]] == ["convert"]
    assert (
        json.loads(ledger("schema", "migrate", "--from", "HEAD", "-o", "-"))["metrics"][0]["op"] == "redefine"
    )
    ledger("schema", "migrate", "--from", "nobody", code=1)
    ledger("schema", "migrate", "--from", "HEAD", "--merge", code=2)


def test_the_line_of_a_todo_can_be_deleted(project: Project) -> None:
    project.declare("1", {"f1": MACRO, "loss": LOSS})
    project.commit("v1")
    project.declare("2", {"f1": {**MACRO, "epoch": 2}, "train_loss": LOSS})
    (path,) = project.drafts()
    lines = path.read_text().splitlines()
    assert sum('"todo"' in line for line in lines) == 2
    path.write_text(
        "\n".join(line for line in lines if '"todo"' not in line).replace('"reason": ""', '"reason": "r"')
    )
    assert project.findings() == []


def test_a_version_to_come_from(project: Project, repo: Repo, ledger: Ledger) -> None:
    """By label, by label and id, with the name of the schema; of runs, and of commits that no run used."""

    def ops(source: str) -> list[str]:
        drafted = json.loads(ledger("schema", "migrate", "--from", source, "-o", "-"))
        return [one["op"] for one in drafted["metrics"]]

    project.declare("1", {"f1": PERCENT})
    project.declare("1", {"f1": PERCENT}, name="other")
    base = project.commit("v1")
    project.record(f1=50)
    project.declare("2", {"f1": {**MACRO, "epoch": 2}})
    project.commit("v2, which no run used")
    (now,) = ledger.json("schema", "show", "main")
    two = now["id"]
    project.declare("3", {"f1": MACRO})
    assert ops("main@1") == ["convert"]
    assert ops("main@2") == ops(f"main@2@{two[3:9]}") == ops(f"main@{two[3:9]}") == ["redefine"]
    ledger("schema", "migrate", "--from", "2", "-o", "-", code=1)
    assert "the schema other" in ledger.err
    (repo.path / ".ledger/schemas/other.json").unlink()
    assert ops("1") == ops("other@1") == ["convert"]
    assert ops("2") == ops(two) == ops(f"2@{two[3:15]}") == ["redefine"]
    repo.git("checkout", "-qfb", "branch", base)
    project.declare("2", {"f1": {**PERCENT, "epoch": 9}})
    project.commit("another version 2")
    repo.git("checkout", "-q", "main")
    project.declare("3", {"f1": MACRO})
    ledger("schema", "migrate", "--name", "main", "--from", "2", code=1)
    assert "2 schemas are called 2\nhint: name one of them: 2@" in ledger.err
    assert f"2@{two[3:15]}" in ledger.err
    for nobody in ("7", "main@7", "s1:0000", "2@0000", "nobody@2"):
        ledger("schema", "migrate", "--name", "main", "--from", nobody, code=1)
        assert "no version of it" in ledger.err


def test_what_runs_used_and_no_revision_shows(project: Project, ledger: Ledger) -> None:
    """Two older definitions of one name: a draft each, since a migration has one of a name on each side."""
    for epoch in (1, 2, 3):
        project.declare(str(epoch), {"f1": {**MACRO, "epoch": epoch}})
        project.commit(f"v{epoch}")
        project.record(f1=0.5)
    project.commit("later")
    project.commit("later still")
    ledger("schema", "migrate", "-o", "x.json", code=2)
    assert "2 drafts and one file" in ledger.err
    paths = project.migrate()
    assert [one[0]["op"] for one in read(paths)] == ["redefine", "redefine"]
    assert project.findings() == []


def test_params_and_several_schemas(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT}, {"depth": {"type": "string"}})
    project.declare("1", {"acc": PERCENT}, name="other")
    project.commit("v1")
    project.declare("2", {"f1": PERCENT}, {"depth": {"type": "integer"}})
    project.declare("2", {"acc": MACRO}, name="other")
    body = json.loads(ledger("schema", "migrate", "--name", "main", "-o", "-"))
    assert body["params"] == [{"op": "cast", "from": "depth", "to": "depth"}]
    paths = project.drafts()
    assert sorted(path.parent.name for path in paths) == ["main", "other"]
    assert project.findings() == []
    ledger("schema", "migrate", "--name", "nobody", code=1)


@pytest.mark.usefixtures("repo")
def test_what_is_missing_is_said(ledger: Ledger) -> None:
    ledger("schema", "migrate", code=1)
    assert "ledger schema infer" in ledger.err


def test_merge_needs_a_merge(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    ledger("schema", "migrate", "--merge", code=1)
    assert "no merge" in ledger.err


def test_both_sides_of_an_older_merge(project: Project, repo: Repo, ledger: Ledger) -> None:
    project.declare("1", {"f1": PERCENT})
    base = project.commit("base")
    project.declare("2", {"f1": {**PERCENT, "epoch": 2}})
    project.commit("one side")
    repo.git("checkout", "-qb", "other", base)
    project.declare("3", {"f1": {**PERCENT, "epoch": 3}})
    project.commit("other side")
    repo.git("merge", "-q", "-s", "ours", "--no-edit", "main")
    project.declare("4", {"f1": {**MACRO, "epoch": 3}})
    project.commit("after the merge")
    project.commit("and on")
    assert len(project.drafts("--merge", "-o", "-")) > 1
    assert '"op": "redefine"' in ledger("schema", "migrate", "--merge", "-o", "-")
    paths = project.migrate("--merge")
    assert sorted(one[0]["op"] for one in read(paths)) == ["convert", "redefine"]


def test_names_that_nothing_has_are_refused(project: Project, ledger: Ledger) -> None:
    project.declare("1", {"f1": MACRO})
    project.commit("v1")
    for words, said in (
        (("--take", "nosuch"), "no schema declares nosuch"),
        (("--take", "f1"), "nothing is proposed for f1"),
        (("--rename", "nosuch=f1"), "nothing was ever called nosuch"),
    ):
        ledger("schema", "migrate", *words, code=1)
        assert said in ledger.err
    assert not (project.repo.path / ".ledger/migrations").exists()


def test_what_is_taken_needs_no_redefinition_where_every_run_has_its_inputs(
    project: Project, ledger: Ledger
) -> None:
    parts = {"precision": MACRO, "recall": MACRO}
    project.declare("1", {**parts, "f1": MACRO})
    project.commit("v1")
    project.record(f1=0.5, precision=0.5, recall=1)
    project.declare("2", {**parts, "f1": {**MACRO, "how": {"average": "micro"}}})
    (path,) = project.drafts("--take", "f1")
    assert [one["op"] for one in read([path])[0]] == ["derive"]
    assert "derive precision and recall → f1" in ledger.err
    ledger("schema", "migrate", "--take", "f1")
    assert project.findings() == []


def test_a_redefinition_stays_for_runs_that_lack_the_inputs(project: Project, ledger: Ledger) -> None:
    parts = {"precision": MACRO, "recall": MACRO}
    project.declare("1", {**parts, "f1": MACRO})
    project.commit("v1")
    project.record(f1=0.5, precision=0.5, recall=1)
    project.record(f1=0.6)
    project.declare("2", {**parts, "f1": {**MACRO, "how": {"average": "micro"}}})
    redefined, derived = read(project.drafts("--take", "f1"))
    assert (redefined[0]["op"], derived[0]["op"]) == ("redefine", "derive")
    assert redefined[0]["todo"].startswith("for 1 run without precision and recall")
    assert ledger("schema", "migrate", "--take", "f1") == ""
    assert "unfinished, and not used yet: .ledger/migrations/main/" in ledger.err
