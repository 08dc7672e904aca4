"""Time by turns: the thing, its floor, the thing, its floor, so that a machine that slows down slows both."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Medians in seconds, and the median of the ratios within pairs."""

    seconds: float
    floor_seconds: float
    ratio: float


def by_turns(
    thing: Callable[[], object], floor: Callable[[], object], *, rounds: int, warm: bool = True
) -> Pair:
    if warm:
        thing()
        floor()
    times = [(seconds(thing), seconds(floor)) for _ in range(rounds)]
    return Pair(
        seconds=median(time for time, _ in times),
        floor_seconds=median(time for _, time in times),
        ratio=median(time / floor_time for time, floor_time in times),
    )


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def command(words: Sequence[str], folder: Path) -> Callable[[], None]:
    """A whole process, from its start to its end. A failing one ends the benchmark with its message."""

    def run() -> None:
        done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode('utf-8', 'replace')}")

    return run


def environment() -> Mapping[str, str]:
    """As a user's shell has it, without what this process may have been given for another repository.

    An installed package has its bytecode; this one writes its own at the first, uncounted call.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "LEDGER_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1"}
