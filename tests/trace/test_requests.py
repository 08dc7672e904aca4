"""Runs on the way of what was merged as one commit, and guesses that must not be made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from rewriting import Branch, attachments
from store.plumbing import entries_of, files_of, tree

import ledger as api
from ledger import canonical
from ledger.model import Level
from ledger.trace.attach import Attachment

NOWHERE = Attachment(None, Level.UNATTACHED)


def early(repo: Repo) -> Branch:
    """A branch with a run on the first of its two commits."""
    branch = Branch(repo)
    api.record(metrics={"f1": 0.5}, code=branch.first, experiment="exp")
    return branch


@pytest.mark.parametrize(
    ("ref", "subject"),
    [
        ("refs/pull/12/head", "Better model (#12)"),
        pytest.param("refs/remotes/origin/pr/12", "Better model (#12)", marks=pytest.mark.slow),
        pytest.param("refs/merge-requests/12/head", "Better model (!12)", marks=pytest.mark.slow),
    ],
)
def test_a_run_on_the_way_of_a_pull_request(repo: Repo, ref: str, subject: str) -> None:
    branch = early(repo)
    repo.git("update-ref", ref, "exp")
    repo.git("update-ref", "refs/pull/13/head", "exp~2")
    branch.move_main("same file")
    repo.git("merge", "-q", "--squash", "exp")
    branch.change(20)  # mended while it was merged: no patch is equal
    repo.git("commit", "-q", "-a", "-m", subject)
    made = repo.git("rev-parse", "HEAD")
    repo.git("commit", "-q", "--allow-empty", "-m", 'Revert "Better model (#12)" (#14)')
    repo.git("branch", "-q", "-D", "exp")
    assert attachments("main") == [Attachment(made, Level.PULL_REQUEST)]
    repo.git("update-ref", "-d", ref)
    assert attachments("main") == [NOWHERE]


def test_a_run_on_the_way_of_a_squashed_branch(repo: Repo) -> None:
    branch = early(repo)
    branch.move_main("other file")
    made = branch.squash()
    assert attachments("main") == [Attachment(made, Level.PULL_REQUEST)]
    repo.git("branch", "-q", "-D", "exp")
    assert attachments("main") == [NOWHERE]


def test_another_run_at_the_tip_says_what_a_deleted_branch_came_to(repo: Repo) -> None:
    branch = early(repo)
    branch.record()
    branch.move_main("other file")
    made = branch.squash()
    repo.git("branch", "-q", "-D", "exp")
    assert attachments("main") == [Attachment(made, Level.PULL_REQUEST), Attachment(made, Level.PATCH)]


@pytest.mark.slow
def test_of_stacked_requests_the_inner_one(repo: Repo) -> None:
    branch = early(repo)
    repo.git("update-ref", "refs/pull/1/head", branch.first)
    repo.git("update-ref", "refs/pull/2/head", branch.second)
    branch.move_main("neighbour")
    branch.change(19)
    inner = repo.commit("inner (#1)")
    branch.change(20)
    repo.commit("outer (#2)")
    assert attachments("main") == [Attachment(inner, Level.PULL_REQUEST, 2)]


def test_what_main_did_before_is_not_what_a_branch_came_to(repo: Repo) -> None:
    """The same change was made and taken back before the branch left: only what comes after it counts."""
    repo.commit("on", flag__py="on\n")
    repo.commit("off", flag__py="off\n")
    repo.commit("on", flag__py="on\n")
    repo.commit("off", flag__py="off\n", other__py="1\n")
    repo.git("checkout", "-q", "-b", "again")
    repo.commit("on again", flag__py="on\n")
    api.record(metrics={"f1": 0.5})
    repo.git("checkout", "-q", "main")
    repo.commit("main goes on", other__py="2\n")
    assert attachments("main") == [NOWHERE]
    picked = repo.commit("on, at last", flag__py="on\n")
    assert attachments("main") == [Attachment(picked, Level.PATCH)]


@pytest.mark.slow
def test_equal_changes_say_how_many_there_are(repo: Repo) -> None:
    branch = Branch(repo)
    branch.record()
    branch.move_main("other file")
    first = branch.squash()
    repo.git("revert", "--no-edit", "HEAD")
    repo.git("cherry-pick", first)
    assert attachments("main") == [Attachment(first, Level.PATCH, 2)]


@pytest.mark.slow
def test_without_context_only_a_single_candidate_is_believed(repo: Repo) -> None:
    branch = Branch(repo)
    branch.record()
    branch.move_main("neighbour")
    first = branch.squash()
    assert attachments("main") == [Attachment(first, Level.PATCH)]
    repo.git("revert", "--no-edit", "HEAD")
    repo.git("cherry-pick", first)
    repo.git("branch", "-q", "-D", "exp")
    assert attachments("main") == [NOWHERE]


def test_a_branch_that_is_not_merged_stays_out(repo: Repo) -> None:
    branch = Branch(repo)
    branch.record()
    branch.move_main("same file")
    assert attachments("main") == [NOWHERE]
    assert attachments("exp")[0].level is Level.COMMIT


@pytest.mark.slow
def test_a_binary_file_is_told_by_its_content(repo: Repo) -> None:
    def model(data: bytes) -> None:
        (repo.path / "model.bin").write_bytes(data)

    model(b"\0first")
    repo.commit("a model")
    repo.git("checkout", "-q", "-b", "exp")
    model(b"\0second")
    repo.commit("another")
    api.record(metrics={"f1": 0.5})
    repo.git("checkout", "-q", "main")
    model(b"\0third")
    repo.commit("another one", other__py="1\n")
    assert attachments("main") == [NOWHERE]
    model(b"\0first")
    repo.commit("back")
    model(b"\0second")
    picked = repo.commit("the other")
    assert attachments("main") == [Attachment(picked, Level.PATCH)]


@pytest.mark.slow
def test_a_guess_is_made_again_when_a_branch_or_main_moved(repo: Repo) -> None:
    branch = Branch(repo)
    branch.record()
    branch.move_main("other file")
    assert attachments("main") == [NOWHERE]
    made = branch.squash()
    assert attachments("main") == [Attachment(made, Level.PATCH)]
    repo.git("reset", "-q", "--hard", "HEAD~1")
    branch.change(20)
    repo.commit("mended while it was merged (#3)")
    assert attachments("main") == [NOWHERE]
    repo.git("update-ref", "refs/pull/3/head", "exp")
    assert attachments("main")[0].level is Level.PULL_REQUEST


def test_patches_are_asked_of_git_once_and_a_damaged_cache_costs_time_only(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch = Branch(repo)
    branch.record()
    branch.move_main("other file")
    made = branch.squash()
    traces = []
    for number in range(3):
        if number == 2:
            for path in (repo.path / ".git" / "ledger" / "cache").iterdir():
                path.write_bytes(path.read_bytes().replace(b"a", b"b"))
        trace = tmp_path / f"trace-{number}"
        monkeypatch.setenv("GIT_TRACE", str(trace))
        assert attachments("main") == [Attachment(made, Level.PATCH)]
        traces.append("patch-id" in trace.read_text(encoding="utf-8"))
    assert traces == [True, False, True]


@pytest.mark.parametrize(
    "odd",
    [
        "--output=x",
        *(
            pytest.param(odd, marks=pytest.mark.slow)
            for odd in ("main", "HEAD~0", "^main", "a" * 40, "a" * 41)
        ),
        "é\n--all",
    ],
)
def test_hostile_ids_reach_no_command_line(repo: Repo, ledger: Ledger, odd: str) -> None:
    branch = Branch(repo)
    branch.record()
    (ref,) = repo.git("for-each-ref", "--format=%(refname)", "refs/runs").split()
    document = json.loads(files_of(repo, ref)["run.json"])
    code = {**document["code"], "commit": odd, "base": odd, "patch_id": odd, "tree": odd}
    files = {**files_of(repo, ref), "run.json": canonical.dumps({**document, "code": code})}
    commit = repo.git("commit-tree", tree(repo, entries_of(repo, files)), "-m", "hostile")
    repo.git("update-ref", ref, commit)
    found = ledger.json("log", "--metric", "f1", "main")
    assert (found["rows"], found["left_out"]["unattached"]) == ([], 1)
    assert ledger.json("show", document["id"])["attached"]["level"] == "unattached"
    assert not (repo.path / "x").exists()
