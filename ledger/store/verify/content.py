"""What is wrong with the files of a recorded run, read strictly: everything is named, nothing is repaired.

Readers are quick and forgiving; this is the other reading, for `ledger verify`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ledger import canonical
from ledger.errors import ConfigError, FormatError, InputError, LedgerError
from ledger.git.objects import REGULAR, TreeEntry
from ledger.model import Fault, Status
from ledger.schema import document, formats
from ledger.schema.document import Schema
from ledger.store import codec
from ledger.store.redacted import MARK
from ledger.store.verify.walk import Wrong

_JSON = (codec.RUN, codec.PARAMS, codec.METRICS, codec.SCHEMA)
_REPEATED = (codec.PARAMS, codec.SCHEMA)
"""The same in run after run."""
_MODES = {b"120000": "a symlink", b"160000": "a submodule", b"40000": "a folder", b"100755": "executable"}
_SHOWN = 20
_PARTIAL = frozenset(status.value for status in Status if status.partial)


@dataclass(slots=True)
class Content:
    """A run as far as it could be read."""

    wrong: list[Wrong] = field(default_factory=list)
    run: Mapping[str, Any] | None = None
    """`run.json`, if it is that of a run which this ledger can read."""
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The metrics, with numbers that are not finite as such."""


def tree(entries: Sequence[TreeEntry]) -> list[Wrong]:
    """Names, modes and completeness of the tree of a run commit."""
    if len(entries) > codec.MAX_ENTRIES:
        return [("", f"{len(entries):,} entries, the limit is {codec.MAX_ENTRIES:,}")]
    found: list[Wrong] = []
    for entry in entries:
        if entry.name not in codec.MAX_BYTES and not codec.HISTORY.fullmatch(entry.name):
            found.append((entry.name, "not a file of a run"))
        elif entry.mode != REGULAR:
            kind = _MODES.get(entry.mode, f"of mode {entry.mode.decode('ascii', 'replace')}")
            found.append((entry.name, f"{kind}, not a regular file"))
    counts = Counter(entry.name for entry in entries)
    found += [(name, "stands twice in the tree") for name, count in counts.items() if count > 1]
    found += [(name, "is missing") for name in codec.REQUIRED if name not in counts]
    return found


def content(files: Mapping[str, bytes]) -> Content:
    """All that the files of one record say that is not as it should be."""
    found = Content()
    values = {name: _json(name, files[name], found) for name in _JSON if name in files}
    run, params, metrics = (values.get(name) for name in (codec.RUN, codec.PARAMS, codec.METRICS))
    if run is not None:
        try:
            codec.check_version(run, what="")
        except FormatError as error:
            if error.hint:  # a newer ledger's: its rules are not ours
                return Content(wrong=[(codec.RUN, version(error))])
        found.run = _run(run, found)
    if params is not None:
        found.params = params
    if metrics is not None:
        found.metrics = metrics
        _metrics(found)
    if found.run is not None:
        _schema(found, files.get(codec.SCHEMA))
    found.wrong += events(files.get(codec.EVENTS, b""))
    return found


def _json(name: str, data: bytes, found: Content) -> dict[str, Any] | None:
    read = _strict_once if name in _REPEATED else _strict
    value, wrong = read(name, data)
    found.wrong += [(name, what) for what in wrong]
    return value


def _strict(name: str, data: bytes) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The object, and what is wrong with its bytes."""
    try:
        value, same = _read(name, data)
    except (InputError, TypeError) as error:
        return None, (_without(name, str(error)),)
    if not isinstance(value, dict):
        return None, ("not a JSON object",)
    return value, () if same else (
        "not canonical: its bytes are not those that ledger writes for these values",
    )


_strict_once = lru_cache(maxsize=256)(_strict)


def _read(name: str, data: bytes) -> tuple[Any, bool]:
    """A value, and whether its bytes are canonical. Raises InputError, TypeError."""
    with suppress(ValueError, RecursionError):
        return canonical.exact(data), True
    value = canonical.loads(data, what=name)
    return value, canonical.dumps(value) == data


def _without(name: str, message: str) -> str:
    return message.removeprefix(f"{name}: ")


def version(error: FormatError) -> str:
    """What `codec.check_version` says, without what it says it of."""
    return error.message.rpartition(": ")[2] + (f" ({error.hint})" if error.hint else "")


def _run(value: Mapping[str, Any], found: Content) -> Mapping[str, Any] | None:
    try:
        codec.check_version(value, what="")
    except FormatError as error:
        found.wrong.append((codec.RUN, version(error)))
        return None
    faults = formats.check("run", value, file=codec.RUN)
    found.wrong += [(codec.RUN, _said(fault)) for fault in faults[:_SHOWN]]
    try:
        codec.run_of(value, what="")
    except FormatError as error:
        if not faults:
            found.wrong.append((codec.RUN, error.message.removeprefix(": ")))
        return None
    return value


def _said(fault: Fault) -> str:
    return str(fault).removeprefix(f"{fault.file}: ")


def _metrics(found: Content) -> None:
    try:
        found.numbers = codec.metrics_of(found.metrics, what="")
    except FormatError as error:
        found.wrong.append((codec.METRICS, error.message.removeprefix(f": {codec.METRICS}: ")))
        found.numbers = {name: canonical.number(value) for name, value in found.metrics.items()}


def _schema(found: Content, data: bytes | None) -> None:
    """The schema that the run carries, and its params and metrics against that."""
    named = found.run is not None and "schema" in found.run
    if data is None:
        if named:
            found.wrong.append((codec.SCHEMA, "is missing, and run.json names a schema"))
        return
    if not named:
        found.wrong.append((codec.SCHEMA, "is there, and run.json names no schema"))
    schema = _parsed(data)
    if isinstance(schema, str):
        found.wrong.append((codec.SCHEMA, schema))
        return
    try:
        faults = document.validate(
            schema,
            found.params,
            found.numbers,
            origin=lambda part, _name: f"{part}.json" if part else codec.RUN,
            partial=(found.run or {}).get("status") in _PARTIAL,
        )
    except LedgerError as error:
        found.wrong.append((codec.SCHEMA, error.message))
        return
    there = [
        fault for fault in faults if not MARK.search(fault.value)
    ]  # what was taken out has no type any more
    found.wrong += [(fault.file, f"breaks the run's schema: {_said(fault)}") for fault in there[:_SHOWN]]


@lru_cache(maxsize=256)
def _parsed(data: bytes) -> Schema | str:
    """The schema, or what is wrong with it."""
    try:
        document.recorded(data)
        return document.parse(data, name="", what=codec.SCHEMA)
    except (FormatError, ConfigError) as error:
        rest = f" ({error.details[0]})" if error.details else ""
        return _without(codec.SCHEMA, error.message) + rest


def events(data: bytes) -> Iterator[Wrong]:
    """One JSON object a line; the first line that is none is named."""
    if data and not data.endswith(b"\n"):
        yield codec.EVENTS, "its last line has no end"
    for number, line in enumerate(data.splitlines(), 1):
        try:
            value = canonical.loads(line, what=f"line {number}")
        except InputError as error:
            yield codec.EVENTS, error.message
            return
        if not isinstance(value, dict):
            yield codec.EVENTS, f"line {number}: not a JSON object"
            return


def history(parts: Mapping[str, bytes]) -> Iterator[Wrong]:
    """Decoded under the limits of every reader."""
    if not parts:
        return
    from ledger.store import history as codec_of_history

    try:
        codec_of_history.decode(parts)
    except FormatError as error:
        name, colon, rest = error.message.partition(": ")
        yield (name, rest) if colon and name in parts else (min(parts), error.message)
