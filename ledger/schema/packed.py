"""Migrations as text that is read fast: every definition and every factor once, nothing to check and to work out.

What is packed was checked when its file was read; whoever keeps the text sees to it that it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ledger.model import Grade
from ledger.schema.affine import Affine
from ledger.schema.edges import Break, Cast, Coalesce, Default, Derive, Edge, Function, Hyper, Iso, Lookup
from ledger.schema.locks import Lock
from ledger.schema.lowered import Migration
from ledger.schema.transform import Link, Table

FORMAT = 1
"""Counted up with any change of what is packed, or of what an operation or a unit comes to."""


def pack(migrations: Mapping[str, Migration]) -> bytes:
    """Migrations by a key of each; the names of their files are not kept."""
    packer = _Packer()
    files = {key: packer.migration(one) for key, one in migrations.items()}
    whole = {"defs": packer.defs, "links": packer.links, "files": files}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class Packed:
    """Packed migrations, each of which is made when it is asked for.

    Raises ValueError, TypeError, LookupError, ArithmeticError or LedgerError for what `pack` did not write.
    """

    def __init__(self, data: bytes) -> None:
        whole = json.loads(data.decode("utf-8", "surrogatepass"))
        self._defs: list[tuple[str, Lock]] = whole["defs"]
        self._dids = [did for did, _ in self._defs]
        self._links = [_link(words) for words in whole["links"]]
        self._files: dict[str, list[Any]] = whole["files"]

    def keys(self) -> list[str]:
        """In the order in which they were packed."""
        return list(self._files)

    def migration(self, key: str, file: str) -> Migration | None:
        """The migration with this key as that of a file; None where it was not packed."""
        if key not in self._files:
            return None
        name, summary, schema, labels, supersedes, defs, edges = self._files[key]
        return Migration(
            id=name,
            file=file,
            summary=summary,
            schema=schema,
            labels=tuple(labels),
            supersedes=tuple(supersedes),
            edges=tuple([self._edge(words) for words in edges]),
            defs=dict([self._defs[number] for number in defs]),
        )

    def _edge(self, words: list[Any]) -> Edge:
        kind, op, sources, target, reason, *rest = words
        dids = self._dids
        end = None if target is None else dids[target]
        if kind == "iso":
            link, evidence = rest
            return Iso(
                op=op,
                source=dids[sources],
                target=dids[target],
                link=self._links[link],
                reason=reason,
                evidence=evidence,
            )
        if kind == "break":
            return Break(op=op, source=dids[sources], target=end, reason=reason)
        grade, text, error, function = rest
        return Hyper(
            op=op,
            inputs=tuple([dids[source] for source in sources]),
            target=dids[target],
            function=_FUNCTIONS[function[0]](*function[1:]),
            grade=Grade(grade),  # type: ignore[arg-type]
            text=text,
            reason=reason,
            error=error,
        )


class _Packer:
    """Numbers definitions and links as they come."""

    def __init__(self) -> None:
        self.defs: list[tuple[str, Lock]] = []
        self.links: list[list[Any]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def migration(self, one: Migration) -> list[Any]:
        numbers = {did: self._number(did, fields) for did, fields in one.defs.items()}
        edges = [self._edge(edge, numbers) for edge in one.edges]
        listed = list(numbers.values())
        return [one.id, one.summary, one.schema, one.labels, one.supersedes, listed, edges]

    def _number(self, did: str, fields: Lock) -> int:
        """Definitions with one id may still differ in their direction."""
        found = self._numbers.setdefault((did, repr(fields)), len(self.defs))
        if found == len(self.defs):
            self.defs.append((did, fields))
        return found

    def _edge(self, edge: Edge, numbers: Mapping[str, int]) -> list[Any]:
        target = None if edge.target is None else numbers[edge.target]
        if isinstance(edge, Hyper):
            sources = [numbers[did] for did in edge.inputs]
            function = _said(edge.function)
            grade = edge.grade.value
            return ["hyper", edge.op, sources, target, edge.reason, grade, edge.text, edge.error, function]
        source = numbers[edge.source]
        if isinstance(edge, Break):
            return ["break", edge.op, source, target, edge.reason]
        return ["iso", edge.op, source, target, edge.reason, self._link(edge.link), edge.evidence]

    def _link(self, link: Link) -> int:
        found = self._numbers.setdefault(("", repr(link)), len(self.links))
        if found == len(self.links):
            self.links.append(_of_link(link))
        return found


def _said(function: Function) -> list[Any]:
    if isinstance(function, Derive):
        return ["derive", function.text, function.names, function.on_div0]
    if isinstance(function, Lookup):
        return ["lookup", function.table.pairs, function.otherwise]
    if isinstance(function, Cast):
        return ["cast", function.kind]
    return ["default", function.value] if isinstance(function, Default) else ["coalesce"]


def _derive(text: str, names: Sequence[str], on_div0: float | None) -> Function:
    from ledger.schema import expression

    parsed = expression.parse(text, frozenset(names))
    return Derive(expression=parsed, text=text, names=tuple(names), on_div0=on_div0)


_FUNCTIONS: Mapping[str, Callable[..., Function]] = {
    "derive": _derive,
    "lookup": lambda pairs, otherwise: Lookup(table=_table(pairs), otherwise=otherwise),
    "cast": lambda kind: Cast(kind=kind),
    "default": lambda value: Default(value=value),
    "coalesce": Coalesce,
}


def _of_link(link: Link) -> list[Any]:
    if isinstance(link, Table):
        return ["table", link.pairs]
    terms = [(power, *term.as_integer_ratio()) for power, term in link.offset_ln2]
    return ["affine", link.scale.as_integer_ratio(), link.offset.as_integer_ratio(), link.ln2, terms]


def _link(words: list[Any]) -> Link:
    kind, *rest = words
    if kind == "table":
        return _table(rest[0])
    scale, offset, ln2, terms = rest
    offsets = tuple((power, Fraction(*ratio)) for power, *ratio in terms)
    return Affine(scale=Fraction(*scale), offset=Fraction(*offset), ln2=ln2, offset_ln2=offsets)


def _table(pairs: Sequence[Sequence[Any]]) -> Table:
    return Table(tuple((old, new) for old, new in pairs))
