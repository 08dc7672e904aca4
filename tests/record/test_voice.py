"""What a run says: one line each, once where that is wanted, and where nobody hears it the program goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import Ledger, Repo

from ledger.record.voice import Voice, say

_LATE_RANK = """
import sys
import ledger
{silence}
with ledger.start() as run:
    run.log(loss=0.5, step=1)
"""


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("two\nlines \x1b[31m")
    assert capsys.readouterr().err == "ledger: two?lines ?[31m\n"


def test_once_and_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    voice, quiet = Voice(quiet=False), Voice(quiet=True)
    for text in ("a", "a", "b"):
        voice.once(text)
    voice.once("the disk is full", "disk")
    voice.once("the disk is still full", "disk")
    voice.remark("recorded")
    quiet.remark("recorded")
    quiet.once("an error")
    assert capsys.readouterr().err.replace("ledger: ", "").splitlines() == [
        "a", "b", "the disk is full", "recorded", "an error",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("silence", ["sys.stderr = None", "sys.stderr.close()"])
def test_a_start_that_has_something_to_say_where_nobody_hears_it(
    repo: Repo, ledger: Ledger, silence: str
) -> None:
    """A rank that comes when its run is over is told so."""
    run = ledger.json("record", "-m", "f1=0.9")["id"]
    done = subprocess.run(
        [sys.executable, "-c", _LATE_RANK.format(silence=silence)],
        cwd=repo.path,
        env={**os.environ, "LEDGER_RUN": run, "RANK": "1", "WORLD_SIZE": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    ledger("recover")
    assert "loss" in ledger.json("show", run)["metrics"]
