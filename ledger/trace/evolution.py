"""How schemas changed: between two revisions, and one metric along the history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.config import Workspace
from ledger.errors import FormatError
from ledger.git import history, objects
from ledger.git.history import CodeCommit
from ledger.model import Grade
from ledger.schema import document
from ledger.schema.definition import Definition
from ledger.schema.differences import differences
from ledger.schema.document import Schema
from ledger.schema.lineage import Lineage
from ledger.trace import matrix, meaning
from ledger.trace.columns import recorded_grade
from ledger.trace.meaning import SCHEMAS
from ledger.trace.view import View

_BESIDE = ("direction", "description", "minimum", "maximum", "source", "series")
"""Fields that are not part of the identity."""
_MAX_FILES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """How values under the old definition look under the new one, and the migrations that say so."""

    grade: Grade
    reason: str
    migrations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One definition on both sides; None where a side does not declare it."""

    schema: str
    part: str
    name: str
    old: Definition | None
    new: Definition | None
    fields: tuple[str, ...]
    """What differs in its identity, in words."""
    beside: tuple[str, ...]
    """What differs beside it: direction, description, bounds."""
    bridge: Bridge | None = None


def changes(workspace: Workspace, lineage: Lineage, a: str, b: str | None) -> list[Change]:
    """Definitions that differ between two revisions; None is the work tree. Raises NotFoundError.

    A file that can't be used defines nothing.
    """
    (old, _), (new, _) = (meaning.usable_schemas(workspace, side) for side in (a, b))
    return [
        change
        for name in sorted({*old, *new})
        for part in ("metrics", "params")
        for change in _changes(name, part, _part(old.get(name), part), _part(new.get(name), part), lineage)
    ]


def _part(schema: Schema | None, part: str) -> Mapping[str, Definition]:
    return getattr(schema, part) if schema else {}


def _changes(
    schema: str,
    part: str,
    old: Mapping[str, Definition],
    new: Mapping[str, Definition],
    lineage: Lineage,
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        fields = differences(one, other) if one and other else ()
        beside = tuple(_beside(one, other)) if one and other else ()
        if fields or beside or not (one and other):
            bridge = bridged(lineage, one, other) if one and other and fields else None
            yield Change(
                schema=schema,
                part=part,
                name=name,
                old=one,
                new=other,
                fields=fields,
                beside=beside,
                bridge=bridge,
            )


def _beside(one: Definition, other: Definition) -> Iterator[str]:
    for field in _BESIDE:
        before, after = getattr(one, field), getattr(other, field)
        if before == after:
            continue
        yield "description" if field == "description" else f"{field} {_shown(before)} → {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value is not None else "(none)"


def bridged(lineage: Lineage, old: Definition, new: Definition) -> Bridge:
    """How the two relate."""
    plan = lineage.plan({old.name: old}, new)
    steps = (*plan.steps, *plan.breaks)
    return Bridge(
        grade=recorded_grade(plan),
        reason=plan.reason,
        migrations=tuple(dict.fromkeys(step.migration for step in steps)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A commit at which the definition of a metric changed; `commit` is None for the work tree."""

    commit: CodeCommit | None
    schema: str
    version: str | None
    schema_id: str | None
    """Of the whole schema after it; None where it is gone."""
    old: Definition | None
    new: Definition | None
    fields: tuple[str, ...]
    bridge: Bridge | None
    runs: int
    """Runs that have a value recorded under the new definition."""
    renamed: Definition | None = None
    """What it was called before, where it is new; what it is called now, where it is gone."""


def moments(view: View, metric: str, revision: str = "HEAD") -> list[Moment]:
    """When the definition of a metric changed, newest first. Raises NotFoundError."""
    counts = matrix.run_counts(view, {metric})
    found: list[Moment] = []
    for commit, parents, mine in _states(view, revision):
        for name in sorted({*mine, *(name for parent in parents for name in parent)}):
            after, befores = mine.get(name), [parent.get(name) for parent in parents]
            if _changed(after, befores, metric):
                before = _nearest(befores, metric)
                renamed = _renamed(view.lineage, metric, before, after, befores)
                found.append(_moment(view, commit, name, before, after, metric, counts, renamed))
    return found


_Schemas = Mapping[str, Schema]


def _states(view: View, revision: str) -> Iterator[tuple[CodeCommit | None, Sequence[_Schemas], _Schemas]]:
    """(commit, schemas of its parents, its schemas) wherever a schema file changed; the work tree first."""
    repository = view.workspace.repository
    head = history.identify(repository, [f"{revision}^{{commit}}"])[0]
    if head is None:
        if revision != "HEAD":
            history.resolve(repository, revision)
        yield None, (), view.schemas
        return
    span = history.resolve_range(repository, [revision])
    commits = history.walk(repository, span, options=("--topo-order",), paths=(SCHEMAS,))
    names = dict.fromkeys((head, *(name for commit in commits for name in (commit.id, *commit.parents))))
    found = read(view.workspace, list(names))
    if revision == "HEAD" and repository.work_tree is not None:
        yield None, (found[head],), view.schemas
    for commit in commits:
        yield commit, [found[parent] for parent in commit.parents], found[commit.id]


def read(workspace: Workspace, commits: Sequence[str]) -> dict[str, _Schemas]:
    """The schemas of commits; each folder and each file is read once."""
    repository = workspace.repository
    trees = dict(
        zip(commits, history.identify(repository, [f"{one}:{SCHEMAS}" for one in commits]), strict=True)
    )
    wanted = list(dict.fromkeys(tree for tree in trees.values() if tree))
    listed: dict[str, dict[str, str]] = {}
    for tree, body in zip(wanted, objects.read(repository, wanted), strict=True):
        entries = (
            objects.parse_tree(body.body, repository.object_format) if body and body.kind == "tree" else []
        )
        listed[tree] = {
            entry.name.removesuffix(".json"): entry.id
            for entry in entries[:_MAX_FILES]
            if entry.name.endswith(".json") and entry.mode.startswith(b"100")
        }
    blobs = list(dict.fromkeys(blob for files in listed.values() for blob in files.values()))
    bodies = dict(zip(blobs, objects.read(repository, blobs), strict=True))
    parsed = {blob: _parsed(body.body) for blob, body in bodies.items() if body}
    schemas = {
        tree: {name: schema for name, blob in files.items() if (schema := parsed.get(blob))}
        for tree, files in listed.items()
    }
    return {commit: schemas[tree] if tree else {} for commit, tree in trees.items()}


def _parsed(data: bytes) -> Schema | None:
    try:
        return document.recorded(data)
    except FormatError:
        return None  # a broken file of the past defines nothing


def _definition(schema: Schema | None, metric: str) -> Definition | None:
    return schema.metrics.get(metric) if schema else None


def _changed(after: Schema | None, befores: Sequence[Schema | None], metric: str) -> bool:
    """Whether no parent has this definition; a first commit has no parents."""
    now = _definition(after, metric)
    olds = [_definition(before, metric) for before in befores]
    if not olds:
        return now is not None
    return all((old.did if old else None) != (now.did if now else None) for old in olds)


def _nearest(befores: Sequence[Schema | None], metric: str) -> Schema | None:
    """The first parent that declares it."""
    return next((one for one in befores if _definition(one, metric)), None)


def _renamed(
    lineage: Lineage,
    metric: str,
    before: Schema | None,
    after: Schema | None,
    befores: Sequence[Schema | None],
) -> Definition | None:
    """The other name of a metric that appears or goes, where a migration says that one became the other."""
    if before is None:
        olds = (one for schema in befores if schema for one in schema.metrics.values())
        return next((one for one in olds if _became(lineage, one.name, metric)), None)
    if after is None or metric in after.metrics:
        return None
    taken = (after.metrics.get(one.name) for one in lineage.forward_names(metric))
    return next(filter(None, taken), None)


def _became(lineage: Lineage, old: str, new: str) -> bool:
    return any(one.name == new for one in lineage.forward_names(old))


def _moment(
    view: View,
    commit: CodeCommit | None,
    name: str,
    before: Schema | None,
    after: Schema | None,
    metric: str,
    counts: Counter[str],
    renamed: Definition | None,
) -> Moment:
    old, new = _definition(before, metric), _definition(after, metric)
    one, other = old or renamed, new or renamed
    return Moment(
        commit=commit,
        schema=name,
        version=after.version if after else None,
        schema_id=after.id if after else None,
        old=old,
        new=new,
        fields=differences(old, new) if old and new else (),
        bridge=bridged(view.lineage, one, other) if one and other and one != other else None,
        runs=counts[new.did] if new else 0,
        renamed=renamed,
    )
