"""Many experiments in one drain: one conversation with git, and still each ref by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo
from store.chains import chained, repository, sealed
from store.plumbing import blob, put

from ledger.git import refs
from ledger.git.process import Repository
from ledger.store import chain
from ledger.store.spool import Spool

pytestmark = pytest.mark.slow


def seal(repo: Repo, slugs: list[str], *, start: int = 1, **given: Any) -> None:
    records = [sealed(start + number, slug, **given) for number, slug in enumerate(slugs)]
    Spool.of(repository(repo)).seal(records, name=f"{start:06d}")


def tips(repo: Repo, prefix: str = "refs/runs/") -> dict[str, str]:
    found = repo.git("for-each-ref", "--format=%(refname:lstrip=-1) %(objectname)", prefix)
    return dict(line.split() for line in found.splitlines())


def git_processes(repo: Repo, traces: Path) -> int:
    """Of one drain, as git itself tells."""
    traces.mkdir()
    here = repository(repo)
    done = chain.drain(replace(here, environ={**here.environ, "GIT_TRACE2_EVENT": str(traces)}))
    assert done.faults == []
    return len(list(traces.iterdir()))


def test_as_many_git_processes_for_fifty_experiments_as_for_two(repo: Repo, tmp_path: Path) -> None:
    code = (repo.git("rev-parse", "HEAD"),)
    seal(repo, ["a", "b"], code=code)
    two = git_processes(repo, tmp_path / "two")
    slugs = [f"e{number}" for number in range(50)]
    seal(repo, slugs, start=100, code=code)
    # 100 objects or fewer are loose: more go into a pack, which costs another process or two
    assert 0 < git_processes(repo, tmp_path / "new") <= two + 2
    repo.commit("second", train__py="2\n")
    later = (repo.git("rev-parse", "HEAD"),)
    seal(repo, slugs, start=200, code=later)
    assert git_processes(repo, tmp_path / "old") <= two + 2
    for number, slug in enumerate(slugs):
        assert chained(repo, f"refs/runs/{slug}") == [f"{200 + number:032x}", f"{100 + number:032x}"]
        assert repo.git("rev-parse", f"refs/ledger/code/{slug}^2") == later[0]
        assert (
            repo.git("reflog", "--format=%gs", f"refs/runs/{slug}").splitlines()
            == ["ledger: 50 recorded in 50 experiments"] * 2
        )


def test_refs_that_move_in_between_are_built_upon_again_alone(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = ["a", "b", "c", "d"]
    seal(repo, slugs)
    chain.drain(repository(repo))
    seal(repo, slugs, start=11)
    real, asked = refs.update_each, []

    def update_each(repository: Repository, groups: Any, **options: Any) -> Any:
        asked.append(len(groups))
        if len(asked) == 1:
            for number, slug in ((91, "b"), (92, "d")):
                ref = f"refs/runs/{slug}"
                put(
                    repo,
                    f"{ref}^{{tree}}",
                    ref=ref,
                    parents=[tips(repo)[slug]],
                    message=sealed(number, slug).message,
                )
        return real(repository, groups, **options)

    monkeypatch.setattr(refs, "update_each", update_each)
    done = chain.drain(repository(repo))
    assert (done.records, done.faults) == (4, [])
    assert asked == [4, 2]
    assert [len(chained(repo, f"refs/runs/{slug}")) for slug in slugs] == [2, 3, 2, 3]
    assert chained(repo, "refs/runs/b") == [f"{12:032x}", f"{91:032x}", f"{2:032x}"]


@pytest.mark.long
def test_one_that_is_held_or_foreign_keeps_no_other_waiting(repo: Repo) -> None:
    slugs = ["a", "b", "c", "d", "e"]
    repo.git("update-ref", "refs/runs/b", blob(repo, b"x"))
    lock = repo.path / ".git/refs/runs/d.lock"
    lock.write_bytes(b"")
    seal(repo, slugs)
    done = chain.drain(repository(repo))
    assert sorted(fault.ref for fault in done.faults) == ["refs/runs/b", "refs/runs/d"]
    assert done.records == 3
    assert tips(repo).keys() == {"a", "b", "c", "e"}
    repo.git("update-ref", "-d", "refs/runs/b")
    lock.unlink()
    assert chain.drain(repository(repo)).faults == []
    assert [chained(repo, f"refs/runs/{slug}") for slug in slugs] == [[f"{n:032x}"] for n in range(1, 6)], (
        "none twice"
    )


@pytest.mark.long
def test_a_snapshot_that_git_refuses_holds_up_its_own_experiment_only(repo: Repo) -> None:
    Spool.of(repository(repo)).seal([sealed(1, "a"), sealed(3, "c")], name="1")
    Spool.of(repository(repo)).seal([sealed(2, "b", code=("1" * 40,), pack=b"PACK" + b"\0" * 60)], name="2")
    done = chain.drain(repository(repo))
    assert {fault.ref for fault in done.faults} == {"refs/runs/b"}
    assert [path.name for path in Spool.of(repository(repo)).pending()] == ["2.zip"], "the others are done"
    assert [chained(repo, f"refs/runs/{slug}") for slug in "abc"] == [[f"{n:032x}"] for n in (1, 2, 3)]


def test_code_that_some_experiments_keep_already(repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    seal(repo, ["a", "b"], code=(first,))
    chain.drain(repository(repo))
    second = repo.commit("second", train__py="2\n")
    seal(repo, ["a"], start=10, code=(second,))
    chain.drain(repository(repo))
    before = tips(repo, "refs/ledger/code/")
    seal(repo, ["a", "b", "c"], start=20, code=(second,))
    chain.drain(repository(repo))
    after = tips(repo, "refs/ledger/code/")
    assert after["a"] == before["a"], "it is reached"
    for slug in "bc":
        assert second in repo.git("rev-list", f"refs/ledger/code/{slug}").split()
    assert repo.git("rev-list", "--count", "refs/ledger/code/b", f"^{second}") == "2"
