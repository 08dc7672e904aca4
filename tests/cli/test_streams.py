"""Output that can't be written: what is done is done, and no reader who leaves early is an error."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Ledger, Repo

_FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not _FULL.exists(), reason="this system has no /dev/full")


def shell(repo: Repo, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which `ledger` is the command."""
    script = f'set -o pipefail; ledger() {{ "{sys.executable}" -m ledger "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], cwd=repo.path, capture_output=True, text=True, check=False, env=os.environ
    )


@needs_full
@pytest.mark.parametrize("form", ["", "-q", "--json"])
def test_a_run_that_is_recorded_is_not_to_be_recorded_again(repo: Repo, ledger: Ledger, form: str) -> None:
    done = shell(repo, f"ledger record {form} -m f1=0.2 >/dev/full")
    (run,) = ledger("runs", "--ids").split()
    assert done.returncode == 0
    assert f"warning: recorded {run}; that could not be printed: No space left on device" in done.stderr
    assert "again" not in done.stderr


@pytest.mark.slow
@needs_full
def test_an_edit_that_is_done_is_done(repo: Repo, ledger: Ledger) -> None:
    run = ledger("record", "-q", "-m", "f1=0.2").strip()
    done = shell(repo, f"ledger tag {run} a=b >/dev/full")
    assert done.returncode == 0
    assert f"warning: edited {run}" in done.stderr
    assert ledger.json("runs")[0]["tags.a"] == "b"


@pytest.mark.parametrize(
    "where",
    [
        ">&-",
        "| true",
        *(pytest.param(where, marks=pytest.mark.slow) for where in ("2>&-", ">&- 2>&-", "2>&1 | true")),
    ],
)
def test_nobody_reads_what_record_says(repo: Repo, ledger: Ledger, where: str) -> None:
    done = shell(repo, f"ledger record -m f1=0.2 {where}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(ledger.json("runs")) == 1


@needs_full
def test_not_even_the_warning_can_be_written(repo: Repo, ledger: Ledger) -> None:
    assert shell(repo, "ledger record -m f1=0.2 >/dev/full 2>/dev/full").returncode == 0
    assert len(ledger.json("runs")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "runs --json | true",
        "runs --json >&-",
        "--help | true",
        "status | head -c1",
    ],
)
def test_a_reader_who_leaves(repo: Repo, ledger: Ledger, line: str) -> None:
    ledger("record", "-m", "f1=0.2")
    done = shell(repo, f"ledger {line}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@needs_full
def test_what_was_asked_for_and_can_not_be_written_is_an_error(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.2")
    done = shell(repo, "ledger runs --json >/dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert shell(repo, "ledger runs --nope 2>/dev/full").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("runs",), "\x1b[2J"),
        (("log", "--metric", "f1"), "\x1b]0;owned\x07"),
        (("experiments",), "main,open"),
    ],
    ids=("runs", "log", "experiments"),
)
def test_control_characters_reach_files_and_no_terminal(
    repo: Repo, ledger: Ledger, words: tuple[str, ...], told: str
) -> None:
    repo.commit("hi \x1b]0;owned\x07 there")
    ledger("record", "-m", "f1=0.2", "-m", "f1\u00b2=1", "--tag", "a=\x1b[2J", "-e", "main")
    assert "\x1b" not in on_terminal(repo, *words, "--csv")
    assert told in ledger(*words, "--csv")


def on_terminal(repo: Repo, *words: str) -> str:
    """What a command writes to a terminal."""
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *words], cwd=repo.path, stdout=terminal, check=True
    )
    os.close(terminal)
    said = b""
    try:
        while block := os.read(controller, 1 << 16):
            said += block
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(controller)
    assert done.returncode == 0
    assert said
    return said.decode()


@pytest.mark.long
def test_documents_fit_a_stream_that_is_not_utf8(repo: Repo, ledger: Ledger) -> None:
    ledger("record", "-m", "f1=0.5", "--note", "\u2603")
    for words, said in (
        (("runs", "--json"), b"\\u2603"),
        (("runs", "--csv", "--columns", "note"), b"\\u2603"),
        (("log", "--metric", "f1", "--json"), b"0.5"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ledger", *words],
            env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True, cwd=repo.path,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        assert said in done.stdout
