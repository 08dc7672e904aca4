"""The same loop logged with ledger and with its peers, each as its package installs it, by turns in one run.

A call is timed with the clock's own cost in it, on both sides, and within a function, where training loops are. What the
threads of a program do meanwhile and what is left for its end is in the line of CPU time.

Each peer gets a virtual environment of its own below `bench/results/.peers`, made at the first run. A peer that does
not install or does not run here is named, with its last words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench import scratch
from bench.clock import environment
from bench.line import Line

ENVIRONMENTS = Path(__file__).parent / "results" / ".peers"
INSTALL_SECONDS, RUN_SECONDS = 1200, 300
_LOOP = """
import json, os, sys, time
{start}

def train(calls):
    clock, taken = time.perf_counter, []
    for i in range(calls):
        value = 0.1 * i
        at = clock()
        {log}
        taken.append(clock() - at)
    return sorted(taken)

calls = int(sys.argv[1])
began = time.process_time()
taken = train(calls)
{end}
spent = time.process_time() - began
sys.stdout.flush()
print()
print(json.dumps({{"median": taken[calls // 2] * 1e6, "late": taken[calls * 99 // 100] * 1e6, "cpu": spent}}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """How a program logs one value a step, and what its package is called."""

    name: str
    package: str
    start: str
    log: str
    end: str
    calls: int = 5_000


LEDGER = Peer(
    name="ledger",
    package="",
    start="import ledger\nrun = ledger.start()",
    log='run.log({"loss": value}, step=i)',
    end="run.finish()",
)
_MLFLOW = "import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\nmlflow.set_experiment('bench')\nmlflow.start_run()"
PEERS = (
    Peer(
        name="dvclive",
        package="dvclive",
        start="from dvclive import Live\nlive = Live(dir='live', save_dvc_exp=False, dvcyaml=None)",
        log="live.step = i; live.log_metric('loss', value)",
        end="live.end()",
    ),
    Peer(
        name="aim",
        package="aim",
        start="from aim import Run\nrun = Run(repo='.', system_tracking_interval=None, log_system_params=False)",
        log="run.track(value, name='loss', step=i)",
        end="run.close()",
    ),
    Peer(
        name="mlflow, sqlite",
        package="mlflow",
        start=_MLFLOW,
        log="mlflow.log_metric('loss', value, step=i)",
        end="mlflow.end_run()",
        calls=500,
    ),
    Peer(
        name="mlflow, sqlite, asynchronous",
        package="mlflow",
        start=_MLFLOW,
        log="mlflow.log_metric('loss', value, step=i, synchronous=False)",
        end="mlflow.flush_async_logging(); mlflow.end_run()",
        calls=500,
    ),
    Peer(
        name="trackio",
        package="trackio",
        start="import trackio\ntrackio.init(project='bench', auto_log_gpu=False)",
        log="trackio.log({'loss': value}, step=i)",
        end="trackio.finish()",
        calls=50_000,  # its calls only queue: long enough for the thread that stores them to take part
    ),
)
_QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
}


def lines(folder: Path, *, quick: bool) -> Iterator[Line]:
    for number, peer in enumerate(PEERS):
        where = scratch.repository(folder / f"peer-{number}")
        (where / ".ledger/schemas/bench.json").unlink()
        scratch.git(where, "commit", "-qam", "No schema: it would ask for metrics")
        yield from _beside(peer, where, rounds=1 if quick else 5)


def _beside(peer: Peer, folder: Path, *, rounds: int) -> Iterator[Line]:
    python = _python(peer)
    if isinstance(python, str):
        yield _absent(peer, python)
        return
    pairs = []
    for _ in range(rounds):
        own = _measured(replace(LEDGER, calls=peer.calls), Path(sys.executable), folder)
        theirs = _measured(peer, python, folder)
        if isinstance(own, str) or isinstance(theirs, str):
            yield _absent(peer, str(own if isinstance(own, str) else theirs))
            return
        pairs.append((own, theirs))
    ours, other = (median(pair[side]["median"] for pair in pairs) for side in (0, 1))
    times = median(theirs["median"] / own["median"] for own, theirs in pairs)
    yield Line(
        what=f"a logging call, median: times faster than {peer.name}",
        value=times,
        unit="x",
        bar=15,
        at_least=True,
        median=f"{ours:.2f} us: {times:.1f} x",
        ratio=times,
        floor=f"{peer.name}: {other:,.1f} us",
    )
    ours, other = (median(pair[side]["cpu"] for pair in pairs) * 1e3 for side in (0, 1))
    yield Line(
        what=f"{peer.calls:,} calls, and all of it stored: CPU time beside {peer.name}",
        value=ours,
        unit="ms",
        ratio=median(own["cpu"] / theirs["cpu"] for own, theirs in pairs),
        floor=f"{peer.name}: {other:,.0f} ms",
    )


def _absent(peer: Peer, why: str) -> Line:
    return Line(what=f"{peer.name} does not run here", value=0, unit="", median="-", floor=why[-100:])


def _measured(peer: Peer, python: Path, folder: Path) -> Mapping[str, float] | str:
    """What one process took; its last words where it failed."""
    script = _LOOP.format(start=peer.start, log=peer.log, end=peer.end)
    state = {"TRACKIO_DIR": str(folder.parent / "trackio"), "HOME": str(folder.parent / "home")}
    try:
        done = subprocess.run(
            [str(python), "-c", script, str(peer.calls)],
            cwd=folder,
            env={**environment(), **_QUIET, **state},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {RUN_SECONDS} s"
    if done.returncode:
        return _last_line(done.stderr)
    found: Any = json.loads(done.stdout.strip().splitlines()[-1])
    return dict(found)


def _python(peer: Peer) -> Path | str:
    """The interpreter of its environment, made where it is not there yet; why it could not be."""
    place = ENVIRONMENTS / peer.package
    python, done = place / "bin" / "python", place / ".installed"
    if done.exists():
        return python
    sys.stderr.write(f"  installing {peer.package} into {place}\n")
    for words in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer.package],
    ):
        try:
            made = subprocess.run(
                words,
                env=dict(os.environ),
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not installed after {INSTALL_SECONDS} s"
        if made.returncode:
            return _last_line(made.stderr)
    done.touch()
    return python


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
