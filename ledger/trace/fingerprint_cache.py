"""What fingerprints were found before: one file a source below git's own folder, safe to delete at any time."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.schema.fingerprint import Fingerprint, Found, Node, Source, Unknown
from ledger.schema.normal_form import NORMAL_FORM

_FORMAT = 1
_FOLDER = "cache"


@dataclass(slots=True)
class Cache:
    """Fingerprints of one source by commit. Syntax is another for another Python: each has its own file."""

    path: Path
    source: str
    found: dict[str, Found] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, source: Source) -> Cache:
        """Read what is there; a file that can't be read is as good as none."""
        key = json.dumps([_FORMAT, NORMAL_FORM, sys.version_info[:2], str(source)])
        name = f"fingerprints-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        cache = cls(folder / _FOLDER / name, str(source))
        with suppress(OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            cache.found = _decoded(json.loads(cache.path.read_bytes()), cache.source)
        return cache

    def keep(self, computed: Mapping[str, Found]) -> None:
        """Add what will never change; a folder that can't be written keeps nothing."""
        settled = {
            commit: one for commit, one in computed.items() if isinstance(one, Fingerprint) or one.settled
        }
        if settled:
            self.found = {**self.found, **settled}
            with suppress(OSError):
                _publish(self.path, json.dumps(_encoded(self), separators=(",", ":")))


def _publish(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _encoded(cache: Cache) -> dict[str, Any]:
    """Commits share fingerprints, and fingerprints share parts: each is written once."""
    numbers: dict[int, int] = {}
    parts: dict[tuple[Node, str], int] = {}
    commits = {commit: numbers.setdefault(id(one), len(numbers)) for commit, one in cache.found.items()}
    distinct = {id(one): one for one in cache.found.values()}
    rows = [
        [one.value, [parts.setdefault(part, len(parts)) for part in one.parts.items()]]
        if isinstance(one, Fingerprint)
        else [None, one.reason]
        for one in distinct.values()
    ]
    listed = [[*node, part] for node, part in parts]
    return {"source": cache.source, "parts": listed, "prints": rows, "commits": commits}


def _decoded(data: Mapping[str, Any], source: str) -> dict[str, Found]:
    if data["source"] != source:
        raise ValueError("another source")
    parts = [((path, name), part) for path, name, part in data["parts"]]
    prints: list[Found] = [
        Unknown(said) if value is None else Fingerprint(value, dict(parts[number] for number in said))
        for value, said in data["prints"]
    ]
    return {commit: prints[number] for commit, number in data["commits"].items()}
