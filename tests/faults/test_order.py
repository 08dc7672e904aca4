"""The order of system calls: durable first, said afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from conftest import Repo
from faults.crew import LEDGER, recorded, say

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

_CALLS = "openat,write,pwrite64,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat"
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<end>.*)")


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    text: str

    def paths(self) -> list[str]:
        """Absolute paths among the words of the call: names in quotes, and what descriptors stand for."""
        return re.findall(r'(?:"|<)(/[^">]*)(?:"|>)', self.text)


def _calls(trace: str) -> Iterator[Call]:
    """Calls that succeeded, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        pid, rest = found["pid"], found["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        resumed = _RESUMED.fullmatch(rest)
        whole = begun.pop(pid, "") + resumed["end"] if resumed else rest
        name, bracket, _ = whole.partition("(")
        if bracket and " = -1 " not in whole:
            yield Call(name, whole)


def _traced(repo: Repo, tmp_path: Path, *argv: str) -> tuple[list[Call], str]:
    if subprocess.run(
        ["strace", "-qq", "-o", os.devnull, "true"], check=False, capture_output=True
    ).returncode:
        pytest.skip("strace may not trace here")
    trace, output = tmp_path / "trace", tmp_path / "output"
    words = ["strace", "-f", "-y", "-s", "200", "-e", f"trace={_CALLS}", "-o", str(trace)]
    recording = (*LEDGER, "record", "-q", "-m", "f1=0.5")
    with output.open("wb") as stdout:
        subprocess.run([*words, *(argv or recording)], cwd=repo.path, stdout=stdout, check=True)
    return list(_calls(trace.read_text(errors="replace"))), output.read_text().strip()


def _first(calls: list[Call], what: str, wanted: Callable[[Call], bool]) -> int:
    found = next((number for number, call in enumerate(calls) if wanted(call)), None)
    assert found is not None, f"no {what}"
    return found


def _is_sync(call: Call, end: str) -> bool:
    return call.name in {"fsync", "fdatasync"} and call.paths()[0].endswith(end)


def test_a_run_is_acknowledged_after_it_is_durable_and_the_durable_file_stays(
    repo: Repo, tmp_path: Path
) -> None:
    recorded(repo)
    repo.write("train.py", "print('changed')\n")
    calls, run = _traced(repo, tmp_path)

    sealed = _first(calls, "rename", lambda call: call.name == "rename" and call.paths()[-1].endswith(".zip"))
    temporary, final = calls[sealed].paths()
    assert os.path.dirname(temporary) == os.path.dirname(final) == str(repo.path / ".git/ledger/spool")
    written = [n for n, call in enumerate(calls) if call.name == "write" and call.paths()[:1] == [temporary]]
    synced = _first(calls, "fsync of the file", lambda call: _is_sync(call, temporary))
    folder = _first(calls, "fsync of the folder", lambda call: _is_sync(call, os.path.dirname(final)))
    said = _first(
        calls, "acknowledgement", lambda call: call.name == "write" and run in call.text.partition('"')[2]
    )

    assert written
    assert written[-1] < synced < sealed < folder < said
    assert not [call for call in calls if call.name.startswith("unlink") and final in call.paths()]
    say(
        f"write, fsync, rename, fsync of the folder, acknowledgement: calls {written[-1]}, {synced}, {sealed}, {folder}, {said}"
    )


def test_objects_are_durable_before_their_ref_and_refs_before_the_sealed_file_moves(
    repo: Repo, tmp_path: Path
) -> None:
    recorded(repo)
    repo.write("train.py", "print('changed')\n")
    calls, _ = _traced(repo, tmp_path)
    commit = repo.git("rev-parse", "refs/runs/main")

    there = _first(calls, "object", lambda call: call.name in {"link", "rename"} and _is_object(call, commit))
    flushed = [n for n, call in enumerate(calls) if _is_object_sync(call)]
    locked = _first(calls, "fsync of the ref", lambda call: _is_sync(call, "refs/runs/main.lock"))
    moved = _first(
        calls,
        "rename of the ref",
        lambda call: call.name == "rename" and call.paths()[-1].endswith("refs/runs/main"),
    )
    aside = _first(
        calls, "set aside", lambda call: call.name == "rename" and "/ledger/chained/" in call.paths()[-1]
    )

    assert flushed
    assert max(n for n in flushed if n < moved) < there < locked < moved < aside
    assert not [n for n in flushed if n > moved]


def _is_object(call: Call, commit: str) -> bool:
    return (
        call.paths()[-1].endswith(f"/objects/{commit[:2]}/{commit[2:]}")
        and "bulk-fsync" not in call.paths()[-1]
    )


def _is_object_sync(call: Call) -> bool:
    return call.name in {"fsync", "fdatasync"} and "/objects/" in call.paths()[0]


def test_an_amount_of_writes_that_is_known(repo: Repo, tmp_path: Path) -> None:
    """Each fsync of a plain record, by what it is for: more would be slow, fewer would be wrong."""
    recorded(repo)
    calls, _ = _traced(repo, tmp_path)
    synced = [call.paths()[0] for call in calls if call.name in {"fsync", "fdatasync"}]
    kinds = {
        "sealed file": [path for path in synced if path.endswith(".tmp")],
        "folder": [path for path in synced if path.endswith("/spool")],
        "objects": [path for path in synced if "/objects/" in path],
        "refs": [path for path in synced if "/refs/" in path],
    }
    assert {kind: len(paths) for kind, paths in kinds.items()} == {
        "sealed file": 1,
        "folder": 1,
        "objects": 1,
        "refs": 1,
    }
    assert sum(map(len, kinds.values())) == len(synced), synced
    say(f"{len(synced)} fsyncs for one record")


_TOGETHER = """
import os, pathlib, sys
from ledger.git import refs
from ledger.git.process import discover
tip = sys.argv[1]
found = discover(pathlib.Path.cwd(), os.environ)
updates = [refs.RefUpdate(ref=f"refs/ledger/pins/origin/x{n}", new=tip, old=None) for n in range(40)]
refs.update_together(found, updates, reason="test")
print("durable")
"""


def test_many_refs_are_written_out_before_they_are_named_and_flushed_before_they_are_relied_on(
    repo: Repo, tmp_path: Path
) -> None:
    tip = repo.git("rev-parse", "HEAD")
    calls, said = _traced(repo, tmp_path, sys.executable, "-c", _TOGETHER, tip)
    assert said == "durable"
    folder = str(repo.path / ".git/refs/ledger/pins/origin")
    named = 0
    for number in range(40):
        lock = f"{folder}/x{number}.lock"
        out = _first(calls, "writing out", partial(_touches, "sync_file_range", lock))
        name = _first(calls, "name", partial(_touches, "rename", lock))
        assert out < name
        named = max(named, name)
    flushed = _first(calls, "fsync of the folder", lambda call: _is_sync(call, folder))
    told = _first(calls, "word", lambda call: call.name == "write" and '"durable' in call.text)
    assert named < flushed < told
    synced = sum(call.name in {"fsync", "fdatasync"} for call in calls)
    say(f"40 refs, {synced} fsyncs")


def _touches(name: str, path: str, call: Call) -> bool:
    return call.name == name and call.paths()[0] == path
