"""Forked processes that work ahead on numbered tasks; what a helper that died leaves is done here.

They live for one list of tasks and hold nothing that outlives them: when this process is killed, their pipes end and so
do they. Tasks see what memory held when the helpers were made, and answer in bytes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

Work = Callable[[int], bytes]

_MOST = 4
"""Helpers: whoever takes the answers has its own work, and five would wait for it."""
_AHEAD = 32
"""Tasks that a helper has at a time: enough for as long as whoever takes the answers is at something else."""
_AHEAD_BYTES = 64 << 20
_WIDTH = 8


def count() -> int:
    """How many helpers are of use here: none on one processor, nor where a fork would take half of something along."""
    if threading.active_count() > 1 or "pyarrow" in sys.modules or not hasattr(os, "sched_getaffinity"):
        return 0
    here = len(os.sched_getaffinity(0))
    return min(here, _MOST) if here > 1 else 0


def answers(work: Work, weights: Sequence[int], *, helpers: int) -> Generator[bytes]:
    """`work(0)`, `work(1)`, …, in order, a task for each weight: about how many bytes it takes."""
    crew = _Crew(work, helpers)
    try:
        asked = out = 0
        for number, weight in enumerate(weights):
            while asked < len(weights) and (asked == number or (crew.has_room() and out < _AHEAD_BYTES)):
                crew.ask(asked)
                out += weights[asked]
                asked += 1
            answer = crew.answer(number)
            yield work(number) if answer is None else answer
            out -= weight
    finally:
        crew.end()


class _Helper:
    """One process, and what it was asked and has not answered."""

    def __init__(self, work: Work, inherited: Sequence[int]) -> None:
        asked, self.asking = os.pipe()
        self.answers, answering = os.pipe()
        self.waiting: set[int] = set()
        self.process = os.fork()
        if self.process == 0:
            _serve(work, asked, answering, (*inherited, self.asking, self.answers))
        os.close(asked)
        os.close(answering)


def _serve(work: Work, asked: int, answering: int, others: Sequence[int]) -> None:
    """Never returns. Whatever fails here is done again, and told, by the process that asked."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for descriptor in others:
            os.close(descriptor)
        while head := os.read(asked, _WIDTH):
            answer = memoryview(work(int.from_bytes(head)))
            _write(answering, head + len(answer).to_bytes(_WIDTH))
            _write(answering, answer)
    finally:
        os._exit(0)


def _write(descriptor: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


class _Crew:
    def __init__(self, work: Work, helpers: int) -> None:
        self._answers: dict[int, bytes] = {}
        self._changed = threading.Condition()
        self._helpers: list[_Helper] = []
        with suppress(OSError):  # no room for another process: those that are there, or none
            for _ in range(helpers):
                inherited = [one for helper in self._helpers for one in (helper.asking, helper.answers)]
                self._helpers.append(_Helper(work, inherited))
        self._alive = list(self._helpers)
        self._readers = [threading.Thread(target=self._read, args=(helper,)) for helper in self._helpers]
        for reader in self._readers:
            reader.start()

    def has_room(self) -> bool:
        return any(len(helper.waiting) < _AHEAD for helper in self._alive)

    def ask(self, number: int) -> None:
        with self._changed:
            helper = min(self._alive, key=lambda one: len(one.waiting), default=None)
            if helper is None:
                return
            helper.waiting.add(number)
        with suppress(BrokenPipeError):
            os.write(helper.asking, number.to_bytes(_WIDTH))

    def answer(self, number: int) -> bytes | None:
        """None for a task that nobody is at any more."""
        with self._changed:
            while number not in self._answers and any(number in one.waiting for one in self._alive):
                self._changed.wait()
            return self._answers.pop(number, None)

    def _read(self, helper: _Helper) -> None:
        with open(helper.answers, "rb") as stream:
            while len(head := stream.read(2 * _WIDTH)) == 2 * _WIDTH:
                number, size = int.from_bytes(head[:_WIDTH]), int.from_bytes(head[_WIDTH:])
                answer = stream.read(size)
                if len(answer) < size:
                    break
                with self._changed:
                    self._answers[number] = answer
                    helper.waiting.discard(number)
                    self._changed.notify()
        with self._changed:
            self._alive.remove(helper)
            self._changed.notify()

    def end(self) -> None:
        """Whatever they are at: what they do leaves nothing behind."""
        for helper in self._helpers:
            os.close(helper.asking)
            os.kill(helper.process, signal.SIGKILL)
        for reader in self._readers:
            reader.join()
        for helper in self._helpers:
            os.waitpid(helper.process, 0)
