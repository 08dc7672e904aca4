"""Progress is shown where somebody watches, and leaves nothing behind."""

import io
from dataclasses import dataclass

import pytest

from ledger.render.progress import Progress


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_shown_at_most_ten_times_a_second_and_leaves_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, enabled=True, label="indexing", total=2000, clock=clock) as progress:
        for _ in range(2000):
            clock.now += 0.001
            progress.advance()
    shown = stream.getvalue().split("\r\x1b[K")
    assert shown[0] == ""
    assert shown[1] == "indexing:  15% (300/2,000)"
    assert shown[-1] == ""
    assert 15 <= len(shown) - 2 <= 18


def test_without_a_total_it_counts() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, enabled=True, label="reading\x1b", clock=clock)
    clock.now = 1.0
    progress.advance(1234)
    assert stream.getvalue() == "\r\x1b[Kreading\\x1b: 1,234"
    progress.close()
    progress.close()
    assert stream.getvalue().endswith("1,234\r\x1b[K")


def test_what_is_soon_done_or_not_watched_shows_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, enabled=True, label="x", clock=clock) as progress:
        progress.advance()
    with Progress(stream, enabled=False, label="x", clock=clock) as progress:
        clock.now = 5.0
        progress.advance()
    assert stream.getvalue() == ""


def test_it_is_cleared_when_the_task_fails() -> None:
    stream, clock = io.StringIO(), Clock()

    def task() -> None:
        with Progress(stream, enabled=True, label="x", clock=clock) as progress:
            clock.now = 5.0
            progress.advance()
            raise KeyError

    with pytest.raises(KeyError):
        task()
    assert stream.getvalue() == "\r\x1b[Kx: 1\r\x1b[K"
