"""Finishing refused runs: once, whatever comes between."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ledger, Repo


@pytest.fixture
def kept(repo: Repo, ledger: Ledger) -> Path:
    """A run that was refused, for a value out of bounds."""
    ledger("init", "--starter", "classification")
    ledger("record", "-m", "accuracy=7", code=1)
    return only(repo)


def only(repo: Repo) -> Path:
    (path,) = (repo.path / ".git/ledger/spool/refused").glob("*.zip")
    return path


def runs(ledger: Ledger) -> list[float]:
    return [row["metrics.accuracy"] for row in ledger.json("runs")]


def test_refused_again_it_takes_the_place_of_the_first(repo: Repo, ledger: Ledger, kept: Path) -> None:
    ledger("record", "--refused", str(kept), "-m", "accuracy=8", "-p", "lr=0.1", code=1)
    assert only(repo) == kept
    ledger("record", "--refused", str(kept), "-m", "accuracy=0.8")
    assert [row["params.lr"] for row in ledger.json("runs")] == [0.1]
    assert not kept.exists()


def test_a_copy_that_is_refused_again_goes_back_to_its_folder(repo: Repo, ledger: Ledger, kept: Path) -> None:
    elsewhere = kept.rename(repo.path / "night.zip")
    ledger("record", "--refused", "night.zip", "-m", "accuracy=8", code=1)
    assert not elsewhere.exists()
    ledger("record", "--refused", str(only(repo)), "-m", "accuracy=0.8")
    assert runs(ledger) == [0.8]


def test_a_file_that_outlived_its_recording_records_nothing_more(
    repo: Repo, ledger: Ledger, kept: Path
) -> None:
    """As a process leaves it that is killed between the two."""
    copy = Path(shutil.copy(kept, repo.path / "copy.zip"))
    run = ledger("record", "-q", "--refused", str(kept), "-m", "accuracy=0.8").strip()
    copy.rename(kept)
    ledger("record", "--refused", str(kept), "-m", "accuracy=0.3", code=1)
    assert f"run {run[:8]} was recorded already" in ledger.err
    assert not kept.exists()
    assert runs(ledger) == [0.8]
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


@pytest.mark.slow
def test_two_that_finish_it_at_once_record_it_once(repo: Repo, ledger: Ledger, kept: Path) -> None:
    words = [sys.executable, "-m", "ledger", "record", "--refused", str(kept), "-m"]
    both = [
        subprocess.Popen([*words, f"accuracy=0.{n}"], cwd=repo.path, stderr=subprocess.DEVNULL)
        for n in (3, 4)
    ]
    codes = sorted(one.wait(timeout=60) for one in both)
    assert codes[0] == 0
    assert codes[1] in {1, 4}
    assert len(runs(ledger)) == 1
    assert repo.git("rev-list", "--count", "refs/runs/main") == "1"


def test_while_another_process_finishes_it(ledger: Ledger, kept: Path) -> None:
    script = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(kept)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ledger("record", "--refused", str(kept), "-m", "accuracy=0.3", code=4)
        assert "another process" in ledger.err
        other.communicate("\n")
    ledger("record", "--refused", str(kept), "-m", "accuracy=0.3")
    assert runs(ledger) == [0.3]


def _declared(repo: Repo, **words: object) -> None:
    """A schema of one metric, with some words of its definition."""
    own = {key: words.pop(key) for key in ("unit", "how") if key in words}
    node = {"type": "number", **words, "x-ledger": own}
    body = {"x-ledger": {"format": 1, "version": "1"}, "properties": {"metrics": {"properties": {"s": node}}}}
    repo.write(".ledger/schemas/main.json", json.dumps(body))


@pytest.fixture
def measured(repo: Repo, ledger: Ledger) -> Path:
    """A run that was refused under a definition without a unit."""
    _declared(repo, maximum=100)
    ledger("record", "-m", "s=855", code=1)
    return only(repo)


def _definition(ledger: Ledger) -> dict[str, object]:
    (run,) = ledger.json("runs")
    (recorded,) = ledger.json("explain", run["run_id"], "s")["recorded"]
    found: dict[str, object] = recorded["definition"]
    return found


def test_a_redefinition_does_not_relabel_what_was_measured_before(
    repo: Repo, ledger: Ledger, measured: Path
) -> None:
    _declared(repo, maximum=100, unit="%", how={"fn": "f1"})
    ledger("record", "--refused", str(measured), "-m", "s=85.5")
    assert "--schema main takes 1@" in ledger.err
    assert (_definition(ledger)["unit"], _definition(ledger)["how"]) == (None, {})


def test_the_schema_of_now_counts_where_it_is_named(repo: Repo, ledger: Ledger, measured: Path) -> None:
    _declared(repo, maximum=100, unit="%", how={"fn": "f1"})
    ledger("record", "--refused", str(measured), "--schema", "main", "-m", "s=85.5")
    assert _definition(ledger)["unit"] == "%"


def test_bounds_that_were_wrong_are_mended_in_the_schema(repo: Repo, ledger: Ledger, measured: Path) -> None:
    ledger("record", "--refused", str(measured), code=1)
    _declared(repo, maximum=1000)
    ledger("record", "--refused", str(measured))
    assert ledger.json("runs")[0]["metrics.s"] == 855


def test_still_refused_it_says_under_which_schema(repo: Repo, ledger: Ledger, measured: Path) -> None:
    _declared(repo, maximum=1000, unit="%")
    ledger("record", "--refused", str(measured), code=1)
    assert "--schema main takes 1@" in ledger.err


def test_a_run_of_before_the_first_schema_stays_undeclared(
    make_repo: Callable[..., Repo], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_repo("fresh")
    monkeypatch.chdir(fresh.path)
    ledger("record", "-m", "s=85.5", code=1)  # there is no commit yet
    _declared(fresh, maximum=100, unit="%")
    fresh.commit()
    ledger("record", "--refused", str(only(fresh)))
    (run,) = ledger.json("runs")
    assert ledger.json("explain", run["run_id"], "s")["recorded"][0]["definition"] is None


def test_a_schema_file_that_was_broken_is_the_one_to_mend(repo: Repo, ledger: Ledger) -> None:
    repo.write(".ledger/schemas/main.json", "{")
    ledger("record", "-m", "s=855", code=1)
    _declared(repo, maximum=100, unit="%")
    ledger("record", "--refused", str(only(repo)), code=1)
    ledger("record", "--refused", str(only(repo)), "-m", "s=85.5")
    assert _definition(ledger)["unit"] == "%"
