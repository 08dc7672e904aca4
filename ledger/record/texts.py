"""What a caller says of a run in words: names, notes and tags. Anything but text is wrong use, and an error at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.errors import InputError
from ledger.store.values import clean_name


def text(value: Any, what: str) -> str | None:
    """Text as it is, or None. Raises InputError."""
    if value is None or isinstance(value, str):
        return value
    raise InputError(f"the {what} is {value!r:.60}, not text")


def tag(name: Any, value: Any) -> tuple[str, str]:
    """A tag with a name that can be written. Raises InputError."""
    if not isinstance(name, str):
        raise InputError(f"the name of a tag is {name!r:.60}, not text")
    if not isinstance(value, str):
        raise InputError(
            f"tag {name!r}: {value!r:.60} is not text", hint="tags are text; numbers belong into params"
        )
    return clean_name(name, "tag"), value


def tags(values: Any) -> dict[str, str]:
    """Tags by name. Raises InputError."""
    if not isinstance(values, Mapping):
        raise InputError(f"tags are a mapping of name to text, not {values!r:.60}")
    return dict(tag(name, value) for name, value in values.items())
