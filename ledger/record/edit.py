"""Edits: a further record of a run, whole, that names the record it edits. Nothing is ever rewritten.

A run that was edited in two places at once has two tips. An edit made afterwards is one record that follows both:
its base is the tip that counts, and it names the others in `merges`. Fields that are in conflict stay so until an
edit names them: one that says what counts already says so in `settles`, as nothing else would tell it from an edit
of something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.canonical import compact
from ledger.config import Workspace
from ledger.errors import ConfigError, InputError, NotFoundError, RefusedError, did_you_mean
from ledger.model import Json, Metric, Record, Status, utc_text
from ledger.record import secrets
from ledger.record.draft import Recorded, as_recorded
from ledger.record.run import stored
from ledger.schema import document
from ledger.store.segment import flatten
from ledger.store.values import clean_name

MAX_TEXT = 65_536
"""Characters of a note or a reason."""
MAX_TAG = 1_000
_SHOWN = 12

Field = tuple[str, str]
"""(`metrics`, `params`, `tags` or `run`) and a name; names of params are flat, their keys joined by dots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an edit says. Names of params are flat (`optimizer.lr`)."""

    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    run: Mapping[str, str | None] = field(default_factory=dict)
    """`name`, `note` and `status`; None takes a name or a note away."""
    removed: tuple[Field, ...] = ()
    """Tags, metrics and params to take away."""
    reason: str | None = None

    def fields(self) -> dict[Field, Json]:
        """What is set. Raises InputError for a name that is also to be removed."""
        given = {"metrics": self.metrics, "params": self.params, "tags": self.tags, "run": self.run}
        values = {(group, name): value for group, part in given.items() for name, value in part.items()}
        twice = sorted(name for _, name in values.keys() & set(self.removed))
        if twice:
            raise InputError(f"{twice[0]} is both set and removed", hint="do one of the two")
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The record that an edit follows, and what the run says besides, where it has more tips."""

    record: Record
    merged: Mapping[Field, Json] = field(default_factory=dict)
    """Fields in which the merged run says something else than this record."""
    gone: tuple[Field, ...] = ()
    """Fields of this record that the merged run does not have."""
    merges: tuple[str, ...] = ()
    """The other tips."""
    disputed: frozenset[Field] = frozenset()
    """Fields in conflict."""


def edit(workspace: Workspace, tip: Tip, change: Change) -> tuple[Recorded, tuple[str, ...]] | None:
    """Write what an edit makes of a run, as one record; None if that is what the run says already.

    Returns what became of the record, and the names of what was changed. Raises NotFoundError for a name to
    remove that isn't there, RefusedError where the run would break the schema that it was recorded with,
    InputError, StorageError.
    """
    change, masked = _scrubbed(_checked(change))
    fields = change.fields()
    whole = _applied(tip.record, tip.merged, tip.gone)
    _require_present(whole, change.removed)
    new = [one for one in fields if one in tip.disputed or not _says(whole, one, fields[one])]
    told = (*new, *change.removed)
    if not told:
        return None
    record = _applied(_following(workspace, tip, change), fields, change.removed)
    if change.metrics or change.params or change.removed:
        _validate(record, {*fields, *change.removed})
    fate = stored(workspace, [record])
    done = as_recorded(record, chained=record.run.record in fate.chained, warnings=(*masked, *fate.warnings))
    return done, tuple(f"{group}.{name}" for group, name in told)


def _following(workspace: Workspace, tip: Tip, change: Change) -> Record:
    """What the tips say together, as a further record."""
    named = tip.disputed & {*change.fields(), *change.removed}
    edited = tip.record.edited(
        recorded=utc_text(workspace.now()),
        author=workspace.config.author,
        reason=change.reason,
        merges=tip.merges,
        settles=tuple(sorted(f"{group}.{name}" for group, name in named)),
    )
    return _applied(edited, tip.merged, tip.gone)


def _checked(change: Change) -> Change:
    tags = {clean_name(name, "tag"): value for name, value in change.tags.items()}
    for name, value in tags.items():
        if len(value) > MAX_TAG:
            raise InputError(
                f"tag {name}: {len(value):,} characters, the limit is {MAX_TAG:,}",
                hint="put it into the note",
            )
    for what, text in (("the note", change.run.get("note")), ("the reason", change.reason)):
        if text is not None and len(text) > MAX_TEXT:
            raise InputError(f"{what}: {len(text):,} characters, the limit is {MAX_TEXT:,}")
    return replace(change, tags=tags)


def _scrubbed(change: Change) -> tuple[Change, tuple[str, ...]]:
    """What the edit brings, without what looks like a secret; what the run already says is left as it is."""
    params, in_params = secrets.scrub(change.params)
    tags, in_tags = secrets.scrub(change.tags)
    reports = [*in_params, *in_tags]
    texts = {}
    for name, text in (
        ("note", change.run.get("note")),
        ("name", change.run.get("name")),
        ("reason", change.reason),
    ):
        if text:
            texts[name], found = secrets.scrub_text(name, text)
            reports += found
    run = {name: texts.get(name, value) for name, value in change.run.items()}
    clean = replace(change, params=params, tags=tags, run=run, reason=texts.get("reason", change.reason))
    return clean, tuple(f"masked: {report}" for report in reports)


def _require_present(whole: Record, removed: Sequence[Field]) -> None:
    for group, name in removed:
        known = _flat_names(whole, group)
        if name not in known:
            hint = did_you_mean(name, known, f"it has {', '.join(known[:_SHOWN]) or 'none'}")
            raise NotFoundError(f"the run has no {group.removesuffix('s')} {compact(name)}", hint=hint)


def _flat_names(whole: Record, group: str) -> list[str]:
    if group == "params":
        return sorted(flatten(whole.params))
    return sorted(whole.metrics if group == "metrics" else whole.run.tags)


def _says(whole: Record, one: Field, value: Json) -> bool:
    """Whether the run says so already: NaN is NaN, and 1 is not true."""
    group, name = one
    if group == "run":
        return bool(getattr(whole.run, name) == value)
    groups: Mapping[str, Mapping[str, object]] = {
        "metrics": whole.metrics,
        "tags": whole.run.tags,
        "params": flatten(whole.params),
    }
    have = groups[group]
    return name in have and compact(have[name]) == compact(value)


def _applied(item: Record, values: Mapping[Field, Json], gone: Sequence[Field]) -> Record:
    """The record with some fields set and others taken away."""
    metrics, tags, params = dict(item.metrics), dict(item.run.tags), _copied(item.params)
    flat: dict[str, dict[str, Any]] = {"metrics": metrics, "tags": tags}
    run: dict[str, Any] = {name: None for group, name in gone if group == "run"}
    for group, name in gone:
        if group in flat:
            flat[group].pop(name, None)
        elif group == "params":
            _remove_param(params, name)
    for (group, name), value in values.items():
        if group in flat:
            flat[group][name] = value
        elif group == "params":
            _set_param(params, name, value)
        else:
            run[name] = Status(str(value)) if name == "status" else value
    return replace(item, metrics=metrics, params=params, run=replace(item.run, tags=tags, **run))


def _copied(values: Mapping[str, Json]) -> dict[str, Json]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in values.items()}


def _set_param(params: dict[str, Json], name: str, value: Json) -> None:
    """Set a param by its flat name. Raises InputError where that is the name of an object."""
    node, key = _home(params, name)
    inner = node.get(key)
    if isinstance(inner, dict) and inner:
        names = sorted(flatten(inner, f"{name}."))
        raise InputError(f"the param {name} is an object", hint=f"name one of {', '.join(names[:_SHOWN])}")
    node[key] = value


def _remove_param(params: dict[str, Json], name: str) -> None:
    """Remove a param, and the objects that hold nothing after it."""
    node, key = _home(params, name)
    node.pop(key, None)
    holder = name[: -len(key) - 1]
    if not node and holder:
        _remove_param(params, holder)


def _home(params: dict[str, Json], name: str) -> tuple[dict[str, Json], str]:
    """The object that holds a flat name, or would, and the key in it: keys may have dots of their own."""
    if name in params:
        return params, name
    parts = name.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
    for head in heads:
        inner = params.get(head)
        if isinstance(inner, dict):
            return _home(inner, name[len(head) + 1 :])
    return params, name


def _validate(item: Record, fields: Collection[Field]) -> None:
    """Against the schema that the run carries: what its numbers mean is not for a later schema to say."""
    if item.schema is None:
        return
    name = item.run.schema.name if item.run.schema else ""
    try:
        schema = document.parse(item.schema, name=name, what="the run's schema.json")
    except ConfigError as error:
        raise RefusedError(
            f"the run can't be validated: {error.message}",
            hint=error.hint or "tags and notes can be set all the same",
            details=error.details,
        ) from error
    new = {f"{group}.{name}" for group, name in fields}

    def origin(part: str, top: str) -> str:
        here = any(one == f"{part}.{top}" or one.startswith(f"{part}.{top}.") for one in new)
        return "this edit" if here else "the run"

    partial = item.run.status.partial
    faults = document.validate(schema, item.params, item.metrics, origin=origin, partial=partial)
    if faults:
        count = f"{len(faults)} faults" if len(faults) > 1 else str(faults[0])
        raise RefusedError(
            f"the run would break its schema: {count}",
            hint="`ledger show` prints what was recorded; nothing was changed",
            details=tuple(map(str, faults)) if len(faults) > 1 else (),
        )
