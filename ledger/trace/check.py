"""`ledger schema check`: the linter over a repository, against revisions and against every definition any run used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from ledger import canonical, plain_file
from ledger.config import Workspace
from ledger.errors import GitError, InputError, NotFoundError
from ledger.git import history, objects
from ledger.schema import document, lint
from ledger.schema.codes import Finding
from ledger.schema.definition import Definition
from ledger.schema.document import Schema
from ledger.schema.explain import json_path
from ledger.schema.lines import line_of
from ledger.store.migrations import MIGRATIONS
from ledger.store.segment import METRICS
from ledger.trace import evidence, evolution, meaning, provenance
from ledger.trace.meaning import SCHEMAS, Meaning
from ledger.trace.view import View

_PARTS = ("metrics", "params")
_MAX_TIPS = 200
_WHERE: Mapping[str, str] = {
    "LABEL_DUPLICATE": "$['x-ledger'].version",
    "METRIC_REMOVED_NO_OP": "$.properties.metrics",
    "RUN_DEF_UNREACHABLE": "$.properties.metrics",
    "MIGRATION_EDITED": "$.id",
}
"""The place of what has no name in its file, or none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and what the schemas were compared with."""

    findings: tuple[Finding, ...]
    """By file and line."""
    bases: tuple[str, ...]
    """Commits."""
    schemas: tuple[str, ...]
    used: int
    """How many definitions of metrics recorded runs carry."""


def check(view: View, *, name: str | None = None, against: str | None = None) -> Report:
    """Everything there is to say about the schemas of the work tree, or about one of them. Raises NotFoundError."""
    bases = compared_with(view.workspace, against)
    case = _Case(view, {base: meaning.read(view.workspace, base) for base in bases})
    found = (
        *view.meaning.faults,
        *case.edited(),
        *case.linted(),
        *case.removed(),
        *evidence.check(view, case.elsewhere()),
        *provenance.check(view),
    )
    unique = dict.fromkeys(case.placed(one) for one in found if not case.allowed(one))
    return Report(
        findings=tuple(sorted((one for one in unique if name is None or _is_about(one, name)), key=_order)),
        bases=bases,
        schemas=tuple(one for one in view.schemas if name in (None, one)),
        used=len({one.definition.did for one in case.used}),
    )


def compared_with(workspace: Workspace, against: str | None = None) -> tuple[str, ...]:
    """The commits to compare the work tree with: `against`, both sides of a merge, or what the branch forked off from.

    On the default branch that is HEAD, and the commit before it, so that a commit just made is looked at too.
    Nothing where there is no commit yet. Raises NotFoundError for `against`.
    """
    repository = workspace.repository
    if against is not None:
        return (history.resolve(repository, against),)
    head, merging = history.identify(repository, ["HEAD^{commit}", "MERGE_HEAD^{commit}"])
    if head is None:
        return ()
    if merging is not None:
        return head, merging
    parents = _parents(workspace, head)
    if len(parents) > 1:
        return parents
    bases = (_merge_base(workspace, tip, head) for tip in _default_tips(workspace))
    base = next(filter(None, bases), head)
    return (head, *parents) if base == head else (base,)


def _parents(workspace: Workspace, commit: str) -> tuple[str, ...]:
    """Those that are here: a shallow clone ends somewhere."""
    (found,) = history.walk(workspace.repository, history.Range(include=(commit,)), options=("-n1",))
    present = history.identify(workspace.repository, [f"{parent}^{{commit}}" for parent in found.parents])
    return tuple(parent for parent in present if parent)


def _default_tips(workspace: Workspace) -> list[str]:
    """Tips of the default branch; the remote's come first, since a local one may be old."""
    default = workspace.config.default_branch
    names = [default] if default else ["HEAD", "main", "master"]
    refs = [f"{where}/{name}" for name in names for where in ("refs/remotes/origin", "refs/heads")]
    found = history.identify(workspace.repository, [f"{ref}^{{commit}}" for ref in refs])
    return [tip for tip in found if tip]


def _merge_base(workspace: Workspace, one: str, other: str) -> str | None:
    try:
        return history.merge_base(workspace.repository, one, other)
    except GitError:  # a clone that is cut off before
        return None


@dataclass(frozen=True, slots=True)
class Used:
    """A definition that runs carry, the name of their schema, and the numbers of the schemas as recorded."""

    schema: str
    definition: Definition
    codes: frozenset[int]


def used(view: View) -> list[Used]:
    """The definitions of metrics in the schemas of recorded runs."""
    names, codes = view.runs.column("schema_name"), view.schema_codes
    found: dict[tuple[str, str], tuple[Definition, set[int]]] = {}
    for name, code in {(names[row] or "", codes[row]) for row in view.runs.rows}:
        schema = view.recorded_schemas[code]
        for definition in schema.metrics.values() if schema else ():
            found.setdefault((name, definition.did), (definition, set()))[1].add(code)
    return [Used(name, definition, frozenset(mine)) for (name, _), (definition, mine) in found.items()]


def has_values(view: View, one: Used) -> bool:
    """Whether any run has a value under it: a name that is only declared is not missed."""
    codes = view.schema_codes
    return any(codes[row] in one.codes for row, _ in view.runs.values(METRICS, one.definition.name))


@dataclass(frozen=True)
class _Case:
    view: View
    bases: Mapping[str, Meaning]

    def edited(self) -> Iterator[Finding]:
        """Migrations that were published, and are not what they were."""
        for base in self.bases.values():
            yield from lint.edited(base.migrations, self.view.lineage)

    def linted(self) -> Iterator[Finding]:
        for name, schema in self.view.schemas.items():
            of_name = self._used_in(schema)
            for base in self.bases.values() or (None,):
                previous = base.schemas.get(name) if base else None
                for one in self._lint(previous, schema, of_name):
                    if not self._moved(one, previous):
                        yield one

    def removed(self) -> Iterator[Finding]:
        """Metrics of schemas whose file is gone."""
        for base in self.bases.values():
            for name, previous in base.schemas.items():
                if name not in self.view.schemas and name not in self._broken:
                    nothing = document.parse(b'{"properties": {}}', name=name, what=name)
                    found = self._lint(previous, nothing, ())
                    gone = (one for one in found if one.name == "METRIC_REMOVED_NO_OP")
                    yield from (one for one in gone if not self._moved(one, previous))

    def elsewhere(self) -> Iterator[Schema]:
        """The schemas compared with, and those at the tips of branches."""
        for base in self.bases.values():
            yield from base.schemas.values()
        workspace = self.view.workspace
        try:
            tips = history.resolve_range(workspace.repository, (), everything=True).include[:_MAX_TIPS]
        except NotFoundError:
            return
        for schemas in evolution.read(workspace, tips).values():
            yield from schemas.values()

    def allowed(self, one: Finding) -> bool:
        """Whether the schema says of a warning that it is known: `"allow": ["LS108: only its speed changed"]`."""
        if one.severity == "error" or not one.metric:
            return False
        schemas = (schema for schema in self.view.schemas.values() if one.metric in schema.metrics)
        lines = (line for schema in schemas for line in _allowed(schema, one.metric))
        return any(str(line).startswith(f"{one.code}:") for line in lines)

    def _lint(
        self, previous: Schema | None, current: Schema, definitions: Sequence[Definition]
    ) -> tuple[Finding, ...]:
        units = self.view.meaning.units
        if units is None:
            units, _ = meaning.read_units(self.view.workspace)
        return lint.check(previous, current, self.view.lineage, definitions, custom_units=units)

    def _moved(self, one: Finding, previous: Schema | None) -> bool:
        """Whether a metric is only declared in another file now."""
        gone = previous.metrics.get(one.metric) if previous and one.name == "METRIC_REMOVED_NO_OP" else None
        return gone is not None and gone.did in self._declared

    @cached_property
    def _broken(self) -> frozenset[str]:
        """Names of schemas whose file is there, and can't be used: what they declare is not known."""
        files = (PurePosixPath(fault.file) for fault in self.view.meaning.faults)
        return frozenset(file.stem for file in files if str(file.parent) == SCHEMAS)

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(one.did for schema in self.view.schemas.values() for one in schema.metrics.values())

    def _used_in(self, schema: Schema) -> list[Definition]:
        """What runs used that should lead to this schema: not what the comparison shows anyway, or leads to another."""
        compared = {
            one.did
            for base in self.bases.values()
            if schema.name in base.schemas
            for one in base.schemas[schema.name].metrics.values()
        }
        others = [
            one
            for name, other in self.view.schemas.items()
            if name != schema.name
            for one in other.metrics.values()
        ]
        explains = self.view.lineage.explains
        known = {*self.view.schemas, *self._broken}
        mine = [
            one
            for one in self.used
            if one.definition.did not in compared
            and (one.schema == schema.name or one.schema not in known)
            and not any(explains(one.definition, other) for other in (*schema.metrics.values(), *others))
        ]
        return [one.definition for one in mine if has_values(self.view, one)]

    @cached_property
    def used(self) -> list[Used]:
        return used(self.view)

    def placed(self, one: Finding) -> Finding:
        """The finding with its line, where that can be found."""
        if one.line is not None or not one.file:
            return one
        text = self._text(one.file)
        find = _in_schema if one.file.startswith(f"{SCHEMAS}/") else _in_migration
        path = (find(text, one) if one.metric else "") or _WHERE.get(one.name, "")
        return replace(one, line=line_of(text, path)) if path else one

    def _text(self, file: str) -> str:
        if file not in self._texts:
            self._texts[file] = _read(self.view.workspace, file)
        return self._texts[file]

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}


def _allowed(schema: Schema, metric: str) -> Sequence[Any]:
    node: Any = schema.body
    for key in ("properties", "metrics", "properties", metric, "x-ledger", "allow"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, list) else []


def _read(workspace: Workspace, file: str) -> str:
    """A file of the work tree, else of HEAD; nothing where it is in neither."""
    top = workspace.repository.work_tree
    if top is not None and (top / file).is_file():
        return plain_file.read(top / file, document.MAX_BYTES).decode("utf-8-sig", "replace")
    (found,) = objects.read(workspace.repository, [f"HEAD:{file}"])
    return found.body.decode("utf-8", "replace") if found else ""


def _loaded(text: str) -> Any:
    try:
        return canonical.loads(text.encode(), what="")
    except InputError:
        return {}


def _in_schema(text: str, one: Finding) -> str:
    body = _loaded(text)
    for part in _PARTS:
        members = body
        for key in ("properties", part, "properties"):
            members = members.get(key, {}) if isinstance(members, dict) else {}
        if isinstance(members, dict) and one.metric in members:
            return json_path(("properties", part, "properties", one.metric))
    return ""


def _in_migration(text: str, one: Finding) -> str:
    body = _loaded(text)
    for part in _PARTS:
        listed = body.get(part) if isinstance(body, dict) else None
        for place, words in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(words, dict) and one.metric in (words.get("to"), words.get("from")):
                return json_path((part, place))
    return ""


def _is_about(one: Finding, name: str) -> bool:
    """Whether a finding concerns one schema: its file, its migrations, or what all share."""
    own = one.file == f"{SCHEMAS}/{name}.json" or one.file.startswith(f"{MIGRATIONS}/{name}/")
    return own or not one.file.startswith((f"{SCHEMAS}/", f"{MIGRATIONS}/"))


def _order(one: Finding) -> tuple[str, int, str, str]:
    return one.file, one.line or 0, one.code, one.message
