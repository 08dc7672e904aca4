"""Measurements that nobody here made, replayed: their code history into git, their runs through the public API.

The data are read from `LEDGER_REAL_DATA` (else `../shared/real` beside the project) and copied nowhere. Tests and
benchmarks use the same replay.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import ledger

POOL = "dvc-pool-segmentation"
DJANGO = "django-asv"
METRIC_FILES = {"results/train/metrics.json": "train", "results/evaluate/metrics.json": "evaluate"}
"""Where the segmentation project kept metrics, and the prefix of the names of each file."""
PLOTS = "results/train/plots/metrics/"

_PROJECT = Path(__file__).resolve().parents[2]

Line = Mapping[str, Any]
"""One line of a data file: its README says what it holds."""
Schema = Mapping[str, Any]
SchemaAt = Callable[[Line], Schema]
"""The schema that a project had when it measured a line: the same object for the same schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCommit:
    """A commit to replay; its tree holds one file with `content`, so that equal contents are equal trees."""

    id: str
    parents: tuple[str, ...]
    seconds: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A repository with the code history and the runs of one data file."""

    path: Path
    commits: Mapping[str, str]
    """Original commit → its replay."""
    runs: tuple[str, ...]
    """Ids, in the order of the runs that were handed over."""


def data_file(name: str) -> Path:
    """Where a data file is, or would be."""
    named = os.environ.get("LEDGER_REAL_DATA") or "../shared/real"
    return (_PROJECT / named / f"{name}.jsonl.gz").resolve()


@cache
def lines(name: str) -> tuple[Line, ...]:
    """All lines of a data file, read once a process."""
    with gzip.open(data_file(name), "rb") as file:
        return tuple(json.loads(line) for line in file)


def schema_of(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A schema that declares some metrics; the others stay undeclared."""
    properties = {
        name: {"type": ["number", "null"], "x-ledger": dict(words)} for name, words in metrics.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"metrics": {"type": "object", "properties": properties}},
    }


def pool_segmentation(
    path: Path, *, schema: Schema | SchemaAt | None = None, prefixes: Mapping[str, str] = METRIC_FILES
) -> Replayed:
    """Replay 673 commits with their branches, pull requests and experiments, and a run for each that has metrics.

    The experiments that the project's own tracker recorded are runs, too, where it committed no metrics of them.
    """
    head, *commits = lines(POOL)
    refs = pool_refs(head, commits)
    replayed = code_history(path, [pool_commit(line) for line in commits], refs)
    experiments = pool_experiments(refs, commits)
    chosen = pool_runs(refs, commits)
    runs = [
        pool_run(line, experiments[line["commit"]], replayed[line["commit"]], prefixes) for line in chosen
    ]
    ids = recorded(path, runs, named_schemas("pool", schema, chosen))
    return Replayed(path=path, commits=replayed, runs=ids)


def django(path: Path, *, schema: Schema | SchemaAt | None = None) -> Replayed:
    """Replay 1,772 commits as one line of history, and the 4,675 measurements that were made of them."""
    measured = lines(DJANGO)
    replayed = code_history(path, _django_commits(measured), {})
    runs = [django_run(line, replayed[line["commit"]]) for line in measured]
    ids = recorded(path, runs, named_schemas("django", schema, measured))
    return Replayed(path=path, commits=replayed, runs=ids)


def code_history(path: Path, commits: Sequence[CodeCommit], refs: Mapping[str, str]) -> dict[str, str]:
    """Make a repository with these commits, parents first, and refs; return original commit → replayed one.

    Without refs, `main` is the last commit.
    """
    git(path.parent, "init", "-q", "-b", "main", str(path))
    git(path, "config", "user.name", "Replay")
    git(path, "config", "user.email", "replay@example.com")
    marks = path / ".git" / "marks"
    marked = {commit.id: mark for mark, commit in enumerate(commits, 1)}
    stream = b"".join(_stream(commits, marked, refs or {"refs/heads/main": commits[-1].id}))
    git(path, "fast-import", "--quiet", f"--export-marks={marks}", stdin=stream)
    git(path, "reset", "-q", "--hard", "main")
    made = dict(line.split() for line in marks.read_text(encoding="ascii").splitlines())
    marks.unlink()
    return {original: made[f":{mark}"] for original, mark in marked.items()}


def git(folder: Path, *words: str, stdin: bytes = b"") -> str:
    """Run git, and return what it prints."""
    done = subprocess.run(["git", *words], cwd=folder, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode().strip()


def _stream(
    commits: Iterable[CodeCommit], marks: Mapping[str, int], refs: Mapping[str, str]
) -> Iterator[bytes]:
    """What `git fast-import` reads. Commits are made on a ref that is gone at its end."""
    scratch = b"refs/replay"
    for commit in commits:
        message, text = commit.id.encode(), commit.content.encode() + b"\n"
        # `reset` first: a commit without `from` would else stand on the one before it.
        yield b"reset %s\ncommit %s\nmark :%d\n" % (scratch, scratch, marks[commit.id])
        yield b"committer Replay <replay@example.com> %d +0000\n" % commit.seconds
        yield b"data %d\n%s\n" % (len(message), message)
        for word, parent in zip(("from", *["merge"] * len(commit.parents)), commit.parents, strict=False):
            yield b"%s :%d\n" % (word.encode(), marks[parent])
        yield b"deleteall\nM 100644 inline code\ndata %d\n%s\n" % (len(text), text)
    for ref, original in refs.items():
        yield b"reset %s\nfrom :%d\n\n" % (ref.encode(), marks[original])
    yield b"reset %s\nfrom %s\n\n" % (scratch, b"0" * 40)


def write_schema(path: Path, name: str, schema: Schema) -> None:
    """Put a schema into the work tree, in place of what had its name."""
    file = path / ".ledger" / "schemas" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(schema), encoding="utf-8")


_Named = tuple[str, Schema] | None


def named_schemas(name: str, schema: Schema | SchemaAt | None, measured: Sequence[Line]) -> list[_Named]:
    """For each line the name and the schema that it is recorded under; a schema is known by being the same object."""
    if schema is None:
        return [None] * len(measured)
    if not callable(schema):
        return [(name, schema)] * len(measured)
    made: dict[int, _Named] = {}
    return [made.setdefault(id(one), (name, one)) for one in map(schema, measured)]


def recorded(path: Path, runs: Sequence[Mapping[str, Any]], schemas: Sequence[_Named]) -> tuple[str, ...]:
    """Record the runs of each schema in one call; return ids in the order of `runs`."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, schema in enumerate(schemas):
        places[id(schema)].append(place)
    ids: dict[int, str] = {}
    for mine in places.values():
        if schema := schemas[mine[0]]:
            write_schema(path, *schema)
        made = ledger.record_many([runs[place] for place in mine], repository=path)
        ids.update(zip(mine, (run.id for run in made), strict=True))
    return tuple(ids[place] for place in range(len(runs)))


# The segmentation project


def pool_refs(head: Line, commits: Sequence[Line]) -> dict[str, str]:
    """Branches, experiments and pull requests; its tags name objects that the data do not hold."""
    known = {line["commit"] for line in commits}
    return {ref: commit for ref, commit in head["refs"].items() if commit in known}


def reached(commits: Sequence[Line], *tips: str) -> set[str]:
    """The commits that some commits reach, themselves among them."""
    parents = {line["commit"]: line["parents"] for line in commits}
    found: set[str] = set()
    waiting = list(tips)
    while waiting:
        commit = waiting.pop()
        if commit not in found:
            found.add(commit)
            waiting += parents[commit]
    return found


def pool_experiments(refs: Mapping[str, str], commits: Sequence[Line]) -> dict[str, str]:
    """The experiment of each commit: the recorded one whose tip it is, else the first branch with it, else `pull`."""
    found = {commit: ref.rpartition("/")[2] for ref, commit in refs.items() if ref.startswith("refs/exps/")}
    for branch in ("main", "best-exp"):
        for commit in reached(commits, refs[f"refs/heads/{branch}"]):
            found.setdefault(commit, branch)
    return {line["commit"]: found.get(line["commit"], "pull") for line in commits}


def pool_runs(refs: Mapping[str, str], commits: Sequence[Line]) -> list[Line]:
    """The lines that are runs: those with metrics, and the tips of the recorded experiments."""
    tips = {commit for ref, commit in refs.items() if ref.startswith("refs/exps/")}
    return [line for line in commits if "metrics" in line or line["commit"] in tips]


def pool_run(
    line: Line, experiment: str, code: str, prefixes: Mapping[str, str] = METRIC_FILES
) -> dict[str, Any]:
    """One commit of the project as an argument of `record_many`."""
    return {
        "params": {name: value for file in line["params"].values() for name, value in file.items()},
        "metrics": pool_metrics(line, prefixes),
        "history": pool_series(line) or None,
        "experiment": experiment,
        "name": line["commit"][:12],
        "finished": datetime.fromtimestamp(line["author_time"], UTC),
        "code": code,
    }


def pool_metrics(line: Line, prefixes: Mapping[str, str] = METRIC_FILES) -> dict[str, int | float]:
    """The metrics of all files, flat, each below the prefix of its file."""
    return {
        f"{prefix}/{name}": value
        for file, prefix in prefixes.items()
        for name, value in _flat(line.get("metrics", {}).get(file, {}))
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def pool_series(line: Line) -> dict[str, list[tuple[int, float]]]:
    """Series under the names of the metrics that they lead to: (step, value) pairs."""
    return {
        f"train/{file.removeprefix(PLOTS).removesuffix('.tsv')}": [
            (int(step), float(value)) for step, value in table["rows"]
        ]
        for file, table in line.get("series", {}).items()
    }


def pool_commit(line: Line) -> CodeCommit:
    return CodeCommit(
        id=line["commit"],
        parents=tuple(line["parents"]),
        seconds=line["author_time"],
        content=line["tree"],
    )


# Django


def _django_commits(measured: Iterable[Line]) -> list[CodeCommit]:
    dates = {line["commit"]: line["commit_date_ms"] // 1000 for line in measured}
    parents = [(), *((commit,) for commit in dates)]
    return [
        CodeCommit(id=commit, parents=before, seconds=seconds, content=commit)
        for (commit, seconds), before in zip(dates.items(), parents, strict=False)
    ]


def django_run(line: Line, code: str) -> dict[str, Any]:
    """One measurement as an argument of `record_many`."""
    return {
        "params": {"machine": line["machine"], "env": line["env"], "python": line["python"]},
        "metrics": line["metrics"],
        "experiment": "django",
        "tags": {"machine": line["machine"]},
        "finished": datetime.fromtimestamp(line["measured_ms"] / 1000, UTC),
        "code": code,
    }
