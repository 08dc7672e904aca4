"""The code of runs that name revisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Repo

import ledger
from ledger.errors import RefusedError
from ledger.model import Code


@pytest.fixture
def branches(repo: Repo) -> dict[str, str]:
    """main: first - second - fifth; side: first - third - fourth; and an unrelated root."""
    commits = {"first": repo.git("rev-parse", "HEAD")}
    repo.git("checkout", "-q", "-b", "side")
    commits["third"] = repo.commit("third", side__py="3\n")
    commits["fourth"] = repo.commit("fourth", side__py="4\n")
    repo.git("checkout", "-q", "--orphan", "alone")
    commits["alone"] = repo.commit("alone", other__py="0\n")
    repo.git("checkout", "-q", "main")
    commits["second"] = repo.commit("second", train__py="2\n")
    commits["fifth"] = repo.commit("fifth", train__py="5\n")
    return commits


def recorded(repository: Path, *revisions: str) -> list[Code | None]:
    runs = [{"metrics": {"f1": 0.9}, "experiment": "e", "code": name} for name in revisions]
    return [run.code for run in ledger.record_many(runs, repository=repository)]


@pytest.mark.slow
def test_many_revisions_are_recorded_like_each_alone(repo: Repo, branches: dict[str, str]) -> None:
    repo.git("clone", "-q", "--mirror", ".", "../alone.git")
    alone = [recorded(repo.path.parent / "alone.git", commit)[0] for commit in branches.values()]
    assert recorded(repo.path, *branches.values()) == alone
    codes = dict(zip(branches, alone, strict=True))
    fourth = codes["fourth"]
    assert fourth
    assert fourth.tree == repo.git("rev-parse", "side^{tree}")
    assert fourth.base == branches["first"]
    assert [name for name, code in codes.items() if code and code.patch_id] == ["third", "fourth"]
    assert [name for name, code in codes.items() if code and code.base is None] == ["alone"]
    assert [name for name, code in codes.items() if code and code.base == code.commit] == [
        "first", "second", "fifth",
    ]  # fmt: skip


@pytest.mark.slow
def test_many_revisions_cost_no_more_processes_than_a_few(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = [repo.commit(f"number {n}", train__py=f"{n}\n") for n in range(30)]
    trace = repo.path.parent / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))

    def started(*revisions: str) -> int:
        trace.unlink(missing_ok=True)
        recorded(repo.path, *revisions)
        return trace.read_text(encoding="utf-8").count('"event":"start"')

    started(commits[-1])  # the first of all finds the repository and opens the chain
    few, many = started(*commits[:5]), started(*commits[5:])
    assert 0 < many <= few


def test_one_wrong_revision_is_named_and_nothing_is_lost(repo: Repo, branches: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        recorded(repo.path, "main", "main~99", "side")
    assert refused.value.message == "1 of 3 runs refused, none recorded: no such revision: main~99"
    assert list((repo.path / ".git" / "ledger" / "spool" / "refused").iterdir())
    assert not repo.git("for-each-ref", "refs/runs")
    assert [code.commit if code else None for code in recorded(repo.path, "main", "side")] == [
        branches["fifth"], branches["fourth"],
    ]  # fmt: skip
