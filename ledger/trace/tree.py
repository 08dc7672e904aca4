"""Runs under the runs that they belong to: sweeps, nested runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ledger.errors import NotFoundError
from ledger.frozen import frozen
from ledger.trace.find import row_of
from ledger.trace.listing import Found
from ledger.trace.runset import RunSet


@frozen()
class Node:
    """One line of a tree."""

    run_id: str
    row: int | None
    """Of the index; None for a parent that is not recorded here (yet)."""
    listed: bool
    """False for a run that stands here only because one below it does."""
    follows: tuple[bool, ...]
    """For each level, from the outermost: whether a further run of it follows. Empty for a run without a parent."""


def tree(runs: RunSet, found: Found) -> list[Node]:
    """The runs of a listing in its order, each below its parent; parents that are not in the listing come along.

    A run among its own ancestors stands alone.
    """
    table = found.table(["run_id", "parent"])
    ids: list[str] = table.column("run_id").to_pylist()
    parents: dict[str, str | None] = dict(zip(ids, table.column("parent").to_pylist(), strict=True))
    rows: dict[str, int | None] = dict(zip(ids, found.rows.to_pylist(), strict=True))
    for run_id in ids:
        _climb(runs, run_id, parents, rows)
    roots, children = _families(ids, parents)
    listed = set(ids)
    return [
        Node(run_id=run_id, row=rows[run_id], listed=run_id in listed, follows=follows)
        for run_id, follows in _walk(roots, children)
    ]


def _climb(runs: RunSet, run_id: str, parents: dict[str, str | None], rows: dict[str, int | None]) -> None:
    """Find all ancestors of a run. The way that leads back to itself is cut."""
    above, on_the_way = parents[run_id], {run_id}
    while above:
        if above in on_the_way:
            parents[run_id] = None
            return
        on_the_way.add(above)
        if above not in parents:
            rows[above] = _row(runs, above)
            row = rows[above]
            parents[above] = runs.record_columns(row)["parent"] if row is not None else None
        above = parents[above]


def _row(runs: RunSet, run_id: str) -> int | None:
    try:
        return row_of(runs, run_id)
    except NotFoundError:
        return None


def _families(
    ids: Sequence[str], parents: Mapping[str, str | None]
) -> tuple[list[str], dict[str, list[str]]]:
    """Roots, and the children of each run, in the order in which the listing comes upon them."""
    roots: dict[str, None] = {}
    children: dict[str, dict[str, None]] = {}
    for run_id in ids:
        below, seen = run_id, {run_id}
        while (above := parents[below]) and above not in seen:
            children.setdefault(above, {})[below] = None
            seen.add(above)
            below = above
        roots[below] = None
    return list(roots), {run_id: list(found) for run_id, found in children.items()}


def _walk(
    roots: Sequence[str], children: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, tuple[bool, ...]]]:
    stack: list[tuple[str, tuple[bool, ...]]] = [(root, ()) for root in reversed(roots)]
    seen = set()
    while stack:
        run_id, follows = stack.pop()
        if run_id in seen:
            continue
        seen.add(run_id)
        yield run_id, follows
        below = children.get(run_id, ())
        last = len(below) - 1
        stack.extend((below[place], (*follows, place < last)) for place in range(last, -1, -1))
