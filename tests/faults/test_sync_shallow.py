"""A job with a shallow clone of a large ledger: what goes over the line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Ledger
from faults.crew import say
from share.clones import REF, Hub, bare

pytestmark = pytest.mark.faults

RUNS = 100_000
_COUNTED = Path(__file__).with_name("counted.py")


def _stream() -> Iterator[bytes]:
    """Run commits for fast-import: small, and no two alike."""
    for number in range(RUNS):
        files = {
            "run.json": b'{"format": 1, "id": "%032x", "record": "%032x", "experiment": "main"}\n'
            % (number, number),
            "params.json": b"{}\n",
            "metrics.json": b'{"f1": 0.%d}\n' % number,
        }
        message = b"main: f1\n\nLedger-Run: %032x\nLedger-Record: %032x\n" % (number, number)
        yield b"commit %s\ncommitter A <a@b> %d +0000\ndata %d\n%s\n" % (
            REF.encode(),
            1_700_000_000 + number,
            len(message),
            message,
        )
        for name, data in files.items():
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data)


def test_one_run_of_a_shallow_clone_costs_little_beside_100_000(
    tmp_path: Path, ledger: Ledger, first_template: Path
) -> None:
    hub = Hub(tmp_path, ledger, bare(first_template))
    filled = subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=hub.repo.path, input=b"".join(_stream()), check=False
    )
    assert filled.returncode == 0
    assert int(hub.repo.git("rev-list", "--count", REF)) == RUNS
    seed = hub.clone("seed")
    for number in range(50):
        seed.commit(f"step {number}", **{f"file{number % 7}__py": f"step = {number}\n" * 200})
    seed.git("push", "-q", "origin", "main")
    job = hub.clone("job", "--depth=1")
    seed.commit("main moves on", train__py="later = 1\n")
    seed.git("push", "-q", "origin", "main")

    counts = tmp_path / "counts"
    for key, service in (("uploadpack", "upload-pack"), ("receivepack", "receive-pack")):
        wrapper = tmp_path / service
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {_COUNTED} {counts} {service} "$@"\n')
        wrapper.chmod(0o755)
        job.git("config", f"remote.origin.{key}", str(wrapper))
    run = hub.record(job)
    done = hub.push(job)["experiments"][0]

    assert done["inbox"]
    assert done["sent"] == 1
    (box,) = hub.repo.git("for-each-ref", "--format=%(refname)", "refs/ledger/inbox/").split()
    assert hub.runs(box) == [run]
    lines = [line.split() for line in counts.read_text().splitlines()]
    total = sum(int(number) for line in lines for number in line[1:])
    say(f"one run from a shallow clone beside {RUNS:,} runs: {total:,} bytes in {len(lines)} connections")
    assert total < 50_000
    assert int(job.git("rev-list", "--count", "--all")) < 10
