"""Which record is it that the server refuses? The one that its message names, else found by halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.git.remote import Fate
from ledger.share.chainlog import Link

_NAMED_DIGITS = 12


def isolate(links: Sequence[Link], send: Callable[[str], Fate], said: str) -> Link | None:
    """The first of `links` that is refused, when all together were; None if somebody else's push came in between.

    `send` publishes everything up to a commit. What comes before the culprit is published by the search itself.
    """
    taken, refused = 0, len(links)
    guesses = _named(links, said)
    while refused - taken > 1:
        middle = next((guess for guess in guesses if taken < guess < refused), (taken + refused) // 2)
        fate = send(links[middle - 1].id)
        if fate is Fate.TAKEN:
            taken = middle
        elif fate is Fate.REFUSED:
            refused = middle
        else:
            return None
    return links[refused - 1]


def _named(links: Sequence[Link], said: str) -> list[int]:
    """Where to cut first: before and after the only record that is named."""
    found = [number for number, link in enumerate(links) if any(word in said for word in _names(link))]
    return [found[0], found[0] + 1] if len(found) == 1 else []


def _names(link: Link) -> list[str]:
    return [word[:_NAMED_DIGITS] for word in (link.id, link.record, link.tree) if word]
