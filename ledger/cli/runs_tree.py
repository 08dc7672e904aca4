"""`ledger runs --tree`: runs under the runs that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.render.table import Cell
    from ledger.trace.tree import Node

_ID_DIGITS = 8
_UNICODE = ("├─ ", "└─ ", "│  ", "   ")
_ASCII = ("|- ", "`- ", "|  ", "   ")


def rows(
    nodes: Sequence[Node],
    told: Iterator[Sequence[Cell | str]],
    width: int,
    going_on: Mapping[str, Sequence[Cell | str]],
    *,
    unicode: bool,
) -> Iterator[list[Cell | str]]:
    """The cells of a tree: `told` are those of its runs that are here, the id first; `width` is how many cells a row has.

    Who is not in the listing is dim; who is not recorded yet has the cells of `going_on`, by id, and of who is not here
    at all there is only the id.
    """
    from ledger.render.table import Cell

    for node in nodes:
        name = f"{_branch(node.follows, unicode=unicode)}{node.run_id[:_ID_DIGITS]}"
        here = next(told) if node.row is not None else going_on.get(node.run_id, [""] * width)
        cells = list(here)[1:]
        if node.listed:
            yield [Cell(text=name, style="id"), *cells]
        else:
            yield [Cell(text=name, style="dim"), *map(_dim, cells)]


def _branch(follows: Sequence[bool], *, unicode: bool) -> str:
    fork, last, through, nothing = _UNICODE if unicode else _ASCII
    if not follows:
        return ""
    above = "".join(through if more else nothing for more in follows[:-1])
    return above + (fork if follows[-1] else last)


def _dim(cell: Cell | str) -> Cell:
    from ledger.render.table import Cell

    if isinstance(cell, str):
        return Cell(text=cell, style="dim")
    return Cell(text=cell.text, mark=cell.mark, style="dim", mark_style="dim")
