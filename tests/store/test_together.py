"""Many chains cost no more git processes than few: verify, recover, and an index made from nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Repo
from store.plumbing import object_file, recorded, told, verified, workspace

from ledger.git.process import Repository
from ledger.store import history, recover, together
from ledger.store import index as store_index
from ledger.store.verify import verify

FORM = "%T"


def _processes(repo: Repo, traces: Path, work: Callable[[Repository], object]) -> int:
    traces.mkdir()
    repository = workspace(repo).repository
    work(replace(repository, environ={**repository.environ, "GIT_TRACE2_EVENT": str(traces)}))
    return len(list(traces.iterdir()))


def _anew(repository: Repository) -> None:
    for folder in repository.folder.glob("index-v*"):
        shutil.rmtree(folder)
    store_index.load(repository)


def _record(repo: Repo, numbers: range) -> None:
    for number in numbers:
        series = history.encode(history.from_values({"loss": [1.0, float(number)]}))
        recorded(repo, experiment=f"exp{number}", metrics={"f1": number}, history=series)
        recorded(repo, experiment=f"exp{number}", metrics={"f1": number + 0.5})


@pytest.mark.slow
def test_as_many_processes_for_ten_experiments_as_for_five(repo: Repo, tmp_path: Path) -> None:
    works: dict[str, Callable[[Repository], object]] = {
        "verify": verify,
        "recover": recover.recover,
        "index": _anew,
    }
    _record(repo, range(5))
    few = {name: _processes(repo, tmp_path / f"few-{name}", work) for name, work in works.items()}
    _record(repo, range(5, 10))
    many = {name: _processes(repo, tmp_path / f"many-{name}", work) for name, work in works.items()}
    assert all(many[name] <= few[name] for name in works), (few, many)
    report = verified(repo)
    assert (told(report), report.experiments, report.records) == ([], 10, 20)
    assert len(store_index.load(workspace(repo).repository)) == 20


def _tips(repo: Repo) -> dict[str, str]:
    rows = repo.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/runs/").splitlines()
    return dict(row.split(" ") for row in rows)


@pytest.mark.slow
def test_what_has_to_be_looked_at_alone_is_left_out(repo: Repo) -> None:
    _record(repo, range(5))
    repository, tips = workspace(repo).repository, _tips(repo)
    assert together.grown(repository, dict(list(tips.items())[:2]), {}, form=FORM) == {}, "few"
    found = together.grown(repository, tips, {}, form=FORM)
    assert {ref: [one.id for one in line] for ref, line in found.items()} == {
        ref: repo.git("rev-list", ref).split() for ref in tips
    }
    assert found["refs/runs/exp1"][0].told == repo.git("rev-parse", "refs/runs/exp1^{tree}")
    old = {ref: repo.git("rev-parse", f"{ref}~1") for ref in tips}
    assert {len(line) for line in together.grown(repository, tips, old, form=FORM).values()} == {1}
    strange = {**old, "refs/runs/exp1": tips["refs/runs/exp2"]}
    assert "refs/runs/exp1" not in together.grown(repository, tips, strange, form=FORM)
    merge = repo.git(
        "commit-tree", "refs/runs/exp3^{tree}", "-m", "m", "-p", "refs/runs/exp3", "-p", "refs/runs/exp4"
    )
    forked = together.grown(repository, {**tips, "refs/runs/exp3": merge}, {}, form=FORM)
    assert forked.keys() == tips.keys() - {"refs/runs/exp3"}


@pytest.mark.slow
def test_one_damaged_chain_hides_no_other(repo: Repo) -> None:
    _record(repo, range(5))
    bad = repo.git("rev-parse", "refs/runs/exp2~1")
    object_file(repo, bad).unlink()
    report = verified(repo)
    assert {(one.ref, one.commit) for one in report.faults if one.commit} == {("refs/runs/exp2", bad)}
    assert report.records == 9
    assert recover.recover(workspace(repo).repository).faults[0].ref == "refs/runs/exp2"


@pytest.mark.slow
def test_a_chain_beyond_the_limit_is_left_out(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(repo, range(5))
    monkeypatch.setattr(together, "_MOST_COMMITS", 9)
    found = together.grown(workspace(repo).repository, _tips(repo), {}, form=FORM)
    assert [len(line) for line in found.values()] == [2] * 4
