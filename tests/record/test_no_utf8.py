"""Bytes of the system's that are no UTF-8: names of branches, arguments, variables, folders. No run is lost for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import recorded

ODD = b"x\xffy"
TEXT = os.fsdecode(ODD)
SHOWN = "x\\xffy"


def run_of(ledger: Ledger, run_id: str) -> dict[str, object]:
    found: dict[str, object] = ledger.json("show", run_id)["run"]
    return found


def test_a_branch(repo: Repo, ledger: Ledger) -> None:
    ref = b"refs/heads/" + ODD
    subprocess.run([b"git", b"update-ref", ref, b"HEAD"], cwd=repo.path, check=True)
    subprocess.run([b"git", b"symbolic-ref", b"HEAD", ref], cwd=repo.path, check=True)
    done = ledger.json("record", "-m", "f1=0.5")
    assert done["experiment"] == SHOWN
    assert ledger.json("runs")[0]["code.branch"] == SHOWN
    for words in (("log", "-m", "f1"), ("experiments",), ("status",), ("verify",)):
        ledger(*words)


def test_words_variables_and_settings(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git("config", "ledger.environment", "SEED")
    monkeypatch.setenv("SEED", TEXT)
    monkeypatch.setenv("GIT_AUTHOR_NAME", TEXT)
    done = ledger.json("record", "-m", "f1=0.5", "--note", TEXT, "--tag", f"t={TEXT}")
    run = run_of(ledger, done["id"])
    assert run["environment"]["variables"] == {"SEED": SHOWN}  # type: ignore[index]
    assert (run["note"], run["tags"]) == (SHOWN, {"t": SHOWN})
    assert run["author"]["name"] == SHOWN  # type: ignore[index]
    assert ledger.json("verify")["faults"] == []


def test_a_program_with_such_an_argument(repo: Repo, ledger: Ledger) -> None:
    words = [sys.executable, "-m", "ledger", "run", "-m", "f1=0.5", "--", "true", TEXT]
    done = subprocess.run(words, cwd=repo.path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (one,) = ledger.json("runs")
    assert run_of(ledger, one["run_id"])["command"] == ["true", SHOWN]


def test_files_and_folders(repo: Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.fsdecode(os.fsencode(repo.path.parent) + b"/w\xff"))
    repo.git("worktree", "add", "-q", "-b", "other", str(folder))
    monkeypatch.chdir(folder)
    (folder / f"{TEXT}.json").write_text('{"f1": 0.5}')
    ledger("record", "--metrics", f"{TEXT}.json")
    (folder / f"{TEXT}.py").write_text("1\n")
    repo.git("-C", str(folder), "add", f"{TEXT}.py")
    ledger("record", "-m", "f1=0.6")
    assert [row["metrics.f1"] for row in ledger.json("runs")] == [0.6, 0.5]
    assert ledger.json("verify")["faults"] == []


def test_half_a_character_of_the_users_is_still_refused(repo: Repo) -> None:
    """What no system gave as bytes was cut somewhere: it is said, and nothing is changed quietly."""
    from ledger.errors import InputError

    with pytest.raises(InputError, match="half a character"):
        recorded(repo, note="\ud800")
