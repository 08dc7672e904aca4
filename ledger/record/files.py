"""A user's file, or standard input, as one plain JSON value: found, bounded, decoded, parsed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from ledger import canonical
from ledger.canonical import compact
from ledger.errors import InputError, LedgerError, UsageError
from ledger.model import Json
from ledger.store.userfile import is_there, opened, too_big
from ledger.store.values import finite, is_number, parse_number, too_large

STDIN = "-"
_STDIN_NAME = "standard input"
_JSON_WORDS = frozenset({"true", "false", "null"})
_FORMAT_OF = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".csv": "csv"}
_PAIR_HEADS = (("name", "metric", "param", "parameter", "key"), ("value",))
_TOO_BIG = "put long series into a history file (--history) and large data into an artifact (--output)"
_SERIES = frozenset({".jsonl", ".ndjson", ".parquet", ".pq"})


def split_source(source: str) -> tuple[str, str]:
    """`prefix=FILE` → prefix and FILE; a source that is the name of a file that exists has no prefix."""
    prefix, equals, rest = source.partition("=")
    if not equals or is_there(Path(source)):
        return "", source
    return prefix, rest


def load(path: str, *, stdin: IO[bytes] | None, syntax: str | None = None) -> tuple[Json, str]:
    """Read a JSON, YAML, TOML or CSV file, or `-`; give its value and what to call it in messages.

    `syntax` (json, yaml, toml, csv) counts where the file name doesn't tell; without it the text decides.
    Raises InputError.
    """
    what = _STDIN_NAME if path == STDIN else path
    data = _stdin_bytes(stdin) if path == STDIN else read_bytes(Path(path))
    if not data.strip():
        raise InputError(f"{what}: it is empty", hint="it should hold an object such as {}")
    known = _FORMAT_OF.get(Path(path).suffix.lower()) or syntax or sniff(data)
    if known not in PARSERS:
        raise UsageError(f"unknown format {known!r}", hint=f"one of {', '.join(PARSERS)}")
    return PARSERS[known](data, what), what


def _stdin_bytes(stdin: IO[bytes] | None) -> bytes:
    if stdin is None or stdin.isatty():
        raise InputError(
            "nothing on standard input", hint="pipe a file into it, or name the file instead of -"
        )
    return _bounded(stdin, _STDIN_NAME)


def read_bytes(path: Path) -> bytes:
    """Read a file of at most 64 MiB; larger ones are refused by their size alone. Raises InputError."""
    with opened(path, max_bytes=canonical.MAX_BYTES, advice=_TOO_BIG) as file:
        return _bounded(file, str(path))


def _bounded(file: IO[bytes], what: str) -> bytes:
    data = file.read(canonical.MAX_BYTES + 1)
    if len(data) > canonical.MAX_BYTES:
        raise too_big(what, len(data), canonical.MAX_BYTES, _TOO_BIG)
    return data


def sniff(data: bytes) -> str:
    """Guess the format of a text from its first line that says something.

    `[1]` alone is a list that somebody's program printed, not a table of TOML without anything in it.
    """
    lines = (line.strip() for line in data[:65536].decode("utf-8-sig", "replace").splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    found = next((name for name, pattern in _SIGNS if pattern.match(first)), "yaml")
    return "json" if found == "toml" and first[0] == "[" and _is_json(data) else found


def _is_json(data: bytes) -> bool:
    try:
        canonical.loads(data, what=_STDIN_NAME, bare_non_finite=True)
    except LedgerError:
        return False
    return True


_SIGNS = (
    ("toml", re.compile(r"\[\[?[\w.\"' -]+\]\]?\s*(?:#.*)?$|[\w.\"'-]+\s*=")),
    ("json", re.compile(r"\{\s*(?:[\"}]|$)|\[")),
    ("csv", re.compile(r"[^:{}]+,[^:{}]*$")),
)


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from error


def _json(data: bytes, what: str) -> Json:
    value: Json = canonical.loads(data, what=what, bare_non_finite=True)
    return value


def _yaml(data: bytes, what: str) -> Json:
    from ledger.record import yaml_text

    return yaml_text.loads(_text(data, what), what)


def _toml(data: bytes, what: str) -> Json:
    import tomllib

    try:
        value: Json = tomllib.loads(_text(data, what), parse_float=_toml_float)
    except RecursionError as error:
        raise InputError(f"{what}: nested too deep", hint="flatten it") from error
    except OverflowError as error:
        raise too_large(what, str(error)) from error
    except ValueError as error:
        raise InputError(f"{what}: not TOML: {error}") from error
    return value


def _toml_float(text: str) -> float:
    return float(text) if text.lstrip("+-") in {"inf", "nan"} else finite(text.replace("_", ""))


def _csv(data: bytes, what: str) -> Json:
    try:
        rows = [row for row in csv.reader(io.StringIO(_text(data, what), newline=""), strict=True) if row]
    except csv.Error as error:
        raise InputError(f"{what}: not CSV: {error}") from error
    pairs = _csv_pairs(rows)
    if pairs is None:
        raise InputError(
            f"{what}: {len(rows)} rows that are neither a header and one row nor two columns name,value",
            hint="a series goes to --history",
        )
    result: dict[str, Json] = {}
    for name, cell in pairs:
        if name in result:
            raise InputError(f"{what}: the name {compact(name)} stands twice", hint="keep one of them")
        result[name] = scalar(cell.strip(), f"{what}: {name}") if cell.strip() else None
    return result


def _csv_pairs(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]] | None:
    """Name and value pairs; an empty cell is a value that is known to be none."""
    two_wide = bool(rows) and all(len(row) == len(_PAIR_HEADS) for row in rows)
    if two_wide and all(
        cell.strip().lower() in heads for cell, heads in zip(rows[0], _PAIR_HEADS, strict=True)
    ):
        return rows[1:]
    if two_wide and is_number(rows[0][1].strip()) and not is_number(rows[0][0].strip()):
        return rows
    if len(rows) == 2 and len(rows[0]) == len(rows[1]):  # noqa: PLR2004 - a header and a row
        return list(zip(*rows, strict=True))
    return None


def scalar(text: str, what: str) -> Json:
    """Read a word as JSON (number, true, "text", [1, 2]) where it is that, else as the text it is.

    `.5`, `5.` and a number's `+` don't turn a number into text; leading zeros do: `007` stays text.
    Raises InputError for a number that no double holds.
    """
    if is_number(text) and not re.match(r"[+-]?0[0-9]", text):
        try:
            return parse_number(text)
        except OverflowError as error:
            raise too_large(what, text) from error
    if text in _JSON_WORDS or text[:1] in {'"', "[", "{"}:
        try:
            value: Json = canonical.loads(
                text.encode("utf-8", "surrogatepass"), what=what, bare_non_finite=True
            )
        except InputError:
            return text
        return value
    return text


PARSERS: dict[str, Callable[[bytes, str], Json]] = {"json": _json, "yaml": _yaml, "toml": _toml, "csv": _csv}


def is_series_file(path: str) -> bool:
    """Tell files that hold series by their name, so that a message can say where they belong."""
    return Path(path).suffix.lower() in _SERIES
