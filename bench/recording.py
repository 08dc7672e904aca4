"""What recording costs: one run, a thousand in one call, a process, many processes at once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import ledger
from bench import calls, scratch
from bench.clock import by_turns, command, environment, seconds
from bench.line import Calls, Line
from ledger.git.process import discover
from ledger.store import chain, lock

WRITERS = 16


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    repository = scratch.repository(folder / "recording")
    rounds = 15 if quick else 60
    yield _visible(repository, rounds)
    yield _durable(repository, rounds)
    yield _thousand(folder / "thousand", 3 if quick else 9)
    yield _process(folder / "process", 5 if quick else 25)
    yield _writers(folder, each=5 if quick else 25, rounds=1 if quick else 3)


def _one(repository: Path, source: random.Random) -> Callable[[], None]:
    def call() -> None:
        made = scratch.run(source)
        ledger.record(made["params"], made["metrics"], repository=repository)

    return call


def _visible(repository: Path, rounds: int) -> Line:
    """On its ref, for any other process and plain git to see, when the call returns."""
    source = random.Random(1)
    pair = by_turns(_one(repository, source), _git_floor(repository), rounds=rounds)
    return Line(
        what="record from Python: on its ref, visible to any process",
        value=pair.seconds * 1e3,
        unit="ms",
        bar=25,
        ratio=pair.ratio,
        floor=f"git hash-object and update-ref, fsynced: {pair.floor_seconds * 1e3:.1f} ms",
        calls=_calls_of_one(repository),
    )


def _durable(repository: Path, rounds: int) -> Line:
    """The same call while another process holds the chain lock: it returns when the run is safe on disk."""
    found = discover(repository, environment())
    source = random.Random(2)
    with lock.acquire(found.folder / "lock", wait_seconds=10) as held:
        if held is None:
            raise RuntimeError("the chain lock is not free")
        pair = by_turns(_one(repository, source), _file_floor(repository.parent), rounds=rounds)
        counted = _calls_of_one(repository)
    chain.drain(found)
    return Line(
        what="record from Python: durable (the chain lock held by another)",
        value=pair.seconds * 1e3,
        unit="ms",
        bar=15,
        ratio=pair.ratio,
        floor=f"write, fsync, rename, fsync of the folder: {pair.floor_seconds * 1e3:.2f} ms",
        calls=counted,
    )


_RECORD = """
import random, sys
import ledger
from bench import scratch
source = random.Random(3)
for _ in range(int(sys.argv[2])):
    ledger.record(**scratch.run(source), repository=sys.argv[1])
"""


def _calls_of_one(repository: Path) -> Calls:
    here = Path(__file__).resolve().parent.parent
    words = [sys.executable, "-c", _RECORD, str(repository)]
    return calls.each([*words, "2"], [*words, "4"], here)


def _git_floor(repository: Path) -> Callable[[], None]:
    numbers = iter(range(1 << 30))
    synced = ("-c", "core.fsync=all")

    def call() -> None:
        text = f"{next(numbers)}\n".encode() + os.urandom(2_000)
        blob = scratch.git(repository, *synced, "hash-object", "-w", "--stdin", stdin=text)
        scratch.git(repository, *synced, "update-ref", "refs/bench/floor", blob)

    return call


def _file_floor(folder: Path) -> Callable[[], None]:
    numbers = iter(range(1 << 30))

    def call() -> None:
        number = next(numbers)
        temporary, final = folder / f".floor-{number}", folder / f"floor-{number}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, os.urandom(4_000))
        os.fsync(descriptor)
        os.close(descriptor)
        temporary.rename(final)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)

    return call


def _thousand(folder: Path, rounds: int) -> Line:
    repository = scratch.repository(folder)
    source = random.Random(4)
    batches = iter([[scratch.run(source) for _ in range(1_000)] for _ in range(rounds + 1)])
    stream = _as_stream([scratch.run(source) for _ in range(1_000)])
    pair = by_turns(
        lambda: ledger.record_many(next(batches), repository=repository),
        lambda: scratch.git(repository, "fast-import", "--quiet", "--force", stdin=stream),
        rounds=rounds,
    )
    return Line(
        what="record from Python: 1,000 runs in one call",
        value=1_000 / pair.seconds,
        unit="runs/s",
        bar=3_000,
        at_least=True,
        ratio=pair.ratio,
        floor=f"git fast-import of the same trees: {1_000 / pair.floor_seconds:,.0f} runs/s",
    )


def _as_stream(runs: list[dict[str, object]]) -> bytes:
    parts = []
    for number, run in enumerate(runs):
        parts.append(
            b"commit refs/bench/imported\ncommitter B <b@example.com> %d +0000\ndata 4\nrun\n" % number
        )
        for name in ("params", "metrics"):
            text = json.dumps(run[name], indent=2).encode()
            parts.append(b"M 100644 inline %s.json\ndata %d\n%s\n" % (name.encode(), len(text), text))
    return b"".join(parts)


def _process(folder: Path, rounds: int) -> Line:
    """Of a project with a schema: params and metrics from files, as after a training script."""
    repository = scratch.repository(folder)
    source = random.Random(5)
    run = scratch.run(source)
    for name in ("params", "metrics"):
        (folder / f"{name}.json").write_text(json.dumps(run[name]), encoding="utf-8")
    record = [scratch.program("ledger"), "record", "--params", "params.json", "--metrics", "metrics.json"]
    floor = [sys.executable, "-c", "import click, jsonschema"]
    pair = by_turns(command(record, repository), command(floor, repository), rounds=rounds)
    return Line(
        what="ledger record, a process",
        value=pair.ratio,
        unit="x floor",
        bar=2.0,
        median=f"{pair.seconds * 1e3:.0f} ms = {pair.ratio:.2f} x",
        ratio=pair.ratio,
        floor=f"python -c 'import click, jsonschema': {pair.floor_seconds * 1e3:.0f} ms",
        calls=calls.count(record, repository),
    )


_WRITER = """
import sys
{imports}
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    {step}
"""
_LEDGER_WRITER = _WRITER.format(
    imports="import os, random, ledger\nfrom bench import scratch\nsource = random.Random(os.getpid())\nledger.runs",
    step="ledger.record(**scratch.run(source), repository=sys.argv[1])",
)
_FILE_WRITER = _WRITER.format(
    imports="import os\nfrom pathlib import Path\nfrom bench.recording import _file_floor\n"
    "folder = Path(sys.argv[1]) / str(os.getpid())\nfolder.mkdir()\nwrite = _file_floor(folder)",
    step="write()",
)


def _writers(folder: Path, *, each: int, rounds: int) -> Line:
    """Processes that record in loops into one experiment, from the moment all are ready until the last is done."""
    rates, floors = [], []
    for number in range(rounds):
        repository = scratch.repository(folder / f"writers-{number}")
        rates.append(WRITERS * each / seconds(_crowd(_LEDGER_WRITER, repository, each)))
        _expect_all(repository, WRITERS * each)
        bare = folder / f"bare-{number}"
        bare.mkdir()
        floors.append(WRITERS * each / seconds(_crowd(_FILE_WRITER, bare, each)))
    return Line(
        what=f"{WRITERS} Python processes recording in loops",
        value=median(rates),
        unit="runs/s",
        bar=150,
        at_least=True,
        ratio=median(floor / rate for rate, floor in zip(rates, floors, strict=True)),
        floor=f"{WRITERS} processes writing one durable file each time: {median(floors):,.0f} files/s",
    )


def _crowd(script: str, folder: Path, each: int) -> Callable[[], None]:
    """Started and waited for here; the call lets them run."""
    words = [sys.executable, "-c", script, str(folder), str(each)]
    here = Path(__file__).resolve().parent.parent
    crowd = [
        subprocess.Popen(words, cwd=here, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(WRITERS)
    ]
    for process in crowd:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise RuntimeError("a writer did not start")

    def run() -> None:
        for process in crowd:
            if process.stdin is not None:
                process.stdin.write(b"go\n")
                process.stdin.close()
        for process in crowd:
            process.wait()
        if any(process.returncode for process in crowd):
            raise RuntimeError("a writer failed")

    return run


def _expect_all(repository: Path, runs: int) -> None:
    """Every run is on the chain, within a moment: whoever sealed last has chained for all."""
    for _ in range(50):
        if int(scratch.git(repository, "rev-list", "--count", "refs/runs/main")) == runs:
            return
        time.sleep(0.1)
    raise RuntimeError("not all runs are on the chain")
