"""The operations of a migration, one literal table: what each is for, and how it becomes an edge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ledger import canonical
from ledger.frozen import frozen
from ledger.model import Grade, Json
from ledger.schema import expression, units
from ledger.schema.edges import Break, Cast, Coalesce, Default, Derive, Edge, Hyper, Iso, Lookup
from ledger.schema.expression import Expression, ExpressionError
from ledger.schema.locks import Lock
from ledger.schema.transform import Table
from ledger.schema.units import Affine, UnitError


class OperationError(Exception):
    """An operation that can't be; `name` is one of `codes.CODES`, `key` the part of the operation that is wrong."""

    def __init__(self, name: str, message: str, *, hint: str = "", key: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.hint = hint
        self.key = key


@frozen(kw_only=False)
class Side:
    """One side of a migration: ids of definitions by name."""

    title: str
    names: Mapping[str, str]
    locks: Mapping[str, Lock]

    def did(self, name: str, key: str) -> str:
        """The id of a name; a param inside of others may be a JSON pointer (`/optimizer/lr`). Raises OperationError."""
        found = self.names.get(name) or self.names.get(dotted_name(name))
        if found:
            return found
        hint = f"`{self.title}` holds {', '.join(sorted(self.names)) or 'nothing'}"
        raise OperationError(
            "OP_UNKNOWN_NAME", f"{canonical.compact(name)} is not in `{self.title}`", hint=hint, key=key
        )


def dotted_name(name: str) -> str:
    """`/optimizer/lr` as the params of runs are called: `optimizer.lr`. Any other name stays."""
    if not name.startswith("/"):
        return name
    return ".".join(part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/"))


Conversion = Callable[[str, str, str], Affine]
"""Two units and a kind → the map between them. Raises UnitError."""


@frozen(kw_only=False)
class Operation:
    """One operation of a file, with what its names mean."""

    words: Mapping[str, Json]
    before: Side
    after: Side
    conversion: Conversion

    @property
    def reason(self) -> str:
        return str(self.words.get("reason", ""))

    @property
    def source(self) -> str:
        return self.before.did(self.words["from"], "from")  # type: ignore[arg-type]

    @property
    def target(self) -> str:
        return self.after.did(self.words["to"], "to")  # type: ignore[arg-type]

    def locks(self) -> tuple[Lock, Lock]:
        return self.before.locks[self.source], self.after.locks[self.target]


_IDENTITY = Affine()
_MAY_DIFFER: Mapping[str, frozenset[str]] = {
    "rename": frozenset({"name", "direction"}),
    "convert": frozenset({"name", "direction", "unit", "epoch", "type"}),
}


def _rename(op: Operation) -> Edge:
    _same_but("rename", *op.locks())
    return Iso(op="rename", source=op.source, target=op.target, link=_IDENTITY, reason=op.reason)


def _same_but(kind: str, old: Lock, new: Lock) -> None:
    fixed = (old.keys() | new.keys()) - _MAY_DIFFER[kind]
    if changed := sorted([key for key in fixed if old.get(key) != new.get(key)]):
        hint = "use `convert`" if changed == ["unit"] else "use `redefine`, or `same` with a reason"
        raise OperationError(
            "RENAME_CHANGES_DEFINITION", f"{kind} across a change of {', '.join(changed)}", hint=hint
        )


def _convert(op: Operation) -> Edge:
    source, target = op.source, op.target
    old, new = op.before.locks[source], op.after.locks[target]
    _same_but("convert", old, new)
    link = _factor(op, old, new)
    if link is None:
        side = op.before if "unit" not in old else op.after
        raise OperationError(
            "UNIT_INCOMMENSURABLE",
            f"convert needs both units, and `{side.title}` has none",
            hint="use `affine` with a scale, or `same`",
        )
    return Iso(op="convert", source=source, target=target, link=link, reason=op.reason)


def _unit_factor(op: Operation) -> Affine | None:
    return _factor(op, *op.locks())


def _factor(op: Operation, old: Lock, new: Lock) -> Affine | None:
    """The map that the two declared units imply; None where one is not declared."""
    if not isinstance(before := old.get("unit"), str) or not isinstance(after := new.get("unit"), str):
        return None
    try:
        return op.conversion(before, after, str(old.get("kind", "point")))
    except UnitError as error:
        raise OperationError(error.code, error.message, hint=error.hint) from error


def _affine(op: Operation) -> Edge:
    link = _exact_affine(str(op.words.get("scale", "1")), str(op.words.get("offset", "0")))
    expected = _unit_factor(op)
    if expected is not None and (abs(expected.scale), expected.ln2) != (abs(link.scale), link.ln2):
        raise _scale_mismatch(op, f"a scale of {link.scale}", expected)
    _check_direction(op, link)
    return Iso(op="affine", source=op.source, target=op.target, link=link, reason=op.reason)


def _exact_affine(scale: str, offset: str) -> Affine:
    try:
        return _cached_affine(scale, offset)
    except UnitError as error:
        raise OperationError(error.code, error.message, hint=error.hint, key="scale") from error


_cached_affine = lru_cache(maxsize=1024)(units.affine)


def _scale_mismatch(op: Operation, what: str, expected: Affine) -> OperationError:
    old, new = op.locks()
    return OperationError(
        "UNIT_SCALE_MISMATCH",
        f"{what}, where {old['unit']} to {new['unit']} is {expected}",
        hint="use `convert`; if a unit was declared wrongly, correct the schema first",
    )


def _check_direction(op: Operation, link: Affine) -> None:
    old, new = (lock.get("direction") for lock in op.locks())
    if old and new and (old == new) != (link.scale > 0):
        raise OperationError(
            "DIRECTION_SIGN_MISMATCH",
            f"a scale of {link.scale} from {old} is better to {new} is better",
            hint="correct the sign, or a direction in the schema",
            key="scale",
        )


def _same(op: Operation) -> Edge:
    expected = _unit_factor(op)
    if expected is not None and not expected.is_identity:
        raise _scale_mismatch(op, "same means a factor of 1", expected)
    return Iso(
        op="same",
        source=op.source,
        target=op.target,
        link=_IDENTITY,
        reason=op.reason,
        evidence=str(op.words.get("evidence", "")),
    )


def _derive(op: Operation) -> Edge:
    aliases = op.words["inputs"]
    assert isinstance(aliases, dict)  # noqa: S101 - the format was checked
    inputs = {alias: op.before.did(str(name), f"inputs.{alias}") for alias, name in sorted(aliases.items())}
    parsed = _expression(str(op.words["expr"]), frozenset(inputs))
    div0 = op.words.get("on_div0", "undefined")
    exact = op.words.get("exactness") == "exact" and all(
        op.before.locks[did].get("summary", "last") == "last" for did in inputs.values()
    )
    return Hyper(
        op="derive",
        inputs=tuple(inputs.values()),
        target=op.target,
        function=Derive(
            expression=parsed,
            text=str(op.words["expr"]),
            names=tuple(inputs),
            on_div0=None if isinstance(div0, str) else float(div0),  # type: ignore[arg-type]
        ),
        grade=Grade.EXACT if exact else Grade.APPROXIMATE,
        text=f"{_with_ids(parsed.canonical, inputs)} on_div0={div0}",
        reason=op.reason,
        error=_error(op),
    )


def _error(op: Operation) -> float | None:
    stated = op.words.get("error")
    return float(stated["abs"]) if isinstance(stated, dict) else None  # type: ignore[arg-type]


def _expression(text: str, names: frozenset[str]) -> Expression:
    try:
        return expression.parse(text, names)
    except ExpressionError as error:
        raise OperationError(error.name, error.message, hint=error.hint, key="expr") from error


def _with_ids(canonical_text: str, inputs: Mapping[str, str]) -> str:
    """Names are private to an operation; what counts is which definitions they stand for."""
    return re.sub(r"[A-Za-z_]\w*", lambda match: inputs.get(match[0], match[0]), canonical_text)


def _coalesce(op: Operation) -> Edge:
    names = op.words["from"]
    assert isinstance(names, list)  # noqa: S101 - the format was checked
    for name in names:
        _same(Operation({**op.words, "from": name}, op.before, op.after, op.conversion))
    inputs = tuple(op.before.did(str(name), "from") for name in names)
    text = f"coalesce {' '.join(sorted(inputs))}"
    return Hyper(
        op="coalesce", inputs=inputs, target=op.target, function=Coalesce(), grade=Grade.EXACT, text=text
    )


def _map(op: Operation) -> Edge:
    """One to one and closed: both ways. Else one way, and exact only where no two values become one."""
    listed = op.words["values"]
    assert isinstance(listed, dict)  # noqa: S101 - the format was checked
    table, closed = _closed_table(listed, op.words.get("else", "error"), op.locks()[0].get("values"))
    if table.injective and closed:
        return Iso(op="map", source=op.source, target=op.target, link=table, reason=op.reason)
    if op.words.get("exactness") == "exact":
        raise OperationError(
            "LOSSY_MAP_MARKED_EXACT",
            "two values become one, or any value is let through",
            hint="without `exactness` it is approximate, and has no inverse",
            key="exactness",
        )
    return Hyper(
        op="map",
        inputs=(op.source,),
        target=op.target,
        function=Lookup(table=table, otherwise=op.words.get("else", "error")),
        grade=Grade.APPROXIMATE,
        text=f"map {table} else={canonical.compact(op.words.get('else', 'error'))}",
        reason=op.reason,
    )


def _closed_table(listed: Mapping[str, Json], otherwise: Json, known: Json) -> tuple[Table, bool]:
    """The whole map where it is known: what is not listed is an error, or all old values are declared."""
    if otherwise == "keep" and isinstance(known, list):
        keys = {canonical.compact(value): value for value in known}
        kept = tuple(
            (value, value) for key, value in keys.items() if value not in listed and key not in listed
        )
        return Table((*listed.items(), *kept)), True
    return Table(tuple(listed.items())), otherwise == "error"


def _cast(op: Operation) -> Edge:
    kind = op.locks()[1].get("type")
    if not isinstance(kind, str):
        raise OperationError(
            "MIGRATION_INVALID", "cast needs one declared type to cast to", hint="declare it in the schema"
        )
    return Hyper(
        op="cast",
        inputs=(op.source,),
        target=op.target,
        function=Cast(kind=kind),
        grade=Grade.EXACT,
        text=f"cast {kind}",
        reason=op.reason,
    )


def _default(op: Operation) -> Edge:
    value = op.words["value"]
    return Hyper(
        op="default",
        inputs=(),
        target=op.target,
        function=Default(value=value),
        grade=Grade.APPROXIMATE,
        text=f"default {canonical.compact(value)}",
        reason=op.reason,
    )


def _redefine(op: Operation) -> Edge:
    return Break(op="redefine", source=op.source, target=op.target, reason=op.reason)


def _drop(op: Operation) -> Edge:
    return Break(op="drop", source=op.source, target=None, reason=op.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An operation: where it may stand, what it does in words, and how it becomes an edge."""

    lower: Callable[[Operation], Edge]
    parts: Sequence[str] = ("metrics", "params")
    grade: str
    inverse: bool
    about: str


OPERATIONS: Mapping[str, Kind] = {
    "rename": Kind(
        lower=_rename, grade="exact", inverse=True,
        about="Another name for the very same definition.",
    ),
    "convert": Kind(
        lower=_convert, grade="exact", inverse=True,
        about="Another unit: the factor comes from the two declared units.",
    ),
    "affine": Kind(
        lower=_affine, grade="exact", inverse=True,
        about="`scale` times the value plus `offset`: exact numbers as strings (`1/100`).",
    ),
    "same": Kind(
        lower=_same, grade="exact", inverse=True,
        about="The words changed and the meaning did not: asserted, with a reason.",
    ),
    "derive": Kind(
        lower=_derive, parts=("metrics",), grade="approximate", inverse=False,
        about="An expression over other metrics; exact only if it says so and its inputs are last values.",
    ),
    "coalesce": Kind(
        lower=_coalesce, grade="exact", inverse=False,
        about="One of several names, whichever was recorded; two that differ are undefined.",
    ),
    "map": Kind(
        lower=_map, parts=("params",), grade="exact", inverse=True,
        about="Listed values become others; approximate and one way where two become one or others are let through.",
    ),
    "cast": Kind(
        lower=_cast, parts=("params",), grade="exact", inverse=False,
        about="Another type, strictly: what would have to be guessed is undefined.",
    ),
    "default": Kind(
        lower=_default, parts=("params",), grade="approximate", inverse=False,
        about="A value for runs from before the param was recorded: assumed, with a reason.",
    ),
    "redefine": Kind(
        lower=_redefine, grade="incomparable", inverse=False,
        about="The meaning changed and no conversion exists: a break, with a reason.",
    ),
    "drop": Kind(
        lower=_drop, grade="", inverse=False,
        about="The metric ended, with a reason.",
    ),
}  # fmt: skip
"""Every operation by its name."""
