"""Which definition a column of some name is shown under."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from ledger.errors import NotFoundError, UsageError
from ledger.schema import lineage
from ledger.schema.definition import Definition
from ledger.schema.lineage import Renamed

if TYPE_CHECKING:
    from ledger.trace.view import View

_PREFIX = "d1:"


def choose(view: View, metric: str) -> Definition:
    """The definition that was asked for, where the name has such a one, else its current definition.

    Current is what the configured schema says, else the first schema that declares the name. Raises UsageError where
    several definitions of the name are meant.
    """
    asked = _wanted(view, metric, view.wanted) if view.wanted is not None else None
    return asked or _current(view, metric)


def require(view: View, metrics: Iterable[str]) -> None:
    """Raises NotFoundError for a metric that has no definition of the version or id which was asked for."""
    for metric in metrics:
        if view.wanted is not None and _wanted(view, metric, view.wanted) is None:
            mine = [(label, one) for label, one in _known(view) if one.name in _names(view, metric)]
            hint = f"known: {_listed(mine)}" if mine else "`ledger schema matrix` lists those of a metric"
            raise NotFoundError(
                f"--as {view.wanted}: no definition of {metric} has this version or id", hint=hint
            )


def require_any(view: View) -> None:
    """Raises NotFoundError where no metric at all has a definition of the version or id which was asked for."""
    if view.wanted is None:
        return
    known = [(label, one) for label, one in _known(view) if one.role == "metric"]
    if not any(label == view.wanted or _matches(one, view.wanted) for label, one in known):
        labels = sorted({label for label, _ in known if label})
        hint = f"versions: {', '.join(labels)}" if labels else "`ledger schema show` lists definitions"
        raise NotFoundError(f"--as {view.wanted}: no definition has this version or id", hint=hint)


def without(view: View, metrics: Iterable[str]) -> list[str]:
    """Metrics that have no definition of the version or id which was asked for: they are shown as they are now."""
    if view.wanted is None:
        return []
    return [metric for metric in metrics if _wanted(view, metric, view.wanted) is None]


def _current(view: View, metric: str) -> Definition:
    configured = view.schemas.get(view.workspace.config.schema or "")
    declaring = (schema for _, schema in sorted(view.schemas.items()) if metric in schema.metrics)
    chosen = configured if configured and metric in configured.metrics else next(declaring, None)
    return lineage.target_of(metric, chosen)


def forward(view: View, metric: str) -> Renamed | None:
    """The metric that an old name stands for now; None where the name has a meaning of its own, or none at all.

    A name always means what it means at the target: only one that nothing declares any more is looked up.
    """
    if view.wanted is not None and _wanted(view, metric, view.wanted) is not None:
        return None
    if any(metric in schema.metrics for schema in view.schemas.values()):
        return None
    known = view.lineage.forward_names(metric)
    return next((renamed for renamed in known if view.target(renamed.name).declared), None)


def moved(view: View, metric: str) -> frozenset[int]:
    """Numbers of the recorded schemas whose values of an old name are shown under the name that took over from it."""
    renamed = forward(view, metric)
    if renamed is None:
        return frozenset()
    plans = enumerate(view.plans(renamed.name))
    return frozenset(code for code, plan in plans if metric in plan.sources)


def taken_over(view: View, row: int, metric: str) -> bool:
    """Whether what a run recorded under an old name is shown under the name that took over from it."""
    renamed = forward(view, metric)
    return renamed is not None and metric in view.plan(row, renamed.name).sources


def forward_hint(metric: str, renamed: Renamed) -> str:
    """What is said when an old name was looked up."""
    return f"hint: {metric} is {renamed.name} now ({renamed.op}, {renamed.migration[:15]})"


def _wanted(view: View, metric: str, wanted: str) -> Definition | None:
    """By the version label of a schema or migration that holds the metric, or by the start of the definition's id.

    Where the metric had another name then, the definition of that name is the one.
    """
    known = [(label, one) for label, one in _known(view) if one.role == "metric"]
    for names in ({metric}, _names(view, metric) - {metric}):
        mine = [(label, one) for label, one in known if one.name in names]
        by_label = {one.did: one for label, one in mine if label == wanted} or _in_version(
            view, names, wanted
        )
        found = by_label or {one.did: one for _, one in mine if _matches(one, wanted)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            hint = f"name one by its id: {_listed(mine)}"
            raise UsageError(f"--as {wanted}: {len(found)} definitions of {metric}", hint=hint)
    return None


def _in_version(view: View, names: Collection[str], wanted: str) -> dict[str, Definition]:
    """By id, in the schemas that a label with digits (`3@9a07d2c1`) or an id (`s1:9a07d2c1`) names."""
    schemas = (
        one for one in (*view.schemas.values(), *view.recorded_schemas) if one and one.is_called(wanted)
    )
    return {one.did: one for schema in schemas for one in schema.metrics.values() if one.name in names}


def _names(view: View, metric: str) -> set[str]:
    """A metric's name, and those that it had before."""
    return {metric, *(one.name for _, one in _known(view) if _became(view, one.name, metric))}


def _became(view: View, old: str, metric: str) -> bool:
    return any(renamed.name == metric for renamed in view.lineage.forward_names(old))


def _listed(known: Iterable[tuple[str, Definition]]) -> str:
    labels: dict[str, set[str]] = {}
    for label, one in known:
        labels.setdefault(one.short, set()).update({label} - {""})
    return ", ".join(
        f"{' '.join(sorted(found))} d1:{short}".strip() for short, found in sorted(labels.items())
    )


def _matches(one: Definition, wanted: str) -> bool:
    text = wanted.removeprefix(_PREFIX)
    return len(text) >= 4 and one.did.removeprefix(_PREFIX).startswith(text)  # noqa: PLR2004 - as for run ids


def _known(view: View) -> Iterator[tuple[str, Definition]]:
    """(version label, definition) of every metric in the schemas of now and of runs, and on both sides of migrations."""
    for schema in (*view.schemas.values(), *view.recorded_schemas):
        if schema:
            yield from ((schema.version or "", one) for one in schema.metrics.values())
    if not view.lineage.migrations:
        return
    from ledger.schema.edges import Hyper

    for migration in view.lineage.migrations:
        for edge in migration.edges:
            sources = edge.inputs if isinstance(edge, Hyper) else (edge.source,)
            yield from ((migration.labels[0], migration.definition(did)) for did in sources)
            if edge.target is not None:
                yield migration.labels[1], migration.definition(edge.target)
