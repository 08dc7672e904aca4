"""Well-known identities between metrics: proposed where the inputs were recorded, never chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ledger.model import Json
from ledger.schema.definition import Definition

Find = Callable[[str], Definition | None]
"""A name → the definition under which runs recorded values of it; None where none did."""

_NATURAL = (None, "1", "nat")
"""Units of a loss whose exponential is a perplexity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An operation that could stand in a draft, and when it holds."""

    operation: Mapping[str, Json]
    inputs: tuple[Definition, ...]
    holds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    of: tuple[str, ...]
    inputs: Mapping[str, tuple[str, ...]]
    """Name in the expression → words that a metric's name may have in place of one of `of`."""
    words: Mapping[str, Json]
    holds: str
    units: tuple[str | None, ...] | None = None
    """Units that an input may have; None: any."""
    one_unit: bool = False
    """Whether inputs must have one unit, as far as they say one; the result is in it, too."""


_DERIVED: tuple[_Identity, ...] = (
    _Identity(
        of=("f1_score", "f1-score", "f1"),
        inputs={"p": ("precision", "ppv"), "r": ("recall", "sensitivity", "tpr")},
        words={"expr": "2*p*r/(p+r)", "exactness": "exact", "on_div0": 0},
        holds="precision and recall are of one class, or averaged over the same counts (binary, micro)",
        one_unit=True,
    ),
    _Identity(
        of=("perplexity", "ppl"),
        inputs={"x": ("cross_entropy", "nll", "log_loss", "loss")},
        words={"expr": "exp(x)", "exactness": "exact"},
        holds="the loss is the mean cross entropy of one token, in nat",
        units=_NATURAL,
    ),
    _Identity(
        of=("rmse",),
        inputs={"x": ("mse", "mean_squared_error")},
        words={"expr": "sqrt(x)", "exactness": "exact"},
        holds="the mean squared error is that of the same samples",
    ),
)
_COMPLEMENTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("error_rate", "error", "err"), ("accuracy", "acc")),
    (("accuracy", "acc"), ("error_rate", "error", "err")),
)
_WHOLE: Mapping[str | None, str] = {None: "1", "1": "1", "%": "100"}
_FACTORS: Mapping[tuple[str | None, str | None], str] = {("%", "1"): "/100", ("1", "%"): "*100"}


def proposals(new: Definition, find: Find) -> Iterator[Proposal]:
    """What a metric's values could be computed from, as far as runs recorded it."""
    for identity in _DERIVED:
        found = _inputs(new.name, identity, find)
        if found and _units_fit(identity, new, found):
            inputs: Json = {alias: one.name for alias, one in found.items()}
            words: dict[str, Json] = {"op": "derive", "to": new.name, "inputs": inputs, **identity.words}
            words["expr"] = f"{words['expr']}{_in_its_unit(identity, new, found)}"
            words |= _of_summaries(found.values())
            yield Proposal(operation=words, inputs=tuple(found.values()), holds=identity.holds)
    yield from _complements(new, find)


def _units_fit(identity: _Identity, new: Definition, found: Mapping[str, Definition]) -> bool:
    known = {one.unit for one in found.values()}
    if identity.one_unit:
        units = {new.unit, *known} - {None}
        return len(known - {None}) <= 1 and (len(units) <= 1 or units <= _WHOLE.keys())
    return identity.units is None or known.issubset(identity.units)


def _of_summaries(inputs: Iterable[Definition]) -> dict[str, Json]:
    """What was the best or the mean of a series was not measured at one moment: at most approximate."""
    said = [f"{one.name} is its {one.summary}" for one in inputs if one.summary != "last"]
    todo = f"{' and '.join(said)}: say in `reason` why that is good enough"
    return {"exactness": "approximate", "reason": "", "todo": todo} if said else {}


def _in_its_unit(identity: _Identity, new: Definition, found: Mapping[str, Definition]) -> str:
    """What a result in the unit of the inputs is multiplied by: percent were recorded, and a fraction is wanted."""
    units = {one.unit for one in found.values()} - {None} if identity.one_unit else ()
    return _FACTORS.get((next(iter(units), None), new.unit), "")


def _complements(new: Definition, find: Find) -> Iterator[Proposal]:
    for of, others in _COMPLEMENTS:
        old = _sibling(new.name, of, others, find)
        if old and old.unit == new.unit and new.unit in _WHOLE:
            whole = _WHOLE[new.unit]
            words: dict[str, Json] = {
                "op": "affine", "from": old.name, "to": new.name, "scale": "-1", "offset": whole,
            }  # fmt: skip
            yield Proposal(
                operation=words, inputs=(old,), holds=f"both are shares of {whole} of the same samples"
            )


def _inputs(name: str, identity: _Identity, find: Find) -> dict[str, Definition]:
    """Every input, or nothing."""
    found = {alias: _sibling(name, identity.of, words, find) for alias, words in identity.inputs.items()}
    known = {alias: one for alias, one in found.items() if one is not None}
    return known if len(known) == len(found) else {}


def _sibling(name: str, of: tuple[str, ...], words: tuple[str, ...], find: Find) -> Definition | None:
    """`val/f1` → `val/precision`: the same name with another word, the first that was recorded."""
    for word in of:
        pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", re.IGNORECASE)
        if not pattern.search(name):
            continue
        for other in words:
            if found := find(pattern.sub(other, name, count=1)):
                return found
    return None
