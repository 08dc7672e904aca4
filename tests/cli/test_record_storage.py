"""Where `ledger record` can't write as usual: the run waits elsewhere, and that is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cli.stored import REF, file
from conftest import Ledger, Repo


@pytest.mark.parametrize("words", [(), ("-q",), ("--json",)])
def test_a_run_that_is_only_sealed_says_so(repo: Repo, ledger: Ledger, words: tuple[str, ...]) -> None:
    repo.git("update-ref", REF, "HEAD")  # a foreign ref: nothing is put on top of it
    ledger("record", "-m", "f1=1", *words)
    (path,) = (repo.path / ".git/ledger/spool").glob("*.zip")
    assert f"warning: sealed in {path}, not on its ref yet: {REF} holds something" in ledger.err


def test_a_run_that_is_only_in_the_fallback_folder_says_so(repo: Repo, ledger: Ledger) -> None:
    repo.write(".git/ledger", "in the way: what root meets instead of a read-only repository")
    found = ledger.json("record", "-m", "f1=1")
    (path,) = (Path(os.environ["XDG_STATE_HOME"]) / "ledger").glob("*/spool/*.zip")
    assert found["chained"] is False
    assert (path.parents[1] / "repository").read_text() == f"{repo.path / '.git'}\n"
    assert f"warning: sealed in {path}, not on its ref yet: {repo.path}/.git/ledger" in ledger.err


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A file system of its own: for root, permissions do nothing."""
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_repository_is_read_and_its_runs_wait_elsewhere(
    repo: Repo, ledger: Ledger, tmp_path: Path
) -> None:
    ledger("record", "-m", "f1=0.9")
    with mounted(repo.path, "--bind", str(repo.path)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(repo.path)], check=True)
        run_id = ledger("record", "-q", "-m", "f1=0.8").strip()
        assert sorted(row["metrics.f1"] for row in ledger.json("runs")) == [0.8, 0.9]
        assert "can't be written" in ledger("status")
        ledger("tag", run_id, "a=b")
        ledger("verify")
    assert len(list((tmp_path / "home/state/ledger").rglob("*.zip"))) == 2
    ledger("recover")
    assert file(repo, "run.json")["tags"] == {"a": "b"}
    assert ledger.json("verify")["faults"] == []


def test_a_full_disk_keeps_the_run_elsewhere(
    ledger: Ledger, make_repo: Callable[..., Repo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "small"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=4m", "none"):
        small = make_repo("small/repo")
        small.commit("first", train__py="1")
        monkeypatch.chdir(small.path)
        ledger("record", "-m", "f1=0.9")
        filler = small.path / ".git/filler"
        with suppress(OSError), filler.open("wb", buffering=0) as big:
            while big.write(b"x" * 1000):
                pass
        run_id = ledger("record", "-q", "-m", "f1=0.8").strip()
        assert run_id in {row["run_id"] for row in ledger.json("runs")}
        filler.unlink()
        assert "put 1 sealed record" in ledger("recover")
        assert ledger.json("verify")["records"] == 2
        monkeypatch.chdir(tmp_path)
