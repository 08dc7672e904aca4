"""The history of the code as git tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Repo

from ledger.errors import NotFoundError, UsageError
from ledger.git import bulk, history, refs
from ledger.git.history import Range
from ledger.git.process import Repository, discover


def repository(repo: Repo) -> Repository:
    return discover(repo.path, os.environ)


@pytest.fixture
def branches(repo: Repo) -> dict[str, str]:
    """main: first - second - merge; side: first - third."""
    commits = {"first": repo.git("rev-parse", "HEAD")}
    repo.git("checkout", "-q", "-b", "side")
    commits["third"] = repo.commit("third", side__py="3\n")
    repo.git("checkout", "-q", "main")
    commits["second"] = repo.commit("second", train__py="2\n")
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    commits["merge"] = repo.git("rev-parse", "HEAD")
    return commits


def test_revisions_resolve_to_commits(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    repo.git("tag", "-a", "v1", "-m", "v1", "side")
    assert history.resolve(here, "v1") == branches["third"]
    assert history.resolve(here, "HEAD~1") == branches["second"]
    for wrong in ("nope", "HEAD:train.py", "--all", "-x", ""):
        with pytest.raises(NotFoundError):
            history.resolve(here, wrong)


def test_ranges_as_in_git_log(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)

    def walked(*words: str, everything: bool = False) -> set[str]:
        return {
            one.subject
            for one in history.walk(here, history.resolve_range(here, words, everything=everything))
        }

    assert walked() == {"first", "second", "third", "merge"}
    assert walked("side") == {"first", "third"}
    assert walked("side..main") == {"second", "merge"}
    assert walked("main~1...side") == {"second", "third"}
    assert walked("^side", "main") == {"second", "merge"}
    repo.git("update-ref", "refs/runs/x", repo.git("commit-tree", "HEAD^{tree}", "-m", "a run"))
    assert walked(everything=True) == {"first", "second", "third", "merge"}, "runs are no code"
    assert branches["merge"]


def test_words_that_are_no_revisions(repo: Repo) -> None:
    here = repository(repo)
    with pytest.raises(UsageError):
        history.resolve_range(here, ["--output=/tmp/x"])
    with pytest.raises(NotFoundError) as caught:
        history.resolve_range(here, ["train.py"])
    assert "paths come after" in caught.value.hint


def test_commits_with_everything_that_is_shown(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    (commit,) = history.walk(here, Range(include=(branches["second"],)), options=["-n1"])
    assert (commit.id, commit.parents, commit.subject) == (branches["second"], (branches["first"],), "second")
    assert commit.tree == history.tree_of(here, branches["second"])
    assert (commit.seconds, commit.date, commit.author) == (
        1_700_000_000,
        "2023-11-14T22:13:20+00:00",
        "Ada Test",
    )
    assert history.walk(here, Range(include=())) == []


def test_paths_and_options(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    everything = Range(include=(branches["merge"],))
    assert [one.subject for one in history.walk(here, everything, paths=["side.py"])] == ["third"]
    assert [one.subject for one in history.walk(here, everything, options=["--first-parent"])] == [
        "merge",
        "second",
        "first",
    ]


def test_a_subject_in_another_encoding(repo: Repo) -> None:
    repo.git(
        "-c",
        "i18n.commitEncoding=latin1",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "caf\udce9".encode("utf-8", "surrogateescape").decode("latin1"),
    )
    (commit,) = history.walk(
        repository(repo), history.resolve_range(repository(repo), ["HEAD"]), options=["-n1"]
    )
    assert commit.subject.startswith("caf")


def test_patch_ids_survive_a_rebase(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    (before,) = bulk.patch_ids(here, {branches["third"]: branches["first"]}).values()
    repo.git("checkout", "-q", "-b", "moved", branches["second"])
    repo.git("cherry-pick", branches["third"])
    head = repo.git("rev-parse", "HEAD")
    assert bulk.patch_ids(here, {head: branches["second"]}) == {head: before}
    assert bulk.patch_ids(here, {branches["first"]: branches["first"]}) == {}


def test_merge_bases(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    assert history.merge_base(here, branches["second"], branches["third"]) == branches["first"]
    repo.git("checkout", "-q", "--orphan", "alone")
    alone = repo.commit("alone")
    assert history.merge_base(here, alone, branches["first"]) is None


def test_what_is_not_reached(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    commits = [branches["third"], branches["first"], branches["merge"]]
    assert history.not_reached(here, commits, [branches["second"]]) == [branches["third"], branches["merge"]]
    assert history.not_reached(here, commits, [branches["merge"]]) == []
    assert history.not_reached(here, commits, []) == commits
    assert history.outermost(here, commits, []) == [branches["merge"]]
    assert history.outermost(here, commits[:2], []) == [branches["third"]]
    assert history.outermost(here, commits, [branches["merge"]]) == []


def test_a_tree_that_is_not_here_is_like_no_other(repo: Repo) -> None:
    here = repository(repo)
    tree = history.tree_of(here, repo.git("rev-parse", "HEAD"))
    gone = "1" * 40
    scoped = history.scoped_trees(here, [tree, gone], ["ml"])
    assert scoped[gone] == gone
    assert scoped[tree] != scoped[gone]


def test_a_folder_behind_a_symbolic_link_is_found_where_it_is(repo: Repo, tmp_path: Path) -> None:
    repo.commit("sub", **{"sub/b__py": "1"})
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(repo.path / "sub")
    assert discover(link, os.environ).work_tree == repo.path.resolve()


def test_a_message_with_odd_trailers_hides_no_ref(repo: Repo) -> None:
    message = "x\n\nLedger-Run: abc\n  continued\n"
    odd = repo.git("commit-tree", "HEAD^{tree}", "-m", message)
    repo.git("update-ref", "refs/runs/odd", odd)
    found = refs.tips(repository(repo), "refs/")
    assert set(found) == {"refs/heads/main", "refs/runs/odd"}
    assert found["refs/runs/odd"].id == odd


def test_differing_paths_pair_by_pair(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    trees = {name: history.tree_of(here, commit) for name, commit in branches.items()}
    pairs = [
        (trees["first"], trees["second"]),
        (trees["first"], trees["first"]),
        (trees["first"], trees["merge"]),
    ]
    assert history.differing_paths(here, pairs) == [{"train.py"}, frozenset(), {"train.py", "side.py"}]
    assert history.differing_paths(here, []) == []


def test_scoped_trees(repo: Repo, branches: dict[str, str]) -> None:
    here = repository(repo)
    trees = [history.tree_of(here, branches[name]) for name in ("first", "second", "third")]
    scoped = history.scoped_trees(here, trees, ["train.py"])
    assert scoped[trees[0]] == scoped[trees[2]] != scoped[trees[1]]
    assert history.scoped_trees(here, trees, []) == {tree: tree for tree in trees}


def test_a_nul_character_is_a_wrong_word_and_no_crash(repo: Repo) -> None:
    with pytest.raises(UsageError, match="NUL"):
        history.resolve(repository(repo), "HEAD\0")
