"""Whether runs of one definition had the code, the data and the packages that it speaks of: findings of `schema check`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from ledger.errors import ConfigError, GitError, LedgerError
from ledger.git import history, objects
from ledger.model import Artifact, Run, StoreFault
from ledger.schema.codes import Finding, finding
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.schema.fingerprint import Fingerprint
from ledger.store import codec
from ledger.store import history as points
from ledger.store.load import Place, record_at
from ledger.store.segment import METRICS
from ledger.trace import drift, series
from ledger.trace.meaning import SCHEMAS
from ledger.trace.view import View

_NEWEST = 200
"""Runs whose `run.json` is read."""
_WITH_SERIES = 5
_COMMITS = 5_000
"""Commits of HEAD among which a change of the code is looked for."""
_NAMED = 8
"""Digits of a run's id."""
_DISTRIBUTIONS: Mapping[str, str] = {
    "PIL": "pillow", "cv2": "opencv-python", "pytorch_lightning": "pytorch-lightning", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "sentence_transformers": "sentence-transformers",
}  # fmt: skip
"""Names to import that are not those of their package."""
_RELEASE = re.compile(r"(\d+)(?:\.(\d+))?")


def check(view: View) -> Iterator[Finding]:
    """All findings, for the metrics of the current schemas."""
    for schema in view.schemas.values() if view.runs.rows else ():
        for name, one in sorted(schema.metrics.items()):
            if view.target(name).did == one.did:
                case = _Case(view, schema, one)
                for rule in _RULES:
                    yield from rule(case)


@dataclass(frozen=True)
class _Case:
    view: View
    schema: Schema
    one: Definition

    def found(self, code: str, message: str, hint: str) -> Finding:
        file = f"{SCHEMAS}/{self.schema.name}.json"
        return finding(code, message, metric=self.one.name, hint=hint, file=file)

    def run(self, row: int) -> str:
        return f"run {self.view.run_ids[row][:_NAMED]}"

    @cached_property
    def rows(self) -> list[int]:
        """Runs with a value under this very definition, newest first."""
        codes, recorded = self.view.schema_codes, self.view.recorded_schemas
        under = {
            code
            for code, schema in enumerate(recorded)
            if schema
            and self.one.name in schema.metrics
            and schema.metrics[self.one.name].did == self.one.did
        }
        values = self.view.runs.values(METRICS, self.one.name) if under else ()
        rows = [row for row, _ in values if codes[row] in under]
        return sorted(rows, key=lambda row: (self.view.finished[row] or 0, row), reverse=True)

    @cached_property
    def codes(self) -> list[str]:
        """The commits and snapshots that they measured with, each once, the newest first."""
        commits, trees, dirty = map(
            self.view.runs.column, ("code_commit", "code_snapshot_tree", "code_dirty")
        )
        found = (trees[row] if dirty[row] else commits[row] for row in self.rows)
        return list(dict.fromkeys(code for code in found if code))

    @cached_property
    def documents(self) -> dict[int, Run]:
        """Newest first, what can be read."""
        repository, runs = self.view.workspace.repository, self.view.runs
        commits, refs, records = map(runs.column, ("commit", "ref", "record"))
        rows = self.rows[:_NEWEST]
        stored = [row for row in rows if commits[row]]
        bodies = objects.read(repository, [f"{commits[row]}:{codec.RUN}" for row in stored])
        data = {row: body.body for row, body in zip(stored, bodies, strict=True) if body is not None}
        found: dict[int, Run] = {}
        for row in rows:
            place = Place(record=records[row], ref=refs[row], commit=commits[row] or "")
            with suppress(LedgerError):  # `ledger verify` names what can't be read
                own = data.get(row)
                found[row] = codec.run(own, what=codec.RUN) if own else record_at(repository, place).run
        return found


def _code(case: _Case) -> Iterator[Finding]:
    """The implementation is another at some run, or at HEAD, than at the newest run."""
    name = case.one.name
    try:
        if not drift.sources(case.view, name) or not _code_differs(case):
            return
        commits = history.walk(
            case.view.workspace.repository,
            history.Range(include=("HEAD",)),
            options=("--topo-order", f"-n{_COMMITS}"),
        )
        changes = [
            one for one in drift.changes(case.view, name, commits) if one.runs_before or one.runs_after
        ]
    except (ConfigError, GitError):  # a source that is none has a finding of its own
        return
    hint = (
        f"`ledger drift {name}` lists all; a change of meaning needs a new `epoch`, else say so with `allow`"
    )
    if not changes:
        yield case.found(
            "IMPL_DRIFT", f"{name}: runs of this definition were measured with different code", hint
        )
        return
    first, more = changes[0], len(changes) - 1
    parts = ", ".join(map(str, first.parts[:3])) or "how its parts are wired"
    others = f", and {more} more {'change' if more == 1 else 'changes'}" if more else ""
    message = (
        f"{name}: its code changed in {first.newer.id[:9]} ({parts}) and the definition did not: {first.runs_before} "
        f"runs before, {first.runs_after} after{others}"
    )
    yield case.found("IMPL_DRIFT", message, hint)


def _code_differs(case: _Case) -> bool:
    """Whether runs, and what is checked out now, have more than one implementation."""
    (head,) = history.identify(case.view.workspace.repository, ["HEAD^{commit}"])
    ids = {*case.codes, *([head] if head else [])}
    found = drift.implementations(case.view, case.one.name, ids) if case.codes else {}
    return len({one.value for one in found.values() if isinstance(one, Fingerprint)}) > 1


def _data(case: _Case) -> Iterator[Finding]:
    """`on.digest` is not that of the data set that runs name."""
    digest = case.one.on.get("digest")
    if not isinstance(digest, str) or not digest:
        return
    other: list[tuple[int, Artifact]] = []
    for row, run in case.documents.items():
        sets = [one for one in run.artifacts if one.role == "dataset" and (one.sha256 or one.hashes)]
        if not any(_has_digest(one, digest) for one in sets):
            named = [one for one in sets if _is_called(one, case.one.on.get("dataset"))]
            other += [(row, one) for one in named or (sets if len(sets) == 1 else [])][:1]
    if other:
        row, one = other[0]
        message = (
            f"{case.one.name}: {len(other)} of the newest {len(case.documents)} runs had other data than `on.digest` "
            f"{digest[:19]}: {case.run(row)} had {one.name} {(one.sha256 or '')[:12]}".rstrip()
        )
        hint = "new data needs a new `on`, with a `redefine` or a `same` with evidence"
        yield case.found("DATA_DRIFT", message, hint)


def _has_digest(artifact: Artifact, digest: str) -> bool:
    """`sha256:9d2f...`, `md5:...`, or the bare digits of a sha256; a beginning is enough."""
    algorithm, _, digits = digest.rpartition(":")
    known = {**artifact.hashes, "sha256": artifact.sha256, "": artifact.sha256}.get(algorithm)
    return known is None or known.startswith(digits)


def _is_called(artifact: Artifact, name: object) -> bool:
    paths = (PurePosixPath(one) for one in (artifact.name, artifact.uri))
    return any(str(name) in (str(path), path.name, path.stem) for path in paths)


def _packages(case: _Case) -> Iterator[Finding]:
    """A package that computes the metric had different major or minor versions."""
    for package in _imported(case):
        of_rows = {row: _version(run, package) for row, run in case.documents.items()}
        known = {row: version for row, version in of_rows.items() if version}
        releases = list(dict.fromkeys(known.values()))
        if len(releases) > 1:
            newest, before = releases[:2]
            row = next(row for row, version in known.items() if version == before)
            message = (
                f"{case.one.name} is computed with {package}, and runs of this definition had "
                f"{' and '.join(sorted(releases))}: {newest} since {case.run(row)} with {before}"
            )
            hint = "put the version into `how` if its numbers differ; else say so with `allow`"
            yield case.found("ENV_DRIFT", message, hint)


def _imported(case: _Case) -> list[str]:
    """Packages that the newest known implementation imports, and that of the function in `how`."""
    fn = case.one.how.get("fn")
    names = {fn.split(".")[0]} if isinstance(fn, str) and "." in fn else set()
    for code in case.codes[:1]:
        try:
            found = drift.implementations(case.view, case.one.name, [code]).get(code)
        except ConfigError:
            found = None
        if isinstance(found, Fingerprint):
            names |= {name.split(".")[0] for path, name in found.parts if not path}
    return sorted({_DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in names if name})


def _version(run: Run, package: str) -> str | None:
    """Major and minor."""
    listed = run.environment.get("packages")
    stated = listed.get(package) if isinstance(listed, Mapping) else None
    found = _RELEASE.match(stated) if isinstance(stated, str) else None
    return f"{found[1]}.{found[2] or 0}" if found else None


def _series(case: _Case) -> Iterator[Finding]:
    """No series of the name that `series` gives."""
    wanted = case.one.series
    if not wanted:
        return
    has = case.view.runs.column("history")
    rows = [row for row in case.rows if has[row]][:_WITH_SERIES]
    faults: list[StoreFault] = []
    names = [set(points.series_names(table)) for _, table in series.of_runs(case.view, rows, faults)]
    if names and not any(wanted in found for found in names):
        listed = ", ".join(sorted(set().union(*names))[:8])
        message = (
            f"{case.one.name}: no series {wanted} in the newest {len(names)} runs that have series: {listed}"
        )
        yield case.found("SERIES_COLUMN_MISSING", message, "name the series that the metric sums up")


_RULES: tuple[Callable[[_Case], Iterator[Finding]], ...] = (_code, _data, _packages, _series)
