"""What the log of links came to when it was last read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ledger.store import cachefile
from ledger.store.links import Links

_FORMAT = 1


def load(folder: Path, tip: str) -> Links | None:
    """What a tip says; None where that is not known."""
    body = cachefile.read(_path(folder), _key(tip))
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        if body is not None:
            found = json.loads(body)
            rewritten = {old: tuple(map(_text, new)) for old, new in found["rewritten"].items()}
            return Links(rewritten=rewritten, trees=_texts(found["trees"]), by_hand=_texts(found["by_hand"]))
    return None


def _texts(found: dict[str, str]) -> dict[str, str]:
    return {key: _text(value) for key, value in found.items()}


def _text(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def keep(folder: Path, tip: str, known: Links) -> None:
    """Keep what a tip says in place of what an earlier one said."""
    said = {"rewritten": known.rewritten, "trees": known.trees, "by_hand": known.by_hand}
    cachefile.keep(_path(folder), _key(tip), json.dumps(said, separators=(",", ":")).encode())


def _path(folder: Path) -> Path:
    return folder / "cache" / "links.json"


def _key(tip: str) -> str:
    return f"{_FORMAT} {tip}"
