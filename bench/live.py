"""What a live run costs the training loop, and what becomes of a million points."""

from __future__ import annotations

import io
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import ledger
from bench import scratch
from bench.clock import by_turns, command, environment
from bench.line import Line

POINTS = 1_000_000
_NAMES = tuple(f"val/metric_{number:02d}@5" for number in range(20))


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    repository = scratch.repository(folder / "live")
    (repository / ".ledger/schemas/bench.json").unlink()
    scratch.git(repository, "commit", "-qam", "No schema: it would ask for metrics")
    calls = 20_000 if quick else 300_000
    yield from _calls(repository, calls)
    yield _twenty(repository, calls // 5)
    yield _bounded(folder / "bounded", calls)
    yield _slowdown(repository, 1_000 if quick else 5_000)
    yield _shell(repository, rounds=5 if quick else 25)
    points = POINTS // 20 if quick else POINTS
    yield from _million(repository, points, rounds=1 if quick else 5)
    yield _reading(repository, points, rounds=5 if quick else 25)


def _times(call: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each call, sorted."""
    clock = time.perf_counter
    taken = []
    for number in range(count):
        start = clock()
        call(number)
        taken.append(clock() - start)
    return sorted(taken)


def _calls(repository: Path, count: int) -> Iterator[Line]:
    kept: list[tuple[float, int]] = []
    floor = _times(lambda number: kept.append((0.1 * number, number)), count)
    with ledger.start(repository=repository) as run:
        found = _times(lambda number: run.log({"loss": 0.1 * number}, step=number), count)
    middle, floor_middle = median(found) * 1e6, median(floor) * 1e6
    told = f"append of a tuple to a list: {floor_middle:.2f} us"
    yield Line(
        what='run.log({"loss": x}, step=i), median',
        value=middle,
        unit="us",
        bar=1.5,
        ratio=middle / floor_middle,
        floor=told,
    )
    late, floor_late = (times[len(times) * 99 // 100] * 1e6 for times in (found, floor))
    yield Line(
        what='run.log({"loss": x}, step=i), 99th percentile',
        value=late,
        unit="us",
        bar=10,
        ratio=late / floor_late,
        floor=f"append of a tuple to a list: {floor_late:.2f} us",
    )


def _twenty(repository: Path, count: int) -> Line:
    values = {name: 0.5 + number for number, name in enumerate(_NAMES)}
    kept: list[tuple[Mapping[str, float], int]] = []
    floor = median(_times(lambda number: kept.append((dict(values), number)), count)) * 1e6
    with ledger.start(repository=repository) as run:
        found = median(_times(lambda number: run.log(values, step=number), count)) * 1e6
    return Line(
        what="run.log of 20 metrics, median",
        value=found,
        unit="us",
        bar=6,
        ratio=found / floor,
        floor=f"copy of the dict, appended to a list: {floor:.2f} us",
    )


def _bounded(folder: Path, count: int) -> Line:
    """All of a loop, in processor time: bounds are looked at when the buffer is emptied, not in the call."""
    repository = scratch.repository(folder)
    bounds = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e9}
    schema = {"type": "object", "properties": {"metrics": {"properties": {"loss": bounds}}}}
    (repository / ".ledger/schemas/bench.json").write_text(json.dumps(schema), encoding="utf-8")
    with (
        ledger.start(repository=repository) as looked,
        ledger.start(repository=repository, ranges="ignore") as bare,
    ):

        def spent(run: ledger.Run) -> float:
            start = time.process_time()
            for number in range(count // 10):
                run.log({"loss": 0.1 * number}, step=number)
            run.flush()
            return (time.process_time() - start) / (count // 10) * 1e6

        pairs = [(spent(looked), spent(bare)) for _ in range(15)]
    each, floor = (median(pair[side] for pair in pairs) for side in (0, 1))
    return Line(
        what="run.log of a metric with bounds, all of its loop",
        value=each,
        unit="us",
        bar=1.5,
        ratio=median(one / other for one, other in pairs),
        floor=f"bounds ignored: {floor:.2f} us",
    )


def _shell(repository: Path, rounds: int) -> Line:
    with ledger.start(repository=repository) as run:
        told = [f"LEDGER_RUN={run.id}", f"LEDGER_JOURNAL={run.journal}"]  # as ledger run tells its child
        words = ["env", *told, scratch.program("ledger"), "log-metric", "loss=0.5", "--step", "1"]
        floor = ["env", sys.executable, "-c", "import click"]
        pair = by_turns(command(words, repository), command(floor, repository), rounds=rounds)
    return Line(
        what="ledger log-metric, a process",
        value=pair.ratio,
        unit="x floor",
        bar=2,
        median=f"{pair.seconds * 1e3:.0f} ms = {pair.ratio:.2f} x",
        ratio=pair.ratio,
        floor=f"python -c 'import click': {pair.floor_seconds * 1e3:.0f} ms",
    )


def _work() -> int:
    """About 100 us of a training step that never lets go of the interpreter."""
    return sum(range(10_000))


def _slowdown(repository: Path, steps: int) -> Line:
    """Many short loops by turns, in processor time: what else the machine does is not the loop's.

    That of the thread that writes comes on top, all of it.
    """

    def bare() -> None:
        for _ in range(steps // 10):
            _work()

    with ledger.start(repository=repository) as run:

        def logged() -> None:
            for number in range(steps // 10):
                _work()
                run.log({"loss": 0.1}, step=number)

        logged()
        before = _of_others()
        pairs = [(_of_own(logged), _of_own(bare)) for _ in range(150)]
        beside = _of_others() - before
    floor = sum(seconds for _, seconds in pairs)
    ratio = median(with_log / without for with_log, without in pairs) + beside / floor
    return Line(
        what="slowdown of a loop that logs each step",
        value=(ratio - 1) * 100,
        unit="%",
        bar=2,
        median=f"{(ratio - 1) * 100:.2f} %, {beside / floor * 100:.2f} % in the thread that writes",
        ratio=ratio,
        floor=f"the bare loop, a step: {floor / len(pairs) / (steps // 10) * 1e6:.0f} us",
    )


def _of_own(call: Callable[[], object]) -> float:
    """Seconds of processor time of this thread."""
    before = time.thread_time()
    call()
    return time.thread_time() - before


def _of_others() -> float:
    """Of all other threads, so far."""
    return time.process_time() - time.thread_time()


_TRAIN = """
import json, random, sys, time
import ledger
source = random.Random(7)
values = [source.random() for _ in range(int(sys.argv[2]))]
at = time.perf_counter()
with ledger.start(repository=sys.argv[1]) as run:
    for step, value in enumerate(values):
        run.log({"loss": value}, step=step)
taken = time.perf_counter() - at
status = open("/proc/self/status").read()  # not ru_maxrss: a child begins with its parent's
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"id": run.id, "seconds": taken, "peak": peak, "values": sys.getsizeof(values) / 2**20 + len(values) * 24 / 2**20}))
"""


def _trained(repository: Path, points: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, str(repository), str(points)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _million(repository: Path, points: int, rounds: int) -> Iterator[Line]:
    found = [_trained(repository, points) for _ in range(rounds)]
    floors = [_parquet(points) for _ in range(rounds)]
    seconds, floor = median(one["seconds"] for one in found), median(floors)
    yield Line(
        what=f"{points:,} points, one a call: start to committed run",
        value=seconds,
        unit="s",
        bar=2.5,
        ratio=seconds / floor,
        floor=f"the same numbers as plain Parquet: {floor * 1e3:.0f} ms",
    )
    base = median(_trained(repository, 1)["peak"] for _ in range(rounds))
    peak = median(one["peak"] - one["values"] for one in found)
    yield Line(
        what=f"{points:,} points: peak memory above that of a run with one",
        value=peak - base,
        unit="MiB",
        bar=150,
        floor=f"a run with one point: {base:.0f} MiB",
    )
    size = _stored(repository)
    yield Line(
        what=f"{points:,} random doubles with steps and times, on disk",
        value=size / points,
        unit="bytes/point",
        bar=11,
        ratio=size / points / 8,
        floor="a double: 8 bytes",
    )


def _stored(repository: Path) -> int:
    """Bytes of the series of the largest run."""
    listed = [
        scratch.git(repository, "ls-tree", "-l", commit).splitlines()
        for commit in scratch.git(repository, "rev-list", "refs/runs/main").split()
    ]
    return max(sum(int(line.split()[3]) for line in run if "history" in line) for run in listed)


def _parquet(points: int) -> float:
    """Seconds to write as many numbers with Arrow's defaults."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = random.Random(7)
    table = pa.table(
        {"step": pa.array(range(points)), "value": pa.array([source.random() for _ in range(points)])}
    )
    start = time.perf_counter()
    pq.write_table(table, io.BytesIO())
    return time.perf_counter() - start


def _reading(repository: Path, points: int, rounds: int) -> Line:
    import pyarrow.parquet as pq

    source = random.Random(8)
    with ledger.start(repository=repository) as run:
        for step in range(points // len(_NAMES)):
            run.log({name: source.random() for name in _NAMES}, step=step)
    wanted = _NAMES[7]
    blob = scratch.git(repository, "rev-parse", "refs/runs/main:history.parquet")

    def ours() -> None:
        ledger.history(run.id, metrics=[wanted], repository=repository)

    def bare() -> None:
        words = ["git", "cat-file", "blob", blob]
        data = subprocess.run(
            words, cwd=repository, env=environment(), capture_output=True, check=True
        ).stdout
        pq.read_table(io.BytesIO(data), filters=[("metric", "=", wanted)], use_threads=False)

    pair = by_turns(ours, bare, rounds=rounds)
    cpu, floor_cpu = (median(_cpu(call) for _ in range(rounds)) * 1e3 for call in (ours, bare))
    return Line(
        what=f"one of 20 metrics of a history of {points:,} points, read",
        value=pair.seconds * 1e3,
        unit="ms",
        bar=40,
        median=f"{pair.seconds * 1e3:.1f} ms, {cpu:.1f} ms CPU",
        ratio=pair.ratio,
        floor=f"git cat-file and Arrow: {pair.floor_seconds * 1e3:.1f} ms, {floor_cpu:.1f} ms CPU",
    )


def _cpu(call: Callable[[], object]) -> float:
    """Seconds of processor time, of the processes that it starts, too."""
    before = _used()
    call()
    return _used() - before


def _used() -> float:
    told = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in told)
