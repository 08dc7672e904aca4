"""Which definition a column of some name is shown under."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ledger.errors import UsageError
from ledger.schema import lineage
from ledger.schema.definition import Definition
from ledger.schema.lineage import Renamed

if TYPE_CHECKING:
    from ledger.trace.view import View

_PREFIX = "d1:"


def choose(view: View, metric: str) -> Definition:
    """The current definition of a name, or the one that was asked for. Raises UsageError.

    Current is what the configured schema says, else the first schema that declares the name.
    """
    if view.wanted is not None:
        return _wanted(view, metric, view.wanted)
    configured = view.schemas.get(view.workspace.config.schema or "")
    declaring = (schema for _, schema in sorted(view.schemas.items()) if metric in schema.metrics)
    chosen = configured if configured and metric in configured.metrics else next(declaring, None)
    return lineage.target_of(metric, chosen)


def forward(view: View, metric: str) -> Renamed | None:
    """The metric that an old name stands for now; None where the name has a meaning of its own, or none at all.

    A name always means what it means at the target: only one that nothing declares any more is looked up.
    """
    if view.wanted is not None or any(metric in schema.metrics for schema in view.schemas.values()):
        return None
    known = view.lineage.forward_names(metric)
    return next((renamed for renamed in known if view.target(renamed.name).declared), None)


def forward_hint(metric: str, renamed: Renamed) -> str:
    """What is said when an old name was looked up."""
    return f"hint: {metric} is {renamed.name} now ({renamed.op}, {renamed.migration[:15]})"


def _wanted(view: View, metric: str, wanted: str) -> Definition:
    """By the version label of a schema that declares the metric, or by the start of the definition's id."""
    by_id = {one.did: one for one in _known(view, metric) if _matches(one, wanted)}
    by_label = {
        schema.metrics[metric].did: schema.metrics[metric]
        for schema in (*view.schemas.values(), *view.recorded_schemas)
        if schema and schema.version == wanted and metric in schema.metrics
    }
    found = by_label or by_id
    if len(found) == 1:
        return next(iter(found.values()))
    known = sorted({f"{one.short}" for one in _known(view, metric)})
    if not found:
        raise UsageError(
            f"--as {wanted}: no definition of {metric} has this version or id",
            hint=f"known: {', '.join(known)}",
        )
    raise UsageError(
        f"--as {wanted}: {len(found)} definitions of {metric}", hint=f"name one by its id: {', '.join(known)}"
    )


def _matches(one: Definition, wanted: str) -> bool:
    text = wanted.removeprefix(_PREFIX)
    return len(text) >= 4 and one.did.removeprefix(_PREFIX).startswith(text)  # noqa: PLR2004 - as for run ids


def _known(view: View, metric: str) -> Iterable[Definition]:
    for schema in (*view.schemas.values(), *view.recorded_schemas):
        if schema and metric in schema.metrics:
            yield schema.metrics[metric]
