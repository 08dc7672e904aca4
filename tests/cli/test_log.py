"""`ledger log` over real histories: rows, ranges, levels, what is left out."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo
from projects import Project

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "metrics": {
            "type": "object",
            "properties": {
                "f1": {"type": "number", "x-ledger": {"unit": "1", "direction": "higher"}},
                "loss": {"type": "number", "x-ledger": {"direction": "lower"}},
            },
        }
    },
}


@pytest.fixture
def schema(repo: Repo) -> dict[str, Any]:
    repo.write(".ledger/schemas/main.json", json.dumps(SCHEMA))
    repo.commit("schema")
    return SCHEMA


def test_a_row_a_commit_newest_first_with_change(repo: Repo, ledger: Ledger) -> None:
    first = repo.git("rev-parse", "HEAD")
    ledger("record", "-m", "f1=0.5")
    second = repo.commit("better", train__py="2")
    ledger("record", "-m", "f1=0.75")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["commit"] for row in rows] == [second, first]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [0.75, 0.5]
    assert [row["metrics"]["f1"]["delta"] for row in rows] == [0.25, None]
    assert [row["level"] for row in rows] == ["commit", "commit"]


@pytest.mark.usefixtures("schema")
def test_best_follows_the_declared_direction(repo: Repo, ledger: Ledger) -> None:
    for f1, loss in ((0.5, 0.3), (0.9, 0.4), (0.7, 0.2)):
        ledger("record", "-m", f"f1={f1}", "-m", f"loss={loss}")
    (row,) = ledger.json("log", "--metric", "f1", "--metric", "loss")["rows"]
    assert row["metrics"]["f1"]["value"] == 0.9
    assert row["metrics"]["loss"]["value"] == 0.2
    assert row["metrics"]["f1"]["count"] == 3
    assert (row["metrics"]["f1"]["min"], row["metrics"]["f1"]["max"]) == (0.5, 0.9)
    assert repo.git("status", "--porcelain") == ""


def test_without_a_direction_nothing_is_best(repo: Repo, ledger: Ledger) -> None:
    for value in (0.5, 0.9, 0.7):
        ledger("record", "-m", f"x={value}")
    (row,) = ledger.json("log", "--metric", "x")["rows"]
    assert row["metrics"]["x"]["value"] == 0.7
    assert repo.path.exists()


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("best", 0.9), ("last", 0.6), ("mean", 0.6), ("median", 0.5), ("min", 0.4), ("max", 0.9)],
)
@pytest.mark.usefixtures("schema")
def test_aggregates(ledger: Ledger, aggregate: str, value: float) -> None:
    for number in (0.5, 0.9, 0.4, 0.6):
        ledger("record", "-m", f"f1={number}")
    (row,) = ledger.json("log", "--metric", "f1", "--agg", aggregate)["rows"]
    expected = 0.55 if aggregate == "median" else value
    assert row["metrics"]["f1"]["value"] == pytest.approx(expected)


@pytest.mark.usefixtures("schema")
def test_nan_is_never_best_and_has_no_change(ledger: Ledger, repo: Repo) -> None:
    ledger("record", "-m", "f1=0.5")
    repo.commit("later", train__py="2")
    ledger("record", "-m", "f1=NaN")
    ledger("record", "-m", "f1=0.6")
    repo.commit("diverged", train__py="3")
    ledger("record", "-m", "f1=NaN")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == ["NaN", 0.6, 0.5]
    assert [row["metrics"]["f1"]["delta"] for row in rows] == [None, pytest.approx(0.1), None]


@pytest.mark.slow
def test_ranges_count_what_they_leave_out(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    repo.git("checkout", "-q", "-b", "exp/lr")
    repo.commit("on the branch", train__py="branch")
    ledger("record", "-m", "f1=0.2")
    repo.git("checkout", "-q", "main")
    repo.commit("on main", other__py="x")
    ledger("record", "-m", "f1=0.3")
    found = ledger.json("log", "--metric", "f1", "main..exp/lr")
    assert [row["metrics"]["f1"]["value"] for row in found["rows"]] == [0.2]
    left_out = {
        "out_of_range": 1,
        "unattached": 1,
        "no_value": 0,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": 1,
    }
    assert found["left_out"] == left_out
    everything = ledger.json("log", "--metric", "f1", "--all")
    assert sorted(row["metrics"]["f1"]["value"] for row in everything["rows"]) == [0.1, 0.2, 0.3]
    assert "1 run unattached" in ledger("log", "--metric", "f1")
    listed = ledger("log", "--metric", "f1", "--runs")
    assert re.search(r"on no commit of this history\n    [0-9a-f]{8}  exp/lr  f1 0\.2\n", listed)


def test_every_run_is_compared_or_counted_as_left_out(repo: Repo, ledger: Ledger) -> None:
    repo.write("null.json", '{"f1": null, "loss": 0.5}')
    ledger("record", "-m", "f1=0.5")
    ledger("record", "--metrics", "null.json")
    repo.commit("without", train__py="2")
    ledger("record", "-m", "loss=0.4")
    found = ledger.json("log", "--metric", "f1")
    assert [len(row["run_ids"]) for row in found["rows"]] == [2]
    left_out = {
        "out_of_range": 0,
        "unattached": 0,
        "no_value": 2,
        "incomparable": 0,
        "inexact": 0,
        "not_finite": 0,
        "compared": 1,
    }
    assert found["left_out"] == left_out, "null and nothing are no values; a commit without any counts"
    assert ledger("log", "--metric", "f1").splitlines()[-1] == "left out: 2 runs without a value"
    ledger("log", "--metric", "f1", "--strict")
    both = ledger.json("log", "--metric", "f1", "--metric", "loss")["left_out"]
    assert (both["no_value"], both["compared"]) == (0, 3)


def test_paths_and_filters_move_no_run(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.1")
    repo.commit("touch other", other__py="x")
    ledger("record", "-m", "f1=0.2")
    found = ledger.json("log", "--metric", "f1", "--", "train.py")
    assert [row["metrics"]["f1"]["value"] for row in found["rows"]] == [0.1]
    assert found["left_out"]["out_of_range"] == 1
    assert ledger.json("log", "--metric", "f1", "--grep", "touch")["rows"][0]["metrics"]["f1"]["value"] == 0.2


def test_a_dirty_run_says_so_and_finds_its_commit_later(repo: Repo, ledger: Ledger) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.write("train.py", "changed\n")
    ledger("record", "-m", "f1=0.4")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert (row["commit"], row["level"]) == (base, "dirty-base")
    assert "dirty-base" in ledger("log", "--metric", "f1")
    later = repo.commit("commit the change")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert (row["commit"], row["level"]) == (later, "tree")


def test_the_runs_own_files_do_not_count(repo: Repo, ledger: Ledger) -> None:
    """Metrics are tracked, written by the run, recorded dirty and committed together with the code."""
    repo.write("metrics.json", '{"f1": 0.1}')
    repo.commit("metrics are tracked")
    repo.write("metrics.json", '{"f1": 0.4}')
    assert ledger.json("record", "--metrics", "metrics.json")["status"] == "finished"
    repo.write("train.py", "changed\n")
    repo.write("metrics.json", '{"f1": 0.5}')
    ledger("record", "--metrics", "metrics.json")
    later = repo.commit("code and metrics together")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert [(row["level"], row["metrics"]["f1"]["value"]) for row in rows] == [("tree", 0.5), ("commit", 0.4)]
    assert rows[0]["commit"] == later


@pytest.mark.usefixtures("schema")
def test_another_definition_is_marked_and_breaks_the_column(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=84.2")
    changed = json.loads(json.dumps(SCHEMA))
    changed["properties"]["metrics"]["properties"]["f1"]["x-ledger"]["unit"] = "%"
    old = repo.git("rev-parse", "HEAD")
    repo.write(".ledger/schemas/main.json", json.dumps(changed))
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


def test_csv_and_markdown(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    rows = list(csv.DictReader(io.StringIO(ledger("log", "--metric", "f1", "--csv"))))
    assert rows[0]["f1"] == "0.5"
    assert rows[0]["commit"] == repo.git("rev-parse", "HEAD")
    assert "| f1 |" in ledger("log", "--metric", "f1", "--md")
    ledger("log", "--metric", "f1", "--md", "--csv", code=2)


def test_limits_and_order(repo: Repo, ledger: Ledger) -> None:
    for number in range(4):
        repo.commit(f"c{number}", train__py=str(number))
        ledger("record", "-m", f"f1={number}")
    rows = ledger.json("log", "--metric", "f1", "-n", "2")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [3, 2]
    rows = ledger.json("log", "--metric", "f1", "--reverse")["rows"]
    assert [row["metrics"]["f1"]["value"] for row in rows] == [0, 1, 2, 3]


def test_runs_stand_under_their_commit(repo: Repo, ledger: Ledger) -> None:
    done = ledger.json("record", "-m", "f1=0.5")
    assert f"    {done['id'][:8]}  main  f1 0.5" in ledger("log", "--metric", "f1", "--runs")
    assert repo.git("log", "--format=%s", "refs/runs/main") == "main: f1 0.5 (finished)"


def test_control_characters_in_data_are_shown_escaped(repo: Repo, ledger: Ledger) -> None:
    repo.commit("red \x1b[31malert\x1b[0m", train__py="2")
    ledger("record", "-m", "f1=0.5")
    out = ledger("log", "--metric", "f1")
    assert "\x1b" not in out
    assert "\\x1b[31malert" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--metric", "f1_"), 1, "did you mean f1"),
        ((), 2, "which metric?"),
        (("--metric", "f1", "nosuch"), 1, "no such revision: nosuch"),
        (("--metric", "f1", "--agg", "worst"), 2, "worst"),
        (("--metric", "f1", "--end-of-options", "--output=x"), 2, "No such option"),
    ],
)
def test_wrong_words(repo: Repo, ledger: Ledger, words: tuple[str, ...], code: int, said: str) -> None:
    ledger("record", "-m", "f1=0.5")
    ledger("log", *words, code=code)
    assert said in ledger.err
    assert not (repo.path / "x").exists()


def test_a_bare_repository_can_be_read(repo: Repo, ledger: Ledger, tmp_path: Path) -> None:
    ledger("record", "-m", "f1=0.5")
    repo.git("clone", "-q", "--mirror", ".", str(tmp_path / "bare.git"))
    (row,) = ledger.json("-C", str(tmp_path / "bare.git"), "log", "--metric", "f1")["rows"]
    assert row["metrics"]["f1"]["value"] == 0.5


def test_scoped_paths_ignore_the_rest_of_a_monorepo(
    make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo("mono")
    repo.write(".ledger/config.toml", '[ledger]\nformat = 1\n[code]\npaths = ["a"]\n')
    repo.write("a/train.py", "1")
    repo.write("b/other.py", "1")
    repo.commit("both")
    monkeypatch.chdir(repo.path)
    repo.write("b/other.py", "2")
    ledger("record", "-m", "f1=0.5")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["level"] == "commit"
    repo.write("a/train.py", "2")
    ledger("record", "-m", "f1=0.6")
    repo.write("b/other.py", "3")
    later = repo.commit("a as it was run, b further on")
    rows = ledger.json("log", "--metric", "f1")["rows"]
    assert (rows[0]["commit"], rows[0]["level"]) == (later, "tree")


def test_a_change_of_the_code_behind_a_metric_is_marked(repo: Repo, ledger: Ledger) -> None:
    schema = json.loads(json.dumps(SCHEMA))
    schema["properties"]["metrics"]["properties"]["f1"]["x-ledger"]["source"] = "metrics.py:f1"
    repo.write(".ledger/schemas/main.json", json.dumps(schema))
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


def test_an_old_percentage_is_shown_as_a_fraction(repo: Repo, ledger: Ledger) -> None:
    """The definition changes its unit and a migration says so: one scale, exact to the bit."""
    from ledger.schema import migration
    from ledger.schema.document import parse

    def schema(unit: str) -> bytes:
        body = json.loads(json.dumps(SCHEMA))
        body["properties"]["metrics"]["properties"]["f1"]["x-ledger"]["unit"] = unit
        return json.dumps(body).encode()

    repo.write(".ledger/schemas/main.json", schema("%").decode())
    repo.commit("percent")
    ledger("record", "-m", "f1=87.3")
    sides = [{"metrics": dict(parse(schema(unit), name="main", what="main").metrics)} for unit in ("%", "1")]
    operations = {"metrics": [{"op": "convert", "from": "f1", "to": "f1"}]}
    body = migration.draft(
        schema="main", summary="percent to fraction", before=sides[0], after=sides[1], operations=operations
    )
    repo.write(".ledger/migrations/main/fraction.json", json.dumps(body))
    repo.write(".ledger/schemas/main.json", schema("1").decode())
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


def test_a_partition_is_a_column_and_not_a_break(repo: Repo, ledger: Ledger) -> None:
    schema = json.loads(json.dumps(SCHEMA))
    schema["properties"]["metrics"]["properties"]["loss"]["x-ledger"]["on"] = {"machine": "param:machine"}
    repo.write(".ledger/schemas/main.json", json.dumps(schema))
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


def test_a_branch_older_than_the_schema_says_how_to_see_its_values(repo: Repo, ledger: Ledger) -> None:
    repo.git("branch", "old")
    repo.write(".ledger/schemas/main.json", json.dumps(SCHEMA))
    ledger("record", "-m", "f1=0.5")
    repo.commit("schema")
    out = ledger("log", "--metric", "f1", "old")
    assert "(0.5) ?" in out
    assert "--at HEAD shows it as it is defined now" in out
    assert (
        ledger.json("log", "--metric", "f1", "old", "--at", "HEAD")["rows"][0]["metrics"]["f1"]["value"]
        == 0.5
    )


def test_a_null_hides_no_value_of_another_definition(repo: Repo, ledger: Ledger) -> None:
    """Of several runs that do not compare, the last that has a value is shown, so that the break is."""
    for how in ("old", "new"):
        schema = json.loads(json.dumps(SCHEMA))
        f1 = schema["properties"]["metrics"]["properties"]["f1"]
        schema["properties"]["metrics"]["properties"]["f1"] = {
            "type": ["number", "null"],
            "x-ledger": {**f1["x-ledger"], "how": {"code": how}},
        }
        repo.write(".ledger/schemas/main.json", json.dumps(schema))
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


def test_runs_of_other_code_are_counted_where_exact_ones_stand(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.9")
    repo.write("train.py", "changed")
    ledger("record", "-m", "f1=0.1")
    repo.git("checkout", "-q", "train.py")
    found = ledger.json("log", "--metric", "f1")
    assert found["rows"][0]["metrics"]["f1"]["value"] == 0.9
    assert found["rows"][0]["metrics"]["f1"]["count"] == 1
    assert (found["left_out"]["inexact"], found["left_out"]["compared"]) == (1, 1)
    assert "1 run not of exactly this code" in ledger("log", "--metric", "f1")


def test_a_list_can_part_a_metric(repo: Repo, ledger: Ledger) -> None:
    schema = json.loads(json.dumps(SCHEMA))
    schema["properties"]["metrics"]["properties"]["f1"]["x-ledger"]["on"] = {"machine": "param:machine"}
    repo.write(".ledger/schemas/main.json", json.dumps(schema))
    repo.write("params.json", '{"machine": ["a", "b"]}')
    repo.commit("schema")
    ledger("record", "--params", "params.json", "-m", "f1=0.5")
    (row,) = ledger.json("log", "--metric", "f1")["rows"]
    assert row["partition"] == {"machine": '["a", "b"]'}


@pytest.mark.long
def test_documents_fit_a_stream_that_is_not_utf8(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5", "--note", "\u2603")
    for words in (
        ("runs", "--json"),
        ("runs", "--csv", "--columns", "note"),
        ("log", "--metric", "f1", "--json"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ledger", *words],
            env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True, cwd=repo.path,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        assert b"0.5" in done.stdout or b"2603" in done.stdout


@pytest.mark.usefixtures("repo")
def test_no_rows_asked_for_are_not_called_absent(ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5")
    assert ledger("log", "--metric", "f1", "-n", "0") == "\nleft out: 1 more commit\n"


def test_before_the_first_commit(
    make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_repo("fresh").path)
    ledger("log", code=1)
    assert ledger.err.startswith(
        "error: no commit yet, and so no history to trace along\nhint: git commit, then ledger record"
    )


def test_a_partition_of_one_metric_leaves_the_others_whole(repo: Repo, ledger: Ledger) -> None:
    project = Project(repo, ledger)
    own = {"unit": "1", "direction": "higher"}
    lat = {"unit": "ms", "direction": "lower", "on": {"machine": "param:machine"}}
    project.declare("1", {"acc": own, "lat": lat, "idle": {**lat, "on": {"room": "param:room"}}})
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
