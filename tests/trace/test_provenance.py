"""Code, data, packages and series of runs against what their definition says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from projects import Project

pytestmark = pytest.mark.slow

MAIN = ".ledger/schemas/main.json"
F1: dict[str, Any] = {
    "unit": "1", "direction": "higher", "how": {"average": "macro"}, "on": {"dataset": "imdb"},
}  # fmt: skip
CODE = "from util import clip\n\n\ndef f1(y):\n    return clip(y) / 2\n"
UTIL = "LIMIT = 1\n\n\ndef clip(y):\n    return min(y, LIMIT)\n"


def found(project: Project, code: str) -> list[dict[str, Any]]:
    """Warnings of one code, on the line of their metric."""
    listed = project.ledger.json("schema", "check")["findings"]
    mine = [one for one in listed if one["code"] == code]
    github = project.ledger("schema", "check", "--github") if mine else ""
    for one in mine:
        assert (one["severity"], one["file"]) == ("warning", MAIN)
        line = (project.repo.path / MAIN).read_text().splitlines()[one["line"] - 1]
        assert f'"{one["metric"]}": {{' in line
        assert f"::warning file={MAIN},line={one['line']},title={code} {one['name']}::" in github
    return mine


@pytest.mark.long
def test_code_that_changed_between_runs_of_one_definition(project: Project, repo: Repo) -> None:
    project.declare("1", {"f1": {**F1, "source": "metrics.py:f1"}, "loss": F1})
    repo.commit("set up", metrics__py=CODE, util__py=UTIL)
    project.record(f1=0.5, loss=1)
    assert found(project, "LS108") == []
    repo.commit("prose", metrics__py=CODE + "\n# nothing else\n", other__py="x = 1\n")
    project.record(f1=0.5, loss=1)
    assert found(project, "LS108") == [], "comments and other code are no change"
    changed = repo.commit("the limit moves", util__py=UTIL.replace("1", "2"))
    [one] = found(project, "LS108")
    assert one["metric"] == "f1"
    assert f"its code changed in {changed[:9]} (LIMIT in util.py" in one["message"], "before any run has it"
    assert "2 runs before, 0 after" in one["message"]
    project.record(f1=0.6, loss=1)
    [one] = found(project, "LS108")
    assert "2 runs before, 1 after" in one["message"]
    allowed = {**F1, "source": "metrics.py:f1", "allow": ["LS108: same numbers"]}
    project.declare("1", {"f1": allowed, "loss": F1})
    assert found(project, "LS108") == []
    project.declare("2", {"f1": {**F1, "source": "metrics.py:f1", "epoch": 2}, "loss": F1})
    project.migrate()
    assert found(project, "LS108") == [], "the new definition has one implementation"


def test_other_data_than_the_definition_says(project: Project, repo: Repo) -> None:
    data = {name: f"{name} rows\n" for name in ("imdb", "yelp")}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in data.items()}
    on = {"dataset": "imdb", "digest": f"sha256:{digests['imdb']}"}
    project.declare("1", {"f1": {**F1, "on": on}, "loss": F1})
    repo.write(".gitignore", "*.csv\n")
    repo.commit("v1")
    path = repo.path / "imdb.csv"
    path.write_text(data["imdb"])
    project.ledger("record", "-q", "-m", "f1=0.5", "-m", "loss=1", "--dataset", "imdb.csv")
    project.ledger("record", "-q", "-m", "f1=0.5")
    assert found(project, "LS109") == []
    path.write_text(data["yelp"])
    run = project.ledger("record", "-q", "-m", "f1=0.5", "-m", "loss=1", "--dataset", "imdb.csv").strip()
    [one] = found(project, "LS109")
    assert one["metric"] == "f1"
    assert "1 of the newest 3 runs had other data" in one["message"]
    assert f"run {run[:8]} had imdb {digests['yelp'][:12]}" in one["message"]


def test_a_package_that_computes_the_metric_changed(
    project: Project, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def install(**versions: str) -> None:
        environment = tmp_path / "-".join(versions.values())
        monkeypatch.setenv("VIRTUAL_ENV", str(environment))
        for name, version in versions.items():
            (environment / f"lib/python3.11/site-packages/{name}-{version}.dist-info").mkdir(parents=True)

    how = {"fn": "sklearn.metrics.f1_score"}
    project.declare("1", {"f1": {**F1, "how": how}, "own": {**F1, "source": "metrics.py:f1"}, "loss": F1})
    repo.commit("set up", metrics__py="import torch\n\n\ndef f1(y):\n    return torch.mean(y)\n")
    for sklearn, numpy in (("1.4.0", "1.0"), ("1.4.2", "9.0"), ("1.6.1", "9.0")):
        install(scikit_learn=sklearn, torch="2.1.0", numpy=numpy)
        assert found(project, "LS110") == [], "a patch release is no news, nor is a package that is not used"
        project.record(f1=0.5, own=0.5, loss=1)
    [one] = found(project, "LS110")
    assert one["metric"] == "f1"
    assert "computed with scikit-learn, and runs of this definition had 1.4 and 1.6" in one["message"]
    install(scikit_learn="1.6.1", torch="2.2.0")
    project.record(f1=0.5, own=0.5, loss=1)
    assert [one["metric"] for one in found(project, "LS110")] == ["f1", "own"]


def test_a_series_of_another_name(project: Project, repo: Repo) -> None:
    project.declare("1", {"f1": {**F1, "series": "val_f1"}, "loss": {**F1, "series": "loss"}})
    project.commit("v1")
    project.record(f1=0.5, loss=1)
    assert found(project, "LS305") == [], "runs without series say nothing"
    repo.write("curves.csv", "step,f1_val,loss\n1,0.4,2\n2,0.5,1\n")
    project.ledger("record", "-q", "-m", "f1=0.5", "-m", "loss=1", "--history", "curves.csv")
    [one] = found(project, "LS305")
    assert one["metric"] == "f1"
    assert "no series val_f1 in the newest 1 runs that have series: f1_val, loss" in one["message"]
