"""Where drafts of migrations come from: revisions, both sides of a merge, recorded runs, values without a definition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ledger.errors import GitError, NotFoundError
from ledger.git import history
from ledger.schema.definition import Definition, undeclared
from ledger.schema.document import Schema
from ledger.schema.units import Unit
from ledger.store.segment import METRICS
from ledger.trace import meaning
from ledger.trace.check import Used, compared_with, has_values, used
from ledger.trace.drafting import Before, Draft, Known, draft, of_square, rename_candidates
from ledger.trace.identities import Proposal
from ledger.trace.view import View

Decide = Callable[[Mapping[str, Sequence[str]]], Mapping[str, str | None]]
"""Metrics that are gone, each with the names that it may have now → what was decided about them."""

UNDECLARED = "values without a definition"


def drafts(
    view: View,
    schema: Schema,
    *,
    decide: Decide,
    source: str | None = None,
    merge: bool = False,
    take: Collection[str] = (),
) -> list[Draft]:
    """What is needed so that everything recorded under older definitions is explained under `schema`.

    One draft for each side that definitions come from: `source` alone (a revision, a version, a definition's id), or
    both parents of the last merge, or what `ledger schema check` compares with; then what else runs used, and values
    without a definition. `decide` and `take` are those of `drafting.draft`. Raises NotFoundError.
    """
    case = _Case(view, schema)
    found: list[Draft] = []
    done: set[str] = set()
    for before, known in case.starts(source, merge=merge):
        left = case.uncovered(before, exactly=known.reuse is not None)
        renames = decide(rename_candidates(left, schema, known))
        made = draft(left, schema, known, renames=renames, take=set(take) - done)
        if made:
            found.extend(made)
            case.cover(left)
            done |= {str(words.get("to")) for one in made for words in one.operations}
    return found


@dataclass(frozen=True)
class _Case:
    view: View
    schema: Schema

    @cached_property
    def covered(self) -> dict[str, Definition]:
        """Definitions that earlier drafts take care of."""
        return {}

    def cover(self, before: Before) -> None:
        self.covered.update(
            (one.did, one) for part in (before.metrics, before.params) for one in part.values()
        )

    def uncovered(self, before: Before, *, exactly: bool) -> Before:
        """Without what earlier drafts explain; `exactly`: only what converts into what they start from.

        Both sides of a merge are joined by what each of them changed, and still need an edge of their own: one
        may convert where the other does not.
        """
        lineage = self.view.lineage

        def is_explained(one: Definition, other: Definition) -> bool:
            return lineage.frame(one) == lineage.frame(other) if exactly else lineage.connected(one, other)

        def left(part: Mapping[str, Definition]) -> dict[str, Definition]:
            explained = self.covered.values()
            return {
                name: one for name, one in part.items() if not any(is_explained(one, it) for it in explained)
            }

        return replace(before, metrics=left(before.metrics), params=left(before.params))

    def starts(self, source: str | None, *, merge: bool) -> Iterator[tuple[Before, Known]]:
        if source is not None:
            before = self._of_source(source)
            yield before, self._known(before)
            return
        yield from self._of_history(_sides(self.view, merge=merge))
        yield from ((before, self._known(before)) for before in (*self._of_runs(), *self._of_nothing()))

    def _known(self, before: Before) -> Known:
        return Known(
            lineage=self.view.lineage,
            units=self._units,
            recorded=lambda name: self._recorded(before, name),
            largest=self._largest,
            lacking=self._lacking,
        )

    @cached_property
    def _units(self) -> Mapping[str, Unit]:
        known = self.view.meaning.units
        return meaning.read_units(self.view.workspace)[0] if known is None else known

    def _of_history(self, commits: Sequence[str]) -> Iterator[tuple[Before, Known]]:
        """Both sides of a merge may say again what the other one's migrations say of the same change."""
        schemas = {commit: self._schema_at(commit) for commit in commits}
        fork = _fork(self.view, commits) if len(commits) > 1 else None
        base = self._schema_at(fork) if fork not in commits else None
        for commit, schema in schemas.items():
            if schema is None:
                continue
            before = _before(schema, commit[:9])
            known = self._known(before)
            others = [other for name, other in schemas.items() if name != commit and other]
            if base and others:
                known = replace(known, reuse=of_square(base, others[0], self.view.lineage))
            yield before, known

    def _schema_at(self, commit: str | None) -> Schema | None:
        return meaning.target_schemas(self.view.workspace, commit).get(self.schema.name) if commit else None

    def _of_source(self, source: str) -> Before:
        """A revision counts before a version label, and that before the digits of a definition."""
        schema = None if source.startswith("d1:") else self._of_revision(source) or self._of_version(source)
        return _before(schema, source) if schema else self._of_definition(source)

    def _of_revision(self, source: str) -> Schema | None:
        try:
            return self._schema_at(history.resolve(self.view.workspace.repository, source))
        except NotFoundError:
            return None

    def _of_version(self, source: str) -> Schema | None:
        from ledger.trace.versions import called

        return called(self.view, self.schema.name, source)

    def _of_definition(self, source: str) -> Before:
        digits = source.removeprefix("d1:")
        matching = {one.did: one for one in self._all_known() if one.did[3:].startswith(digits)}
        if len(matching) != 1 or len(digits) < 4:  # noqa: PLR2004 - as for run ids
            raise NotFoundError(
                f"--from {source}: no revision with the schema {self.schema.name}, no version of it, and no definition",
                hint="a branch, tag or commit, a version (3, 3@9a07d2c1, NAME@3: ledger schema history METRIC), "
                "or the first digits of a definition (ledger schema matrix METRIC)",
            )
        (definition,) = matching.values()
        return Before(label=f"d1:{definition.short}", metrics={definition.name: definition})

    def _all_known(self) -> Iterator[Definition]:
        for schema in (*self.view.recorded_schemas, *self.view.schemas.values()):
            yield from schema.metrics.values() if schema else ()

    @cached_property
    def _used(self) -> list[Used]:
        return used(self.view)

    def _of_runs(self) -> Iterator[Before]:
        """What runs used and nothing leads on from, newest first: definitions of one name in drafts of their own."""
        lineage, now = self.view.lineage, self._declared_now()
        left = [
            one
            for one in sorted(self._used, key=lambda one: (-max(one.codes), one.definition.name))
            if one.schema == self.schema.name or one.schema not in self.view.schemas
            if one.definition.declared and not lineage.dropped(one.definition)
            if not any(
                one.definition.did == other.did or lineage.explains(one.definition, other) for other in now
            )
        ]
        groups: list[dict[str, Used]] = []
        for one in left:
            if not has_values(self.view, one):
                continue
            name = one.definition.name
            group = next((group for group in groups if name not in group), None)
            if group is None:
                groups.append(group := {})
            group[name] = one
        for group in groups:
            version = self._version(next(iter(group.values())))
            label = f"runs of version {version}" if version else "runs"
            yield Before(
                label=label, version=version, metrics={name: one.definition for name, one in group.items()}
            )

    def _version(self, one: Used) -> str | None:
        schema = self.view.recorded_schemas[max(one.codes)]
        return schema.version if schema else None

    def _declared_now(self) -> list[Definition]:
        return [one for schema in self.view.schemas.values() for one in schema.metrics.values()]

    def _of_nothing(self) -> Iterator[Before]:
        """Names that runs recorded before anything declared them."""
        bare = {
            name: undeclared(name)
            for name, one in self.schema.metrics.items()
            if one.declared
            and self.view.target(name).did == one.did
            and not self.view.lineage.leads_on(undeclared(name))
            and self._undeclared_values(name)
        }
        if bare:
            yield Before(label=UNDECLARED, metrics=bare)

    def _undeclared_values(self, name: str) -> list[float]:
        codes, schemas = self.view.schema_codes, self.view.recorded_schemas
        bare = {code for code, schema in enumerate(schemas) if schema is None or name not in schema.metrics}
        if not bare:
            return []
        values = self.view.runs.values(METRICS, name)
        return [value for row, value in values if codes[row] in bare and isinstance(value, (int, float))]

    def _largest(self, name: str) -> float | None:
        return max((value for value in self._undeclared_values(name) if value == value), default=None)  # noqa: PLR0124

    def _lacking(self, old: Definition, proposal: Proposal) -> int:
        codes = {code for one in self._used if one.definition.did == old.did for code in one.codes}
        runs, code_of = self.view.runs, self.view.schema_codes
        rows = {row for row, _ in runs.values(METRICS, old.name) if code_of[row] in codes}
        inputs = [{row for row, _ in runs.values(METRICS, one.name)} for one in proposal.inputs]
        return sum(not all(row in there for there in inputs) for row in rows)

    def _recorded(self, before: Before, name: str) -> Definition | None:
        """What an identity may start from: under the definition of this side, or under none."""
        one = before.metrics.get(name) or self.schema.metrics.get(name)
        mine = [found for found in self._used if one and found.definition.did == one.did]
        if one and any(has_values(self.view, found) for found in mine):
            return one
        return undeclared(name) if self._undeclared_values(name) else None


def _before(schema: Schema, label: str) -> Before:
    return Before(label=label, version=schema.version, metrics=schema.metrics, params=schema.params)


def _sides(view: View, *, merge: bool) -> tuple[str, ...]:
    """The commits that definitions come from; of a merge both parents."""
    if not merge:
        return compared_with(view.workspace)
    sides = compared_with(view.workspace)
    repository = view.workspace.repository
    if history.identify(repository, ["MERGE_HEAD^{commit}"])[0]:
        return sides
    try:
        found = repository.git("rev-list", "--merges", "--parents", "-n1", "HEAD").decode().split()
    except GitError:
        found = []
    if not found:
        raise NotFoundError(
            "there is no merge in this history", hint="without --merge the last change counts"
        )
    return tuple(found[1:])


def _fork(view: View, commits: Sequence[str]) -> str | None:
    try:
        return history.merge_base(view.workspace.repository, commits[0], commits[1])
    except GitError:
        return None
