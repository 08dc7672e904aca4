"""Drafts of migrations: what changed between two sets of definitions becomes operations, with what is left to decide.

A draft never guesses silently: a rename is asked about, a change of meaning waits for its reason, and a file that still
holds a `todo` is not used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from ledger import canonical
from ledger.model import Json
from ledger.schema import migration, units
from ledger.schema.definition import Definition
from ledger.schema.differences import changed_fields, differences
from ledger.schema.document import Schema
from ledger.schema.edges import Break, Iso
from ledger.schema.lineage import Lineage
from ledger.schema.transform import CASTS
from ledger.schema.units import Affine, Unit, UnitError
from ledger.trace.identities import Proposal, proposals

_LIKE = 0.5
"""How alike two names have to be where nothing else tells that one became the other: loss, train_loss."""
_CANDIDATES = 3
_ORDER = ("format", "id", "summary", "schema", "from", "to", "metrics", "params", "supersedes", "defs")
_PARTS = ("metrics", "params")
_PLAIN_UNITS = (None, "1", "%")
"""Units that tell nothing: nearly every metric has one of them."""
_SLUG = re.compile(r"[^a-z0-9]+")
_NOTHING: Mapping[str, Definition] = {}

Words = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The definitions to come from, by name; `label` says to people where they are from."""

    label: str
    version: str | None = None
    metrics: Mapping[str, Definition] = field(default_factory=lambda: _NOTHING)
    params: Mapping[str, Definition] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a draft may look at beside the two sides."""

    lineage: Lineage
    units: Mapping[str, Unit] = field(default_factory=dict)
    recorded: Callable[[str], Definition | None] = lambda _name: None
    """The definition of a name that runs have values under."""
    reuse: Callable[[Definition, Definition], Mapping[str, Json] | None] | None = None
    """On a merge: the operation that the other side has for the very same change."""
    largest: Callable[[str], float | None] = lambda _name: None
    """The largest value that was recorded under a name without a definition."""
    lacking: Callable[[Definition, Proposal], int] = lambda _old, _proposal: 1
    """How many runs with a value under a definition lack what a proposal computes it from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A migration to be written, and what people should know about it."""

    schema: str
    label: str
    document: Mapping[str, Any] = field(repr=False)
    operations: tuple[Mapping[str, Json], ...]
    proposals: tuple[Proposal, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it can be used as it is."""
        return "id" in self.document

    @property
    def data(self) -> bytes:
        """The file, in the order in which it is read: what it does first, the proof of its ids last."""
        sides = {
            side: {key: value for key, value in self.document[side].items() if value}
            for side in ("from", "to")
        }
        parts = {part: [*map(_todo_early, self.document[part])] for part in _PARTS if part in self.document}
        whole = {**self.document, **sides, **parts}
        ordered = {key: whole[key] for key in _ORDER if whole.get(key) or key in sides}
        return (json.dumps(ordered, ensure_ascii=False, indent=2) + "\n").encode()

    def file(self, date: str) -> str:
        """`2026-11-21-f1-9a07d2c1.json`: two people who draft the same get the same name."""
        names = dict.fromkeys(str(words.get("to", words.get("from"))) for words in self.operations)
        slug = "-".join(filter(None, (_SLUG.sub("-", name.lower()).strip("-") for name in names)))
        return f"{date}-{slug[:40].strip('-') or 'change'}-{hashlib.sha256(canonical.dumps(self.document)).hexdigest()[:8]}.json"


def _todo_early(words: Words) -> Words:
    """With `todo` behind `op`: its line can be deleted, and what is left is still JSON."""
    first: Words = {key: words[key] for key in ("op", "todo") if key in words}
    return {**first, **words}


def rename_candidates(before: Before, after: Schema, known: Known) -> dict[str, tuple[str, ...]]:
    """For each metric that is gone, the new names that it may have taken, the likeliest first."""
    new = [one for name, one in after.metrics.items() if name not in before.metrics]
    found = {}
    for old in _gone(before, after, known.lineage):
        likely = [one for one in new if _may_be(old, one, known.units)]
        likely.sort(key=lambda one: (-_likeness(old.name, one.name), one.name))
        if likely:
            found[old.name] = tuple(one.name for one in likely[:_CANDIDATES])
    return found


def draft(
    before: Before,
    after: Schema,
    known: Known,
    *,
    renames: Mapping[str, str | None] | None = None,
    take: Collection[str] = (),
) -> tuple[Draft, ...]:
    """The migration from one side to the other; nothing where there is nothing to explain.

    `renames` are decided: old name → new name, or None for a name that has none; others stay a question. What is
    proposed for a metric of `take` is done: in place of a `same` or a `redefine`, or in a second file beside a
    `redefine` that runs without its inputs need, since a file has one operation a target.
    """
    metrics = [*_metrics(before, after, known, {} if renames is None else renames)]
    params = [*_params(before, after, known)]
    proposed = {str(one.operation["to"]): one for one in reversed([*_proposals(after, metrics, known)])}
    taken = [one for name, one in proposed.items() if name in take]
    if not (metrics or params or taken):
        return ()
    operations = {str(words["to"]): words for words in metrics if "to" in words}
    beside = [one for one in taken if _needs_reason(before, operations, one, known)]
    instead = {str(one.operation["to"]): dict(one.operation) for one in taken if one not in beside}
    metrics = [instead.pop(str(words.get("to")), words) for words in metrics] + [*instead.values()]
    go_on = {one.operation.get("from") for one in taken}
    metrics = [words for words in metrics if words["op"] != "drop" or words["from"] not in go_on]
    left = tuple(one for one in proposed.values() if one not in taken)
    first = _draft(before, after, {"metrics": metrics, "params": params}, taken, left)
    return (first, *(_draft(before, after, {"metrics": [dict(one.operation)]}, [one], ()) for one in beside))


def _needs_reason(before: Before, operations: Mapping[str, Words], taken: Proposal, known: Known) -> bool:
    """Whether a `redefine` stays beside what is taken: some run keeps an old value that nothing computes anew."""
    words = operations.get(str(taken.operation["to"]), {})
    if words.get("op") != "redefine":
        return False
    lacking = known.lacking(before.metrics[str(words["from"])], taken)
    if lacking:
        inputs = " and ".join(one.name for one in taken.inputs)
        runs = f"{lacking:,} run{'' if lacking == 1 else 's'}"
        words["todo"] = f"for {runs} without {inputs}, which the derive beside this needs: {words['todo']}"
    return lacking > 0


def _draft(
    before: Before,
    after: Schema,
    operations: Mapping[str, Sequence[Words]],
    taken: Sequence[Proposal],
    left: tuple[Proposal, ...],
) -> Draft:
    inputs = {one.name: one for proposal in taken for one in proposal.inputs}
    listed = [words for part in operations.values() for words in part]
    document = migration.draft(
        schema=after.name,
        summary=", ".join(map(_said, listed)),
        before={"metrics": {**inputs, **before.metrics}, "params": before.params},
        after={"metrics": after.metrics, "params": after.params},
        operations=operations,
        labels=(before.version, after.version),
    )
    return Draft(
        schema=after.name, label=before.label, document=document, operations=tuple(listed), proposals=left
    )


def _metrics(
    before: Before, after: Schema, known: Known, decided: Mapping[str, str | None]
) -> Iterator[Words]:
    exchanged = {old.name: new for old, new in _exchanged(before, after, known.lineage, decided)}
    for name, old in before.metrics.items():
        if name in exchanged:
            yield _operation(old, exchanged[name], known)
        new = after.metrics.get(name)
        settled = new in exchanged.values() or known.lineage.dropped(old)
        if new is not None and new.did != old.did and not settled and not known.lineage.explains(old, new):
            yield _operation(old, new, known)
    candidates = rename_candidates(before, after, known)
    taken: set[str] = set()
    for old in _gone(before, after, known.lineage):
        likely = [name for name in candidates.get(old.name, ()) if name not in taken]
        to = decided.get(old.name, likely[0] if likely else None)
        if to is None or to not in after.metrics:
            yield _drop(old, likely)
            continue
        taken.add(to)
        words = _operation(old, after.metrics[to], known)
        yield words if old.name in decided else _asked(words, old.name, to)


def _exchanged(
    before: Before, after: Schema, lineage: Lineage, decided: Mapping[str, str | None]
) -> Iterator[tuple[Definition, Definition]]:
    """Metrics decided to have another name now though theirs is still there, and means something else."""
    for name, to in decided.items():
        old, now, new = before.metrics.get(name), after.metrics.get(name), after.metrics.get(to or "")
        if old is None or now is None or new is None or now.did == old.did:
            continue
        if new.name != name and not lineage.connected(old, new):
            yield old, new


def _gone(before: Before, after: Schema, lineage: Lineage) -> list[Definition]:
    """Metrics of which nothing says what became of them."""
    return [
        one
        for name, one in before.metrics.items()
        if name not in after.metrics and one.declared and not lineage.leads_on(one)
    ]


def _may_be(old: Definition, new: Definition, custom: Mapping[str, Unit]) -> bool:
    """Whether the same thing may be called both, perhaps in another unit."""
    fields = changed_fields(old, new) - {"name"}
    turned = None not in (old.direction, new.direction) and old.direction != new.direction
    if turned or fields - {"unit"} or (fields and _factor(old, new, custom) is None):
        return False
    tells = old.how or old.on or old.unit not in _PLAIN_UNITS
    return bool(tells) or _likeness(old.name, new.name) >= _LIKE


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _factor(old: Definition, new: Definition, custom: Mapping[str, Unit]) -> Affine | None:
    """The map between two declared units; None where there is none."""
    if old.unit is None or new.unit is None:
        return None
    try:
        return units.conversion(units.parse(old.unit, custom), units.parse(new.unit, custom), kind=old.kind)
    except UnitError:
        return None


def _operation(old: Definition, new: Definition, known: Known) -> Words:
    """The operation from one definition to another, as far as the two say which it is."""
    ends: Words = {"from": old.name, "to": new.name}
    if known.reuse and (words := known.reuse(old, new)) is not None:
        return {**words, **ends}
    fields = changed_fields(old, new) - {"name"}
    if not fields:
        return {"op": "rename", **ends}
    if not old.declared:
        return {"op": "same", **ends, "reason": "", "todo": _of_undeclared(new)}
    if "unit" in fields and fields <= {"unit", "type"} and _factor(old, new, known.units) is not None:
        return {"op": "convert", **ends}
    if fields == {"type"} and old.type == ("integer",) and new.type == ("number",):
        return {"op": "same", **ends, "reason": "whole numbers before, any numbers now: the same values"}
    cause = _CAUSES.get(frozenset(fields))
    return {
        "op": "redefine",
        **ends,
        "reason": "",
        **({"cause": cause} if cause else {}),
        "todo": f"{'; '.join(differences(old, new))}: say in `reason` why values do not compare; "
        "if they do, use `same` with a reason, `affine` or `derive`",
    }


_CAUSES: Mapping[frozenset[str], str] = {frozenset({"how"}): "method", frozenset({"on"}): "data"}


def _of_undeclared(new: Definition) -> str:
    unit = f" in the unit {new.unit}" if new.unit else ""
    return (
        f"make sure that every value recorded as {new.name} before it was declared means this{unit}, "
        "and say in `reason` how you know"
    )


def _drop(old: Definition, likely: Sequence[str]) -> Words:
    other = f"; if it is called {' or '.join(likely)} now, use `rename`" if likely else ""
    return {
        "op": "drop",
        "from": old.name,
        "reason": "",
        "todo": f"say in `reason` why {old.name} ended{other}",
    }


def _asked(words: Words, old: str, new: str) -> Words:
    question = f"make sure that {old} is called {new} now, or use `drop` with a reason"
    return {**words, "todo": "; ".join(str(part) for part in (question, words.get("todo")) if part)}


def _params(before: Before, after: Schema, known: Known) -> Iterator[Words]:
    for name, old in before.params.items():
        new = after.params.get(name)
        if new is None or not old.declared or new.did == old.did or known.lineage.connected(old, new):
            continue
        words = _param(old, new, known.units)
        if words:
            yield words


def _param(old: Definition, new: Definition, custom: Mapping[str, Unit]) -> Words | None:
    ends: Words = {"from": old.name, "to": new.name}
    fields = changed_fields(old, new)
    gone = [value for value in old.values or () if new.values is not None and value not in new.values]
    if gone:
        return {"op": "map", **ends, **_mapped(gone, new.values or ())}
    if "type" in fields and len(new.type) == 1 and new.type[0] in CASTS:
        return {"op": "cast", **ends}
    if fields == {"unit"}:
        if _factor(old, new, custom) is not None:
            return {"op": "convert", **ends}
        said = "; ".join(differences(old, new))
        return {"op": "redefine", **ends, "reason": "", "todo": f"{said}: say in `reason` what it means now"}
    return None


def _mapped(gone: Sequence[Json], values: Sequence[Json]) -> Words:
    """Guesses by spelling, each to be looked at."""
    guessed: dict[str, Json] = {_key(value): _nearest(value, values) for value in gone}
    said = ", ".join(f"{key} → {canonical.compact(value)}" for key, value in guessed.items())
    return {"values": guessed, "else": "keep", "todo": f"guessed by spelling: {said}; correct what is wrong"}


def _key(value: Json) -> str:
    return value if isinstance(value, str) else canonical.compact(value)


def _nearest(value: Json, values: Sequence[Json]) -> Json:
    return max(values, key=lambda other: _likeness(_key(value), _key(other))) if values else value


def _proposals(after: Schema, operations: Sequence[Words], known: Known) -> Iterator[Proposal]:
    """Alternatives to what a draft leaves open, and ways to metrics that are new."""
    by_target = {str(words["to"]): words for words in operations if "to" in words}
    for name, new in after.metrics.items():
        words = by_target.get(name)
        if words is None and known.lineage.converts_to(new):
            continue
        if words is not None and words["op"] == "same" and "todo" in words:
            yield from _rescaled(new, known)
        if words is None or words["op"] == "redefine":
            yield from proposals(new, known.recorded)


def _rescaled(new: Definition, known: Known) -> Iterator[Proposal]:
    """Undeclared values beyond the declared bounds were in another unit: most often percent."""
    largest = known.largest(new.name)
    if largest is not None and new.maximum is not None and new.maximum < largest <= 100 * new.maximum:
        words: Words = {"op": "affine", "from": new.name, "to": new.name, "scale": "1/100"}
        holds = (
            f"they were percent: values up to {largest:g} were recorded, the schema allows {new.maximum:g}"
        )
        yield Proposal(operation=words, inputs=(), holds=holds)


def _said(words: Words) -> str:
    old, new = words.get("from"), words.get("to", words.get("from"))
    return f"{words['op']} {new}" if old in (None, new) else f"{words['op']} {old} → {new}"


def of_square(
    base: Schema, other: Schema, lineage: Lineage
) -> Callable[[Definition, Definition], Words | None]:
    """How one side of a merge may use what the other side's migrations say of the very same change.

    Where the other side changed a definition just as it has to change here, its operation is the one to use.
    """

    def reuse(old: Definition, new: Definition) -> Words | None:
        from_base, to_other = base.metrics.get(old.name), other.metrics.get(new.name)
        if not from_base or not to_other or differences(from_base, to_other) != differences(old, new):
            return None
        pairs = ((edge, one) for one in lineage.migrations for edge in one.edges)
        wanted = (
            edge
            for edge, _ in pairs
            if isinstance(edge, (Iso, Break)) and (edge.source, edge.target) == (from_base.did, to_other.did)
        )
        return next(filter(None, map(_words_of, wanted)), None)

    return reuse


def _words_of(edge: Iso | Break) -> Words | None:
    """An edge as an operation; None for one that can't be said again so."""
    reason: Words = {"reason": edge.reason} if edge.reason else {}
    if isinstance(edge, Break):
        return {"op": edge.op, **reason} if edge.target else None
    if edge.op != "affine":
        evidence: Words = {"evidence": edge.evidence} if edge.evidence else {}
        return {"op": edge.op, **reason, **evidence} if isinstance(edge.link, Affine) else None
    if not isinstance(edge.link, Affine) or edge.link.ln2 or edge.link.offset_ln2:
        return None
    return {"op": "affine", "scale": str(edge.link.scale), "offset": str(edge.link.offset), **reason}
