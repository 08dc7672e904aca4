"""Words that git would take for options, wherever a command takes a word: nothing is written, nothing is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Ledger, Repo
from store.plumbing import recorded

from ledger.cli.main import run

WORDS = (
    "--output={target}",
    "--upload-pack=touch {target}",
    "--exec=touch {target}",
    "-o{target}",
    "--ext-diff",
    "--git-dir={target}",
    "ext::sh -c touch% {target}",
    "$(touch {target})",
    "`touch {target}`",
    "x;touch {target}",
    "|touch {target}",
    "@{{-1}}",
    "-",
    "..",
    "../../../etc/passwd",
    "refs/heads/--output={target}",
    "",
    "%00",
    "x\ny",
)
PLACES = (
    ("log", "-m", "f1", "WORD"),
    ("log", "-m", "f1", "--", "WORD"),
    ("log", "-m", "f1", "main..WORD"),
    ("log", "-m", "f1", "--at=WORD"),
    ("log", "-m", "f1", "--as=WORD"),
    ("log", "-m", "f1", "--since=WORD"),
    ("log", "-m", "f1", "--author=WORD"),
    ("log", "-m", "f1", "--grep=WORD"),
    ("log", "-m", "WORD"),
    ("runs", "--at=WORD"),
    ("runs", "--experiment=WORD"),
    ("runs", "--where=WORD"),
    ("runs", "--columns=WORD"),
    ("runs", "--sort=WORD"),
    ("show", "WORD"),
    ("show", "--", "WORD"),
    ("diff", "WORD", "WORD"),
    ("explain", "WORD", "f1"),
    ("drift", "f1", "--", "WORD"),
    ("link", "WORD", "WORD"),
    ("link", "RUN", "WORD"),
    ("tag", "RUN", "WORD"),
    ("note", "RUN", "--", "WORD"),
    ("amend", "RUN", "-m", "f1=0.5", "--reason=WORD"),
    ("record", "-m", "f1=1", "--experiment=WORD"),
    ("record", "-m", "f1=1", "--name=WORD", "--note=WORD", "--tag", "t=WORD"),
    ("record", "-m", "f1=1", "--code=WORD"),
    ("record", "--metrics=WORD"),
    ("record", "--refused=WORD"),
    ("fetch", "WORD"),
    ("fetch", "--", "WORD"),
    ("fetch", "--experiment=WORD"),
    ("push", "WORD"),
    ("push", "--", "WORD"),
    ("push", "--experiment=WORD"),
    ("pull", "WORD"),
    ("pull", "--", "WORD"),
    ("schema", "check", "--at=WORD"),
    ("schema", "show", "WORD"),
    ("export", "--where=WORD", "out"),
)


def everything(repo: Repo) -> set[Path]:
    """Files that are there, but for git's own and ledger's."""
    return {
        path
        for path in repo.path.parent.rglob("*")
        if path.is_file() and not {".git", "home", "out"} & set(path.relative_to(repo.path.parent).parts)
    }


@pytest.mark.slow
def test_output_is_never_an_option_of_git(
    repo: Repo, ledger: Ledger, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One word in every place; the others with `make test`."""
    done = recorded(repo)
    target = tmp_path / "target"
    for place in PLACES:
        words = [one.replace("WORD", f"--output={target}").replace("RUN", done.id) for one in place]
        assert run(words) != 3, (words, capsys.readouterr().err)
        assert not target.exists(), words
    assert ledger.json("verify")["faults"] == []


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_a_word_is_never_an_option_of_git(
    repo: Repo, ledger: Ledger, capsys: pytest.CaptureFixture[str], place: tuple[str, ...], tmp_path: Path
) -> None:
    done = recorded(repo)
    repo.git("config", "protocol.ext.allow", "always")
    target = tmp_path / "target"
    before = everything(repo)
    heads = repo.git("for-each-ref", "refs/heads", "refs/tags")
    for word in WORDS:
        said = word.format(target=target)
        words = [one.replace("WORD", said).replace("RUN", done.id) for one in place]
        code = run(words)
        out = capsys.readouterr()
        assert code != 3, (words, out.err)
        assert "Traceback" not in out.err
    assert everything(repo) == before
    assert repo.git("for-each-ref", "refs/heads", "refs/tags") == heads
    assert ledger.json("verify")["faults"] == []
    assert os.getcwd() == str(repo.path)
