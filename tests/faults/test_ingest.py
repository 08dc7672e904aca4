"""A shared folder with 32 writers and two that ingest and are killed; helpers that die; servers that speak S3 and GCS."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Repo

import ledger as api
from ledger.git.process import discover
from ledger.store.sealed import packed, read
from ledger.store.spool import Spool

pytestmark = pytest.mark.faults

WRITERS, EACH = 32, 6
_WRITER = """
import sys
from ledger.cli.main import run
for number in range(int(sys.argv[2])):
    code = run(["record", "--spool", sys.argv[1], "-e", "sweep", "-m", f"f1={number}", "-q"])
    assert code == 0, code
"""


def _ledger(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "faulthandler", "-m", "ledger", *words]
    return subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )


def _said(*words: str, cwd: Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What a command that ends well says in JSON; all that is known of one that does not."""
    done = _ledger(*words, "--json", cwd=cwd, env=env)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout!r} {done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _chained(repo: Repo) -> Counter[str]:
    ref = "refs/runs/sweep"
    if not repo.git("for-each-ref", ref):
        return Counter()
    return Counter(repo.git("log", "--format=%(trailers:key=Ledger-Run,valueonly)", ref).split())


def test_32_writers_and_two_that_ingest_and_are_killed(repo: Repo, tmp_path: Path) -> None:
    place, nowhere = tmp_path / "shared", tmp_path / "nowhere"
    nowhere.mkdir()
    place.mkdir()
    words = [sys.executable, "-c", _WRITER, str(place), str(EACH)]
    where = [repo.path if number % 2 else nowhere for number in range(WRITERS)]
    writers = [subprocess.Popen(words, cwd=cwd, stdout=subprocess.PIPE, text=True) for cwd in where]
    chance, kills = random.Random(7), 0
    while any(writer.poll() is None for writer in writers):
        argv = [sys.executable, "-m", "ledger", "ingest", str(place), "--delete"]
        pair = [
            subprocess.Popen(
                argv,
                cwd=repo.path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            for _ in range(2)
        ]
        time.sleep(chance.uniform(0.05, 0.8))
        for one in pair:
            if one.poll() is None and chance.random() < 0.7:
                os.killpg(one.pid, signal.SIGKILL)
                kills += 1
            one.wait()
    acknowledged = {line for writer in writers for line in writer.communicate()[0].split()}
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert len(acknowledged) == WRITERS * EACH
    done = [_said("ingest", str(place), "--delete", cwd=repo.path) for _ in range(2)]
    _said("recover", cwd=repo.path)
    assert _chained(repo) == Counter(acknowledged)
    assert list(place.glob("*.zip")) == [], done
    assert kills
    assert _said("verify", cwd=repo.path)["faults"] == []
    sys.stdout.write(f"\n{WRITERS} writers, {EACH} runs each, {kills} kills of ingest: each run once\n")


FLEET = 1_500


@pytest.fixture
def fleet(repo: Repo, tmp_path: Path) -> tuple[Path, list[str]]:
    """A folder with a file for each of many runs, and their ids."""
    source, place = Repo(tmp_path / "source"), tmp_path / "fleet"
    repo.git("clone", "-q", str(repo.path), str(source.path))
    made = api.record_many(
        [{"metrics": {"f1": n / FLEET}, "experiment": "sweep"} for n in range(FLEET)], repository=source.path
    )
    spool = Spool.of(discover(source.path, os.environ))
    place.mkdir()
    for item in (item for path in sorted(spool.chained.rglob("*.zip")) for item in read(path)):
        (place / f"{item.record}.zip").write_bytes(packed([item]))
    return place, [run.id for run in made]


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _helpers_of(pid: int) -> list[int]:
    """Those of its children that run its own program: the others are git's, which are that too until they begin."""
    before = _of_its_program(pid)
    time.sleep(0.01)
    return [child for child in before if child in _of_its_program(pid)]


def _of_its_program(pid: int) -> list[int]:
    found = []
    for child in _children(pid):
        with suppress(OSError):
            if b"ledger" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                found.append(child)
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")
def test_helpers_and_those_who_asked_them_are_killed(repo: Repo, fleet: tuple[Path, list[str]]) -> None:
    place, ids = fleet
    chance, killed = random.Random(11), Counter[str]()
    argv = [sys.executable, "-m", "ledger", "ingest", str(place), "--json"]
    while killed["helper"] < 2 and killed.total() < 40:
        one = subprocess.Popen(argv, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        helpers: list[int] = []
        while one.poll() is None and not helpers:
            helpers = _helpers_of(one.pid)
        time.sleep(chance.uniform(0, 0.05))
        with suppress(ProcessLookupError):
            victim = helpers[0] if killed["ingest"] > 3 and helpers else one.pid
            os.kill(victim, signal.SIGKILL)
            killed["ingest" if victim == one.pid else "helper"] += 1
        out, err = one.communicate(
            timeout=60
        )  # helpers hold these pipes too: they have ended when it returns
        if one.returncode != -signal.SIGKILL:
            assert one.returncode == 0, err
            done = json.loads(out)
            assert (done["records"] + done["known"], done["refused"]) == (FLEET, [])
    assert killed["helper"]
    _said("ingest", str(place), cwd=repo.path)
    assert _chained(repo) == Counter(ids)
    assert _said("verify", cwd=repo.path)["faults"] == []
    sys.stdout.write(f"\n{FLEET} runs, killed: {dict(killed)}; each run once\n")


@dataclass(frozen=True)
class _Kind:
    """A server of an object store, from a package that the project does not depend on."""

    package: str
    script: str
    words: str
    uri: str
    absent: str
    env: dict[str, str]
    create: tuple[str, bytes | None, str]
    """Method, body and path of the request that makes the bucket `fleet`."""


_KINDS = {
    "s3": _Kind(
        package="moto[server]",
        script="moto_server",
        words="-H 127.0.0.1 -p {port}",
        uri="s3://fleet/runs?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}",
        absent="//AKIAFLEET:hunter2-secret@absent",
        env={
            "AWS_ACCESS_KEY_ID": "AKIAFLEET",
            "AWS_SECRET_ACCESS_KEY": "hunter2-secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        create=("PUT", None, "/fleet"),
    ),
    "gs": _Kind(
        package="gcp-storage-emulator",
        script="gcp-storage-emulator",
        words="start --host=127.0.0.1 --port={port} --in-memory",
        uri="gs://anonymous@fleet/runs?scheme=http&endpoint_override=127.0.0.1:{port}&retry_limit_seconds=10",
        absent="//anonymous@absent",
        env={},
        create=("POST", b'{"name": "fleet"}', "/storage/v1/b?project=test"),
    ),
}


@pytest.fixture(scope="module", params=_KINDS)
def kind(request: pytest.FixtureRequest) -> _Kind:
    return _KINDS[str(request.param)]


@pytest.fixture(scope="module")
def program(kind: _Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, in an environment of its own."""
    folder = tmp_path_factory.mktemp("server")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    words = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", kind.package]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{kind.package} can't be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / kind.script


@pytest.fixture
def bucket(kind: _Kind, program: Path) -> Iterator[str]:
    """A URI in a bucket of a running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = kind.words.format(port=port).split()
    server = subprocess.Popen([str(program), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _made(kind, f"http://127.0.0.1:{port}")
        yield kind.uri.format(port=port)
    finally:
        server.terminate()
        server.wait()


def _made(kind: _Kind, server: str) -> None:
    method, body, path = kind.create
    headers = {"Content-Type": "application/json"} if body else {}
    for _ in range(200):
        request = urllib.request.Request(server + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def test_an_object_store(repo: Repo, tmp_path: Path, kind: _Kind, bucket: str) -> None:
    env = kind.env
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    ids = []
    for cwd in (repo.path, nowhere, repo.path):
        done = _ledger("record", "--spool", bucket, "-e", "sweep", "-m", "f1=0.5", "--json", cwd=cwd, env=env)
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        ids.append(json.loads(done.stdout)["id"])
    assert _chained(repo) == Counter()
    pair = [
        subprocess.Popen(
            [sys.executable, "-m", "ledger", "ingest", bucket, "--json"],
            cwd=repo.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        for _ in range(2)
    ]
    found = []
    for one in pair:
        out, err = one.communicate()
        assert one.returncode == 0, err
        found.append(json.loads(out))
    assert sum(one["records"] for one in found) == 3
    assert [one["records"] + one["known"] for one in found] == [3, 3]
    assert _chained(repo) == Counter(ids)
    assert _said("ingest", bucket, "--delete", cwd=repo.path, env=env)["deleted"] == 3
    assert _said("ingest", bucket, cwd=repo.path, env=env)["files"] == 0
    absent = re.sub("//(anonymous@)?fleet", kind.absent, bucket)
    wrong = _ledger("ingest", absent, cwd=repo.path, env=env)
    assert (wrong.returncode, "no such bucket" in wrong.stderr, "hunter2" in wrong.stderr) == (1, True, False)
