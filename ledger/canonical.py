"""One byte form for a value: the canonical JSON of files, RFC 8785 for hashes, and a strict reader.

Non-finite numbers are the strings "NaN", "Infinity" and "-Infinity" in every file that ledger writes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from ledger.errors import InputError

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64

_quote: Callable[[str], str] = encode_basestring
_LONE_BYTES = re.compile("[\udc80-\udcff]")
"""As which Python shows them (PEP 383)."""


def dumps(value: object) -> bytes:
    """Canonical bytes: UTF-8, sorted keys, 2-space indent, final newline, non-finite numbers as strings."""
    return encode(_pretty(value, "\n") + "\n")


def encode(text: str) -> bytes:
    """UTF-8; a lone surrogate (half of a character) is the one thing that a str can hold and UTF-8 can't."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"text with half a character: {text[max(0, error.start - 20) : error.end + 20]!a}",
            hint="the text was cut or decoded wrongly; write it again as UTF-8",
        ) from error


def readable(text: str) -> str:
    r"""Text that the system gave as bytes which are no UTF-8, with each of those as `\xff`."""
    return _LONE_BYTES.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", text)


def compact(value: object) -> str:
    """One line of strict JSON, for messages and for `--json` values inside text."""
    return _pretty(value, "")


def _pretty(value: object, newline: str) -> str:
    """`newline` is a line break with the current indent, or empty for one line."""
    if isinstance(value, Mapping):
        flat = _flat(value, newline) if type(value) is dict and value else None
        return flat or _block(
            "{}",
            [f"{_quote(key)}: " for key in sorted(value)],
            [value[key] for key in sorted(value)],
            newline,
        )
    if isinstance(value, (list, tuple)):
        return _block("[]", [""] * len(value), value, newline)
    return _scalar(value)


def _flat(value: dict[str, object], newline: str) -> str | None:
    """The same for an object of plain values, four times as fast; None for any other."""
    if not _SCALARS.issuperset(map(type, value.values())) or set(map(type, value)) != _TEXT:
        return None
    try:
        text = _encoder(newline).encode(value)
    except ValueError:  # a number that is not finite
        return None
    return "{" + (newline + "  " if newline else "") + text[1:-1] + newline + "}"


@cache
def _encoder(newline: str) -> json.JSONEncoder:
    separator = "," + newline + "  " if newline else ", "
    return json.JSONEncoder(
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(separator, ": "),
        check_circular=False,
    )


def _block(brackets: str, heads: Sequence[str], values: Sequence[object], newline: str) -> str:
    if not values:
        return brackets
    inner = newline + "  " if newline else ""
    separator = "," + inner if newline else ", "
    parts = [
        head + (_scalar(value) if type(value) in _SCALARS else _pretty(value, inner))
        for head, value in zip(heads, values, strict=True)
    ]
    return brackets[0] + inner + separator.join(parts) + newline + brackets[1]


_SCALARS = frozenset({str, float, int, bool, type(None)})
_TEXT = {str}


def _scalar(value: object) -> str:
    kind = type(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f'"{non_finite_name(value)}"'  # type: ignore[arg-type]
    if isinstance(value, str):
        return _quote(str(value))
    if kind is int:
        return repr(value)
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]  # type: ignore[index]
    raise TypeError(f"no JSON form for {kind.__name__}: {value!r}")


def non_finite_name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def number(value: object) -> object:
    """A metric as recorded → as a number: the three strings become floats, all else stays."""
    return NON_FINITE.get(value, value) if isinstance(value, str) else value


def loads(
    data: bytes,
    *,
    what: str,
    bare_non_finite: bool = False,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
) -> Any:
    """Strict JSON: one document, UTF-8, no duplicate keys, bounded size and depth, no number that overflows.

    `bare_non_finite` admits the words NaN and Infinity, which Python and others write into JSON files.
    Raises InputError that names `what` and the place.
    """
    if len(data) > max_bytes:
        raise InputError(
            f"{what}: {len(data):,} bytes of JSON, the limit is {max_bytes:,}",
            hint="put long series into a history file (--history) and large data into an artifact",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from error
    text = text.strip()
    if not text:
        raise InputError(f"{what}: the file is empty", hint="it should hold a JSON object such as {}")
    try:
        return _quickly(text, bare_non_finite, max_depth)
    except (ValueError, RecursionError):  # read again, slowly: what is wrong, and where?
        _check_depth(text, max_depth, what)
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: _unique(pairs, what),
        parse_constant=_constant if bare_non_finite else lambda word: _bare(word, what),
        parse_float=lambda digits: _finite(digits, what),
        parse_int=lambda digits: _integer(digits, what),
    )
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{what}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error


def exact(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value whose canonical bytes these are: what `loads` reads and `dumps` writes again, in a quarter of the time.

    A key that stands twice, or a number that overflows, would be written otherwise, so nobody looks for them.
    Raises ValueError or RecursionError for all other bytes; `loads` says what is wrong with them.
    """
    if len(data) > max_bytes:
        raise ValueError("too large")
    if not (_EXPONENT.search(data) or _ZEROS.search(data)):
        with suppress(ValueError):
            value = _again(data, sort=True)
            if not _is_deep(value, data.count(b"{") + data.count(b"["), max_depth):
                return value
    text = data.decode("utf-8")
    value, _ = _EXACT.raw_decode(text)
    if _is_deep(value, text.count("{") + text.count("["), max_depth):
        raise ValueError("too deep")
    if _pretty(value, "\n") + "\n" != text:
        raise ValueError("not canonical")
    return value


_EXPONENT = re.compile(rb"e-?\d+,?\n")
_ZEROS = re.compile(rb"\.0(?:000|(?<=\d{17}\.0))")
"""In numbers that orjson writes in another form than Python, which writes 1e-05 and 1e+16."""


def unchecked(data: bytes) -> Any:
    """Any JSON, for who reads thousands and checks what is in it; of keys that stand twice the last counts.

    Raises ValueError.
    """
    import orjson

    return orjson.loads(data)


def plain(data: bytes) -> Any:
    """What `loads` reads, of a document that is laid out as `dumps` does, its keys in any order; for many of them.

    How large and how deep it may be is for the caller to say. Raises ValueError for all others, with which nothing
    need be wrong.
    """
    return _again(data, sort=False)


def _again(data: bytes, *, sort: bool) -> Any:
    """A value that is written as the same bytes again: so no key stands twice, and no number has lost anything."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | (orjson.OPT_SORT_KEYS if sort else 0)
    value = orjson.loads(data)
    try:
        same = orjson.dumps(value, option=options) == data
    except orjson.JSONEncodeError as error:  # nested deeper than it writes
        raise ValueError(str(error)) from error
    if not same:
        raise ValueError("another layout")
    return value


def _is_deep(value: object, brackets: int, limit: int) -> bool:
    return brackets > limit and deeper(value, limit)


def _quickly(text: str, bare_non_finite: bool, max_depth: int) -> Any:  # noqa: FBT001 - a key of the cache
    """The same document; ValueError or RecursionError where anything is wrong with it, without words for it."""
    value = _quick_decoder(bare_non_finite).decode(text)
    if _is_deep(value, text.count("{") + text.count("["), max_depth):
        raise ValueError("too deep")
    return value


@cache
def _quick_decoder(bare_non_finite: bool) -> json.JSONDecoder:  # noqa: FBT001 - a key of the cache
    return json.JSONDecoder(
        object_pairs_hook=_quick_object,
        parse_constant=_constant if bare_non_finite else _quick_refusal,
        parse_float=_quick_float,
        parse_int=_quick_integer,
    )


def _quick_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _quick_refusal(word: str) -> float:
    raise ValueError(word)


def _quick_float(digits: str) -> float:
    value = float(digits)
    if value - value != 0:
        raise ValueError(digits)
    return value


def _quick_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(digits)
    return int(digits)


_EXACT = json.JSONDecoder(parse_constant=_quick_refusal, parse_int=_quick_integer)


def deeper(value: object, limit: int) -> bool:
    """Whether objects and lists, as they are read from JSON, are nested in more than `limit` levels."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(limit):
        if not level:
            return False
        parts = [part.values() if type(part) is dict else part for part in level]
        level = [inner for part in parts for inner in part if type(inner) in _CONTAINERS]
    return bool(level)


_CONTAINERS = frozenset({dict, list})


def _check_depth(text: str, limit: int, what: str) -> None:
    """Brackets in strings count too, which can only make this stricter for absurd texts."""
    if max(text.count("{"), text.count("[")) + min(text.count("{"), text.count("[")) <= limit:
        return
    depth = 0
    inside_string = False
    escaped = False
    for character in text:
        if inside_string:
            inside_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside_string, escaped = True, False
        elif character in "{[":
            depth += 1
            if depth > limit:
                raise InputError(f"{what}: nested more than {limit} levels deep", hint="flatten it")
        elif character in "}]":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InputError(
            f"{what}: the key {compact(twice)} stands twice in one object", hint="keep one of them"
        )
    return result


def _constant(word: str) -> float:
    return NON_FINITE[word]


def _bare(word: str, what: str) -> float:
    raise InputError(f"{what}: {word} is not JSON", hint=f'write it as the string "{word}"')


def _finite(digits: str, what: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InputError(
            f"{what}: the number {digits[:40]} is too large for a double",
            hint='write "Infinity" if it is meant',
        )
    return value


_MAX_DIGITS = 300
"""No double has as many."""


def _integer(digits: str, what: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise InputError(f"{what}: an integer of {len(digits)} digits", hint="is it meant to be text?")
    return int(digits)


def jcs(value: object) -> bytes:
    """RFC 8785 (JSON Canonicalization Scheme) bytes, over which definitions are hashed."""
    return _jcs(value).encode("utf-8")


def _jcs(value: object) -> str:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_quote(key)}:{_jcs(value[key])}" for key in keys) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_jcs(item) for item in value) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _es_number(float(value))
    return _scalar(value)


def _es_number(value: float) -> str:
    """ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20), which RFC 8785 section 3.2.2.3 prescribes."""
    if not math.isfinite(value):
        return f'"{non_finite_name(value)}"'
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent_text or 0)
    point -= len(whole + fraction) - len((whole + fraction).lstrip("0")) if whole == "0" else 0
    digits = digits.rstrip("0")
    return sign + _es_layout(digits, point)


def _es_layout(digits: str, point: int) -> str:
    """Digits with the decimal point after `point` of them."""
    count = len(digits)
    if count <= point <= 21:  # noqa: PLR2004 - the constants of the algorithm
        return digits + "0" * (point - count)
    if 0 < point <= 21:  # noqa: PLR2004
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:  # noqa: PLR2004
        return "0." + "0" * -point + digits
    exponent = point - 1
    head = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{head}e{'+' if exponent > 0 else '-'}{abs(exponent)}"
