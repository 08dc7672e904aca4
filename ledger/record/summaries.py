"""One value for each series of a run: by the rule of its definition, or what was set by hand."""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from statistics import median

from ledger.model import Metric
from ledger.schema.document import Schema
from ledger.store.points import NO_STEP, Key, Series, is_no_value


def summaries(
    series: Mapping[Key, Series], given: Mapping[str, Metric], schema: Schema | None
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Metric → value, and the names of metrics for which no rule can choose: they stand in several contexts only.

    Where the same step was logged again, the last one counts. Points without a context stand for the metric; if
    there are none, those of its only context. A metric may sum up a series of another name (`series` in the schema).
    """
    contexts: dict[str, dict[str | None, Series]] = defaultdict(dict)
    for (metric, context), one in series.items():
        contexts[metric][context] = one
    wanted = {name: (name, "last") for name in contexts}
    for name, definition in (schema.metrics if schema else {}).items():
        source = definition.series or name
        if source in contexts:
            wanted[name] = (source, definition.summary)
    found: dict[str, Metric] = {}
    unsure = []
    for name, (source, rule) in wanted.items():
        if name in given:
            continue
        chosen = _chosen(contexts[source])
        if chosen is None:
            unsure.append(name)
        else:
            found[name] = summary(chosen, rule)
    return {**found, **given}, tuple(unsure)


def _chosen(contexts: Mapping[str | None, Series]) -> Series | None:
    if None in contexts:
        return contexts[None]
    return next(iter(contexts.values())) if len(contexts) == 1 else None


def summary(series: Series, rule: str) -> Metric:
    """What a rule makes of a series; None where it has no values. NaN never is a minimum or a maximum beside numbers."""
    if rule == "last":
        return _last(series)
    values = _present(_latest(series))
    return _RULES[rule](values) if values else None


def _last(series: Series) -> Metric:
    """At the highest step, of equal ones the last; among unknown steps the last."""
    if not is_no_value(series.values[-1]) and series.steps[-1] == max(series.steps):
        return series.values[-1]
    known = [
        (step, place)
        for place, (step, value) in enumerate(zip(series.steps, series.values, strict=True))
        if not is_no_value(value)
    ]
    if not known:
        return None
    if any(step == NO_STEP for step, _ in known):
        return series.values[known[-1][1]]
    return series.values[max(known)[1]]


def _latest(series: Series) -> Sequence[float]:
    """Without the points that a later one of the same step took the place of."""
    steps = series.steps
    if NO_STEP in steps or all(map(operator.lt, steps, islice(steps, 1, None))):
        return series.values
    return list(dict(zip(steps, series.values, strict=True)).values())


def _present(values: Sequence[float]) -> Sequence[float]:
    """Those that are values: NaN, but not the mark of an absent one."""
    if any(map(math.isnan, values)):
        return [value for value in values if not is_no_value(value)]
    return values


def _infinite(values: Sequence[float]) -> bool:
    return math.inf in values or -math.inf in values


def _extreme(choose: Callable[[Sequence[float]], float]) -> Callable[[Sequence[float]], float]:
    def of(values: Sequence[float]) -> float:
        numbers = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
        return choose(numbers) if numbers else math.nan

    return of


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if _infinite(values) else math.fsum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    return math.nan if any(value != value for value in values) else float(median(values))  # noqa: PLR0124


_RULES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "mean": _mean,
    "median": _median,
}
