"""Fingerprints at real commits: from objects alone, once for each distinct state, and without running anything."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Repo

from ledger.git.process import Repository, discover
from ledger.schema.fingerprint import Fingerprint, Found, Source, Unknown
from ledger.schema.outline import Outliner
from ledger.trace.fingerprint import compute, fingerprints

SOURCE = "eval/metrics.py:f1"
FILES = {
    "eval/__init__.py": "",
    "eval/metrics.py": "from eval.util import clip\n\n\ndef f1(y):\n    return clip(y) / 2\n",
    "eval/util.py": "LIMIT = 1\n\n\ndef clip(y):\n    return min(y, LIMIT)\n",
}


def here() -> Repository:
    return discover(Path.cwd(), os.environ)


def commit(repo: Repo, files: dict[str, str], message: str = "work") -> str:
    for name, text in files.items():
        repo.write(name, text)
    return repo.commit(message)


def at(commits: list[str], source: str = SOURCE) -> list[Found]:
    found = fingerprints(here(), source, commits)
    return [found[one] for one in commits]


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where git writes down each of its processes."""
    path = tmp_path / "trace2"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(path))
    return path


def processes(trace: Path) -> list[list[str]]:
    if not trace.exists():
        return []
    events = (json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines())
    return [event["argv"] for event in events if event["event"] == "start"]


def test_a_helper_in_another_file_counts_and_comments_do_not(repo: Repo) -> None:
    first = commit(repo, FILES)
    remark = commit(repo, {"eval/metrics.py": "# remark\n" + FILES["eval/metrics.py"], "train.py": "1"})
    limit = commit(repo, {"eval/util.py": FILES["eval/util.py"].replace("1", "2")})
    back = commit(repo, FILES)
    one, two, three, four = at([first, remark, limit, back])
    assert one == two == four
    assert isinstance(three, Fingerprint)
    assert three != one


def test_a_tree_is_as_good_as_a_commit(repo: Repo) -> None:
    made = commit(repo, FILES)
    one, two = at([made, repo.git("rev-parse", "HEAD^{tree}")])
    assert one == two
    assert isinstance(one, Fingerprint)


def test_a_module_that_appears_takes_the_place_of_one_from_elsewhere(repo: Repo) -> None:
    """No file that was read before has changed: what was looked for and not found decides."""
    without = commit(repo, {"m.py": "from lib import g\ndef f(): return g()\n"})
    with_it = commit(repo, {"src/lib.py": "def g(): return 1\n"})
    one, two = at([without, with_it], "m.py:f")
    assert isinstance(one, Fingerprint)
    assert isinstance(two, Fingerprint)
    assert set(one.parts) == {("m.py", "f"), ("", "lib.g")}
    assert set(two.parts) == {("m.py", "f"), ("src/lib.py", "g")}


def test_why_there_is_none(repo: Repo) -> None:
    before = repo.git("rev-parse", "HEAD")
    broken = commit(repo, {"eval/metrics.py": "def f1(:\n"})
    other = commit(repo, {"eval/metrics.py": "def f2(): pass\n"})
    big = commit(repo, {"eval/metrics.py": "#" * (1 << 20) + "\n"})
    (repo.path / "eval/metrics.py").unlink()
    (repo.path / "eval/metrics.py").symlink_to("/etc/passwd")
    link = repo.commit("a link")
    absent = "ab" * 20
    names = [before, broken, other, big, link, absent, "HEAD", "x\nflush"]
    reasons = [one.reason for one in at(names) if isinstance(one, Unknown)]
    assert reasons == [
        "eval/metrics.py is not there",
        "eval/metrics.py: not Python that can be read: invalid syntax, line 1",
        "eval/metrics.py has no f1",
        "eval/metrics.py: larger than 1 MiB",
        "eval/metrics.py is not there",
        "the commit is not in this repository",
        "not the id of a commit",
        "not the id of a commit",
    ]


def test_a_source_that_makes_no_sense_is_the_reason_everywhere(repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    (one,) = at([head], "../../etc/passwd.py:f")
    assert one == Unknown("source '../../etc/passwd.py:f': not of the form path:function")


def test_a_missing_file_is_looked_for_again(repo: Repo) -> None:
    made = commit(repo, FILES)
    blob = repo.git("rev-parse", "HEAD:eval/util.py")
    path = repo.path / ".git" / "objects" / blob[:2] / blob[2:]
    aside = path.rename(path.with_suffix(".aside"))
    (one,) = at([made])
    assert isinstance(one, Unknown)
    assert blob[:12] in one.reason
    aside.rename(path)
    (two,) = at([made])
    assert isinstance(two, Fingerprint)


def history(commits: int) -> Iterator[bytes]:
    """A branch on which most commits change no implementation, some a comment, and every 50th the code."""
    files = {**FILES, **{f"lib/part{n}.py": "x = 1\n" for n in range(50)}}
    for number in range(commits):
        if number:
            files = (
                {
                    "eval/metrics.py": f"{FILES['eval/metrics.py']}\n\ndef report():\n    return {number}\n"
                    if number % 4 == 0
                    else f"# remark {number}\n{FILES['eval/metrics.py']}"
                }
                if number % 2 == 0
                else {"train.py": f"step = {number}\n"}
            )
            if number % 50 == 0:
                files["eval/util.py"] = FILES["eval/util.py"].replace("1", str(number))
        yield b"commit refs/heads/long\ncommitter A <a@example.com> %d +0000\ndata 2\nc\n" % (
            1_700_000_000 + number
        )
        for name, text in files.items():
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(text), text.encode())


def test_a_thousand_commits_are_one_conversation(repo: Repo, trace: Path) -> None:
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repo.path, input=b"".join(history(1000)), check=True
    )
    commits = repo.git("rev-list", "long").split()
    repository = here()
    before = len(processes(trace))
    outliner = Outliner()
    found = compute(repository, Source("eval/metrics.py", "f1"), commits, outliner=outliner)
    assert [words[-3:] for words in processes(trace)[before:]] == [
        ["cat-file", "--batch-command", "--buffer"]
    ]
    values = [one.value for commit in reversed(commits) if isinstance(one := found[commit], Fingerprint)]
    assert len(values) == 1000
    assert [n for n in range(1, 1000) if values[n] != values[n - 1]] == list(range(50, 1000, 50))
    blobs = repo.git("rev-list", "--objects", "long").splitlines()
    involved = [line for line in blobs if line.endswith(("eval/metrics.py", "eval/util.py"))]
    assert outliner.files == len(involved) == 520
    # Each of the 499 versions of one file differs in one statement or one remark.
    assert outliner.parses < 2 * outliner.files


def test_what_was_found_is_found_again_without_git(repo: Repo, trace: Path) -> None:
    first = commit(repo, FILES)
    moved = commit(repo, {"eval/deep.py": FILES["eval/util.py"],
                          "eval/metrics.py": FILES["eval/metrics.py"].replace("util", "deep")})  # fmt: skip
    broken = commit(repo, {"eval/metrics.py": "("})
    repository = here()
    cold = fingerprints(repository, SOURCE, [first, moved, broken])
    before = len(processes(trace))
    warm = fingerprints(repository, SOURCE, [first, moved, broken])
    assert len(processes(trace)) == before
    assert warm == cold
    assert [one.parts for one in warm.values() if isinstance(one, Fingerprint)] == [
        one.parts for one in cold.values() if isinstance(one, Fingerprint)
    ]
    later = commit(repo, FILES)
    assert fingerprints(repository, SOURCE, [first, later])[later] == cold[first]
    assert fingerprints(repository, SOURCE, [broken]) == {broken: cold[broken]}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"source": 1}', "[" * 100_000, "\0", "null"])
def test_a_damaged_cache_is_as_good_as_none(repo: Repo, text: str) -> None:
    made = commit(repo, FILES)
    before = at([made])
    (cache,) = (repo.path / ".git" / "ledger" / "cache").iterdir()
    cache.write_text(text)
    assert at([made]) == before
    assert json.loads(cache.read_text())["source"] == SOURCE


def test_a_folder_that_cannot_be_written_keeps_nothing_and_fails_nothing(repo: Repo) -> None:
    made = commit(repo, FILES)
    repo.write(".git/ledger", "in the way")
    (one,) = at([made])
    assert isinstance(one, Fingerprint)


HOSTILE = """\
import os, pathlib
pathlib.Path("ran").write_text("by import")
__import__("os").system("touch ran")


def mark(f):
    pathlib.Path("ran").write_text("by a decorator")
    return f


class Meta(type):
    def __new__(*a):
        os.system("touch ran")
        return type.__new__(*a)


class Held(metaclass=Meta):
    x = os.system("touch ran")


@mark
def f1(y=pathlib.Path("ran").touch()):
    return Held.x, [os.system("touch ran") for _ in y]


if os.system("touch ran"):
    LIMIT = 1
"""


def test_nothing_of_the_repository_is_run(repo: Repo) -> None:
    names = ("ast", "sitecustomize", "encodings", "warnings", "conftest")
    traps = {f"{name}.py": "open('ran', 'w')\n" for name in names}
    made = commit(
        repo, {**traps, "eval/metrics.py": HOSTILE, "eval/__init__.py": HOSTILE, "codec.py": "# coding: evil"}
    )
    repo.git("config", "diff.external", "touch ran")
    repo.git("config", "filter.x.smudge", "touch ran")
    (one,) = at([made])
    assert isinstance(one, Fingerprint)
    assert ("eval/metrics.py", "mark") in one.parts
    assert not [path for path in repo.path.rglob("*") if path.name == "ran"]
