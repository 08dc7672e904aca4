"""Journals that may hold a value that was taken out: those set aside are rewritten, those of runs that go on are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ledger.git.process import Repository
from ledger.share.carried import SHORTEST
from ledger.share.redactions import Redaction
from ledger.store import codec, journal
from ledger.store.journal import END, HEAD, NOTE, Block
from ledger.store.spool import write_durably

Taken = tuple[Redaction, object]
"""A redaction, and the value that it took out."""

_DOCUMENTS = frozenset({HEAD, NOTE, END})
_ASIDE = "kept"


def cleanse(repository: Repository, taken: Sequence[Taken]) -> None:
    """Rewrite the journals set aside (more was in them than could be recorded) of runs that values were taken out of."""
    for path, name in _aside(repository):
        mine = [one for one in taken if one[0].run == name.run]
        with suppress(FileNotFoundError):
            if mine:
                _rewrite(path, mine)


def going_on(repository: Repository, run: str) -> list[Path]:
    """Journals of a run that is not over: their writers would not see them replaced."""
    return [path for path, name in journal.listed(repository).items() if name.run == run]


def _aside(repository: Repository) -> Iterator[tuple[Path, journal.Name]]:
    for folder in journal.folders(repository):
        for path in (folder / _ASIDE).glob("*.*"):
            name = journal.parsed(path.name)
            if name is not None:
                yield path, name


def _rewrite(path: Path, taken: Sequence[Taken]) -> None:
    old = list(journal.read(path))
    new = [_without(block, taken) for block in old]
    if any(data is not None for data in new):
        whole = (_framed(block) if data is None else data for block, data in zip(old, new, strict=True))
        write_durably(path, b"".join(whole))


def _framed(block: Block) -> bytes:
    return journal.frame(block.kind, bytes(block.payload))


def _without(block: Block, taken: Sequence[Taken]) -> bytes | None:
    """The bytes of a block without the values; None where it holds none."""
    if block.kind not in _DOCUMENTS:
        return None
    before = after = block.document()
    for redaction, value in taken:
        if redaction.place.file == codec.EVENTS and not redaction.place.keys:
            if block.kind == NOTE and after.get("op") == "event":
                return b""
            continue
        after = _marked(after, redaction)
        if isinstance(value, str) and len(value) >= SHORTEST:
            after = _scrubbed(after, value, redaction.mark)
    return None if after == before else journal.json_frame(block.kind, after)


def _marked(document: dict[str, Any], redaction: Redaction) -> dict[str, Any]:
    """With the mark at the place itself, whatever stands there."""
    first, *rest = (*(["params"] if redaction.place.file == codec.PARAMS else []), *redaction.place.keys)
    return {**document, first: _at(document[first], rest, redaction.mark)} if first in document else document


def _at(value: Any, keys: Sequence[str], mark: str) -> Any:
    if not keys:
        return mark
    if isinstance(value, dict) and keys[0] in value:
        return {**value, keys[0]: _at(value[keys[0]], keys[1:], mark)}
    if isinstance(value, list) and keys[0].isdigit() and int(keys[0]) < len(value):
        number = int(keys[0])
        return [*value[:number], _at(value[number], keys[1:], mark), *value[number + 1 :]]
    return value


def _scrubbed(value: Any, text: str, mark: str) -> Any:
    if isinstance(value, str):
        return value.replace(text, mark)
    if isinstance(value, list):
        return [_scrubbed(one, text, mark) for one in value]
    if isinstance(value, dict):
        return {key: _scrubbed(one, text, mark) for key, one in value.items()}
    return value
