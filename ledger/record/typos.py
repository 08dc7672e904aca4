"""Names that a schema does not declare, but for a letter or two."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

_ALIKE = 0.8
_FEW = 100
"""Undeclared names to look at: of more, none is a slip of the hand."""


def near(what: str, given: Iterable[str], declared: Collection[str]) -> Iterator[str]:
    """A word on each name of `given` that is like a declared one which is not given; `what`: metric or param."""
    from difflib import get_close_matches

    names = set(given)
    unknown, absent = sorted(names - set(declared)), sorted(set(declared) - names)
    for name in unknown if absent and len(unknown) <= _FEW else ():
        for one in get_close_matches(name, absent, n=1, cutoff=_ALIKE):
            yield f"{what} {name} is not declared in the schema, which has {one}: a typo?"
