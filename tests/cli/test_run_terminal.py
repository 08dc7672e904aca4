"""`ledger run` on a terminal: the program sees one, and draws on it as if nothing stood between."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Ledger, Repo

LOOKS = """
import os, signal, sys, time
print([os.isatty(n) for n in range(3)], tuple(os.get_terminal_size(1)), flush=True)
print("bar \\x1b[31mred\\x1b[0m 10%\\rbar 90%", file=sys.stderr)
"""
RESIZES = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: print("size", *os.get_terminal_size(1), flush=True))
print("ready", flush=True)
while input() != "end": pass
"""


class Screen:
    """A terminal, with `ledger run` as the program that owns it."""

    def __init__(self, folder: Path, *words: str, streams: dict[str, Any]) -> None:
        self.outside, inside = pty.openpty()
        self.resize(33, 111)
        self.seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ledger", "run", *words],
            cwd=folder,
            **{"stdin": inside, "stdout": inside, "stderr": inside, **streams},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one system call
        )
        os.close(inside)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.outside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.outside, keys)

    def until(self, words: bytes) -> None:
        """Read until they stand there."""
        while words not in self.seen:
            assert select.select([self.outside], [], [], 60)[0], f"nothing came after {self.seen!r}"
            data = self._more()
            assert data, f"it ended with {self.seen!r}"

    def end(self) -> int:
        while self._more():
            pass
        return self.process.wait(60)

    def _more(self) -> bytes:
        try:
            data = os.read(self.outside, 65_536)
        except OSError:
            return b""
        self.seen += data
        return data


class Open:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.screens: list[Screen] = []

    def __call__(self, *words: str, **streams: Any) -> Screen:
        self.screens.append(Screen(self.folder, *words, streams=streams))
        return self.screens[-1]


@pytest.fixture
def terminal(repo: Repo) -> Iterator[Open]:
    opened = Open(repo.path)
    yield opened
    for screen in opened.screens:
        screen.process.kill()
        screen.process.wait()
        os.close(screen.outside)


@pytest.mark.slow
def test_the_program_sees_a_terminal_of_that_size_and_its_bytes_come_as_they_are(
    terminal: Open, ledger: Ledger
) -> None:
    screen = terminal("-q", sys.executable, "-c", LOOKS + "sys.exit(3)")
    assert screen.end() == 3
    assert screen.seen == (
        b"[True, True, True] (111, 33)\r\n"  # line ends are made by the real terminal, and once
        b"bar \x1b[31mred\x1b[0m 10%\rbar 90%\r\n"
    )
    (row,) = ledger.json("runs")
    assert ledger.json("show", row["run_id"])["run"]["reason"] == "exit code 3: bar 90%"
    (event,) = ledger.json("show", row["run_id"], "--events")
    assert event["message"] == "the last lines of the terminal"
    assert event["fields"]["lines"] == ["[True, True, True] (111, 33)", "bar 90%"]


@pytest.mark.parametrize("redirected", ["stdout", pytest.param("stderr", marks=pytest.mark.slow)])
def test_what_is_no_terminal_stays_apart(
    terminal: Open, ledger: Ledger, tmp_path: Path, redirected: str
) -> None:
    script = "import os, sys; os.write(1, b'%d\\n' % os.isatty(1)); os.write(2, b'%d\\n' % os.isatty(2)); sys.exit(1)"
    with (tmp_path / "file").open("wb") as file:
        screen = terminal("-q", sys.executable, "-c", script, **{redirected: file})
        assert screen.end() == 1
    assert screen.seen == b"1\r\n"
    assert (tmp_path / "file").read_bytes() == b"0\n"
    (row,) = ledger.json("runs")
    found = {one["message"]: one["fields"]["lines"] for one in ledger.json("show", row["run_id"], "--events")}
    apart = "standard output" if redirected == "stdout" else "standard error"
    assert found == {f"the last lines of {apart}": ["0"], "the last lines of the terminal": ["1"]}


def test_a_new_size_reaches_the_program(terminal: Open, ledger: Ledger) -> None:
    screen = terminal("-q", sys.executable, "-c", RESIZES)
    screen.until(b"ready")
    screen.resize(20, 77)
    screen.until(b"size 77 20")
    screen.type(b"end\n")
    assert screen.end() == 0
    (row,) = ledger.json("runs")
    assert row["status"] == "finished"


def test_keys_reach_the_program(terminal: Open, ledger: Ledger) -> None:
    screen = terminal(
        "-q", "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    )
    screen.until(b"ready")
    screen.type(b"\x03")
    assert screen.end() == 9
    assert b"caught" in screen.seen
    (row,) = ledger.json("runs")
    assert (row["status"], row["tags.exit_code"]) == ("killed", "9")


@pytest.mark.slow
def test_it_stops_and_goes_on_with_the_whole_job(terminal: Open, ledger: Ledger) -> None:
    screen = terminal("-q", "sh", "-c", "echo ready; read word; echo got $word")
    screen.until(b"ready")
    os.killpg(screen.process.pid, signal.SIGSTOP)
    os.killpg(screen.process.pid, signal.SIGCONT)
    screen.type(b"it\n")
    assert screen.end() == 0
    assert b"got it" in screen.seen
    assert ledger.json("runs")[0]["status"] == "finished"


@pytest.mark.slow
def test_all_of_a_long_output_comes(terminal: Open) -> None:
    screen = terminal("-q", sys.executable, "-c", "import os; os.write(1, b'x' * 3_000_000); print('end')")
    assert screen.end() == 0
    assert screen.seen == b"x" * 3_000_000 + b"end\r\n"


@pytest.mark.slow
def test_a_program_that_is_not_one_leaves_nothing_open(terminal: Open, repo: Repo) -> None:
    broken = repo.write("broken", "#!/no/such/shell\n")
    broken.chmod(0o755)
    screen = terminal("./broken")
    assert screen.end() == 126
    assert b"broken: No such file or directory" in screen.seen
