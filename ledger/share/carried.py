"""Which records hold a value that was taken out, and which say something else there by now.

The log of redactions gives no value away. So a record that is not named there is judged by what is left: a value that
was seen in a named record, the id of a file that held it, or a file that comes to such an id when the record's value is
put where the mark stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger import canonical
from ledger.git import objects
from ledger.share.redactions import Redaction
from ledger.store.redacted import restored, without

SHORTEST = 6
"""Characters of a text that is looked for within others: shorter ones stand everywhere."""
_SAMPLES = 16
"""Files with a mark that are tried, of one redaction."""


class Carried:
    """What is known of values that were taken out."""

    def __init__(self, redactions: Sequence[Redaction], object_format: str) -> None:
        self._redactions = redactions
        self._format = object_format
        self._wholes: dict[str, set[str]] = {}
        self._texts: dict[str, set[str]] = {}
        self._marked: dict[str, dict[bytes, None]] = {}

    def without(self, one: Redaction, record: str, data: bytes) -> tuple[bytes, object] | None:
        """A record's file with the mark in the place of the value, and the value.

        None where it holds no value, or one that was written there after the redaction.
        """
        done = without(data, one.place, one.mark)
        if done is None:
            self._sample(one, data)
            return None
        if not self._due(one, record, data, done[1]):
            return None
        self._took(one, data, done[1])
        return done

    def _due(self, one: Redaction, record: str, data: bytes, value: object) -> bool:
        """Whether the value is, or holds, what was taken out."""
        if one.names(record) or self._known(one, data, value):
            return True
        return self._id(data) in one.banned or self._restores(one, data, value)

    def _took(self, one: Redaction, data: bytes, value: object) -> None:
        self._wholes.setdefault(one.id, set()).add(_whole(one, data, value))
        parts = value if one.place.keys else data.decode("utf-8", "replace").splitlines()
        self._texts.setdefault(one.id, set()).update(texts(parts))

    def _sample(self, one: Redaction, data: bytes) -> None:
        samples = self._marked.setdefault(one.id, {})
        if len(samples) < _SAMPLES and one.mark.encode() in data:
            samples[data] = None

    def _known(self, one: Redaction, data: bytes, value: object) -> bool:
        whole = _whole(one, data, value)
        return whole in self._wholes.get(one.id, ()) or any(
            text in whole for text in self._texts.get(one.id, ())
        )

    def _restores(self, one: Redaction, data: bytes, value: object) -> bool:
        """Other values may have been in that file, too: this record has them."""
        for sample in self._marked.get(one.id, ()):
            body = restored(sample, one.place, one.mark, value)
            if body is not None and any(self._id(b) in one.banned for b in self._further(one, body, data)):
                return True
        return False

    def _further(self, one: Redaction, body: bytes, data: bytes) -> Iterator[bytes]:
        yield body
        for other in self._redactions:
            if other is one or (other.run, other.place.file) != (one.run, one.place.file):
                continue
            there = without(data, other.place, other.mark)
            more = restored(body, other.place, other.mark, there[1]) if there else None
            if more is not None:
                body = more
                yield body

    def _id(self, data: bytes) -> str:
        return objects.make("blob", data, self._format).id


def _whole(one: Redaction, data: bytes, value: object) -> str:
    return canonical.compact(value) if one.place.keys else data.decode("utf-8", "replace")


def texts(value: object, *, shortest: int = SHORTEST) -> Iterator[str]:
    """The texts in a value, as they stand in JSON."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner, shortest=shortest)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, shortest=shortest)
    elif isinstance(value, str) and len(value) >= shortest:
        yield canonical.compact(value)[1:-1]
