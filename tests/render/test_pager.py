"""Long output goes through the pager that git would choose, whoever quits first."""

import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from ledger.render.pager import paged, pager_command


@pytest.mark.parametrize(
    ("environ", "configured", "command"),
    [
        ({}, None, "less"),
        ({"PAGER": "more"}, None, "more"),
        ({"PAGER": "more"}, "less -S", "less -S"),
        ({"PAGER": "more", "GIT_PAGER": "most"}, "less -S", "most"),
        ({"GIT_PAGER": ""}, "less", ""),
        ({"PAGER": "more"}, "", ""),
        ({"PAGER": "cat"}, None, ""),
    ],
)
def test_the_choice_is_git_s(environ: Mapping[str, str], configured: str | None, command: str) -> None:
    assert pager_command(environ, configured) == command


@dataclass(frozen=True)
class Screen:
    stream: TextIO
    controller: int

    def text(self) -> str:
        """What has been shown so far: a terminal has no end, so a mark of our own is read up to."""
        self.stream.write("\x04END")
        self.stream.flush()
        shown = b""
        while not shown.endswith(b"\x04END"):
            shown += os.read(self.controller, 65536)
        return shown.removesuffix(b"\x04END").decode().replace("\r\n", "\n")


@pytest.fixture
def screen() -> Iterator[Screen]:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as stream:
        yield Screen(stream, controller)
    os.close(controller)


def script(folder: Path, body: str) -> str:
    path = folder / "pager"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


PATH = {"PATH": os.environ["PATH"]}


def test_output_goes_through_the_pager_to_the_terminal(screen: Screen, tmp_path: Path) -> None:
    with paged(screen.stream, script(tmp_path, "sed 's/^/> /'"), PATH) as out:
        out.write("first\nh\u00e9llo\n")
    assert screen.text() == "> first\n> h\u00e9llo\n"


def test_what_was_written_before_comes_before(screen: Screen, tmp_path: Path) -> None:
    screen.stream.write("before\n")
    with paged(screen.stream, script(tmp_path, "cat"), PATH) as out:
        out.write("after\n")
    assert screen.text() == "before\nafter\n"


def test_a_command_with_words_and_one_for_a_shell(screen: Screen) -> None:
    for command in ("tail -n 1", "cat | tail -n 1", "X=1 tail -n 1"):
        with paged(screen.stream, command, PATH) as out:
            out.write("first\nlast\n")
    assert screen.text() == "last\n" * 3


def test_less_is_told_to_pass_colours_and_to_leave_short_output(screen: Screen, tmp_path: Path) -> None:
    command = script(tmp_path, 'echo "$LESS $LV"')
    for environ in (PATH, {**PATH, "LESS": "S"}):
        with paged(screen.stream, command, environ):
            pass
    assert screen.text() == "FRX -c\nS -c\n"


@pytest.mark.parametrize("command", ["", "no-such-pager-anywhere", "/", "less 'unclosed"])
def test_without_a_pager_output_is_still_shown(screen: Screen, command: str) -> None:
    with paged(screen.stream, command, PATH) as out:
        out.write("shown\n")
    assert screen.text() == "shown\n"


def test_an_error_inside_is_not_swallowed(screen: Screen, tmp_path: Path) -> None:
    def task() -> None:
        with paged(screen.stream, script(tmp_path, "cat"), PATH) as out:
            out.write("shown\n")
            raise KeyError

    with pytest.raises(KeyError):
        task()
    assert screen.text() == "shown\n"


_PAGED = """
import os, sys, time
from ledger.render.pager import paged
from ledger.render.terminal import detect
terminal = detect(sys.stdout, os.environ)
with paged(sys.stdout, terminal.pager, os.environ) as out:
{}
print("done", file=sys.stderr)
"""


@contextmanager
def program(pager: str, body: str) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """A process with a terminal of its own as standard output, paging as the command line does."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PAGED.format(textwrap.indent(body, "    "))],
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        env={**PATH, "PAGER": pager, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(terminal)
    with process:
        yield controller, process
    os.close(controller)


def test_a_reader_who_quits_early_ends_it_silently(tmp_path: Path) -> None:
    pager = script(tmp_path, "head -n 1")
    with program(pager, "for number in range(1_000_000): print(number, file=out)") as (
        controller,
        process,
    ):
        assert os.read(controller, 1024) == b"0\r\n"
        assert process.communicate(timeout=20)[1] == "done\n"
        assert process.returncode == 0


@pytest.mark.slow
def test_a_reader_who_quits_before_anything_is_written(tmp_path: Path) -> None:
    left = tmp_path / "left"
    pager = script(tmp_path, f"exec 0<&-; touch {left}; echo gone")
    body = f"while not os.path.exists({str(left)!r}): time.sleep(0.001)\nprint('x' * 100, file=out)"
    with program(pager, body) as (controller, process):
        assert os.read(controller, 1024) == b"gone\r\n"
        assert process.communicate(timeout=20)[1] == "done\n"
        assert process.returncode == 0


@pytest.mark.slow
def test_an_interrupt_waits_for_the_pager(tmp_path: Path) -> None:
    """As in less, where ^C stops a search: the program must not leave the pager without its terminal."""
    import signal

    pager = script(tmp_path, "trap '' INT; cat >/dev/null; echo ready; sleep 0.5; echo left")
    with program(pager, "pass") as (controller, process):
        assert os.read(controller, 1024) == b"ready\r\n"
        process.send_signal(signal.SIGINT)
        assert os.read(controller, 1024) == b"left\r\n"
        assert process.communicate(timeout=20)[1] == "done\n"
