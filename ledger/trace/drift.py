"""Where the code that computes a metric changed while its definition stayed the same.

Drift is a suspicion and no verdict: code may change and give the same numbers. So values stay comparable, and are
marked. Where a definition does not say where it is implemented, nothing is known and nothing is marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ledger.git import history
from ledger.git.history import CodeCommit
from ledger.model import Grade
from ledger.schema.definition import Definition
from ledger.schema.fingerprint import Fingerprint, Found, PartChange, Unknown, difference
from ledger.trace.fingerprint import fingerprints
from ledger.trace.view import View

_Key = TypeVar("_Key", int, str)
NOT_CAPTURED = Unknown("its uncommitted changes were not captured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A commit at which the implementation is another than at any of its parents."""

    newer: CodeCommit
    older: str
    """The commit compared with: the first parent, or the nearest before it at which there is an implementation."""
    parts: tuple[PartChange, ...]
    """What changed. Empty where the same parts are wired differently."""
    runs_before: int
    """Runs that measured with the implementation before, under the same definition."""
    runs_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a range of commits says about one metric's implementation."""

    definition: Definition
    sources: tuple[str, ...]
    """The definition's own, then others that runs of the same definition name."""
    commits: int
    changes: tuple[Change, ...]
    """Newest first."""
    unknown: Mapping[str, tuple[str, ...]]
    """Why there is no fingerprint → the commits of the range, newest first."""
    uncommitted: tuple[int, ...]
    """Rows of runs that measured with uncommitted changes of the implementation."""
    unread: tuple[int, ...]
    """Rows of runs whose implementation is not known."""


def drift(view: View, metric: str, revisions: Sequence[str] = ()) -> Drift:
    """Find the changes in a range of commits, as `git log` takes it. Raises NotFoundError, UsageError."""
    repository = view.workspace.repository
    span = history.resolve_range(repository, revisions)
    commits = history.walk(repository, span, options=("--topo-order",))
    runs = _runs(view, metric)
    found = implementations(view, metric, {*_with_parents(commits), *runs.ids})
    return Drift(
        definition=view.target(metric),
        sources=sources(view, metric),
        commits=len(commits),
        changes=tuple(_changes(commits, found, runs.counted(found))),
        unknown=_unknown(commits, found),
        uncommitted=tuple(row for row in runs.codes if runs.differs_from_base(row, found)),
        unread=tuple(row for row in runs.codes if not isinstance(runs.found(row, found), Fingerprint)),
    )


def changes(view: View, metric: str, commits: Sequence[CodeCommit]) -> list[Change]:
    """Find the changes among commits that are given newest first, children before parents."""
    runs = _runs(view, metric)
    found = implementations(view, metric, {*_with_parents(commits), *runs.ids})
    return list(_changes(commits, found, runs.counted(found)))


def differing(view: View, metric: str, commits: Sequence[str]) -> frozenset[str]:
    """Those of `commits`, newest first, whose implementation differs from the newest one that is known."""
    found = implementations(view, metric, commits)
    prints = {commit: found[commit] for commit in commits if commit in found}
    return _unlike(prints, next(_values(prints[commit] for commit in prints), None))


def marks(view: View, metric: str, rows: Collection[int]) -> dict[int, bool]:
    """For each run whether its implementation differs from that of the newest run of the target's definition.

    False for a run of another definition, and where nothing is known.
    """
    runs = _runs(view, metric)
    found = implementations(view, metric, runs.ids)
    prints = {row: runs.found(row, found) for row in rows if row in runs.codes}
    recorded, ids = view.runs.column("recorded"), view.runs.column("record")
    newest = sorted(
        runs.codes, key=lambda row: (view.finished[row] or 0, recorded[row] or 0, ids[row]), reverse=True
    )
    unlike = _unlike(prints, next(_values(runs.found(row, found) for row in newest), None))
    return {row: row in unlike for row in rows}


def sources(view: View, metric: str) -> tuple[str, ...]:
    """Where a metric is implemented: the target's `source`, then those of equal definitions that runs used."""
    target = view.target(metric)
    of_each_schema = dict(zip(view.schema_codes, range(len(view.schema_codes)), strict=True)).values()
    recorded = (view.definition(row, metric) for row in of_each_schema)
    same = (one.source for one in recorded if one is not None and one.did == target.did)
    return tuple(dict.fromkeys(source for source in (target.source, *same) if source))


def implementations(view: View, metric: str, ids: Iterable[str]) -> dict[str, Found]:
    """For each commit or tree the fingerprint of the first source that is there, else why the first has none.

    Empty when no source is known.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Found] = {}
    for source in sources(view, metric):
        open_ids = [one for one in wanted if not isinstance(found.get(one), Fingerprint)]
        for one, result in fingerprints(view.workspace.repository, source, open_ids).items():
            if one not in found or isinstance(result, Fingerprint):
                found[one] = result
    return found


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of the target's definition, with the code that they measured with."""

    codes: Mapping[int, str | None]
    """Row → commit, or for a dirty run the tree of its snapshot; None where that was not captured."""
    bases: Mapping[int, str] = field(default_factory=dict)
    """The commits that dirty runs are based on."""

    @property
    def ids(self) -> set[str]:
        return {*(code for code in self.codes.values() if code), *self.bases.values()}

    def found(self, row: int, found: Mapping[str, Found]) -> Found:
        return found.get(self.codes[row] or "", NOT_CAPTURED)

    def counted(self, found: Mapping[str, Found]) -> Counter[str]:
        return Counter(_values(self.found(row, found) for row in self.codes))

    def differs_from_base(self, row: int, found: Mapping[str, Found]) -> bool:
        own, base = self.found(row, found), found.get(self.bases.get(row, ""))
        return isinstance(own, Fingerprint) and isinstance(base, Fingerprint) and own != base


def _runs(view: View, metric: str) -> _Runs:
    commits, trees = view.runs.column("code_commit"), view.runs.column("code_snapshot_tree")
    dirty = view.runs.column("code_dirty")
    rows = [row for row, cell in view.metric(metric) if cell.grade is Grade.IDENTICAL]
    return _Runs(
        {row: trees[row] if dirty[row] else commits[row] for row in rows},
        {row: commits[row] for row in rows if dirty[row] and commits[row]},
    )


def _with_parents(commits: Sequence[CodeCommit]) -> Iterator[str]:
    for commit in commits:
        yield commit.id
        yield from commit.parents


def _changes(
    commits: Sequence[CodeCommit], found: Mapping[str, Found], runs: Mapping[str, int]
) -> Iterator[Change]:
    before = _carried(commits, found)
    for commit in commits:
        own = found.get(commit.id)
        older = [before[parent] for parent in commit.parents if parent in before]
        if isinstance(own, Fingerprint) and older and all(one != own for _, one in older):
            where, was = older[0]
            yield Change(
                newer=commit,
                older=where,
                parts=difference(was, own),
                runs_before=runs.get(was.value, 0),
                runs_after=runs.get(own.value, 0),
            )


def _carried(commits: Sequence[CodeCommit], found: Mapping[str, Found]) -> dict[str, tuple[str, Fingerprint]]:
    """For each commit the fingerprint there, else that of the nearest commit before it, with its commit.

    So a commit that does not parse hides no change.
    """
    carried = {name: (name, one) for name, one in found.items() if isinstance(one, Fingerprint)}
    for commit in reversed(commits):
        inherited = (carried[parent] for parent in commit.parents if parent in carried)
        if commit.id not in carried and (one := next(inherited, None)):
            carried[commit.id] = one
    return carried


def _unknown(commits: Sequence[CodeCommit], found: Mapping[str, Found]) -> dict[str, tuple[str, ...]]:
    reasons: dict[str, list[str]] = {}
    for commit in commits:
        one = found.get(commit.id)
        if isinstance(one, Unknown):
            reasons.setdefault(one.reason, []).append(commit.id)
    return {reason: tuple(names) for reason, names in reasons.items()}


def _values(found: Iterable[Found]) -> Iterator[str]:
    return (one.value for one in found if isinstance(one, Fingerprint))


def _unlike(found: Mapping[_Key, Found], value: str | None) -> frozenset[_Key]:
    return frozenset(key for key, one in found.items() if isinstance(one, Fingerprint) and one.value != value)
